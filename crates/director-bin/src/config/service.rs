//! The kernel's services and destinations that a `virtual_server` stands for.

use super::marks::Marks;
use super::{Problems, UNUSABLE};
use ipvs_netlink::{
    Destination, DestinationId, Family, Forwarding, Name, Netmask, Persistence, Protocol,
    Scheduler, SchedulerFlags, Service, ServiceId, Tunnel, TunnelFlags, TunnelKind,
};
use keepalived_conf::Span;
use keepalived_conf::model::{
    self, Config, Granularity, LvsMethod, TunnelChecksum, VirtualServerGroup,
    VirtualServerGroupMember, VirtualServerTarget,
};
use std::net::IpAddr;

/// Addresses that one group may stand for. Each is a service of its own in the kernel.
const GROUP_LIMIT: u128 = 65_536;

/// What a virtual server stands for.
pub(super) struct Services {
    /// The services in the kernel.
    pub(super) services: Vec<Service>,
    /// The addresses and marks whose packets it catches, which are no other virtual server's. Usually those of the services.
    pub(super) catches: Vec<ServiceId>,
}

/// The kernel's services that a virtual server stands for. `marks` are needed for groups only.
pub(super) fn services(
    config: &Config,
    server: &model::VirtualServer,
    marks: Option<&mut Marks>,
    problems: &mut Problems,
) -> Services {
    let span = *server.span;
    let protocol = match server.protocol.value {
        Some(model::Protocol::Tcp) => Protocol::Tcp,
        Some(model::Protocol::Udp) | None => Protocol::Udp,
        Some(model::Protocol::Sctp) => Protocol::Sctp,
    };
    let catches = match &server.target.value {
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
    let ids =
        if let (VirtualServerTarget::Group(group), Some(marks)) = (&server.target.value, marks) {
            match marks.instead_of(group, protocol, &catches) {
                Ok(ids) => ids,
                Err(message) => {
                    problems.error(UNUSABLE, message, span);
                    Vec::new()
                }
            }
        } else {
            catches.clone()
        };
    let services = ids
        .into_iter()
        .map(|id| service(id, server, problems))
        .collect();
    Services { services, catches }
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

/// The kernel's destination of a real server or sorry server, with weight 1.
pub(super) fn destination_of(
    address: IpAddr,
    port: Option<u16>,
    method: &LvsMethod,
) -> Destination {
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
