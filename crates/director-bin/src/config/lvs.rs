//! `virtual_server`, its groups and its real servers.

use super::scripts::Scripts;
use super::{Plan, Problems, UNUSABLE, checks};
use crate::daemon::{Trigger, real_server_object, virtual_server_object};
use crate::lvs::{CheckId, CheckStart, RealServer, SorryServer, VirtualServer};
use crate::script::Program;
use ipvs_netlink::{
    Destination, DestinationId, Family, Forwarding, Name, Netmask, Persistence, Protocol,
    Scheduler, SchedulerFlags, Service, ServiceId, Timeouts, Tunnel, TunnelFlags, TunnelKind,
};
use keepalived_conf::Span;
use keepalived_conf::model::{
    self, Config, Granularity, LvsMethod, Script, TunnelChecksum, VirtualServerGroup,
    VirtualServerGroupMember, VirtualServerTarget,
};
use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;

/// Addresses that one group may stand for. Each is a service of its own in the kernel.
const GROUP_LIMIT: u128 = 65_536;

pub(super) fn add(config: &Config, plan: &mut Plan, scripts: &Scripts, problems: &mut Problems) {
    plan.timeouts = timeouts(config);
    let mut walk = Walk::default();
    for server in &config.virtual_server {
        walk.virtual_server(config, server, Some(plan), scripts, problems);
    }
}

/// Goes from one virtual server to the next.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// How many virtual servers of each group there were.
    ordinals: BTreeMap<String, usize>,
    /// Services that there are already.
    known: HashSet<ServiceId>,
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
        let services = services(config, server, problems);
        if let Some(twice) = services
            .iter()
            .find(|service| !self.known.insert(service.id))
        {
            let message = format!(
                "{} is already a virtual server; leave one of them",
                twice.id
            );
            problems.error(UNUSABLE, message, *server.span);
            // The rest of it is looked at all the same.
            plan = None;
        }
        let mut kept = plan.map(|plan| (plan, name(server, &mut self.ordinals)));
        if let Some((plan, name)) = kept.as_mut().filter(|_| *server.omega) {
            plan.omega.insert(name.clone());
        }
        for (trigger, script) in [
            (Trigger::QuorumUp, &server.quorum_up),
            (Trigger::QuorumDown, &server.quorum_down),
        ] {
            let program = hook(trigger, script.as_deref(), scripts, problems);
            if let (Some((plan, name)), Some(program)) = (kept.as_mut(), program) {
                plan.hooks
                    .add(virtual_server_object(name), trigger, program);
            }
        }
        let mut real_servers = Vec::new();
        for real in &server.real_server {
            let destination = destination_of(real.address, real.port, &real.lvs_method)
                .with_weight(*real.weight)
                .with_thresholds(*real.uthreshold, *real.lthreshold);
            for (trigger, script) in [
                (Trigger::Up, &real.notify_up),
                (Trigger::Down, &real.notify_down),
            ] {
                let program = hook(trigger, script.as_deref(), scripts, problems);
                if let (Some((plan, name)), Some(program)) = (kept.as_mut(), program) {
                    let object = real_server_object(name, destination.id);
                    plan.hooks.add(object, trigger, program);
                }
            }
            let mut starts = Vec::new();
            for checker in &real.checkers {
                let check = checks::check(config, server, real, checker, scripts, problems);
                let (Some((plan, name)), Some(check)) = (kept.as_mut(), check) else {
                    continue;
                };
                let id = CheckId {
                    virtual_server: name.clone(),
                    real_server: destination.id,
                    index: starts.len(),
                };
                plan.checks.insert(id, check);
                starts.push(CheckStart {
                    kind: checker.kind.keyword(),
                    alpha: *checker.alpha,
                });
            }
            if kept.is_some() {
                real_servers.push(RealServer {
                    destination,
                    inhibit_on_failure: *real.inhibit_on_failure,
                    checks: starts,
                });
            }
        }
        let Some((plan, name)) = kept else { return };
        let sorry_server = server.sorry_server.as_ref().map(|sorry| SorryServer {
            destination: destination_of(sorry.address, sorry.port, &sorry.lvs_method),
            inhibit: sorry.inhibit,
        });
        plan.virtual_servers.push(VirtualServer {
            name,
            services,
            quorum: (*server.quorum).max(1),
            hysteresis: *server.hysteresis,
            real_servers,
            sorry_server,
        });
    }
}

