//! Tables to test with.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use ipvs_netlink::{
    Change, Destination, Family, Forwarding, Netmask, Persistence, Protocol, Scheduler,
    SchedulerFlags, Service, ServiceId, Table, Tunnel, TunnelFlags, VirtualService,
};

/// A TCP service with direct routing.
pub(crate) fn web(address: &str, scheduler: Scheduler, servers: &[(&str, u32)]) -> VirtualService {
    let service = Service::new(super::tcp(address), scheduler);
    let destinations = servers.iter().map(|(server, weight)| {
        Destination::new(super::socket(server), Forwarding::DirectRouting).with_weight(*weight)
    });
    VirtualService::with_destinations(service, destinations)
}

/// One of each kind of service and destination.
pub(crate) fn every_kind() -> Table {
    let socket = super::socket;
    let mut table = Table::new();
    let mut id = 0_u8;
    for scheduler in Scheduler::KNOWN {
        // Not every kernel has this one.
        if scheduler == Scheduler::PowerOfTwoChoices {
            continue;
        }
        id += 1;
        let address = SocketAddr::new(IpAddr::from([192, 0, 2, id]), 80);
        table.insert(VirtualService::new(Service::new(
            ServiceId::tcp(address),
            scheduler,
        )));
    }
    let tunnels = [
        Tunnel::ipip(),
        Tunnel::gue(6080),
        Tunnel::gue(6081).with_flags(TunnelFlags::CHECKSUM),
        Tunnel::gue(6082).with_flags(TunnelFlags::REMOTE_CHECKSUM),
        Tunnel::gre(),
        Tunnel::gre().with_flags(TunnelFlags::CHECKSUM),
    ];
    let methods = [
        Forwarding::DirectRouting,
        Forwarding::Masquerading,
        Forwarding::Local,
    ];
    let all = methods.into_iter().chain(tunnels.map(Forwarding::Tunnel));
    let destinations: Vec<Destination> = (1..)
        .zip(all)
        .map(|(number, forwarding)| {
            let address = SocketAddr::new(IpAddr::from([198, 51, 100, number]), 80);
            Destination::new(address, forwarding)
                .with_weight(u32::from(number) * 1000)
                .with_thresholds(100 * u32::from(number), 50)
        })
        .collect();
    let service = Service {
        scheduler_flags: SchedulerFlags::HASH_FALLBACK.union(SchedulerFlags::HASH_PORT),
        persistence: Some(
            Persistence::new(Family::V4, 300).with_netmask(Netmask::prefix(Family::V4, 24)),
        ),
        ..Service::new(super::tcp("192.0.2.100:0"), Scheduler::SourceHashing)
    };
    table.insert(VirtualService::with_destinations(service, destinations));

    let v6 = Persistence::new(Family::V6, 60).with_netmask(Netmask::prefix(Family::V6, 64));
    let service = Service {
        scheduler_flags: SchedulerFlags::FLAG_3,
        persistence: Some(v6),
        ..Service::new(
            ServiceId::sctp(socket("[2001:db8::1]:9899")),
            Scheduler::WeightedRoundRobin,
        )
    };
    let destinations = [
        Destination::new(socket("[2001:db8:1::1]:9899"), Forwarding::Masquerading),
        Destination::new(socket("[2001:db8:1::2]:9899"), Forwarding::DirectRouting),
        Destination::new(
            socket("198.51.100.1:9899"),
            Forwarding::Tunnel(Tunnel::ipip()),
        ),
    ];
    table.insert(VirtualService::with_destinations(service, destinations));

    let service = Service {
        one_packet: true,
        ..Service::new(
            ServiceId::udp(socket("192.0.2.100:53")),
            Scheduler::RoundRobin,
        )
    };
    table.insert(VirtualService::new(service));
    let mask = Netmask::V4([255, 0, 255, 0].into());
    for (mark, family) in [(1, Family::V4), (1, Family::V6), (u32::MAX, Family::V4)] {
        let netmask = if family == Family::V4 {
            mask
        } else {
            Netmask::host(family)
        };
        let service = Service {
            persistence: Some(Persistence::new(family, 1).with_netmask(netmask)),
            ..Service::new(
                ServiceId::fwmark(mark, family).unwrap(),
                Scheduler::MaglevHashing,
            )
        };
        table.insert(VirtualService::new(service));
    }
    table
}

