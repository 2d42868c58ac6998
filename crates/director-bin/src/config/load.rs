//! From a file to a plan with all its diagnostics.

use super::{MISSING, Plan, plan};
use keepalived_conf::{
    Code, Diagnostic, Diagnostics, FileSystem, Options, Severity, SourceMap, codes, render,
};
use std::path::Path;

/// A file that has been read and understood as far as possible.
pub(crate) struct Loaded {
    /// What the daemon would run.
    pub(crate) plan: Plan,
    /// Everything found.
    pub(crate) diagnostics: Diagnostics,
    /// The text, to show places.
    pub(crate) sources: SourceMap,
}

/// What the file is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Against {
    /// Only itself: scripts, users and interfaces may be elsewhere.
    Nothing,
    /// This machine, which is to run it.
    ThisMachine,
}

/// Reads the file and what it includes.
pub(crate) fn load(path: &Path, against: Against) -> Loaded {
    let mut options = Options::default();
    options.config_id = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .and_then(|name| name.trim().split('.').next().map(str::to_owned));
    options.without_notes = against == Against::ThisMachine;
    let parsed = keepalived_conf::load(path, &mut FileSystem, &options);
    let (plan, more) = plan(&parsed.config);
    let mut diagnostics = parsed.diagnostics;
    let found = match against {
        Against::Nothing => more
            .into_iter()
            .filter(|diagnostic| diagnostic.code != MISSING)
            .collect(),
        Against::ThisMachine => more
            .into_iter()
            .chain(missing_interfaces(&plan))
            .collect::<Vec<_>>(),
    };
    for diagnostic in found {
        // The parser may have said the same of the same place already.
        if !diagnostics
            .iter()
            .any(|known| known.span() == diagnostic.span() && known.severity >= diagnostic.severity)
        {
            diagnostics.push(diagnostic);
        }
    }
    Loaded {
        plan,
        diagnostics,
        sources: parsed.sources,
    }
}

impl Loaded {
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
    let diagnostic = |(name, span): (&String, &keepalived_conf::Span)| {
        Diagnostic::new(MISSING, Severity::Error, format!("interface {name} does not exist"), *span)
            .saying("not on this machine")
            .help("correct the name (`ip link` lists them), create it first, or set dynamic_interfaces in global_defs")
    };
    missing.map(diagnostic).collect()
}
