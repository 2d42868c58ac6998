use super::*;
use crate::types::{
    Destination, Info, Netmask, Persistence, Scheduler, SchedulerFlags, ServiceEntry, Stats,
};

fn entry(text: &str, forwarding: Forwarding) -> DestinationEntry {
    let address: SocketAddr = text.parse().unwrap();
    DestinationEntry {
        destination: Destination::new(address, forwarding),
        active_connections: 3,
        inactive_connections: 12,
        persistent_connections: 0,
        stats: Stats::default(),
    }
}

fn snapshot() -> Snapshot {
    let web = Service {
        scheduler_flags: SchedulerFlags::HASH_PORT,
        persistence: Some(
            Persistence::new(Family::V4, 300).with_netmask(Netmask::prefix(Family::V4, 24)),
        ),
        ..Service::new(
            ServiceId::tcp("172.16.1.8:80".parse().unwrap()),
            Scheduler::SourceHashing,
        )
    };
    let mark = Service::new(
        ServiceId::fwmark(9, Family::V6).unwrap(),
        Scheduler::NeverQueue,
    );
    let destinations = vec![
        entry("172.16.1.5:80", Forwarding::Tunnel(Tunnel::gue(6080))),
        entry("172.16.1.4:80", Forwarding::DirectRouting),
    ];
    let service = |service, destinations| ServiceSnapshot {
        entry: ServiceEntry {
            service,
            stats: Stats::default(),
        },
        destinations,
    };
    Snapshot {
        info: Info {
            version: 0x01_02_01,
            connection_table_size: 4096,
        },
        services: vec![service(mark, Vec::new()), service(web, destinations)],
        ..Snapshot::default()
    }
}

#[test]
fn lists_the_table() {
    let want = "\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  172.16.1.8:80 sh (sh-port) persistent 300 mask 255.255.255.0
  -> 172.16.1.4:80                Route   1      3          12        
  -> 172.16.1.5:80                Tunnel  1      3          12        
FWM  9 IPv6 nq
";
    assert_eq!(table(&snapshot()), want);
}

#[test]
fn lists_tunnels_and_totals() {
    let tunnels = Listing {
        view: View::Tunnels,
        ..Listing::default()
    }
    .table(&snapshot());
    let row =
        "  -> 172.16.1.5:80                Tunnel  gue:6080:-c   1      3          12        ";
    assert!(tunnels.contains(row), "{tunnels}");
    let mut large = snapshot();
    large.services[1].entry.stats.counters = Counters {
        connections: 99_999_999,
        packets_in: 100_000_000,
        packets_out: 1_000_000_000,
        bytes_in: 100_000_000_000,
        bytes_out: 100_000_000_000_000,
    };
    let stats = Listing {
        view: View::Stats,
        ..Listing::default()
    };
    let row = "TCP  172.16.1.8:80                99999999  100000K    1000M     100G     100T\n";
    let listed = stats.table(&large);
    assert!(listed.contains(row), "{listed}");
    let listed = Listing {
        exact: true,
        ..stats
    }
    .table(&large);
    assert!(
        listed.contains(" 99999999 100000000 1000000000 100000000000"),
        "{listed}"
    );
}

#[test]
fn far_addresses_keep_ipvsadms_circular_order() {
    let mut rows: Vec<DestinationEntry> = [
        "200.1.1.1:80",
        "172.16.1.8:80",
        "130.0.0.1:80",
        "1.2.3.4:80",
        "127.0.0.1:80",
    ]
    .into_iter()
    .chain(["192.168.9.9:80", "10.0.0.1:80"])
    .map(|text| entry(text, Forwarding::Masquerading))
    .collect();
    rows.sort_by_key(|row| row.destination.id);
    // In the order in which a kernel lists them: the newest first.
    let made = [
        "10.0.0.1",
        "172.16.1.8",
        "192.168.9.9",
        "127.0.0.1",
        "1.2.3.4",
        "130.0.0.1",
        "200.1.1.1",
    ];
    let mut kernel: Vec<&DestinationEntry> = made
        .iter()
        .rev()
        .map(|a| {
            rows.iter()
                .find(|r| r.destination.id.address.to_string() == *a)
                .unwrap()
        })
        .collect();
    order::destinations(&mut kernel);
    let listed: Vec<String> = kernel
        .iter()
        .map(|row| row.destination.id.address.to_string())
        .collect();
    // What ipvsadm 1.31 lists for a service with these seven.
    let want = [
        "127.0.0.1",
        "130.0.0.1",
        "172.16.1.8",
        "192.168.9.9",
        "200.1.1.1",
        "1.2.3.4",
        "10.0.0.1",
    ];
    assert_eq!(listed, want);
}
