use super::super::facts::{Answer, Facts, Hop, Interface};
use super::super::filter::Ruleset;
use super::super::wishes::{Instance, Method, Server, Service, Wishes};
use super::judge;
use std::net::IpAddr;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

const VIP: &str = "10.0.0.100";

fn wishes(method: Method) -> Wishes {
    Wishes {
        instances: vec![Instance {
            name: "VI_1".to_owned(),
            interface: "eth0".to_owned(),
            v6: false,
            peers: Vec::new(),
            addresses: vec![(ip(VIP), "eth0".to_owned())],
            patience: 4,
        }],
        services: vec![Service {
            name: "[10.0.0.100]:tcp:80".to_owned(),
            address: Some((ip(VIP), 80)),
            protocol: 6,
            mark: None,
            scheduler: "rr".to_owned(),
            servers: vec![Server {
                address: ip("10.0.1.4"),
                port: 80,
                method,
            }],
        }],
        real_server: None,
    }
}

/// A director that has nothing to complain of.
fn healthy() -> Facts {
    let interface = |address: &str, last: u8| Interface {
        up: true,
        running: true,
        multicast: true,
        mtu: 1500,
        mac: Some([2, 0, 0, 0, 0, last]),
        addresses: vec![ip(address)],
    };
    let mut facts = Facts {
        ipvs: true,
        clock_steered: Some(true),
        filter: Some(Ruleset::default()),
        ..Facts::default()
    };
    facts
        .interfaces
        .insert("eth0".to_owned(), interface("10.0.0.2", 1));
    facts.interfaces.insert(
        "eth1".to_owned(),
        Interface {
            mtu: 1520,
            ..interface("10.0.1.2", 2)
        },
    );
    facts
        .loaded
        .extend(["ip_vs", "ip_vs_rr"].map(str::to_owned));
    facts
        .settings
        .insert("net.ipv4.ip_forward".to_owned(), "1".to_owned());
    facts.hops.insert(
        ip("10.0.1.4"),
        Hop {
            interface: "eth1".to_owned(),
            gateway: None,
        },
    );
    facts.default_hop = Some(Hop {
        interface: "eth0".to_owned(),
        gateway: Some(ip("10.0.0.1")),
    });
    facts.answers.insert((ip("10.0.1.4"), 80), Answer::Open);
    facts.neighbours.insert(ip("10.0.1.4"), [2, 0, 0, 0, 0, 4]);
    facts
        .takes
        .insert((ip("10.0.1.4"), 80, ip(VIP)), Answer::Open);
    facts.returns.insert((ip("10.0.1.4"), 80), true);
    facts
        .interfaces
        .get_mut("eth0")
        .unwrap()
        .addresses
        .push(ip(VIP));
    facts
        .claims
        .insert(ip(VIP), std::collections::BTreeSet::new());
    facts.unknown.insert("pair", "not given".to_owned());
    facts
}

fn found(wishes: &Wishes, facts: &Facts) -> Vec<&'static str> {
    let report = judge(wishes, facts);
    for finding in &report.findings {
        assert!(
            !finding.evidence.is_empty() && !finding.remedy.is_empty(),
            "{finding:?}"
        );
    }
    report
        .findings
        .iter()
        .map(|finding| finding.check)
        .collect()
}

#[test]
fn a_healthy_director_has_no_findings() {
    for method in [Method::Dr, Method::Nat, Method::Tun] {
        let report = judge(&wishes(method), &healthy());
        assert!(report.findings.is_empty(), "{:?}", report.findings);
        let skipped: Vec<_> = report
            .examined
            .iter()
            .filter(|one| one.skipped.is_some())
            .map(|one| one.check)
            .collect();
        assert!(skipped.contains(&"pair"), "{skipped:?}");
    }
}

/// One thing wrong, one finding, of that name.
fn only(check: &'static str, method: Method, change: impl FnOnce(&mut Facts)) {
    let mut facts = healthy();
    change(&mut facts);
    assert_eq!(found(&wishes(method), &facts), [check]);
}

