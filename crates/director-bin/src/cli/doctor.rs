//! `director doctor`: what usually keeps LVS from working, with evidence and remedy.

use super::realserver::Forwarding;
use crate::config::{Against, load};
use crate::doctor::{Depth, Report, Wishes, gather, judge};
use crate::exit::Exit;
use crate::output;
use keepalived_conf::{FileSystem, Options, Severity};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(super) struct DoctorArguments {
    /// The configuration file of this director
    #[arg(
        short,
        long,
        value_name = "FILE",
        default_value = "/etc/keepalived/keepalived.conf"
    )]
    config: PathBuf,
    /// The file of the other node of the pair, to see whether the two fit together
    #[arg(long, value_name = "FILE")]
    pair: Option<PathBuf>,
    /// This machine is a real server of the addresses of --vip
    #[arg(long, requires = "vip")]
    real_server: bool,
    /// A virtual address of this real server
    #[arg(long, value_name = "ADDRESS", requires = "real_server")]
    vip: Vec<IpAddr>,
    /// How packets reach this real server
    #[arg(long, value_enum, default_value_t, requires = "real_server")]
    method: Forwarding,
    /// Send no packets: only look at this machine
    #[arg(long)]
    passive: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Exit: success if nothing was found, failure if something was, other if there is nothing to go by.
pub(super) fn run(arguments: &DoctorArguments) -> Exit {
    let wishes = if arguments.real_server {
        Wishes::of_real_server(arguments.vip.clone(), arguments.method.into())
    } else {
        let loaded = load(&arguments.config, Against::Nothing);
        if let Some(problem) = loaded.unreadable() {
            output::print_error(format_args!(
                "director: error: {problem}; name the director's file with --config, or give --real-server --vip ADDRESS on a real server\n"
            ));
            return Exit::Other;
        }
        if loaded.diagnostics.has_errors() {
            output::print_error(format_args!(
                "director: error: {} has errors ({}); see `director check` first\n",
                arguments.config.display(),
                loaded.summary()
            ));
            return Exit::Other;
        }
        Wishes::of_plan(&loaded.plan)
    };
    let depth = if arguments.passive {
        Depth::Passive
    } else {
        Depth::Active
    };
    let mut facts = gather(&wishes, depth);
    match &arguments.pair {
        Some(other) => facts.pair = Some(differences(&arguments.config, other)),
        None => drop(
            facts
                .unknown
                .insert("pair", "give the other node's file with --pair".to_owned()),
        ),
    }
    let report = judge(&wishes, &facts);
    if arguments.json {
        match serde_json::to_string_pretty(&report) {
            Ok(text) => output::print_line(text),
            Err(error) => {
                output::report(&error);
                return Exit::Other;
            }
        }
    } else {
        let colour = output::colours(&std::io::stdout());
        output::print(render(&report, colour));
    }
    if report.findings.is_empty() {
        Exit::Success
    } else {
        Exit::Failure
    }
}

/// What `director compare` finds between the two files.
fn differences(own: &Path, other: &Path) -> Vec<String> {
    let options = Options::default();
    let node = |path| keepalived_conf::compare::Node {
        path,
        options: &options,
    };
    let comparison = keepalived_conf::compare::compare(node(own), node(other), &mut FileSystem);
    let findings = comparison.findings.iter();
    let bad = findings.filter(|finding| finding.severity >= Severity::Warning);
    let mut all: Vec<String> = bad.map(|finding| finding.message.clone()).collect();
    let unreadable = comparison
        .own
        .iter()
        .find(|finding| finding.code == keepalived_conf::codes::UNREADABLE);
    all.extend(unreadable.map(|finding| finding.message.clone()));
    all
}

/// Findings first, then what was looked at.
fn render(report: &Report, colour: bool) -> String {
    let paint = |code: &str, text: &str| {
        if colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    };
    let mut out = String::new();
    for finding in &report.findings {
        let word = match finding.severity {
            crate::doctor::Severity::Error => paint("31", "error"),
            crate::doctor::Severity::Warning => paint("33", "warning"),
        };
        // Writing to a string does not fail.
        let _ = writeln!(out, "{word}[{}]: {}", finding.check, finding.problem);
        for line in &finding.evidence {
            let _ = writeln!(out, "    seen: {line}");
        }
        for line in &finding.remedy {
            let _ = writeln!(out, "    cure: {line}");
        }
        out.push('\n');
    }
    let made = report
        .examined
        .iter()
        .filter(|examined| examined.skipped.is_none())
        .count();
    for examined in report
        .examined
        .iter()
        .filter(|examined| examined.skipped.is_some())
    {
        let why = examined.skipped.as_deref().unwrap_or_default();
        let _ = writeln!(
            out,
            "not examined: {} ({}): {why}",
            examined.title, examined.check
        );
    }
    let found = match report.findings.len() {
        0 => paint("32", "nothing is wrong as far as can be seen from here"),
        count => output::count(count, "finding"),
    };
    let _ = writeln!(out, "{}, {found}", output::count(made, "check"));
    out
}
