//! The sub-commands of `director` on configuration files, as pure functions: text and exit status.

use std::fmt::Write as _;
use std::path::Path;

use crate::compare::{Comparison, Failover, Node, node_names};
use crate::diagnostic::{Code, Diagnostics, Severity};
use crate::loader::Loader;
use crate::render::{self, Style};
use crate::source::SourceMap;
use crate::{Options, Parsed, codes};

/// Greatest file that [`fmt`] reads.
const MAX_FILE: u64 = 64 << 20;

/// What a command has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// What goes to standard output.
    pub text: String,
    /// Exit status.
    pub status: u8,
}

/// How reports look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// Excerpts with carets, if the feature `render` is on; else as [`Format::Concise`].
    Human(Style),
    /// One line each, as compilers print it.
    Concise,
    /// JSON.
    Json,
    /// SARIF 2.1.0.
    Sarif,
}

/// Renders diagnostics.
#[must_use]
pub fn report(diagnostics: &Diagnostics, sources: &SourceMap, format: Format) -> String {
    match format {
        #[cfg(feature = "render")]
        Format::Human(style) => render::full(diagnostics, sources, style),
        #[cfg(not(feature = "render"))]
        Format::Human(_) => render::concise(diagnostics, sources),
        Format::Concise => render::concise(diagnostics, sources),
        Format::Json => render::json(diagnostics, sources),
        Format::Sarif => render::sarif(diagnostics, sources),
    }
}

/// `director check FILE`: status 0 clean or warnings, 1 errors (or warnings if denied), 2 the file
/// cannot be read.
#[must_use]
pub fn check(
    path: &Path,
    loader: &mut dyn Loader,
    options: &Options,
    format: Format,
    deny_warnings: bool,
) -> Outcome {
    let parsed = crate::load(path, loader, options);
    let mut text = report(&parsed.diagnostics, &parsed.sources, format);
    if matches!(format, Format::Human(_)) {
        text.push_str(&summary(path, &parsed.diagnostics));
    }
    Outcome {
        text,
        status: check_status(&parsed, deny_warnings),
    }
}

/// The exit status of [`check`] for a load.
#[must_use]
pub fn check_status(parsed: &Parsed, deny_warnings: bool) -> u8 {
    let diagnostics = &parsed.diagnostics;
    let unreadable = diagnostics.iter().any(|d| d.code == codes::UNREADABLE);
    let denied = deny_warnings && diagnostics.count(Severity::Warning) > 0;
    if unreadable {
        2
    } else {
        u8::from(diagnostics.has_errors() || denied)
    }
}

fn summary(path: &Path, diagnostics: &Diagnostics) -> String {
    let plural =
        |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let counts: Vec<String> = [Severity::Error, Severity::Warning, Severity::Note]
        .into_iter()
        .map(|severity| (diagnostics.count(severity), severity.to_string()))
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| plural(count, &name))
        .collect();
    if counts.is_empty() {
        return format!("{}: no problems found\n", path.display());
    }
    format!("{}: {}\n", path.display(), counts.join(", "))
}

/// Codes of findings that keepalived's own test does not have.
const OUR_OWN: &[Code] = &[
    codes::EXTRA_ARGUMENT,
    codes::DUPLICATE_KEYWORD,
    codes::FLAG_ARGUMENT,
    codes::COMMENT_IN_WORD,
    codes::NOT_BUILT,
    codes::UNUSED,
    codes::ADDRESS_NOT_HELD,
    codes::HASH_WITHOUT_FALLBACK,
    codes::SORRY_IS_REAL,
    codes::TIMEOUT_OVER_LOOP,
    codes::DUPLICATE_VIRTUAL_SERVER,
    codes::OWNER_PRIORITY,
    codes::WEIGHT_WITHOUT_EFFECT,
    codes::SCRIPT_PATH,
    codes::NO_MAIL,
    codes::INCLUDE_FAILED,
    codes::NO_REAL_SERVER,
    codes::BAD_COMMENT_LEVEL,
];

/// What `keepalived -t -f FILE` answers: 0 clean, 2 an argument is missing, 4 the file cannot be
/// used, 5 any other problem that keepalived reports too (warnings included), 6 script security.
#[must_use]
pub fn keepalived_test(path: &Path, loader: &mut dyn Loader, options: &Options) -> Outcome {
    let parsed = crate::load(path, loader, options);
    let has = |code: Code| parsed.diagnostics.iter().any(|d| d.code == code);
    let security = parsed
        .diagnostics
        .iter()
        .any(|d| d.code == codes::SCRIPT_SECURITY && d.severity > Severity::Note);
    let other = parsed.diagnostics.iter().any(|d| {
        d.severity == Severity::Error
            || d.severity == Severity::Warning
                && d.code != codes::SCRIPT_SECURITY
                && !OUR_OWN.contains(&d.code)
    });
    let status = if has(codes::UNREADABLE) {
        4
    } else if has(codes::MISSING_ARGUMENT) {
        2
    } else if other {
        5
    } else if security {
        6
    } else {
        0
    };
    Outcome {
        text: render::concise(&parsed.diagnostics, &parsed.sources),
        status,
    }
}

