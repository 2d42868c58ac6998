//! What IPVS does, told once: the tests run it against the in-memory kernel and a real one.
//!
//! Every part starts with an empty table and expects an interface `eth0` with an MTU of 1500.

use std::net::SocketAddr;

use ipvs_netlink::transport::Transport;
use ipvs_netlink::types::ServiceEntry;
use ipvs_netlink::{
    Change, Client, Command, DaemonRole, Destination, Error, Family, Forwarding, Name, Netmask,
    Owned, Persistence, Reason, Scheduler, SchedulerFlags, Service, ServiceId, SyncDaemon, Table,
    Timeouts, Tunnel, TunnelFlags, VirtualService,
};

pub(crate) mod tables;

type Part<T> = fn(&mut Client<T>);

/// Everything.
pub(crate) fn run<T: Transport>(client: &mut Client<T>) {
    let parts: [(&str, Part<T>); 11] = [
        ("reads back what it wrote", reads_back),
        ("refuses services", refuses_services),
        ("refuses destinations", refuses_destinations),
        ("edits in place", edits),
        ("has timeouts", timeouts),
        ("has sync daemons", daemons),
        (
            "keeps families apart while a daemon runs",
            daemons_and_families,
        ),
        ("tells of every command in a batch", batch),
        ("takes back what was made before a refusal", rolls_back),
        ("goes from any table to any other", differences),
        ("removes only what is owned", ownership),
    ];
    for (name, part) in parts {
        println!("  {name}");
        client.flush().unwrap();
        part(client);
    }
    client.flush().unwrap();
}

