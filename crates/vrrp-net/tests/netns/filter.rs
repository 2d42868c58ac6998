//! Addresses whose packets are not accepted.

use std::process::Command;

use vrrp_net::vrrp_proto::{Config, Family, Interval, Priority, Vrid};
use vrrp_net::{Configuration, Event, InstanceConfig, State, VirtualAddress};

use crate::nftables::{node, ruleset};
use crate::support::{Node, added, eventually, fast, one, pair, run, settings, shared};

/// Whether a packet reaches a socket at that address: a UDP port where nobody listens is refused by the host, unless
/// the packet was dropped before.
fn reaches(node: &Node, address: &str) -> bool {
    let target = format!("{address}:9");
    node.run(move || {
        let local = if target.starts_with('[') {
            "[::]:0"
        } else {
            "0.0.0.0:0"
        };
        let socket = std::net::UdpSocket::bind(local).unwrap();
        socket.connect(&target).unwrap();
        let wait = std::time::Duration::from_millis(200);
        socket.set_read_timeout(Some(wait)).unwrap();
        (0..5).any(|_| {
            let _ = socket.send(b"?");
            let error = socket.recv(&mut [0; 8]).unwrap_err();
            error.kind() == std::io::ErrorKind::ConnectionRefused
        })
    })
}

#[test]
fn item_091_packets_are_dropped_while_master_and_the_table_goes_with_the_engine() {
    let (Some(_), Some((a, b))) = (node(), pair()) else {
        return;
    };
    run(async {
        let mut refusing = fast("VI", 51, 150, &["10.9.0.100"]);
        refusing.accept = false;
        let accepting = fast("OPEN", 52, 150, &["10.9.0.101"]);
        let mut owner = fast("OWN", 53, 255, &["10.9.0.102"]);
        owner.accept = false;
        let configuration = Configuration {
            instances: shared([refusing, accepting, owner]),
            ..Configuration::default()
        };
        let mut first = a.start(settings(), configuration);
        first.wait("the address", added("10.9.0.100")).await;
        eventually(|| a.holds("10.9.0.101") && a.holds("10.9.0.102"));
        assert!(!reaches(&b, "10.9.0.100"));
        assert!(reaches(&b, "10.9.0.101"));
        assert!(reaches(&b, "10.9.0.102"), "an owner accepts");
        let neighbour = b.ip("neigh show 10.9.0.100");
        assert!(neighbour.contains("lladdr"), "ARP is answered: {neighbour}");
        let story = first.story();
        assert!(
            story.contains("dropping packets to and from 10.9.0.100"),
            "{story}"
        );
        assert!(
            story.contains("table inet director of nftables is in place"),
            "{story}"
        );

        // In fault the address goes, and with it the rule.
        a.ip("link set eth0 down");
        first.wait_state("VI", State::Fault).await;
        eventually(|| ruleset(&a).is_empty());
        first.engine.shutdown().await;
        assert_eq!(ruleset(&a), "");
    });
}

#[test]
fn item_092_ipv6_neighbours_find_an_address_that_accepts_nothing_else() {
    let (Some(_), Some((a, b))) = (node(), pair()) else {
        return;
    };
    run(async {
        let mut router = Config::new(Vrid::new(51).unwrap(), Family::V6);
        router.interval = Interval::from_centiseconds(10).unwrap();
        router.priority = Priority::new(150);
        let mut instance = InstanceConfig::new("VI6", "eth0", router);
        let address =
            |text: &str| VirtualAddress::new(text.parse().unwrap()).with_prefix_length(64);
        instance.addresses = vec![address("fe80::5:51"), address("fd09::100")];
        instance.accept = false;
        let mut settings = settings();
        settings.firewall.counters = true;
        settings.firewall.table = "other".to_owned();
        let mut first = a.start(settings, one(instance));
        first.wait("the address", added("fd09::100")).await;
        b.ip("address add fd09::2/64 dev eth0 nodad");
        assert!(!reaches(&b, "[fd09::100]"));
        let neighbour = b.ip("neigh show fd09::100");
        assert!(neighbour.contains("lladdr"), "{neighbour}");
        let rules = ruleset(&a);
        assert!(rules.contains("table inet other"), "{rules}");
        assert!(rules.contains("fe80::5:51 . \"eth0\""), "{rules}");
        assert!(rules.contains("elements = { fd09::100 }"), "{rules}");
        first.engine.shutdown().await;
        assert_eq!(ruleset(&a), "");
    });
}

#[test]
fn a_flushed_table_and_one_of_a_killed_predecessor_are_replaced() {
    let (Some(_), Some((a, _b))) = (node(), pair()) else {
        return;
    };
    run(async {
        let instance = |addresses: &[&str]| {
            let mut instance = fast("VI", 51, 150, addresses);
            instance.accept = false;
            instance
        };
        let mut settings = settings();
        settings.reclaim_marked = true;
        let mut first = a.start(settings.clone(), one(instance(&["10.9.0.100"])));
        first.wait("the address", added("10.9.0.100")).await;
        let nft = |command: &'static str| {
            let status = a.run(|| {
                let words = command.split(' ');
                Command::new("nft").args(words).status().unwrap()
            });
            assert!(status.success(), "nft {command}");
        };
        let back = |event: &Event| {
            let table = "removed table inet director of nftables, it is back";
            event.to_string().contains(table)
        };
        let whole = ruleset(&a);
        // Whatever is taken from it comes back without anything else happening.
        for command in [
            "flush ruleset",
            "flush table inet director",
            "delete element inet director addresses_ipv4 { 10.9.0.100 }",
        ] {
            nft(command);
            first.wait(command, back).await;
            eventually(|| ruleset(&a) == whole);
        }
        // What becomes of other tables is nobody's business.
        nft("add table inet other");
        nft("delete table inet other");
        let more = instance(&["10.9.0.100", "10.9.0.101"]);
        first.engine.replace(one(more)).await.unwrap();
        first.wait("the address", added("10.9.0.101")).await;
        let rules = ruleset(&a);
        assert!(rules.contains("10.9.0.100, 10.9.0.101"), "{rules}");
        let times = first.story().matches("it is back").count();
        assert_eq!(times, 3, "{}", first.story());
        first.engine.abort();

        let mut second = a.start(settings, one(fast("VI", 51, 150, &["10.9.0.100"])));
        second.wait_state("VI", State::Master).await;
        assert_eq!(ruleset(&a), "");
    });
}
