//! The suite on a real kernel, in a network namespace of its own; says so where it cannot run.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test"
)]

mod suite;

use std::cell::RefCell;
use std::path::Path;
use std::process::Command as Process;
use std::rc::Rc;
use std::time::Duration;

use ipvs_netlink::listing::{self, Listing, View};
use ipvs_netlink::transport::{Namespace, NetlinkSocket, Transport};
use ipvs_netlink::{
    Client, ConnectError, Destination, Forwarding, Owned, Scheduler, Service, Tunnel, TunnelFlags,
    TunnelKind, VirtualService, connections,
};
use nix::sched::{CloneFlags, unshare};
use suite::{tables, tcp};

/// Moves this thread into a fresh network namespace with an interface `eth0`; false, and a line
/// that says why, if that or IPVS is missing here.
fn fresh_namespace() -> bool {
    let skip = |why: &str| {
        println!("skipped: {why}");
        false
    };
    if !Path::new("/proc/net/ip_vs").exists() {
        return skip("no IPVS in this kernel (modprobe ip_vs)");
    }
    if let Err(errno) = unshare(CloneFlags::CLONE_NEWNET) {
        return skip(&format!(
            "cannot make a network namespace ({errno}); run as root"
        ));
    }
    let ip = |arguments: &str| {
        let status = Process::new("ip").args(arguments.split(' ')).status();
        status.is_ok_and(|status| status.success())
    };
    let made = ip("link set lo up")
        && ip("link add eth0 type dummy")
        && ip("addr add 203.0.113.1/24 dev eth0")
        && ip("link set eth0 up");
    if made {
        true
    } else {
        skip("cannot make an interface with `ip` (iproute2)")
    }
}

#[test]
fn the_suite() {
    if fresh_namespace() {
        suite::run(&mut Client::connect().unwrap());
    }
}

#[test]
fn the_twin_for_tasks() {
    if !fresh_namespace() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut client = ipvs_netlink::client::tokio::Client::connect()
            .await
            .unwrap();
        let wished = tables::every_kind();
        client.reconcile(&wished, Owned::Everything).await.unwrap();
        assert_eq!(client.table().await.unwrap().services, wished.services);
        let mut random = tables::Random::new(7);
        for _ in 0..20 {
            let wished = random.table();
            client.reconcile(&wished, Owned::Everything).await.unwrap();
            assert_eq!(client.table().await.unwrap().services, wished.services);
        }
        // A future that is dropped half-way leaves answers behind; the next call copes.
        let wished = tables::every_kind();
        client.reconcile(&wished, Owned::Everything).await.unwrap();
        for _ in 0..20 {
            tokio::select! {
                biased;
                _ = client.snapshot() => {}
                () = tokio::task::yield_now() => {}
            }
            assert_eq!(client.table().await.unwrap().services, wished.services);
        }
    });
}

#[test]
fn another_namespace_is_reached_by_path() {
    if !fresh_namespace() {
        return;
    }
    // The path of this thread's namespace, seen from a thread that is elsewhere.
    let path = format!("/proc/self/task/{}/ns/net", nix::unistd::gettid());
    let namespace = Namespace::at(path);
    let there = std::thread::scope(|scope| {
        let elsewhere = || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            let mut here = Client::connect().unwrap();
            let mut there = Client::connect_in(&namespace).unwrap();
            let service = Service::new(tcp("192.0.2.1:80"), Scheduler::RoundRobin);
            there.add_service(service).unwrap();
            assert!(here.services().unwrap().is_empty());
        };
        scope.spawn(elsewhere).join()
    });
    there.unwrap();
    assert_eq!(Client::connect().unwrap().services().unwrap().len(), 1);
    let missing = Client::connect_in(&Namespace::named("no-such-namespace").unwrap());
    assert!(matches!(missing, Err(ConnectError::Namespace(_))));
}

