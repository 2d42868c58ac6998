//! What hosts on the link see of the virtual addresses: who answers, who takes packets, and that adverts stay there.

use std::net::UdpSocket;
use std::time::Duration;

use vrrp_net::vrrp_proto::{Config, Family, Interval, Priority, Vrid};
use vrrp_net::{InstanceConfig, State, VirtualAddress};

use crate::support::{
    Node, PATIENCE, Tap, Trio, added, eventually, fast, one, run, settings, trio,
};

/// Has the node look for an address, and tells the hardware address it found.
fn finds(node: &Node, address: &str) -> Option<String> {
    node.ip("neigh flush dev eth0");
    let target = if address.contains(':') {
        format!("[{address}]:9")
    } else {
        format!("{address}:9")
    };
    let family = if address.contains(':') {
        "[::]:0"
    } else {
        "0.0.0.0:0"
    };
    node.run(move || {
        let socket = UdpSocket::bind(family).unwrap();
        // Whether it arrives does not matter, nor that there is no way yet.
        let _ = socket.send_to(b"?", target);
    });
    let shown = node.ip(&format!("neigh show {address} dev eth0"));
    let mut words = shown.split_whitespace();
    words.find(|word| *word == "lladdr")?;
    words.next().map(str::to_owned)
}

fn hardware(node: &Node) -> String {
    let link = node.ip("-o link show eth0");
    let mut words = link.split_whitespace();
    words.find(|word| *word == "link/ether").unwrap();
    words.next().unwrap().to_owned()
}

#[test]
fn item_066_item_076_only_the_master_answers_for_the_addresses() {
    let Some(trio) = trio() else { return };
    let Trio { a, b, witness, .. } = &trio;
    let ipv6 = |priority| {
        let mut router = Config::new(Vrid::new(52).unwrap(), Family::V6);
        router.priority = Priority::new(priority);
        router.interval = Interval::from_centiseconds(10).unwrap();
        let mut instance = InstanceConfig::new("VI6", "eth0", router);
        instance.addresses = ["fe80::100", "fd09::100"]
            .map(|address| VirtualAddress::new(address.parse().unwrap()))
            .to_vec();
        instance
    };
    let both = |priority| {
        let mut all = one(fast("VI", 51, priority, &["10.9.0.100"]));
        all.instances.push(ipv6(priority).into());
        all
    };
    witness.ip("address add fd09::3/64 dev eth0 nodad");
    run(async {
        let mut first = a.start(settings(), both(150));
        first.wait_state("VI", State::Master).await;
        first.wait_state("VI6", State::Master).await;
        eventually(|| a.holds("10.9.0.100") && a.holds("fd09::100"));
        let mut second = b.start(settings(), both(100));
        second.wait_state("VI6", State::Backup).await;
        for address in ["10.9.0.100", "fd09::100"] {
            eventually(|| finds(witness, address) == Some(hardware(a)));
        }
        first.engine.shutdown().await;
        eventually(|| b.holds("10.9.0.100") && b.holds("fd09::100"));
        for address in ["10.9.0.100", "fd09::100"] {
            eventually(|| finds(witness, address) == Some(hardware(b)));
        }
        second.engine.shutdown().await;
        assert_eq!(finds(witness, "10.9.0.100"), None);
    });
}

/// A host behind the routers is reached through the virtual address, whoever has it.
#[test]
fn item_093_the_master_forwards_and_after_it_the_next_one() {
    let Some(trio) = trio() else { return };
    let Trio { a, b, witness, .. } = &trio;
    for node in [a, b] {
        // The same service behind both.
        node.ip("address add 10.77.0.1/32 dev lo");
    }
    witness.ip("route add 10.77.0.1/32 via 10.9.0.100");
    let reached = || {
        witness.run(|| {
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            socket.connect("10.77.0.1:9").unwrap();
            socket
                .set_read_timeout(Some(Duration::from_millis(100)))
                .unwrap();
            let _ = socket.send(b"?");
            // Refused, so it arrived.
            let error = socket.recv(&mut [0; 8]).unwrap_err();
            error.kind() == std::io::ErrorKind::ConnectionRefused
        })
    };
    run(async {
        let mut first = a.start(settings(), one(fast("VI", 51, 150, &["10.9.0.100"])));
        first.wait("the address", added("10.9.0.100")).await;
        let mut second = b.start(settings(), one(fast("VI", 51, 100, &["10.9.0.100"])));
        second.wait_state("VI", State::Backup).await;
        eventually(reached);
        // Its kernel would still answer; so its interface goes with it.
        first.engine.abort();
        a.ip("link set eth0 down");
        second.wait("the address", added("10.9.0.100")).await;
        eventually(reached);
    });
}

#[test]
fn item_004_no_router_takes_adverts_to_another_network() {
    let Some(trio) = trio() else { return };
    let Trio { a, witness, .. } = &trio;
    let Some(far) = Node::new() else { return };
    witness.ip(&format!(
        "link add eth1 type veth peer name eth0 netns {}",
        far.tid()
    ));
    witness.ip("address add 10.8.0.3/24 dev eth1");
    witness.ip("link set eth1 up");
    far.ip("address add 10.8.0.1/24 dev eth0");
    far.ip("link set eth0 up");
    witness.run(|| {
        std::fs::write("/proc/sys/net/ipv4/conf/all/forwarding", "1").unwrap();
        std::fs::write("/proc/sys/net/ipv4/conf/all/mc_forwarding", "1").ok();
    });
    a.ip("route add 10.8.0.0/24 via 10.9.0.3");
    far.ip("route add default via 10.8.0.3");
    let tap = Tap::new(&far);
    let near = Tap::new(witness);
    run(async {
        let mut master = a.start(settings(), one(fast("VI", 51, 150, &["10.9.0.100"])));
        master.wait("the address", added("10.9.0.100")).await;
        for _ in 0..5 {
            near.next_advert();
        }
        // It does forward: this packet comes behind the adverts, which would have been here by now.
        a.run(|| {
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            socket.send_to(b"marker", "10.8.0.1:9").unwrap();
        });
        let start = std::time::Instant::now();
        loop {
            assert!(start.elapsed() < PATIENCE, "the marker did not come");
            let frame = tap.next();
            if frame.ends_with(b"marker") {
                break;
            }
            assert!(
                frame[12..14] != [8, 0] || frame[23] != 112,
                "an advert was forwarded"
            );
        }
    });
}