pub(crate) fn socket(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(crate) fn tcp(text: &str) -> ServiceId {
    ServiceId::tcp(socket(text))
}

fn reason<V: std::fmt::Debug>(result: Result<V, Error>) -> Reason {
    match result.unwrap_err() {
        Error::Refused(refusal) => refusal.reason(),
        other => panic!("not refused: {other}"),
    }
}

/// One of each kind.
fn reads_back<T: Transport>(client: &mut Client<T>) {
    let wished = tables::every_kind();
    client.reconcile(&wished, Owned::Everything).unwrap();
    let read = client.table().unwrap();
    assert_eq!(read.services, wished.services);
    assert_eq!(read.diff(&wished, Owned::Everything), []);
    assert!(client.info().unwrap().connection_table_size > 0);
    assert_eq!(client.info().unwrap().version_parts(), (1, 2, 1));

    let id = tcp("192.0.2.1:80");
    let ServiceEntry { service, stats } = client.service(&id).unwrap().unwrap();
    assert_eq!(Some(&service), wished.services.get(&id).map(|s| &s.service));
    assert_eq!(stats, ipvs_netlink::Stats::default());
    assert_eq!(client.service(&tcp("192.0.2.1:81")).unwrap(), None);
    assert_eq!(client.destinations(&tcp("192.0.2.1:81")).unwrap(), []);

    client.zero(Some(id)).unwrap();
    client.zero(None).unwrap();
    assert_eq!(
        reason(client.zero(Some(tcp("192.0.2.1:81")))),
        Reason::NoSuchService
    );

    client.flush().unwrap();
    assert!(client.table().unwrap().services.is_empty());
}

fn refuses_services<T: Transport>(client: &mut Client<T>) {
    let id = tcp("192.0.2.1:80");
    let service = Service::new(id, Scheduler::RoundRobin);
    assert_eq!(
        reason(client.edit_service(service.clone())),
        Reason::NoSuchService
    );
    assert_eq!(reason(client.remove_service(id)), Reason::NoSuchService);
    client.add_service(service.clone()).unwrap();
    assert_eq!(
        reason(client.add_service(service.clone())),
        Reason::ServiceExists
    );
    // Another protocol, another family of the same mark: other services.
    client
        .add_service(Service::new(
            ServiceId::udp(socket("192.0.2.1:80")),
            Scheduler::RoundRobin,
        ))
        .unwrap();
    for family in [Family::V4, Family::V6] {
        let mark = ServiceId::fwmark(7, family).unwrap();
        client
            .add_service(Service::new(mark, Scheduler::RoundRobin))
            .unwrap();
        assert_eq!(
            reason(client.add_service(Service::new(mark, Scheduler::RoundRobin))),
            Reason::ServiceExists
        );
    }

    let unknown: Scheduler = "nosuch".parse().unwrap();
    let other = tcp("192.0.2.2:80");
    let refused = client.add_service(Service::new(other, unknown.clone()));
    assert_eq!(reason(refused), Reason::UnknownScheduler(unknown.clone()));
    let refused = client.edit_service(Service::new(id, unknown.clone()));
    assert_eq!(reason(refused), Reason::UnknownScheduler(unknown));
    assert_eq!(client.service(&id).unwrap().unwrap().service, service);
    let engine = Name::new("nosuch").unwrap();
    let refused = client.add_service(Service {
        persistence_engine: Some(engine.clone()),
        ..Service::new(other, Scheduler::RoundRobin)
    });
    assert_eq!(
        reason(refused),
        Reason::UnknownSchedulerOrEngine(Scheduler::RoundRobin, engine)
    );

    let v6 = tcp("[2001:db8::1]:80");
    for bits in [0, 129] {
        let persistence = Persistence::new(Family::V6, 300).with_netmask(Netmask::V6(bits));
        let refused = client.add_service(Service {
            persistence: Some(persistence),
            ..Service::new(v6, Scheduler::RoundRobin)
        });
        assert_eq!(reason(refused), Reason::BadNetmask);
    }
}

fn refuses_destinations<T: Transport>(client: &mut Client<T>) {
    let id = tcp("192.0.2.1:80");
    let server = Destination::new(socket("198.51.100.1:80"), Forwarding::DirectRouting);
    assert_eq!(
        reason(client.add_destination(id, server)),
        Reason::NoSuchService
    );
    assert_eq!(
        reason(client.remove_destination(id, server.id)),
        Reason::NoSuchService
    );
    client
        .add_service(Service::new(id, Scheduler::WeightedRoundRobin))
        .unwrap();
    assert_eq!(
        reason(client.edit_destination(id, server)),
        Reason::NoSuchDestination
    );
    assert_eq!(
        reason(client.remove_destination(id, server.id)),
        Reason::NoSuchDestination
    );
    client.add_destination(id, server).unwrap();
    assert_eq!(
        reason(client.add_destination(id, server)),
        Reason::DestinationExists
    );

    let other = Destination {
        id: socket("198.51.100.2:80").into(),
        ..server
    };
    let heaviest = i32::MAX.unsigned_abs();
    client
        .add_destination(id, other.with_weight(heaviest))
        .unwrap();
    client.remove_destination(id, other.id).unwrap();
    let out_of_range = [
        other.with_weight(heaviest + 1),
        other.with_weight(u32::MAX),
        other.with_thresholds(10, 11),
        other.with_thresholds(0, 1),
    ];
    for destination in out_of_range {
        assert_eq!(
            reason(client.add_destination(id, destination)),
            Reason::OutOfRange
        );
        let edit = Destination {
            id: server.id,
            ..destination
        };
        assert_eq!(
            reason(client.edit_destination(id, edit)),
            Reason::OutOfRange
        );
    }
    client
        .add_destination(id, other.with_thresholds(10, 10))
        .unwrap();

    let no_port = Forwarding::Tunnel(Tunnel::gue(0));
    let tunnelled = Destination {
        forwarding: no_port,
        ..server
    };
    assert_eq!(
        reason(client.edit_destination(id, tunnelled)),
        Reason::TunnelWithoutPort
    );
    let tunnelled = Destination {
        id: socket("198.51.100.3:80").into(),
        ..tunnelled
    };
    assert_eq!(
        reason(client.add_destination(id, tunnelled)),
        Reason::TunnelWithoutPort
    );

    for address in ["224.0.0.1:80", "255.255.255.255:80", "0.0.0.0:80"] {
        let destination = Destination {
            id: socket(address).into(),
            ..server
        };
        assert_eq!(
            reason(client.add_destination(id, destination)),
            Reason::BadDestinationAddress,
            "{address}"
        );
    }
    let v6 = tcp("[2001:db8::1]:80");
    client
        .add_service(Service::new(v6, Scheduler::RoundRobin))
        .unwrap();
    for address in ["[ff02::1]:80", "[fe80::1]:80", "[::]:80"] {
        let destination = Destination {
            id: socket(address).into(),
            ..server
        };
        assert_eq!(
            reason(client.add_destination(v6, destination)),
            Reason::BadDestinationAddress,
            "{address}"
        );
    }

    let mixed = Destination {
        id: socket("[2001:db8::80]:80").into(),
        ..server
    };
    assert_eq!(
        reason(client.add_destination(id, mixed)),
        Reason::MixedFamilies
    );
    let mixed = Destination {
        forwarding: Forwarding::Tunnel(Tunnel::ipip()),
        ..mixed
    };
    client.add_destination(id, mixed).unwrap();
    assert_eq!(client.destinations(&id).unwrap().len(), 3);
}

fn edits<T: Transport>(client: &mut Client<T>) {
    let id = tcp("192.0.2.1:80");
    let server = Destination::new(socket("198.51.100.1:80"), Forwarding::DirectRouting);
    client
        .add_service(Service::new(id, Scheduler::RoundRobin))
        .unwrap();
    client.add_destination(id, server).unwrap();
    let service = Service {
        scheduler_flags: SchedulerFlags::HASH_FALLBACK.union(SchedulerFlags::HASH_PORT),
        persistence: Some(
            Persistence::new(Family::V4, 60).with_netmask(Netmask::prefix(Family::V4, 24)),
        ),
        ..Service::new(id, Scheduler::SourceHashing)
    };
    client.edit_service(service.clone()).unwrap();
    assert_eq!(client.service(&id).unwrap().unwrap().service, service);
    let plain = Service::new(id, Scheduler::WeightedLeastConnection);
    client.edit_service(plain.clone()).unwrap();
    assert_eq!(client.service(&id).unwrap().unwrap().service, plain);

    let gre = Tunnel::gre().with_flags(TunnelFlags::CHECKSUM);
    for forwarding in [
        Forwarding::Masquerading,
        Forwarding::Tunnel(Tunnel::gue(6080)),
        Forwarding::Tunnel(gre),
        Forwarding::DirectRouting,
    ] {
        let edited = Destination {
            forwarding,
            ..server
        }
        .with_weight(0)
        .with_thresholds(9, 3);
        client.edit_destination(id, edited).unwrap();
        let read = client.destinations(&id).unwrap();
        assert_eq!(
            read.iter()
                .map(|entry| entry.destination)
                .collect::<Vec<_>>(),
            [edited]
        );
    }
    client.remove_destination(id, server.id).unwrap();
    client.remove_service(id).unwrap();
    assert!(client.services().unwrap().is_empty());
}

fn timeouts<T: Transport>(client: &mut Client<T>) {
    let before = client.timeouts().unwrap();
    client
        .set_timeouts(Timeouts {
            tcp: 100,
            tcp_fin: 20,
            udp: 30,
        })
        .unwrap();
    client
        .set_timeouts(Timeouts {
            tcp: 0,
            tcp_fin: 21,
            udp: 0,
        })
        .unwrap();
    assert_eq!(
        client.timeouts().unwrap(),
        Timeouts {
            tcp: 100,
            tcp_fin: 21,
            udp: 30
        }
    );
    let refused = client.set_timeouts(Timeouts {
        tcp: u32::MAX,
        tcp_fin: 0,
        udp: 0,
    });
    assert_eq!(reason(refused), Reason::Invalid);
    let wished = Table {
        timeouts: Some(before),
        ..Table::new()
    };
    client.reconcile(&wished, Owned::Nothing).unwrap();
    assert_eq!(client.timeouts().unwrap(), before);
}

fn daemons<T: Transport>(client: &mut Client<T>) {
    assert_eq!(client.daemons().unwrap(), []);
    assert_eq!(
        reason(client.stop_daemon(DaemonRole::Master)),
        Reason::DaemonNotRunning
    );
    let eth0 = Name::new("eth0").unwrap();
    let nope = Name::new("nope").unwrap();
    let refused = client.start_daemon(SyncDaemon::new(DaemonRole::Master, nope.clone(), 1));
    assert_eq!(reason(refused), Reason::NoSuchInterface(nope));

    let master = SyncDaemon::new(DaemonRole::Master, eth0.clone(), 5);
    client.start_daemon(master.clone()).unwrap();
    assert_eq!(
        reason(client.start_daemon(master.clone())),
        Reason::DaemonRunning
    );
    let backup = SyncDaemon {
        max_length: Some(1400),
        group: Some("224.0.0.90".parse().unwrap()),
        port: Some(8850),
        ttl: Some(3),
        ..SyncDaemon::new(DaemonRole::Backup, eth0, 7)
    };
    client.start_daemon(backup.clone()).unwrap();
    let running = client.daemons().unwrap();
    assert_eq!(running.len(), 2);
    assert!(master.is_satisfied_by(&running[0]), "{:?}", running[0]);
    let defaults = SyncDaemon {
        max_length: Some(1472),
        group: Some("224.0.0.81".parse().unwrap()),
        port: Some(8848),
        ttl: Some(1),
        ..master.clone()
    };
    assert_eq!(running[0], defaults);
    assert_eq!(running[1], backup);

    // What runs as wished stays; what differs is stopped and started; the rest stops.
    let other = SyncDaemon {
        sync_id: 6,
        ..master.clone()
    };
    let mut wished = Table::new();
    wished.daemons = Some([(DaemonRole::Master, other.clone())].into());
    let changes = client.reconcile(&wished, Owned::Nothing).unwrap();
    let stopped = [Change::StopDaemon(defaults), Change::StopDaemon(backup)];
    assert_eq!(changes[..2], stopped);
    assert_eq!(changes[2..], [Change::StartDaemon(other.clone())]);
    let running = client.daemons().unwrap();
    assert!(
        running.len() == 1 && other.is_satisfied_by(&running[0]),
        "{running:?}"
    );
    assert_eq!(client.reconcile(&wished, Owned::Nothing).unwrap(), []);
    client.stop_daemon(DaemonRole::Master).unwrap();
    assert_eq!(client.daemons().unwrap(), []);
}

fn daemons_and_families<T: Transport>(client: &mut Client<T>) {
    let id = tcp("192.0.2.1:80");
    client
        .add_service(Service::new(id, Scheduler::RoundRobin))
        .unwrap();
    let tunnel = Forwarding::Tunnel(Tunnel::ipip());
    let mixed = Destination::new(socket("[2001:db8::80]:80"), tunnel);
    client.add_destination(id, mixed).unwrap();
    let daemon = SyncDaemon::new(DaemonRole::Backup, Name::new("eth0").unwrap(), 1);
    assert_eq!(reason(client.start_daemon(daemon.clone())), Reason::Invalid);
    client.remove_destination(id, mixed.id).unwrap();
    client.start_daemon(daemon).unwrap();
    assert_eq!(
        reason(client.add_destination(id, mixed)),
        Reason::MixedFamilies
    );
    client.stop_daemon(DaemonRole::Backup).unwrap();
    client.add_destination(id, mixed).unwrap();
}

/// More than fit into one datagram, with refusals at known places.
fn batch<T: Transport>(client: &mut Client<T>) {
    let id = tcp("192.0.2.1:80");
    let mut commands = vec![Command::AddService(Service::new(id, Scheduler::RoundRobin))];
    for number in 0..1000_u16 {
        let address = SocketAddr::new("198.51.100.1".parse().unwrap(), 1000 + number);
        let server = Destination::new(address, Forwarding::Masquerading);
        commands.push(Command::AddDestination(id, server));
        if number % 100 == 0 {
            commands.push(Command::AddDestination(id, server));
        }
    }
    let applied = client.apply(&commands).unwrap();
    assert_eq!(applied.outcomes().len(), commands.len());
    assert!(!applied.is_complete());
    let refused: Vec<usize> = applied.refusals().map(|(position, _)| position).collect();
    let want: Vec<usize> = (0..10).map(|hundred| 2 + hundred * 101).collect();
    assert_eq!(refused, want);
    for (position, refusal) in applied.refusals() {
        assert_eq!(refusal.reason(), Reason::DestinationExists);
        assert_eq!(refusal.command(), commands.get(position));
    }
    assert_eq!(client.destinations(&id).unwrap().len(), 1000);
    assert!(client.apply(&[]).unwrap().is_complete());
}

fn rolls_back<T: Transport>(client: &mut Client<T>) {
    let before: Table = [
        tables::web(
            "192.0.2.1:80",
            Scheduler::RoundRobin,
            &[("198.51.100.1:80", 1), ("198.51.100.2:80", 1)],
        ),
        tables::web(
            "192.0.2.2:80",
            Scheduler::RoundRobin,
            &[("198.51.100.1:80", 1)],
        ),
    ]
    .into_iter()
    .collect();
    client.reconcile(&before, Owned::Everything).unwrap();
    // A new service, an edited and a removed one; and one that no kernel takes, with many
    // changes behind it.
    let mut wished: Table = [
        tables::web(
            "192.0.2.1:80",
            Scheduler::WeightedRoundRobin,
            &[("198.51.100.2:80", 7), ("198.51.100.3:80", 1)],
        ),
        tables::web(
            "192.0.2.3:80",
            Scheduler::RoundRobin,
            &[("198.51.100.1:80", 1)],
        ),
    ]
    .into_iter()
    .collect();
    wished.timeouts = Some(Timeouts {
        tcp: 111,
        tcp_fin: 0,
        udp: 0,
    });
    let timeouts = client.timeouts().unwrap();
    let bad = tcp("192.0.2.9:80");
    let unknown: Scheduler = "nosuch".parse().unwrap();
    let bad_service = Service::new(bad, unknown.clone());
    wished.insert(VirtualService::with_destinations(
        bad_service,
        (0..300).map(|n| {
            let address = SocketAddr::new("198.51.100.1".parse().unwrap(), 1000 + n);
            Destination::new(address, Forwarding::Masquerading)
        }),
    ));
    let error = client.reconcile(&wished, Owned::Everything).unwrap_err();
    let ipvs_netlink::ApplyError::RolledBack(rolled_back) = error else {
        panic!("not rolled back: {error}");
    };
    assert_eq!(
        rolled_back.refusal.reason(),
        Reason::UnknownScheduler(unknown)
    );
    assert_eq!(rolled_back.left, []);
    assert!(
        rolled_back.to_string().contains("modprobe ip_vs_nosuch"),
        "{rolled_back}"
    );
    let after = client.table().unwrap();
    assert_eq!(after.services, before.services);
    assert_eq!(after.timeouts, Some(timeouts));
}

fn differences<T: Transport>(client: &mut Client<T>) {
    let mut random = tables::Random::new(0x1234_5678);
    for round in 0..40 {
        let wished = random.table();
        let before = client.table().unwrap();
        let changes = client.reconcile(&wished, Owned::Everything).unwrap();
        let after = client.table().unwrap();
        assert_eq!(after.services, wished.services, "round {round}");
        tables::check_changes(&before, &wished, &changes);
        assert_eq!(
            client.reconcile(&wished, Owned::Everything).unwrap(),
            [],
            "round {round}"
        );
    }
}

fn ownership<T: Transport>(client: &mut Client<T>) {
    let foreign = tables::web(
        "192.0.2.1:80",
        Scheduler::RoundRobin,
        &[("198.51.100.1:80", 1)],
    );
    let mine = tables::web(
        "192.0.2.2:80",
        Scheduler::RoundRobin,
        &[("198.51.100.1:80", 1)],
    );
    let both: Table = [foreign.clone(), mine.clone()].into_iter().collect();
    client.reconcile(&both, Owned::Everything).unwrap();
    client.reconcile(&Table::new(), Owned::Nothing).unwrap();
    assert_eq!(client.table().unwrap().services, both.services);
    let owned = [mine.service.id].into();
    let changes = client
        .reconcile(&Table::new(), Owned::Only(&owned))
        .unwrap();
    assert_eq!(changes.len(), 1);
    let only: Table = [foreign].into_iter().collect();
    assert_eq!(client.table().unwrap().services, only.services);
}