/// What ipvsadm prints for the same table, or `None` without ipvsadm.
fn ipvsadm(arguments: &[&str]) -> Option<String> {
    let output = Process::new("ipvsadm").args(arguments).output().ok()?;
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn listings_are_ipvsadms() {
    if !fresh_namespace() {
        return;
    }
    let mut client = Client::connect().unwrap();
    let mut wished = tables::every_kind();
    // Far apart, and long: where ipvsadm's order and widths have their quirks.
    let many = tables::web(
        "10.0.0.1:80",
        Scheduler::RoundRobin,
        &[
            ("200.1.1.1:80", 1),
            ("172.16.1.8:80", 1_234_567),
            ("130.0.0.1:80", 1),
            ("1.2.3.4:80", i32::MAX.unsigned_abs()),
            ("127.0.0.1:8080", 1),
            ("127.0.0.1:443", 1),
            ("255.1.1.1:65535", 0),
        ],
    );
    wished.insert(many);
    for address in [
        "1.2.3.4:80",
        "200.0.0.1:80",
        "130.1.1.1:80",
        "[fe00::1]:80",
        "[::1]:80",
    ] {
        wished.insert(tables::web(address, Scheduler::WeightedOverflow, &[]));
    }
    let tunnel = Forwarding::Tunnel(Tunnel::ipip());
    let long = suite::socket("[2001:db8:1111:2222:3333:4444:5555:7777]:8080");
    let long = Destination::new(long, tunnel);
    for id in [tcp("192.0.2.77:8080"), tcp("[2001:db8::77]:8080")] {
        let service = Service::new(id, Scheduler::RoundRobin);
        wished.insert(VirtualService::with_destinations(service, [long]));
    }
    // Values that no tool of today sets, as a later kernel may have them.
    let odd = [
        Forwarding::Tunnel(Tunnel::gue(6080).with_flags(TunnelFlags(3))),
        Forwarding::Tunnel(Tunnel::gre().with_flags(TunnelFlags(3))),
        Forwarding::Tunnel(Tunnel::gre().with_flags(TunnelFlags(2))),
        Forwarding::Tunnel(Tunnel {
            kind: TunnelKind::Other(9),
            ..Tunnel::gue(7)
        }),
        Forwarding::Bypass,
        Forwarding::Other(5),
    ];
    let odd = (1..).zip(odd).map(|(port, forwarding)| {
        Destination::new(suite::socket(&format!("198.51.100.9:{port}")), forwarding)
    });
    let odd_service = Service::new(tcp("192.0.2.78:80"), Scheduler::Unscheduled);
    wished.insert(VirtualService::with_destinations(odd_service, odd));
    client.reconcile(&wished, Owned::Everything).unwrap();
    assert_eq!(client.table().unwrap().services, wished.services);
    let snapshot = client.snapshot().unwrap();
    let Some(theirs) = ipvsadm(&["-Ln"]) else {
        println!("skipped: no ipvsadm to compare with (apt-get install ipvsadm)");
        return;
    };
    assert_eq!(listing::table(&snapshot), theirs);
    let views = [
        ("--stats", View::Stats),
        ("--rate", View::Rate),
        ("--thresholds", View::Thresholds),
        ("--persistent-conn", View::PersistentConnections),
        ("--tun-info", View::Tunnels),
    ];
    for (option, view) in views {
        let ours = Listing {
            view,
            ..Listing::default()
        }
        .table(&snapshot);
        assert_eq!(ours, ipvsadm(&["-Ln", option]).unwrap(), "{option}");
    }
    let unsorted = Listing {
        sorted: false,
        ..Listing::default()
    };
    assert_eq!(
        unsorted.table(&snapshot),
        ipvsadm(&["-Ln", "--nosort"]).unwrap()
    );
    let exact = Listing {
        view: View::Stats,
        exact: true,
        ..Listing::default()
    };
    assert_eq!(
        exact.table(&snapshot),
        ipvsadm(&["-Ln", "--stats", "--exact"]).unwrap()
    );
    assert_eq!(
        listing::timeouts(&snapshot.timeouts),
        ipvsadm(&["-L", "--timeout"]).unwrap()
    );
    let id = tcp("10.0.0.1:80");
    let one = snapshot
        .services
        .iter()
        .find(|s| s.entry.service.id == id)
        .unwrap();
    let theirs = ipvsadm(&["-Ln", "-t", "10.0.0.1:80"]).unwrap();
    assert_eq!(Listing::default().service(one), theirs);
}

#[test]
fn daemons_are_listed_as_ipvsadm_does() {
    if !fresh_namespace() {
        return;
    }
    let mut client = Client::connect().unwrap();
    let eth0 = ipvs_netlink::Name::new("eth0").unwrap();
    for role in [
        ipvs_netlink::DaemonRole::Master,
        ipvs_netlink::DaemonRole::Backup,
    ] {
        client
            .start_daemon(ipvs_netlink::SyncDaemon::new(role, eth0.clone(), 3))
            .unwrap();
    }
    let ours = listing::daemons(&client.daemons().unwrap());
    if let Some(theirs) = ipvsadm(&["-Ln", "--daemon"]) {
        assert_eq!(ours, theirs);
    }
}

/// Traffic on loopback makes connections; both readers see the same.
#[test]
fn connections_are_listed_as_ipvsadm_does() {
    if !fresh_namespace() {
        return;
    }
    let mut client = Client::connect().unwrap();
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let virtual_server = format!("203.0.113.1:{port}");
    let persistence = ipvs_netlink::Persistence::new(ipvs_netlink::Family::V4, 300);
    let service = Service {
        persistence: Some(persistence),
        ..Service::new(tcp(&virtual_server), Scheduler::RoundRobin)
    };
    let id = service.id;
    client.add_service(service).unwrap();
    let destination = server.local_addr().unwrap();
    let destination = Destination::new(destination, Forwarding::Masquerading);
    client.add_destination(id, destination).unwrap();
    let timeout = Duration::from_secs(5);
    let address = suite::socket(&virtual_server);
    let Ok(stream) = std::net::TcpStream::connect_timeout(&address, timeout) else {
        println!("skipped: this kernel does not forward to loopback");
        return;
    };
    let text = std::fs::read_to_string("/proc/thread-self/net/ip_vs_conn").unwrap();
    let read: Vec<_> = connections::parse(&text).collect::<Result<_, _>>().unwrap();
    assert_eq!(read.len(), 2, "{text}");
    assert_eq!(connections::read().unwrap().len(), 2);
    assert!(read.iter().all(|connection| connection.is_of(&id)));
    let entry = read
        .iter()
        .find(|connection| connection.state == "ESTABLISHED")
        .unwrap();
    assert_eq!(entry.client, stream.local_addr().unwrap());
    assert_eq!(entry.virtual_server, address);
    assert_eq!(entry.destination, destination.id.address_and_port());
    if let Some(theirs) = ipvsadm(&["-Lnc"]) {
        assert_eq!(
            without_time(&listing::connections(&read, false)),
            without_time(&theirs)
        );
    }
    let snapshot = client.snapshot().unwrap();
    let entry = snapshot.services[0].destinations[0];
    assert_eq!(
        (entry.active_connections, entry.persistent_connections),
        (1, 1)
    );
}

/// A persistence engine's data stands behind a connection that it made.
#[test]
fn engine_data_is_listed_as_ipvsadm_does() {
    if !fresh_namespace() {
        return;
    }
    let mut client = Client::connect().unwrap();
    let id = ipvs_netlink::ServiceId::udp(suite::socket("203.0.113.1:5060"));
    let service = Service {
        persistence: Some(ipvs_netlink::Persistence::new(
            ipvs_netlink::Family::V4,
            300,
        )),
        persistence_engine: Some(ipvs_netlink::Name::new("sip").unwrap()),
        ..Service::new(id, Scheduler::RoundRobin)
    };
    if let Err(error) = client.add_service(service) {
        println!("skipped: {error}");
        return;
    }
    let real = std::net::UdpSocket::bind("127.0.0.1:5060").unwrap();
    let destination = Destination::new(real.local_addr().unwrap(), Forwarding::Masquerading);
    client.add_destination(id, destination).unwrap();
    let caller = std::net::UdpSocket::bind("203.0.113.1:0").unwrap();
    let call = "OPTIONS sip:a@203.0.113.1 SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.1\r\n\
                Call-ID: 8ff2a1@host.example\r\nContent-Length: 0\r\n\r\n";
    caller.send_to(call.as_bytes(), "203.0.113.1:5060").unwrap();
    let text = std::fs::read_to_string("/proc/thread-self/net/ip_vs_conn").unwrap();
    let read: Vec<_> = connections::parse(&text).collect::<Result<_, _>>().unwrap();
    let engine = read
        .iter()
        .find_map(|connection| connection.engine.as_ref());
    let Some(engine) = engine else {
        println!("skipped: this kernel does not forward to loopback\n{text}");
        return;
    };
    assert_eq!(
        (engine.name.as_str(), engine.data.as_str()),
        ("sip", "8ff2a1@host.example")
    );
    for options in [&["-Lnc"][..], &["-Lnc", "--persistent-conn"]] {
        let Some(theirs) = ipvsadm(options) else {
            return;
        };
        let ours = listing::connections(&read, options.len() > 1);
        assert_eq!(without_time(&ours), without_time(&theirs), "{theirs}");
    }
}

/// Lines without the time of expiry: seconds may pass between two readings.
fn without_time(text: &str) -> Vec<String> {
    let is_time = |word: &str| word.len() == 5 && word.get(2..3) == Some(":");
    let words = |line: &str| {
        line.split(' ')
            .filter(|word| !is_time(word))
            .collect::<Vec<_>>()
            .join(" ")
    };
    text.lines().map(words).collect()
}

/// Keeps what the kernel sends.
struct Recorder {
    socket: NetlinkSocket,
    received: Rc<RefCell<Vec<u8>>>,
}

impl Transport for Recorder {
    fn send(&mut self, datagram: &[u8]) -> std::io::Result<()> {
        self.socket.send(datagram)
    }

    fn receive(&mut self, datagram: &mut Vec<u8>, timeout: Duration) -> std::io::Result<()> {
        self.socket.receive(datagram, timeout)?;
        self.received.borrow_mut().extend_from_slice(datagram);
        Ok(())
    }
}

/// Answers of the kernel to the table that `tests/captures.rs` knows. With the environment
/// variable `IPVS_CAPTURE` they are written to that directory.
#[test]
fn captures_can_be_made_again() {
    if !fresh_namespace() {
        return;
    }
    let received = Rc::new(RefCell::new(Vec::new()));
    let socket = NetlinkSocket::open().unwrap();
    let recorder = Recorder {
        socket,
        received: Rc::clone(&received),
    };
    let mut client = Client::with_transport(recorder).unwrap();
    let directory = std::env::var_os("IPVS_CAPTURE").map(std::path::PathBuf::from);
    let keep = |name: &str| {
        let bytes = received.take();
        assert!(!bytes.is_empty(), "{name}");
        if let Some(directory) = &directory {
            std::fs::write(directory.join(name), bytes).unwrap();
        }
    };
    keep("family.bin");
    client.info().unwrap();
    keep("info.bin");
    client.timeouts().unwrap();
    keep("timeouts.bin");
    let wished = tables::every_kind();
    client.reconcile(&wished, Owned::Everything).unwrap();
    received.take();
    client.services().unwrap();
    keep("services.bin");
    client.destinations(&tcp("192.0.2.100:0")).unwrap();
    keep("destinations.bin");
    client.flush().unwrap();
    let eth0 = ipvs_netlink::Name::new("eth0").unwrap();
    for role in [
        ipvs_netlink::DaemonRole::Master,
        ipvs_netlink::DaemonRole::Backup,
    ] {
        client
            .start_daemon(ipvs_netlink::SyncDaemon::new(role, eth0.clone(), 3))
            .unwrap();
    }
    received.take();
    client.daemons().unwrap();
    keep("daemons.bin");
    assert!(
        client
            .add_service(Service::new(tcp("1.1.1.1:1"), "nosuch".parse().unwrap()))
            .is_err()
    );
    keep("refusal.bin");
}
