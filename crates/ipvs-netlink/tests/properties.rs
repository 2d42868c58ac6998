//! What must hold for all tables and all bytes.
#![cfg(feature = "fake")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    dead_code,
    reason = "a test, with a part of the suite's helpers"
)]

mod suite;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use ipvs_netlink::fake::FakeKernel;
use ipvs_netlink::ipvsadm::{Numeric, Save, Script, parse, save};
use ipvs_netlink::wire::{Query, decode, encode_command};
use ipvs_netlink::{
    Change, Client, Command, DaemonRole, Destination, DestinationEntry, Family, Forwarding, Name,
    Netmask, Owned, Persistence, Protocol, Scheduler, SchedulerFlags, Service, ServiceEntry,
    ServiceId, ServiceSnapshot, Snapshot, Stats, SyncDaemon, Table, Timeouts, Tunnel, TunnelFlags,
    TunnelKind, VirtualService, connections,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use suite::tables;

fn service_id() -> impl Strategy<Value = ServiceId> {
    let protocol = prop_oneof![
        Just(Protocol::Tcp),
        Just(Protocol::Udp),
        Just(Protocol::Sctp)
    ];
    let family = prop_oneof![Just(Family::V4), Just(Family::V6)];
    prop_oneof![
        (protocol, address(), 80..82_u16).prop_map(|(protocol, address, port)| {
            ServiceId::address(protocol, SocketAddr::new(address, port))
        }),
        (1..4_u32, family).prop_map(|(mark, family)| ServiceId::fwmark(mark, family).unwrap()),
    ]
}

/// Few addresses, so that two tables have much in common.
fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        (1..4_u8).prop_map(|n| IpAddr::from([192, 0, 2, n])),
        (1..3_u16).prop_map(|n| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n])),
    ]
}

fn service() -> impl Strategy<Value = Service> {
    let scheduler = (0..Scheduler::KNOWN.len()).prop_map(|n| Scheduler::KNOWN[n].clone());
    let persistence = option::of((1..3_u32, 1..=128_u8));
    let engine = option::of(Just(Name::new("sip").unwrap()));
    // What a newer kernel may know.
    let unknown_flags = prop_oneof![Just(0), Just(1 << 20)];
    (
        service_id(),
        scheduler,
        0..8_u32,
        persistence,
        engine,
        any::<bool>(),
        unknown_flags,
    )
        .prop_map(
            |(id, scheduler, flags, persistence, persistence_engine, one_packet, unknown_flags)| {
                Service {
                    id,
                    scheduler,
                    scheduler_flags: SchedulerFlags::from_bits_truncate(flags << 3),
                    persistence: persistence.map(|(timeout, bits)| {
                        let family = id.family();
                        Persistence::new(family, timeout)
                            .with_netmask(Netmask::prefix(family, bits))
                    }),
                    persistence_engine,
                    one_packet,
                    unknown_flags,
                }
            },
        )
}

fn destination() -> impl Strategy<Value = Destination> {
    let kind = prop_oneof![
        Just(TunnelKind::Ipip),
        Just(TunnelKind::Gre),
        Just(TunnelKind::Gue),
        Just(TunnelKind::Other(9)),
    ];
    let tunnel = (kind, 1..3_u16, 0..4_u16).prop_map(|(kind, port, flags)| Tunnel {
        kind,
        port,
        flags: TunnelFlags(flags),
    });
    let forwarding = prop_oneof![
        Just(Forwarding::DirectRouting),
        Just(Forwarding::Masquerading),
        Just(Forwarding::Local),
        Just(Forwarding::Bypass),
        Just(Forwarding::Other(6)),
        tunnel.prop_map(Forwarding::Tunnel),
    ];
    (
        address(),
        80..83_u16,
        forwarding,
        0..3_u32,
        0..3_u32,
        0..3_u32,
    )
        .prop_map(|(address, port, forwarding, weight, upper, lower)| {
            Destination::new(SocketAddr::new(address, port), forwarding)
                .with_weight(weight)
                .with_thresholds(upper, lower.min(upper))
        })
}

