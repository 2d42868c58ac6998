//! From the configuration model to what the engines take. Decisions only: nothing here touches the system, except that
//! script programs, users and certificate files are looked up.
//!
//! What the file asks for and this version cannot do is a diagnostic like those of the parser, with the place in the file:
//! nothing is left out silently.

mod checks;
mod kept;
mod known;
mod load;
mod lvs;
mod machine;
mod marks;
mod names;
mod needs;
mod notices;
mod part;
mod planned;
mod processes;
mod routing;
mod scripts;
mod service;
mod tls;
mod virtual_links;
mod vrrp;

pub(crate) use kept::Kept;
pub(crate) use known::Memory;
pub(crate) use load::{Against, Before, Loaded, examine, load, load_after, options};
pub(crate) use marks::MarkTable;
pub(crate) use needs::Needs;
pub(crate) use notices::Notices;
pub(crate) use planned::Checks;
pub(crate) use processes::JsonVersion;

use crate::daemon::HookTable;
use crate::lvs::{Delta, Model, SyncDaemons, VirtualServer};
use crate::script::Once;
use crate::track::Watched;
use healthcheck::{Check, Policy, Probe};
use ipvs_netlink::{Table, Timeouts};
use keepalived_conf::{Code, Config, Diagnostic, Severity, Span};
use scripts::Scripts;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// The configuration asks for something that this version cannot do; the rest works.
const UNSUPPORTED: Code = Code(901);
/// A value cannot be used on this machine or by this program.
const UNUSABLE: Code = Code(902);
/// A script, user or file that the configuration names is missing.
pub(crate) const MISSING: Code = Code(903);

/// Pages of the codes above, in the form of the configuration library's.
const PAGES: &str = include_str!("pages.md");

/// The page of a code that comes from here; `None` for those of the configuration library.
pub(crate) fn explain(code: Code) -> Option<&'static str> {
    let rest = PAGES.get(PAGES.find(&format!("## {code}:"))?..)?;
    let end = rest.find("\n\n## ").map_or(rest.len(), |at| at + 1);
    rest.get(..end)
}

/// The title of such a code.
pub(crate) fn title(code: Code) -> Option<&'static str> {
    let heading = explain(code)?.lines().next()?;
    heading.split_once(": ").map(|(_, title)| title)
}

/// Everything the daemon runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    /// What the VRRP engine runs.
    pub(crate) vrrp: vrrp_net::Configuration,
    /// How it runs it.
    pub(crate) vrrp_settings: vrrp_net::Settings,
    /// Scripts and files whose state it is told.
    pub(crate) watched: Vec<Watched>,
    /// The virtual servers.
    pub(crate) virtual_servers: Vec<Arc<VirtualServer>>,
    /// Nobody else is to have services: those are removed at the start (`lvs_flush`).
    pub(crate) flush_at_start: bool,
    /// They are removed at the stop too (`lvs_flush_on_stop`).
    pub(crate) flush_at_stop: bool,
    /// Firewall marks that stand for the addresses of groups (`nftables_ipvs`).
    pub(crate) marks: Option<MarkTable>,
    /// Hold what would take out more than this share of all real servers at once, in per cent (`change_guard`).
    pub(crate) change_guard: Option<u8>,
    /// Connection synchronisation (`lvs_sync_daemon`).
    pub(crate) sync: Option<SyncDaemons>,
    /// Connection timeouts of the kernel's IPVS (`lvs_timeouts`).
    pub(crate) timeouts: Option<Timeouts>,
    /// Their checks.
    pub(crate) checks: Checks,
    /// Virtual servers whose down notifications run at a stop (`omega`).
    pub(crate) omega: BTreeSet<String>,
    /// Notification scripts.
    pub(crate) hooks: HookTable,
    /// Run before anything starts (`startup_script`).
    pub(crate) startup: Option<Once>,
    /// Run when everything has ended (`shutdown_script`).
    pub(crate) shutdown: Option<Once>,
    /// Mail and FIFOs.
    pub(crate) notices: Notices,
    /// Instances that report DELETED, not FAULT, when a reload removes them (`notify_deleted`).
    pub(crate) notify_deleted: BTreeSet<String>,
    /// Mode bits that new files do not get, if the file says so (`umask`).
    pub(crate) umask: Option<u32>,
    /// Where `keepalived.data` goes (`state_dump_file`).
    pub(crate) state_dump_file: Option<String>,
    /// What `keepalived.json` holds.
    pub(crate) json_version: JsonVersion,
    /// Instances that follow the RFC strictly (`strict_mode`).
    pub(crate) strict: BTreeSet<String>,
    /// Where each interface is named, to say so when it is missing.
    pub(crate) interfaces: BTreeMap<String, Span>,
    /// Privileges that are used.
    pub(crate) needs: Needs,
}

impl Plan {
    /// The kernel's table as it should be by this plan and what is known of the servers.
    pub(crate) fn wished(&self, model: &Model) -> Table {
        let sync = self.sync.as_ref();
        Table {
            timeouts: self.timeouts,
            daemons: sync.map(|sync| sync.wished(|instance| model.is_master(instance))),
            ..model.wished()
        }
    }

