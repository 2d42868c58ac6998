//! `virtual_server`, its groups and its real servers, and the settings of IPVS as a whole.

use super::marks::Marks;
use super::planned::Entry;
use super::scripts::Scripts;
use super::service::{Services, destination_of, services};
use super::{Plan, Problems, UNUSABLE, checks};
use crate::daemon::{Trigger, real_server_object, virtual_server_object};
use crate::lvs::{CheckStart, RealServer, SorryServer, SyncDaemons, VirtualServer};
use crate::recovery::{Damping, RecoverySettings};
use ipvs_netlink::{DaemonRole, Name, ServiceId, SyncDaemon, Timeouts};
use keepalived_conf::Span;
use keepalived_conf::model::{
    self, CheckDefaults, Config, FlushOnStop, Script, Setting, VirtualServerTarget,
};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

pub(super) fn add(config: &Config, plan: &mut Plan, scripts: &Scripts, problems: &mut Problems) {
    plan.timeouts = timeouts(config);
    plan.sync = sync(config, problems);
    plan.change_guard = *config.global_defs.change_guard;
    plan.flush_at_start = *config.global_defs.lvs_flush;
    plan.flush_at_stop = *config.global_defs.lvs_flush_on_stop == FlushOnStop::All;
    let mut walk = Walk::default();
    for server in &config.virtual_server {
        walk.virtual_server(config, server, Some(plan), scripts, problems);
    }
    plan.marks = walk.marks.and_then(Marks::table);
}

/// Looks at what concerns IPVS as a whole, as [`add`] does.
pub(super) fn look(config: &Config, problems: &mut Problems) {
    sync(config, problems);
}

/// Goes from one virtual server to the next.
#[derive(Default)]
pub(super) struct Walk {
    /// How many virtual servers of each group there were.
    ordinals: BTreeMap<String, usize>,
    /// Services that there are already, and where.
    known: HashMap<ServiceId, Span>,
    /// Marks for groups; made when a server needs them, for then the configuration is whole.
    marks: Option<Marks>,
}

impl Walk {
    /// Adds a virtual server to the plan. Without a plan only problems are looked for, in the same way.
    pub(super) fn virtual_server(
        &mut self,
        config: &Config,
        server: &model::VirtualServer,
        mut plan: Option<&mut Plan>,
        scripts: &Scripts,
        problems: &mut Problems,
    ) {
        if server.real_server.is_empty() {
            return;
        }
        let target = &server.target.value;
        let Services { services, catches } = if let VirtualServerTarget::Address { .. } = target {
            services(config, server, None, problems)
        } else {
            let marks = self.marks.get_or_insert_with(|| Marks::new(config));
            services(config, server, Some(marks), problems)
        };
        let place = *server.span;
        let twice = catches
            .iter()
            .find_map(|id| Some((id, self.known.insert(*id, place)?)));
        if let Some((twice, other)) = twice {
            let message = format!("{twice} is already a virtual server; leave one of them");
            // They need not come in the order of the file.
            problems.error(UNUSABLE, message, place.max(other));
            // The rest of it is looked at all the same.
            plan = None;
        }
        let name: Option<Arc<str>> = plan
            .is_some()
            .then(|| name(server, &mut self.ordinals).into());
        let name_or_none = || name.as_deref().unwrap_or_default();
        for (trigger, script) in [
            (Trigger::QuorumUp, &server.quorum_up),
            (Trigger::QuorumDown, &server.quorum_down),
        ] {
            let object = || virtual_server_object(name_or_none());
            let script = script.as_deref();
            add_hook(
                plan.as_deref_mut(),
                scripts,
                problems,
                object,
                trigger,
                script,
            );
        }
        let mut planned = Vec::new();
        let mut real_servers = Vec::new();
        for real in &server.real_server {
            let destination = destination_of(real.address, real.port, &real.lvs_method)
                .with_weight(*real.weight)
                .with_thresholds(*real.uthreshold, *real.lthreshold);
            for (trigger, script) in [
                (Trigger::Up, &real.notify_up),
                (Trigger::Down, &real.notify_down),
            ] {
                let object = || real_server_object(name_or_none(), destination.id);
                let script = script.as_deref();
                add_hook(
                    plan.as_deref_mut(),
                    scripts,
                    problems,
                    object,
                    trigger,
                    script,
                );
            }
            let mut starts = Vec::new();
            for checker in &real.checkers {
                problems.needs.note(checker);
                let check = checks::check(config, server, real, checker, scripts, problems);
                let (Some(check), Some(_)) = (check, plan.as_ref()) else {
                    continue;
                };
                planned.push(Entry {
                    real_server: destination.id,
                    index: starts.len(),
                    check,
                });
                starts.reserve_exact(1);
                starts.push(CheckStart {
                    kind: checker.kind.keyword(),
                    alpha: *checker.alpha,
                });
            }
            if plan.is_none() {
                continue;
            }
            let names = real.names.as_ref();
            real_servers.reserve_exact(server.real_server.len() - real_servers.len());
            real_servers.push(RealServer {
                destination,
                inhibit_on_failure: *real.inhibit_on_failure,
                snmp_name: names.and_then(|names| names.snmp_name.as_deref().map(Arc::from)),
                recovery: recovery(&server.checks, real.checks.as_deref()),
                checks: starts.into(),
                place: real.span,
            });
        }
        let (Some(plan), Some(name)) = (plan, name) else {
            return;
        };
        if *server.omega {
            plan.omega.insert(name.to_string());
        }
        plan.checks.insert(&name, planned);
        let sorry_server = server.sorry_server.as_ref().map(|sorry| SorryServer {
            destination: destination_of(sorry.address, sorry.port, &sorry.lvs_method),
            inhibit: sorry.inhibit,
        });
        plan.virtual_servers.push(Arc::new(VirtualServer {
            name,
            services,
            quorum: (*server.quorum).max(1),
            hysteresis: *server.hysteresis,
            real_servers,
            sorry_server,
            ha_suspend: *server.ha_suspend,
            snmp_name: server.snmp_name.as_deref().map(Arc::from),
            place: server.span,
        }));
    }
}