fn timeouts(config: &Config) -> Option<Timeouts> {
    let timeouts = config.global_defs.lvs_timeouts.value.as_ref()?;
    // 0 leaves a value as it is.
    let seconds = |time: Option<Duration>| {
        time.map_or(0, |time| u32::try_from(time.as_secs()).unwrap_or(u32::MAX))
    };
    Some(Timeouts {
        tcp: seconds(timeouts.tcp),
        tcp_fin: seconds(timeouts.tcpfin),
        udp: seconds(timeouts.udp),
    })
}

/// The program of a notification; `None` if there is none or it cannot run.
fn hook(
    trigger: Trigger,
    script: Option<&Script>,
    scripts: &Scripts,
    problems: &mut Problems,
) -> Option<Program> {
    scripts.program(script?, trigger.keyword(), problems)
}

/// keepalived's name of a virtual server, as its notifications and FIFOs write it.
fn name(server: &model::VirtualServer, ordinals: &mut BTreeMap<String, usize>) -> String {
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

/// The kernel's services that a virtual server stands for.
fn services(
    config: &Config,
    server: &model::VirtualServer,
    problems: &mut Problems,
) -> Vec<Service> {
    let span = *server.span;
    let protocol = match server.protocol.value {
        Some(model::Protocol::Tcp) => Protocol::Tcp,
        Some(model::Protocol::Udp) | None => Protocol::Udp,
        Some(model::Protocol::Sctp) => Protocol::Sctp,
    };
    let ids = match &server.target.value {
        VirtualServerTarget::Address { address, port } => {
            vec![ServiceId::Address {
                protocol,
                address: *address,
                port: port.unwrap_or(0),
            }]
        }
        VirtualServerTarget::Fwmark(mark) => fwmark(*mark, server.ip_family.value, span, problems)
            .into_iter()
            .collect(),
        VirtualServerTarget::Group(name) => {
            match config
                .virtual_server_group
                .iter()
                .find(|group| group.name.value == *name)
            {
                Some(group) => members(group, protocol, server.ip_family.value, problems),
                None => {
                    problems.error(
                        UNUSABLE,
                        format!("virtual_server_group {name} is not defined"),
                        server.target.span,
                    );
                    Vec::new()
                }
            }
        }
    };
    ids.into_iter()
        .map(|id| service(id, server, problems))
        .collect()
}

fn fwmark(
    mark: u32,
    family: Option<model::Family>,
    span: Span,
    problems: &mut Problems,
) -> Option<ServiceId> {
    let family = if family == Some(model::Family::Inet6) {
        Family::V6
    } else {
        Family::V4
    };
    let id = ServiceId::fwmark(mark, family);
    if id.is_none() {
        problems.error(
            UNUSABLE,
            "firewall mark 0 marks nothing; use 1 or more",
            span,
        );
    }
    id
}

fn members(
    group: &VirtualServerGroup,
    protocol: Protocol,
    family: Option<model::Family>,
    problems: &mut Problems,
) -> Vec<ServiceId> {
    let mut ids = Vec::new();
    for member in &group.members {
        match member {
            VirtualServerGroupMember::Range {
                first,
                last,
                port,
                span,
            } => match range(*first, *last) {
                Some(addresses) => ids.extend(addresses.map(|address| ServiceId::Address {
                    protocol,
                    address,
                    port: port.unwrap_or(0),
                })),
                None => {
                    let message = format!(
                        "{first} to {last} is more than {GROUP_LIMIT} addresses; use a firewall mark"
                    );
                    problems.error(UNUSABLE, message, **span);
                }
            },
            VirtualServerGroupMember::Fwmark {
                mark,
                family: own,
                span,
            } => {
                ids.extend(fwmark(*mark, own.or(family), **span, problems));
            }
        }
    }
    ids
}

/// All addresses from `first` to `last`; `None` if there are too many, or they are of two families.
fn range(first: IpAddr, last: IpAddr) -> Option<Box<dyn Iterator<Item = IpAddr>>> {
    match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            let (first, last) = (first.to_bits(), last.to_bits());
            (u128::from(last.saturating_sub(first)) < GROUP_LIMIT)
                .then(|| Box::new((first..=last).map(|bits| IpAddr::V4(bits.into()))) as Box<_>)
        }
        (IpAddr::V6(first), IpAddr::V6(last)) => {
            let (first, last) = (first.to_bits(), last.to_bits());
            (last.saturating_sub(first) < GROUP_LIMIT)
                .then(|| Box::new((first..=last).map(|bits| IpAddr::V6(bits.into()))) as Box<_>)
        }
        _ => None,
    }
}