    /// What it takes to come from `before`, with what was known then, to this plan and what is known now.
    pub(crate) fn delta_from(&self, before: &Self, known: &Model, model: &Model) -> Delta {
        let daemons = |plan: &Self, model: &Model| {
            let sync = plan.sync.as_ref();
            sync.map(|sync| sync.wished(|instance| model.is_master(instance)))
                .unwrap_or_default()
        };
        let running = daemons(self, model);
        Delta {
            timeouts: self.timeouts,
            daemons: (running != daemons(before, known)).then_some(running),
            ..known.delta_to(model)
        }
    }
}

/// A check as the file asks for it.
#[derive(Debug, Clone)]
pub(crate) struct PlannedCheck {
    source: Source,
    /// Shared with every check under the same rules.
    policy: Arc<Policy>,
}

/// Where its results come from.
#[derive(Debug, Clone)]
enum Source {
    /// Attempts.
    Probe(Arc<dyn Probe>),
    /// The BFD session of this name, whose changes are fed to the monitor.
    Session(Arc<str>),
}

impl PlannedCheck {
    /// For the monitor.
    pub(crate) fn check(&self) -> Check {
        self.under(Arc::clone(&self.policy))
    }

    fn under(&self, policy: impl Into<Arc<Policy>>) -> Check {
        match &self.source {
            Source::Probe(probe) => Check::shared(Arc::clone(probe), policy),
            Source::Session(_) => Check::fed(policy),
        }
    }

    /// The BFD session that it hears from.
    pub(crate) fn session(&self) -> Option<&str> {
        match &self.source {
            Source::Probe(_) => None,
            Source::Session(name) => Some(name),
        }
    }

    /// The time between two attempts (`delay_loop`).
    pub(crate) fn interval(&self) -> Duration {
        self.policy.delay_loop
    }

    /// The same, counting as failed until its first success, with the first attempt at once.
    pub(crate) fn check_from_down(&self) -> Check {
        self.under(Policy {
            alpha: true,
            warmup: Some(Duration::ZERO),
            ..(*self.policy).clone()
        })
    }

    /// True if the other one does exactly the same.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        self.session() == other.session() && self.check().same_as(&other.check())
    }
}

/// Problems found on the way, as diagnostics.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    list: Vec<Diagnostic>,
    /// Rules of checks that have been met, each once.
    policies: HashSet<Arc<Policy>>,
    needs: Needs,
}

impl Problems {
    /// The one that all checks under these rules share.
    fn policy(&mut self, policy: Policy) -> Arc<Policy> {
        if let Some(known) = self.policies.get(&policy) {
            return Arc::clone(known);
        }
        let policy = Arc::new(policy);
        self.policies.insert(Arc::clone(&policy));
        policy
    }

    fn error(&mut self, code: Code, message: impl Into<String>, span: Span) {
        self.list
            .push(Diagnostic::new(code, Severity::Error, message, span));
    }

    fn warning(&mut self, code: Code, message: impl Into<String>, span: Span) {
        self.list
            .push(Diagnostic::new(code, Severity::Warning, message, span));
    }
}

/// Makes the plan of a configuration alone.
#[cfg(test)]
pub(crate) fn plan(config: &Config) -> (Plan, Vec<Diagnostic>) {
    plan_beside(config, Beside::default())
}

/// What there is beside a configuration of which a plan is made.
#[derive(Debug, Clone, Copy, Default)]
struct Beside<'a> {
    /// Virtual servers that are no part of the configuration, and whose services no part of it may have.
    others: &'a [Arc<VirtualServer>],
    /// Marks that the plan in force, or an earlier director, has given.
    marks: Option<&'a MarkTable>,
}

/// Makes the plan, and lists what stands in its way or is left out of it.
fn plan_beside(config: &Config, beside: Beside<'_>) -> (Plan, Vec<Diagnostic>) {
    let mut problems = Problems::default();
    let mut plan = Plan::default();
    let scripts = Scripts::new(&config.global_defs);
    vrrp::add(config, &mut plan, &scripts, &mut problems);
    lvs::add(config, beside, &mut plan, &scripts, &mut problems);
    notices::add(config, &mut plan, &scripts, &mut problems);
    let mask = &config.global_defs.umask;
    plan.umask = mask.span.map(|_| mask.value);
    plan.state_dump_file = config.global_defs.state_dump_file.value.clone();
    plan.needs = Needs {
        other_users: scripts.has_other_users(),
        ..problems.needs
    };
    (plan, problems.list)
}

/// Lists what stands in the way of a plan while the file is read, without making one: a file with very many virtual servers
/// needs little more memory than its text.
#[derive(Default)]
struct Inspection {
    walk: lvs::Walk<'static>,
    scripts: Option<Scripts>,
    problems: Problems,
}

impl Inspection {
    fn virtual_server(&mut self, config: &Config, server: &keepalived_conf::model::VirtualServer) {
        let scripts = self
            .scripts
            .get_or_insert_with(|| Scripts::new(&config.global_defs));
        scripts.follow(&config.global_defs);
        self.walk
            .virtual_server(config, server, None, scripts, &mut self.problems);
    }

    /// The rest of the configuration; the plan holds everything but virtual servers and checks.
    fn finish(mut self, config: &Config) -> (Plan, Vec<Diagnostic>) {
        let mut plan = Plan::default();
        let scripts = Scripts::new(&config.global_defs);
        vrrp::add(config, &mut plan, &scripts, &mut self.problems);
        lvs::look(config, &mut self.problems);
        notices::add(config, &mut plan, &scripts, &mut self.problems);
        (plan, self.problems.list)
    }
}

#[cfg(test)]
mod inspection_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vrrp_tests;