/// `lvs_timeouts`; 0 leaves a value as it is.
fn timeouts(config: &Config) -> Option<Timeouts> {
    let timeouts = config.global_defs.lvs_timeouts.as_ref()?;
    let seconds = |time: Option<Duration>| {
        time.map_or(0, |time| u32::try_from(time.as_secs()).unwrap_or(u32::MAX))
    };
    Some(Timeouts {
        tcp: seconds(timeouts.tcp),
        tcp_fin: seconds(timeouts.tcpfin),
        udp: seconds(timeouts.udp),
    })
}

/// `lvs_sync_daemon`, or else the first `lvs_sync_daemon_interface` of an instance. Without `id` the number is the VRID of
/// the instance.
fn sync(config: &Config, problems: &mut Problems) -> Option<SyncDaemons> {
    let Some(daemon) = config.global_defs.lvs_sync_daemon.as_ref() else {
        let mut instances = config.vrrp_instance.iter();
        let (instance, interface) = instances.find_map(|instance| {
            Some((instance, instance.lvs_sync_daemon_interface.as_deref()?))
        })?;
        // A name that is too long was refused where it stands.
        let interface = Name::new(interface).ok()?;
        let number = u32::from(*instance.virtual_router_id);
        return Some(SyncDaemons {
            instance: Some(instance.name.value.clone()),
            settings: SyncDaemon::new(DaemonRole::Backup, interface, number),
        });
    };
    let interface = match Name::new(&daemon.interface.value) {
        Ok(interface) => interface,
        Err(error) => {
            problems.error(UNUSABLE, error.to_string(), daemon.interface.span);
            return None;
        }
    };
    let of_instance = daemon.inst.as_ref().and_then(|name| {
        let mut instances = config.vrrp_instance.iter();
        instances.find(|instance| instance.name.value == name.value)
    });
    let number = daemon
        .id
        .or_else(|| of_instance.map(|instance| *instance.virtual_router_id))
        .unwrap_or(0);
    let mut settings = SyncDaemon::new(DaemonRole::Backup, interface, u32::from(number));
    settings.max_length = daemon.maxlen;
    settings.port = daemon.port;
    settings.ttl = daemon.ttl;
    settings.group = daemon.group;
    Some(SyncDaemons {
        // One that does not exist is never master; the reader of the file has refused it.
        instance: daemon.inst.as_ref().map(|name| name.value.clone()),
        settings,
    })
}

/// Puts a script into the plan, if there is one; without a plan only looks whether it can run.
fn add_hook(
    plan: Option<&mut Plan>,
    scripts: &Scripts,
    problems: &mut Problems,
    object: impl FnOnce() -> String,
    trigger: Trigger,
    script: Option<&Script>,
) {
    let program = script.and_then(|script| scripts.program(script, trigger.keyword(), problems));
    if let (Some(plan), Some(program)) = (plan, program) {
        plan.hooks.add(object(), trigger, program);
    }
}

/// keepalived's name of a virtual server, as its notifications and FIFOs write it.
pub(super) fn name(
    server: &model::VirtualServer,
    ordinals: &mut BTreeMap<String, usize>,
) -> String {
    let protocol = server
        .protocol
        .value
        .map_or_else(|| "none".to_owned(), |p| p.to_string().to_lowercase());
    match &server.target.value {
        VirtualServerTarget::Address { address, port } => {
            format!("[{address}]:{protocol}:{}", port.unwrap_or(0))
        }
        VirtualServerTarget::Fwmark(mark) => match server.ip_family.value {
            Some(model::Family::Inet6) => format!("FWM {mark} IPv6"),
            _ => format!("FWM {mark}"),
        },
        VirtualServerTarget::Group(group) => {
            let ordinal = ordinals.entry(group.clone()).or_insert(0);
            let name = format!("[{group}]:{ordinal}");
            *ordinal = ordinal.saturating_add(1);
            name
        }
    }
}

/// How a real server comes back: as its own block says, else that of the virtual server.
fn recovery(server: &CheckDefaults, real: Option<&CheckDefaults>) -> RecoverySettings {
    let time = |of: fn(&CheckDefaults) -> &Setting<Option<Duration>>| {
        let own = real.and_then(|real| of(real).value);
        own.or_else(|| of(server).value)
            .filter(|time| !time.is_zero())
    };
    let limit = real
        .and_then(|real| *real.flap_limit)
        .or(*server.flap_limit);
    RecoverySettings {
        slow_start: time(|checks| &checks.slow_start),
        damping: time(|checks| &checks.flap_damping).map(|half_life| Damping {
            half_life,
            limit: limit.unwrap_or(3),
        }),
    }
}

#[cfg(test)]
#[path = "lvs_tests.rs"]
mod tests;