/// The invariants of a difference.
pub(crate) fn check_changes(before: &Table, wished: &Table, changes: &[Change]) {
    for change in changes {
        match change {
            Change::RemoveDestination {
                service,
                destination,
            } => {
                let wished = wished.services.get(service).unwrap();
                assert!(
                    !wished.destinations.contains_key(&destination.id),
                    "{change}"
                );
            }
            Change::RemoveService { service, .. } => {
                assert!(!wished.services.contains_key(&service.id), "{change}");
            }
            Change::AddDestination {
                service,
                destination,
            } => {
                let present = before.services.get(service);
                let there = present.is_some_and(|s| s.destinations.contains_key(&destination.id));
                assert!(!there, "{change}");
            }
            Change::AddService(service) => {
                assert!(!before.services.contains_key(&service.id), "{change}");
            }
            _ => {}
        }
    }
    // Nothing is touched twice.
    let touched: BTreeSet<String> = changes
        .iter()
        .map(|change| match change {
            Change::AddDestination {
                service,
                destination,
            }
            | Change::RemoveDestination {
                service,
                destination,
            }
            | Change::EditDestination {
                service,
                to: destination,
                ..
            } => {
                format!("{service} {}", destination.id)
            }
            Change::StopDaemon(daemon) => format!("stop {daemon}"),
            Change::StartDaemon(daemon) => format!("start {daemon}"),
            other => format!("{:?}", other.service()),
        })
        .collect();
    assert_eq!(touched.len(), changes.len());
}

/// Tables that repeat for a seed, with enough in common for interesting differences.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn below(&mut self, limit: u64) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }

    pub(crate) fn table(&mut self) -> Table {
        let mut table = Table::new();
        for _ in 0..self.below(8) {
            let service = self.service();
            let count = self.below(6);
            let destinations: Vec<Destination> = (0..count)
                .map(|_| self.destination(service.id.family()))
                .collect();
            table.insert(VirtualService::with_destinations(service, destinations));
        }
        table
    }

    fn service(&mut self) -> Service {
        let number = u8::try_from(self.below(4)).unwrap();
        let v4 = SocketAddr::new(IpAddr::from([192, 0, 2, number]), 80);
        let v6 = SocketAddr::new(
            IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(number)]),
            80,
        );
        let id = match self.below(5) {
            0 => ServiceId::udp(v4),
            1 => ServiceId::address(Protocol::Sctp, v6),
            2 => ServiceId::fwmark(u32::from(number) + 1, Family::V4).unwrap(),
            3 => ServiceId::tcp(v6),
            _ => ServiceId::tcp(v4),
        };
        let family = id.family();
        let schedulers = [
            Scheduler::RoundRobin,
            Scheduler::WeightedRoundRobin,
            Scheduler::SourceHashing,
        ];
        let pick = usize::try_from(self.below(3)).unwrap();
        let persistence = (self.below(3) == 0).then(|| {
            let bits = if self.below(2) == 0 {
                24
            } else {
                family.address_bits()
            };
            Persistence::new(family, 100 + u32::from(number))
                .with_netmask(Netmask::prefix(family, bits))
        });
        Service {
            persistence,
            scheduler_flags: if self.below(4) == 0 {
                SchedulerFlags::HASH_PORT
            } else {
                SchedulerFlags::NONE
            },
            ..Service::new(id, schedulers[pick].clone())
        }
    }

    fn destination(&mut self, family: Family) -> Destination {
        let number = u8::try_from(self.below(5)).unwrap() + 1;
        let address = match family {
            Family::V4 => IpAddr::from([198, 51, 100, number]),
            Family::V6 => IpAddr::from([0x2001, 0xdb8, 1, 0, 0, 0, 0, u16::from(number)]),
        };
        let forwarding = match self.below(4) {
            0 => Forwarding::Masquerading,
            1 => Forwarding::Tunnel(Tunnel::gue(6080)),
            _ => Forwarding::DirectRouting,
        };
        let weight = u32::try_from(self.below(3)).unwrap();
        let upper = u32::try_from(self.below(2)).unwrap() * 100;
        Destination::new(SocketAddr::new(address, 80), forwarding)
            .with_weight(weight)
            .with_thresholds(upper, upper / 2)
    }
}