fn table() -> impl Strategy<Value = Table> {
    let services = vec((service(), vec(destination(), 0..5)), 0..6);
    let timeouts = option::of((0..3_u32, 0..3_u32, 1..3_u32));
    let daemon = (0..3_u32, option::of(1..3_u8));
    let daemons = option::of((option::of(daemon.clone()), option::of(daemon)));
    (services, timeouts, daemons).prop_map(|(services, timeouts, daemons)| {
        let services = services.into_iter().map(|(service, destinations)| {
            // Mixed families need a tunnel, and that no daemon runs.
            let fitting = destinations.into_iter().filter(|destination| {
                let same = Family::of(destination.id.address) == service.id.family();
                let tunnel = matches!(destination.forwarding, Forwarding::Tunnel(_));
                same || (tunnel && daemons.is_none())
            });
            VirtualService::with_destinations(service.clone(), fitting.collect::<Vec<_>>())
        });
        let mut table: Table = services.collect();
        table.timeouts = timeouts.map(|(tcp, tcp_fin, udp)| Timeouts { tcp, tcp_fin, udp });
        // A table without daemons in it stops them, so that its mixed families are possible.
        let (master, backup) = daemons.unwrap_or_default();
        let daemon = |role, settings: Option<(u32, Option<u8>)>| {
            settings.map(|(sync_id, ttl)| {
                let eth0 = Name::new("eth0").unwrap();
                (
                    role,
                    SyncDaemon {
                        ttl,
                        ..SyncDaemon::new(role, eth0, sync_id)
                    },
                )
            })
        };
        let both = [
            daemon(DaemonRole::Master, master),
            daemon(DaemonRole::Backup, backup),
        ];
        table.daemons = Some(both.into_iter().flatten().collect());
        table
    })
}

/// The nearest that a line of ipvsadm can say.
fn sayable(destination: &Destination, service: &ServiceId) -> Destination {
    let forwarding = match destination.forwarding {
        Forwarding::Masquerading => Forwarding::Masquerading,
        Forwarding::Tunnel(tunnel) => Forwarding::Tunnel(match tunnel.kind {
            TunnelKind::Gue => Tunnel::gue(tunnel.port).with_flags(TunnelFlags(tunnel.flags.0 % 3)),
            TunnelKind::Gre => Tunnel::gre().with_flags(TunnelFlags(tunnel.flags.0 % 2)),
            _ => Tunnel::ipip(),
        }),
        _ => Forwarding::DirectRouting,
    };
    let mut said = Destination {
        forwarding,
        ..*destination
    };
    if let (ServiceId::Address { port, .. }, false) =
        (service, forwarding == Forwarding::Masquerading)
    {
        said.id.port = *port;
    }
    said
}

/// The table as a kernel shows it, as far as lines of ipvsadm can say it.
fn shown(table: &Table) -> Snapshot {
    let services = table.services.values().map(|service| {
        let id = service.service.id;
        let datagrams =
            !matches!(id, ServiceId::Address { protocol, .. } if protocol != Protocol::Udp);
        let said = service.destinations.values().map(|d| sayable(d, &id));
        let said = VirtualService::with_destinations(
            Service {
                one_packet: service.service.one_packet && datagrams,
                ..service.service.clone()
            },
            said,
        );
        ServiceSnapshot {
            entry: ServiceEntry {
                service: said.service,
                stats: Stats::default(),
            },
            destinations: said
                .destinations
                .into_values()
                .map(|destination| DestinationEntry {
                    destination,
                    active_connections: 0,
                    inactive_connections: 0,
                    persistent_connections: 0,
                    stats: Stats::default(),
                })
                .collect(),
        }
    });
    Snapshot {
        services: services.collect(),
        timeouts: table.timeouts.unwrap_or_default(),
        daemons: table
            .daemons
            .iter()
            .flatten()
            .map(|(_, d)| d.clone())
            .collect(),
        ..Snapshot::default()
    }
}

/// Words that a command line may be made of, and some that it may not.
fn word() -> impl Strategy<Value = String> {
    let known = [
        "-A",
        "-E",
        "-D",
        "-a",
        "-e",
        "-d",
        "-C",
        "-Ln",
        "-L",
        "-Z",
        "-S",
        "-R",
        "--set",
        "-t",
        "-u",
        "-f",
        "-6",
        "-s",
        "-p",
        "-M",
        "-r",
        "-g",
        "-i",
        "-m",
        "-w",
        "-x",
        "--tun-type",
        "--tun-port",
        "--start-daemon",
        "--syncid",
        "--stats",
        "-X",
        "-o",
        "-b",
        "--",
        "-",
        "-op=3",
        "--mcast-ttl",
        "192.0.2.1:80",
        "[2001:db8::1]:80",
        "2001:db8::2",
        "7",
        "300",
        "rr",
        "gue",
        "master",
        "wrr",
    ];
    prop_oneof![
        8 => proptest::sample::select(known.to_vec()).prop_map(str::to_owned),
        1 => ".{0,8}",
        1 => "-[a-zA-Z0-9=]{0,4}",
    ]
}