#[test]
fn each_fault_has_its_finding() {
    only("ip-forward", Method::Nat, |facts| {
        drop(
            facts
                .settings
                .insert("net.ipv4.ip_forward".to_owned(), "0".to_owned()),
        );
    });
    only("return-path", Method::Nat, |facts| {
        drop(facts.returns.insert((ip("10.0.1.4"), 80), false));
    });
    only("server-reachable", Method::Dr, |facts| {
        drop(facts.answers.insert((ip("10.0.1.4"), 80), Answer::Refused));
    });
    only("server-reachable", Method::Nat, |facts| {
        drop(
            facts
                .answers
                .insert((ip("10.0.1.4"), 80), Answer::Nothing("silence".to_owned())),
        );
    });
    only("vip-on-server", Method::Dr, |facts| {
        drop(facts.takes.insert(
            (ip("10.0.1.4"), 80, ip(VIP)),
            Answer::Nothing("silence".to_owned()),
        ));
    });
    only("vip-on-server", Method::Tun, |facts| {
        drop(
            facts
                .takes
                .insert((ip("10.0.1.4"), 80, ip(VIP)), Answer::Refused),
        );
    });
    only("arp", Method::Dr, |facts| {
        drop(
            facts
                .claims
                .get_mut(&ip(VIP))
                .unwrap()
                .insert([2, 0, 0, 0, 0, 4]),
        );
    });
    only("adverts", Method::Dr, |facts| {
        drop(
            facts
                .claims
                .get_mut(&ip(VIP))
                .unwrap()
                .insert([2, 0, 0, 0, 0, 9]),
        );
    });
    only("adverts", Method::Dr, |facts| {
        facts
            .interfaces
            .get_mut("eth0")
            .unwrap()
            .addresses
            .retain(|address| *address != ip(VIP));
    });
    only("interfaces", Method::Dr, |facts| {
        facts.interfaces.get_mut("eth0").unwrap().multicast = false;
    });
    only("interfaces", Method::Dr, |facts| {
        facts.interfaces.get_mut("eth0").unwrap().running = false;
    });
    only("dr-network", Method::Dr, |facts| {
        facts.hops.get_mut(&ip("10.0.1.4")).unwrap().gateway = Some(ip("10.0.1.1"));
    });
    only("mtu", Method::Tun, |facts| {
        facts.interfaces.get_mut("eth1").unwrap().mtu = 1500;
    });
    only("modules", Method::Dr, |facts| facts.ipvs = false);
    only("modules", Method::Dr, |facts| {
        drop(facts.loaded.remove("ip_vs_rr"));
    });
    only("clock", Method::Dr, |facts| {
        facts.clock_steered = Some(false);
    });
    only("conntrack", Method::Dr, |facts| {
        facts.tracked = Some((59_000, 65_536));
    });
    only("pair", Method::Dr, |facts| {
        facts.unknown.clear();
        facts.pair = Some(vec!["virtual_router_id is 51 here and 52 there".to_owned()]);
    });
    only("rp-filter", Method::Dr, |facts| {
        facts.default_hop = Some(Hop {
            interface: "eth1".to_owned(),
            gateway: None,
        });
        facts
            .settings
            .insert("net.ipv4.conf.all.rp_filter".to_owned(), "1".to_owned());
    });
    only("send-redirects", Method::Nat, |facts| {
        facts.hops.insert(
            ip("10.0.1.4"),
            Hop {
                interface: "eth0".to_owned(),
                gateway: None,
            },
        );
        facts.settings.insert(
            "net.ipv4.conf.eth0.send_redirects".to_owned(),
            "1".to_owned(),
        );
    });
    let filter = |rule: &str| {
        let chain = r#"{"chain":{"family":"ip","table":"f","name":"in","hook":"input","prio":0,"policy":"accept"}}"#;
        let text = format!(
            r#"{{"nftables":[{chain},{{"rule":{{"family":"ip","table":"f","chain":"in","handle":7,"expr":[{rule},{{"drop":null}}]}}}}]}}"#
        );
        Ruleset::parse(&text)
    };
    only("filter-vrrp", Method::Dr, |facts| {
        facts.filter = filter(
            r#"{"match":{"op":"==","left":{"payload":{"protocol":"ip","field":"protocol"}},"right":112}}"#,
        );
    });
    only("filter-vip", Method::Dr, |facts| {
        facts.filter = filter(
            r#"{"match":{"op":"==","left":{"payload":{"protocol":"ip","field":"daddr"}},"right":"10.0.0.100"}}"#,
        );
    });
}

#[test]
fn a_real_server_is_examined_from_its_own_side() {
    let direct = Wishes::of_real_server(vec![ip(VIP)], Method::Dr);
    let mut facts = healthy();
    facts
        .interfaces
        .get_mut("eth0")
        .unwrap()
        .addresses
        .retain(|address| *address != ip(VIP));
    facts
        .settings
        .insert("net.ipv4.conf.all.arp_ignore".to_owned(), "1".to_owned());
    facts
        .settings
        .insert("net.ipv4.conf.all.arp_announce".to_owned(), "2".to_owned());
    assert_eq!(found(&direct, &facts), ["vip-here"]);
    facts.interfaces.insert(
        "lo".to_owned(),
        Interface {
            up: true,
            addresses: vec![ip(VIP)],
            ..Interface::default()
        },
    );
    assert!(found(&direct, &facts).is_empty());
    facts
        .settings
        .insert("net.ipv4.conf.all.arp_announce".to_owned(), "0".to_owned());
    assert_eq!(
        found(&direct, &facts),
        ["arp-here", "arp-here"],
        "on both interfaces"
    );
    facts
        .settings
        .insert("net.ipv4.conf.all.arp_announce".to_owned(), "2".to_owned());

    let tunnel = Wishes::of_real_server(vec![ip(VIP)], Method::Tun);
    assert_eq!(found(&tunnel, &facts), ["tunnel-here"], "no tunl0");
    facts.interfaces.insert(
        "tunl0".to_owned(),
        Interface {
            up: true,
            addresses: vec![ip(VIP)],
            ..Interface::default()
        },
    );
    facts.interfaces.remove("lo");
    facts
        .settings
        .insert("net.ipv4.conf.all.rp_filter".to_owned(), "1".to_owned());
    assert_eq!(found(&tunnel, &facts), ["tunnel-here"], "rp_filter");
    facts
        .settings
        .insert("net.ipv4.conf.all.rp_filter".to_owned(), "0".to_owned());
    assert!(found(&tunnel, &facts).is_empty());
}
