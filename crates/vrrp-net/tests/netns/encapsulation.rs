//! Routes with an outer header, and addresses that join their group: where the kernel can, and what is said where it
//! cannot.

use crate::support::{Node, Running, added, eventually, fast, one, pair, run, settings};
use vrrp_net::vrrp_proto::Family;
use vrrp_net::{
    Encapsulation, Event, InstanceConfig, OuterHeader, Prefix, Route, State, VirtualAddress,
};

fn by_way_of(destination: &str, gateway: &str, encapsulation: Encapsulation) -> Route {
    let (address, length) = destination.split_once('/').unwrap();
    let destination = Prefix {
        address: address.parse().unwrap(),
        length: length.parse().unwrap(),
    };
    Route {
        gateway: Some(gateway.parse().unwrap()),
        device: Some("eth0".to_owned()),
        encapsulation: Some(encapsulation),
        ..Route::new(Family::of(destination.address), Some(destination))
    }
}

fn outer<A>(destination: A) -> OuterHeader<A> {
    OuterHeader {
        id: Some(7),
        destination: Some(destination),
        hop_limit: Some(9),
        ..OuterHeader::default()
    }
}

/// One route of each kind, with what `ip route` calls it.
fn kinds() -> [(Route, &'static str); 4] {
    let ip = Encapsulation::Ip(outer("10.1.2.3".parse().unwrap()));
    let ip6 = Encapsulation::Ip6(outer("fd01::3".parse().unwrap()));
    let mpls = Encapsulation::Mpls(vec![100, 200]);
    let ila = Encapsulation::Ila(0x0011_0022_0033_0044);
    [
        (by_way_of("10.81.0.0/16", "10.9.0.2", ip), "encap ip id 7"),
        (by_way_of("fd82::/64", "fd09::2", ip6), "encap ip6 id 7"),
        (
            by_way_of("10.83.0.0/16", "10.9.0.2", mpls),
            "encap mpls  100/200",
        ),
        (
            by_way_of("fd84::2000:0:0:1/128", "fd09::2", ila),
            "encap ila 11:22:33:44",
        ),
    ]
}

fn equipped() -> InstanceConfig {
    let mut instance = fast("VI", 51, 150, &["10.9.0.100"]);
    instance.routes = kinds().into_iter().map(|(route, _)| route).collect();
    instance
}

fn routes(node: &Node) -> String {
    let routes = node.ip("-4 route show proto 112") + &node.ip("-6 route show proto 112");
    // The space between words differs from version to version.
    routes
        .split('\n')
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n")
        .collect()
}

fn in_place(routes: &str, words: &str) -> bool {
    let words: Vec<&str> = words.split_whitespace().collect();
    routes.contains(&words.join(" "))
}

/// The engine is master and has dealt with all routes: those that are in place, and what it said of the others.
async fn settled(engine: &mut Running) -> (Vec<String>, Vec<String>) {
    let (mut placed, mut refused) = (Vec::new(), Vec::new());
    while placed.len() + refused.len() < kinds().len() {
        let event = engine
            .wait("a route", |event| {
                matches!(event, Event::EntryAdded { .. })
                    || event.to_string().contains("cannot add route")
            })
            .await;
        match event {
            Event::EntryAdded { entry, .. } => placed.push(entry),
            event => refused.push(event.to_string()),
        }
    }
    (placed, refused)
}

#[test]
fn a_route_that_the_kernel_cannot_encapsulate_is_told_and_nothing_else_suffers() {
    let Some((a, _b)) = pair() else { return };
    a.ip("address add fd09::1/64 dev eth0 nodad");
    run(async {
        let mut engine = a.start(settings(), one(equipped()));
        let (placed, refused) = settled(&mut engine).await;
        let there = routes(&a);
        for (route, words) in kinds() {
            let destination = route.destination.unwrap().address.to_string();
            if in_place(&there, words) {
                assert!(
                    placed.iter().any(|entry| entry.contains(&destination)),
                    "{placed:?}"
                );
                continue;
            }
            // By its name, with the kernel's reason.
            let told = refused.iter().find(|told| told.contains(&destination));
            let told = told.unwrap_or_else(|| panic!("{words}: {refused:?}\n{there}"));
            assert!(told.contains("encap"), "{told}");
            assert!(told.contains("os error"), "{told}");
            assert!(told.contains("load the module"), "{told}");
        }
        let snapshot = engine.engine.refresh().await.unwrap();
        assert_eq!(snapshot.instances["VI"].state, State::Master);
        assert!(a.holds("10.9.0.100"));
        engine.engine.shutdown().await;
        assert_eq!(routes(&a).trim(), "");
    });
}

#[test]
fn encapsulation_of_every_kind_reaches_the_kernel() {
    let Some((a, _b)) = pair() else { return };
    a.ip("address add fd09::1/64 dev eth0 nodad");
    for probe in [
        "-4 route add 10.99.0.0/16 encap mpls 100 via 10.9.0.2 dev eth0",
        "-6 route add fd99::2000:0:0:1/128 encap ila 1:2:3:4 via fd09::2 dev eth0",
    ] {
        let words = probe.split(' ');
        let output = a.run(|| std::process::Command::new("ip").args(words).output());
        if !output.is_ok_and(|output| output.status.success()) {
            println!("skipped: this kernel or ip command cannot do `ip {probe}`");
            return;
        }
    }
    run(async {
        let mut engine = a.start(settings(), one(equipped()));
        let (_, refused) = settled(&mut engine).await;
        assert_eq!(refused, Vec::<String>::new());
        let there = routes(&a);
        for (_, words) in kinds() {
            assert!(in_place(&there, words), "{words}: {there}");
        }
        engine.engine.shutdown().await;
        assert_eq!(routes(&a).trim(), "");
    });
}

#[test]
fn an_address_with_autojoin_takes_part_in_its_group() {
    let Some((a, _b)) = pair() else { return };
    run(async {
        let mut group = VirtualAddress::new("239.1.2.3".parse().unwrap()).with_prefix_length(32);
        group.auto_join = true;
        let mut instance = fast("VI", 51, 150, &["10.9.0.100"]);
        instance.excluded.push(group);
        let mut engine = a.start(settings(), one(instance));
        engine.wait("the group's address", added("239.1.2.3")).await;
        assert!(a.ip("address show dev eth0").contains("autojoin"));
        let member = || a.ip("maddress show dev eth0").contains("239.1.2.3");
        eventually(member);
        engine.engine.shutdown().await;
        assert!(!member() && !a.holds("239.1.2.3"));
    });
}