/// `director compare A B`: status 0 nothing worse than warnings, 1 errors (or warnings if denied),
/// 2 a file cannot be read.
#[must_use]
pub fn compare(
    first: Node<'_>,
    second: Node<'_>,
    loader: &mut dyn Loader,
    format: Format,
    deny_warnings: bool,
) -> Outcome {
    let comparison = crate::compare::compare(first, second, loader);
    let mut all = comparison.own.clone();
    for finding in &comparison.findings {
        all.push(finding.clone());
    }
    let mut text = report(&all, &comparison.sources, format);
    if matches!(format, Format::Human(_) | Format::Concise) {
        let names = node_names(first, second);
        for failover in &comparison.failovers {
            text.push_str(&describe(failover, &names));
        }
        if comparison.findings.is_empty() {
            text.push_str("the two nodes fit together\n");
        }
    }
    Outcome {
        text,
        status: compare_status(&comparison, deny_warnings),
    }
}

fn compare_status(comparison: &Comparison, deny_warnings: bool) -> u8 {
    let unreadable = comparison.own.iter().any(|d| d.code == codes::UNREADABLE);
    let denied = deny_warnings && comparison.findings.count(Severity::Warning) > 0;
    if unreadable {
        2
    } else {
        u8::from(comparison.has_errors() || denied)
    }
}

fn describe(failover: &Failover, [first, second]: &[String; 2]) -> String {
    let [a, b] = failover.priorities;
    let master = match failover.first_is_master {
        Some(true) => format!("master {first} ({a} against {b})"),
        Some(false) => format!("master {second} ({b} against {a})"),
        None => format!("equal priorities ({a}); the greater address is master"),
    };
    let mut out = format!("{}: {master}; moves when it dies", failover.instance);
    for set in &failover.moved_by {
        let _ = write!(out, ", or on failure of {}", set.join(" and "));
    }
    out.push('\n');
    out
}

/// What [`fmt`] is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FmtMode {
    /// Print the formatted text.
    Print,
    /// Say whether the file is formatted: status 1 if not.
    Check,
    /// Print the changes as a unified diff: status 1 if there are any.
    Diff,
}

/// `director fmt`: status 0, 1 if the mode asks for it or the file cannot be formatted, 2 the file
/// cannot be read.
#[must_use]
pub fn fmt(path: &Path, loader: &mut dyn Loader, mode: FmtMode) -> Outcome {
    let name = path.display();
    let refuse = |text: String, status| Outcome { text, status };
    let bytes = match loader.read(path, MAX_FILE) {
        Ok(bytes) => bytes,
        Err(error) => return refuse(format!("cannot read `{name}`: {error}\n"), 2),
    };
    let Ok(text) = String::from_utf8(bytes) else {
        return refuse(
            format!("{name}: the file is not UTF-8, so it is left as it is\n"),
            1,
        );
    };
    let formatted = match crate::format_file(path, &text, loader) {
        Ok(formatted) => formatted,
        Err(error) => return refuse(format!("{name}: {error}\n"), 1),
    };
    let changed = formatted != text;
    match mode {
        FmtMode::Print => Outcome {
            text: formatted,
            status: 0,
        },
        FmtMode::Check => Outcome {
            text: if changed {
                format!("{name}: not formatted\n")
            } else {
                String::new()
            },
            status: u8::from(changed),
        },
        FmtMode::Diff => Outcome {
            text: crate::diff::unified(&name.to_string(), &text, &formatted),
            status: u8::from(changed),
        },
    }
}

/// `director config-reference`.
#[must_use]
pub fn config_reference() -> Outcome {
    Outcome {
        text: crate::reference::markdown(),
        status: 0,
    }
}

/// `director explain KCnnnn`: status 1 if there is no such code.
#[must_use]
pub fn explain(code: &str) -> Outcome {
    match code.parse::<Code>() {
        Ok(parsed) => match crate::explain::explain(parsed) {
            Some(page) => Outcome {
                text: page.to_owned(),
                status: 0,
            },
            None => Outcome {
                text: format!("there is no diagnostic {parsed}\n"),
                status: 1,
            },
        },
        Err(error) => Outcome {
            text: format!("{error}\n"),
            status: 1,
        },
    }
}