fn service(id: ServiceId, server: &model::VirtualServer, problems: &mut Problems) -> Service {
    let scheduler = server
        .lb_algo
        .name()
        .parse()
        .unwrap_or(Scheduler::WeightedLeastConnection);
    let mut service = Service::new(id, scheduler);
    let flags = [
        (*server.flag_1, SchedulerFlags::FLAG_1),
        (*server.flag_2, SchedulerFlags::FLAG_2),
        (*server.flag_3, SchedulerFlags::FLAG_3),
        (
            *server.sh_port || *server.mh_port,
            SchedulerFlags::HASH_PORT,
        ),
        (
            *server.sh_fallback || *server.mh_fallback,
            SchedulerFlags::HASH_FALLBACK,
        ),
    ];
    for (_, flag) in flags.into_iter().filter(|(set, _)| *set) {
        service.scheduler_flags = service.scheduler_flags.union(flag);
    }
    let every_port = matches!(id, ServiceId::Address { port: 0, .. });
    let timeout = server
        .persistence_timeout
        .map(|timeout| u32::try_from(timeout.as_secs()).unwrap_or(u32::MAX));
    let granularity = *server.persistence_granularity;
    // The kernel has no service for every port without persistence.
    if timeout.is_some() || granularity.is_some() || every_port {
        let persistence = Persistence::new(id.family(), timeout.unwrap_or(360));
        let persistence = match granularity {
            None => persistence,
            Some(Granularity::PrefixLength(length)) => {
                persistence.with_netmask(Netmask::prefix(id.family(), length))
            }
            Some(Granularity::Mask(mask)) => persistence.with_netmask(Netmask::V4(mask)),
        };
        service.persistence = Some(persistence);
    }
    if let Some(engine) = &*server.persistence_engine {
        match Name::new(engine) {
            Ok(name) => service.persistence_engine = Some(name),
            Err(error) => problems.error(
                UNUSABLE,
                error.to_string(),
                server.persistence_engine.span.unwrap_or(*server.span),
            ),
        }
    }
    service.one_packet = *server.ops;
    service
}

fn destination_of(address: IpAddr, port: Option<u16>, method: &LvsMethod) -> Destination {
    let forwarding = match method {
        LvsMethod::Nat => Forwarding::Masquerading,
        LvsMethod::Dr => Forwarding::DirectRouting,
        LvsMethod::Tun(tunnel) => Forwarding::Tunnel(Tunnel {
            kind: match tunnel.kind {
                model::TunnelKind::Ipip => TunnelKind::Ipip,
                model::TunnelKind::Gue => TunnelKind::Gue,
                model::TunnelKind::Gre => TunnelKind::Gre,
            },
            port: tunnel.port.unwrap_or(0),
            flags: match tunnel.checksum {
                TunnelChecksum::None => TunnelFlags::NO_CHECKSUM,
                TunnelChecksum::Checksum => TunnelFlags::CHECKSUM,
                TunnelChecksum::Remote => TunnelFlags::REMOTE_CHECKSUM,
            },
        }),
    };
    Destination::new(
        DestinationId {
            address,
            port: port.unwrap_or(0),
        },
        forwarding,
    )
}
