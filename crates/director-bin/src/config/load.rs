//! From a file to a plan with all its diagnostics.

use super::known::{Memory, complete};
use super::{Beside, Inspection, MISSING, MarkTable, Plan, plan_beside};
use keepalived_conf::{
    Code, Diagnostic, Diagnostics, FileSystem, Loader, Options, Parsed, Severity, SourceMap, Span,
    codes, render,
};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// A file that has been read and understood as far as possible.
pub(crate) struct Loaded<P = Plan> {
    /// What the daemon would run; nothing if only problems were looked for.
    pub(crate) plan: P,
    /// Everything found.
    pub(crate) diagnostics: Diagnostics,
    /// The text, to show places.
    pub(crate) sources: SourceMap,
    /// What need not be read again by the next load.
    pub(crate) memory: Memory,
}

/// What the file is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Against {
    /// Only itself: scripts, users and interfaces may be elsewhere.
    Nothing,
    /// This machine, which is to run it.
    ThisMachine,
}

/// What a load goes on from.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Before<'a> {
    /// The plan in force, and what is remembered of its reading.
    pub(crate) plan: Option<(&'a Plan, &'a Memory)>,
    /// Without such a plan: the marks that an earlier director has given to groups.
    pub(crate) marks: Option<&'a MarkTable>,
}

/// Reads the file and what it includes.
pub(crate) fn load(path: &Path, against: Against) -> Loaded {
    load_from(path, against, &mut FileSystem, |_| {})
}

/// The same from elsewhere and with other options.
pub(crate) fn load_from(
    path: &Path,
    against: Against,
    files: &mut impl Loader,
    adjust: impl FnOnce(&mut Options),
) -> Loaded {
    load_after(path, against, files, adjust, Before::default())
}

/// The same after another load, from which comes what the file says as it said then.
pub(crate) fn load_after(
    path: &Path,
    against: Against,
    files: &mut impl Loader,
    adjust: impl FnOnce(&mut Options),
    before: Before<'_>,
) -> Loaded {
    let mut options = options();
    options.check_scripts = against == Against::ThisMachine;
    options.without_notes = against == Against::ThisMachine;
    adjust(&mut options);
    if let Some((before, memory)) = before.plan
        && let Some((parsed, plan, more)) = complete(path, files, &options, before, memory)
    {
        let memory = memory.renewed(&parsed);
        return loaded(parsed, plan, more, against, memory);
    }
    let parsed = keepalived_conf::load(path, files, &options);
    let beside = Beside {
        marks: before
            .plan
            .map_or(before.marks, |(plan, _)| plan.marks.as_ref()),
        ..Beside::default()
    };
    let (plan, more) = plan_beside(&parsed.config, beside);
    // What the plan has to say of a virtual server is said again only if it is planned again.
    let memory = if against == Against::ThisMachine && more.is_empty() {
        Memory::of(&parsed)
    } else {
        Memory::default()
    };
    loaded(parsed, plan, more, against, memory)
}

fn loaded(
    parsed: Parsed,
    plan: Plan,
    more: Vec<Diagnostic>,
    against: Against,
    memory: Memory,
) -> Loaded {
    let (diagnostics, sources) = together(parsed, &plan, more, against);
    Loaded {
        plan,
        diagnostics,
        sources,
        memory,
    }
}

/// Looks for everything that [`load`] would find, and keeps nothing else.
pub(crate) fn examine(path: &Path, against: Against, mut options: Options) -> Loaded<()> {
    options.check_scripts = against == Against::ThisMachine;
    let mut inspection = Inspection::default();
    let parsed =
        keepalived_conf::examine(path, &mut FileSystem, &options, &mut |config, server| {
            inspection.virtual_server(config, server);
        });
    let (plan, more) = inspection.finish(&parsed.config);
    let (diagnostics, sources) = together(parsed, &plan, more, against);
    Loaded {
        plan: (),
        diagnostics,
        sources,
        memory: Memory::default(),
    }
}

/// How files are read unless the user says otherwise: `@ID` lines are for the host's name.
pub(crate) fn options() -> Options {
    let mut options = Options::default();
    options.config_id = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .and_then(|name| name.trim().split('.').next().map(str::to_owned));
    options
}

/// What the parser found and what the plan adds to it.
fn together(
    mut parsed: Parsed,
    plan: &Plan,
    more: Vec<Diagnostic>,
    against: Against,
) -> (Diagnostics, SourceMap) {
    let found: Vec<Diagnostic> = match against {
        Against::Nothing => more
            .into_iter()
            .filter(|diagnostic| diagnostic.code != MISSING)
            .collect(),
        Against::ThisMachine => more.into_iter().chain(missing_interfaces(plan)).collect(),
    };
    // The same in other words: the parser looks at the file only, the plan also at who runs it.
    let cannot_run: HashSet<Option<Span>> = found
        .iter()
        .filter(|diagnostic| diagnostic.code == MISSING)
        .map(Diagnostic::span)
        .collect();
    parsed.diagnostics.retain(|diagnostic| {
        diagnostic.code != codes::SCRIPT_PATH || !cannot_run.contains(&diagnostic.span())
    });
    let mut known: HashMap<Option<Span>, Severity> = HashMap::new();
    if !found.is_empty() {
        for diagnostic in &parsed.diagnostics {
            let worst = known
                .entry(diagnostic.span())
                .or_insert(diagnostic.severity);
            *worst = diagnostic.severity.max(*worst);
        }
    }
    parsed.report(found.into_iter().filter(|diagnostic| {
        // The parser may have said the same of the same place already.
        let said = known.insert(diagnostic.span(), diagnostic.severity);
        said.is_none_or(|severity| severity < diagnostic.severity)
    }));
    (parsed.diagnostics, parsed.sources)
}

impl<P> Loaded<P> {
    /// `2 errors, 1 warning`
    pub(crate) fn summary(&self) -> String {
        let count = |severity, word| crate::output::count(self.diagnostics.count(severity), word);
        format!(
            "{}, {}",
            count(Severity::Error, "error"),
            count(Severity::Warning, "warning")
        )
    }

    /// Why the file itself could not be read.
    pub(crate) fn unreadable(&self) -> Option<&str> {
        self.diagnostics
            .iter()
            .find(|diagnostic| diagnostic.code == codes::UNREADABLE)
            .map(|diagnostic| diagnostic.message.as_str())
    }

    /// One line for each diagnostic of that severity.
    pub(crate) fn lines(&self, severity: Severity) -> Vec<(Code, String)> {
        let of = self
            .diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.severity == severity);
        of.map(|diagnostic| {
            (
                diagnostic.code,
                render::concise_line(diagnostic, &self.sources),
            )
        })
        .collect()
    }
}

fn missing_interfaces(plan: &Plan) -> Vec<Diagnostic> {
    if plan.vrrp_settings.late_interfaces {
        return Vec::new();
    }
    let missing = plan
        .interfaces
        .iter()
        .filter(|(name, _)| nix::net::if_::if_nametoindex(name.as_str()).is_err());
    let diagnostic = |(name, span): (&String, &Span)| {
        Diagnostic::new(MISSING, Severity::Error, format!("interface {name} does not exist"), *span)
            .saying("not on this machine")
            .help("correct the name (`ip link` lists them), create it first, or set dynamic_interfaces in global_defs")
    };
    missing.map(diagnostic).collect()
}