/// Services and destinations that are not alike in both; what goes with its service counts once.
fn differing(before: &Table, after: &Table) -> usize {
    let gone = before
        .services
        .keys()
        .filter(|id| !after.services.contains_key(id))
        .count();
    let others = after.services.iter().map(|(id, service)| {
        let Some(present) = before.services.get(id) else {
            return 1 + service.destinations.len();
        };
        let ids: BTreeSet<_> = present
            .destinations
            .keys()
            .chain(service.destinations.keys())
            .collect();
        let differ = |id: &&_| present.destinations.get(id) != service.destinations.get(id);
        usize::from(present.service != service.service) + ids.into_iter().filter(differ).count()
    });
    gone + others.sum::<usize>()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_saved_is_restored(mut table in table()) {
        // The text has no words for them.
        for service in table.services.values_mut() {
            service.service.unknown_flags = 0;
        }
        let shown = shown(&table);
        let complete = Save { numeric: true, complete: true };
        let text = save(&shown, complete, &Numeric);
        let script = Script::parse(&text, &Numeric).expect(&text);
        let mut want = shown.table();
        prop_assert_eq!(&script.table.services, &want.services, "{}", text);
        prop_assert_eq!(script.table.timeouts, want.timeouts);
        prop_assert_eq!(script.table.daemons.unwrap_or_default(), want.daemons.unwrap_or_default());

        // ipvsadm's own format leaves some things out.
        let text = save(&shown, Save { numeric: true, complete: false }, &Numeric);
        let script = Script::parse(&text, &Numeric).expect(&text);
        for service in want.services.values_mut() {
            let settings = &mut service.service;
            if matches!(settings.scheduler, Scheduler::SourceHashing | Scheduler::MaglevHashing) {
                let bits = settings.scheduler_flags.bits() & !SchedulerFlags::FLAG_3.bits();
                settings.scheduler_flags = SchedulerFlags::from_bits_truncate(bits);
            }
            for destination in service.destinations.values_mut() {
                *destination = destination.with_thresholds(0, 0);
            }
        }
        prop_assert_eq!(&script.table.services, &want.services, "{}", text);
        prop_assert_eq!((script.table.timeouts, script.table.daemons), (None, None));
    }

    #[test]
    fn any_words_are_a_command_line_or_a_mistake(words in vec(word(), 0..9)) {
        if let Err(error) = parse(&words, &Numeric) {
            prop_assert!([2, 255].contains(&error.status()));
            prop_assert!(!error.to_string().is_empty());
        }
        let _ = Script::parse(&words.join(" "), &Numeric);
    }


    /// Any table can follow any other; nothing that stays is removed; a second time changes
    /// nothing.
    #[test]
    fn any_table_follows_any_other(first in table(), second in table()) {
        let kernel = FakeKernel::new();
        let mut client = Client::with_transport(kernel.transport()).unwrap();
        client.reconcile(&first, Owned::Everything).unwrap();
        prop_assert_eq!(&kernel.table().services, &first.services);
        let _ = kernel.take_log();

        let before = kernel.table();
        let changes = before.diff(&second, Owned::Everything);
        tables::check_changes(&before, &second, &changes);
        client.apply_changes(&changes).unwrap();
        let after = kernel.table();
        prop_assert_eq!(&after.services, &second.services);
        prop_assert_eq!(after.diff(&second, Owned::Everything), []);
        if let Some(timeouts) = second.timeouts {
            prop_assert_eq!(after.timeouts, Some(timeouts.over(before.timeouts.unwrap())));
        }
        // As many commands as things that differ, not one more.
        prop_assert_eq!(kernel.take_log().len(), changes.len());
        let of_services = changes.iter().filter(|change| change.service().is_some()).count();
        prop_assert_eq!(of_services, differing(&before, &second));
    }

    /// A service that has a serving destination before and after has one after every step.
    #[test]
    fn traffic_never_finds_a_hole(first in table(), second in table()) {
        let serves = |table: &Table, id: &ServiceId| {
            let service = table.services.get(id);
            service.is_some_and(|s| s.destinations.values().any(|d| d.weight > 0))
        };
        let always: BTreeSet<ServiceId> = first
            .services
            .keys()
            .copied()
            .filter(|id| serves(&first, id) && serves(&second, id))
            .collect();
        let kernel = FakeKernel::new();
        let mut client = Client::with_transport(kernel.transport()).unwrap();
        client.reconcile(&first, Owned::Everything).unwrap();
        for change in kernel.table().diff(&second, Owned::Everything) {
            client.apply_changes(std::slice::from_ref(&change)).unwrap();
            let now = kernel.table();
            for id in &always {
                prop_assert!(serves(&now, id), "{} after {}", id, change);
            }
        }
    }

    /// Taking every change back, last first, restores the table.
    #[test]
    fn inverse_changes_restore(first in table(), second in table()) {
        let kernel = FakeKernel::new();
        let mut client = Client::with_transport(kernel.transport()).unwrap();
        client.reconcile(&first, Owned::Everything).unwrap();
        let before = kernel.table();
        let changes = before.diff(&second, Owned::Everything);
        client.apply_changes(&changes).unwrap();
        let back: Vec<Change> = changes.iter().rev().flat_map(Change::inverse).collect();
        client.apply_changes(&back).unwrap();
        prop_assert_eq!(kernel.table(), before);
    }

    /// A refusal at any place leaves the table as it was.
    #[test]
    fn a_refusal_leaves_no_trace(first in table(), second in table(), at in any::<prop::sample::Index>()) {
        let kernel = FakeKernel::new();
        let mut client = Client::with_transport(kernel.transport()).unwrap();
        client.reconcile(&first, Owned::Everything).unwrap();
        let before = kernel.table();
        let mut changes = before.diff(&second, Owned::Everything);
        let nowhere = ServiceId::tcp("203.0.113.9:9".parse().unwrap());
        let server: SocketAddr = "203.0.113.9:9".parse().unwrap();
        let destination = Destination::new(server, Forwarding::DirectRouting);
        let place = at.index(changes.len() + 1);
        changes.insert(place, Change::AddDestination { service: nowhere, destination });
        let error = client.apply_changes(&changes).unwrap_err();
        let ipvs_netlink::ApplyError::RolledBack(rolled_back) = error else {
            panic!("{error}");
        };
        prop_assert_eq!(rolled_back.position, place);
        prop_assert_eq!(rolled_back.left, []);
        prop_assert_eq!(kernel.table(), before);
    }

    /// Services of others survive everything.
    #[test]
    fn what_is_not_owned_stays(first in table(), second in table(), owned in vec(service_id(), 0..4)) {
        let owned: BTreeSet<ServiceId> = owned.into_iter().collect();
        let kernel = FakeKernel::new();
        let mut client = Client::with_transport(kernel.transport()).unwrap();
        client.reconcile(&first, Owned::Everything).unwrap();
        let before = kernel.table();
        let wished = Table { daemons: None, ..second };
        let mixed = |table: &Table| table.daemons.as_ref().is_some_and(|d| !d.is_empty());
        prop_assume!(!mixed(&before));
        client.reconcile(&wished, Owned::Only(&owned)).unwrap();
        let after = kernel.table();
        for (id, service) in &before.services {
            if !owned.contains(id) && !wished.services.contains_key(id) {
                prop_assert_eq!(after.services.get(id), Some(service));
            }
        }
    }

    /// Reading never panics.
    #[test]
    fn any_bytes_can_be_read(bytes in vec(any::<u8>(), 0..300), id in service_id()) {
        let queries = [
            Query::Family, Query::Info, Query::Timeouts, Query::Daemons, Query::Services,
            Query::Service(id), Query::Destinations(id),
        ];
        for query in queries {
            decode(&query, &bytes).for_each(drop);
        }
        connections::parse(&String::from_utf8_lossy(&bytes)).for_each(drop);
    }

    /// Neither does the in-memory kernel, whatever it is sent; and it answers what looks like
    /// requests.
    #[test]
    fn any_request_can_be_sent(bytes in vec(any::<u8>(), 0..200), command in 0..20_u8) {
        use ipvs_netlink::transport::Transport;
        let kernel = FakeKernel::new();
        let mut transport = kernel.transport();
        let _ = transport.send(&bytes);
        let mut message = Vec::new();
        encode_command(&Command::Flush, 0x1c, 1, true, &mut message);
        message[16] = command;
        message.extend_from_slice(&bytes);
        let length = u32::try_from(message.len()).unwrap();
        message[..4].copy_from_slice(&length.to_ne_bytes());
        let _ = transport.send(&message);
        let mut answer = Vec::new();
        while transport.receive(&mut answer, std::time::Duration::ZERO).is_ok() {}
    }
}
