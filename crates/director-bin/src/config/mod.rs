//! From the configuration model to what the engines take. Decisions only: nothing here touches the system, except that
//! script programs, users and certificate files are looked up.
//!
//! What the file asks for and this version cannot do is a diagnostic like those of the parser, with the place in the file:
//! nothing is left out silently.

mod checks;
mod lvs;
mod scripts;
mod tls;
mod unsupported;
mod vrrp;

use crate::daemon::HookTable;
use crate::lvs::{CheckId, VirtualServer};
use crate::script::TrackScript;
use healthcheck::Check;
use keepalived_conf::{Code, Config, Diagnostic, Severity, Span};
use scripts::Scripts;
use std::collections::{BTreeMap, BTreeSet};

/// The configuration asks for something that this version cannot do; the rest works.
const UNSUPPORTED: Code = Code(901);
/// A value cannot be used on this machine or by this program.
const UNUSABLE: Code = Code(902);
/// A script, user or file that the configuration names is missing.
const MISSING: Code = Code(903);

/// Everything the daemon runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    /// What the VRRP engine runs.
    pub(crate) vrrp: vrrp_net::Configuration,
    /// How it runs it.
    pub(crate) vrrp_settings: vrrp_net::Settings,
    /// Scripts whose results it is told.
    pub(crate) track_scripts: Vec<TrackScript>,
    /// The virtual servers.
    pub(crate) virtual_servers: Vec<VirtualServer>,
    /// Their checks.
    pub(crate) checks: BTreeMap<CheckId, Check>,
    /// Virtual servers whose down notifications run at a stop (`omega`).
    pub(crate) omega: BTreeSet<String>,
    /// Notification scripts.
    pub(crate) hooks: HookTable,
    /// Where each interface is named, to say so when it is missing.
    pub(crate) interfaces: BTreeMap<String, Span>,
}

/// Problems found on the way, as diagnostics.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    list: Vec<Diagnostic>,
}

impl Problems {
    fn error(&mut self, code: Code, message: impl Into<String>, span: Span) {
        self.list.push(Diagnostic::new(code, Severity::Error, message, span));
    }

    fn warning(&mut self, code: Code, message: impl Into<String>, span: Span) {
        self.list.push(Diagnostic::new(code, Severity::Warning, message, span));
    }
}

/// Makes the plan, and lists what stands in its way or is left out of it.
pub(crate) fn plan(config: &Config) -> (Plan, Vec<Diagnostic>) {
    let mut problems = Problems::default();
    let mut plan = Plan::default();
    let mut scripts = Scripts::new(&config.global_defs);
    unsupported::report(config, &mut problems);
    vrrp::add(config, &mut plan, &mut scripts, &mut problems);
    lvs::add(config, &mut plan, &mut scripts, &mut problems);
    (plan, problems.list)
}

#[cfg(test)]
mod tests;
