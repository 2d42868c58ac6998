//! Instances on an interface with the hardware address of the virtual router.

use std::process::Command;

use vrrp_net::vrrp_proto::{Config, Family, Interval, Priority, Vrid};
use vrrp_net::{
    Configuration, Event, InstanceConfig, IpvlanMode, State, VirtualAddress, VirtualLink,
    VirtualLinkKind, virtual_mac,
};

use crate::support::{Node, Tap, added, eventually, fast, one, pair, run, settings, shared};

const MAC: [u8; 6] = [0, 0, 0x5e, 0, 1, 51];

/// A fast instance on `vrrp.51`.
pub(crate) fn on_virtual_mac(priority: u8, addresses: &[&str]) -> InstanceConfig {
    let mut instance = fast("VI", 51, priority, addresses);
    instance.virtual_link = Some(Box::new(VirtualLink::macvlan("vrrp.51", MAC)));
    instance
}

/// A pair of nodes whose kernel has macvlan.
fn nodes() -> Option<(Node, Node)> {
    let (a, b) = pair()?;
    let made = a.run(|| {
        let words = "link add link eth0 name probe type macvlan mode private";
        Command::new("ip").args(words.split(' ')).output().unwrap()
    });
    if !made.status.success() {
        println!("skipped: the kernel has no macvlan");
        return None;
    }
    a.ip("link del probe");
    Some((a, b))
}

fn option(node: &Node, name: &str) -> String {
    let path = format!("/proc/sys/net/ipv4/conf/{name}");
    node.run(move || std::fs::read_to_string(path).unwrap().trim().to_owned())
}

/// The next frames whose Ethernet type and source say what they are.
fn next_advert(tap: &Tap) -> Vec<u8> {
    loop {
        let frame = tap.next();
        if frame[12..14] == [8, 0] && frame[23] == 112 {
            return frame;
        }
    }
}

#[test]
fn item_025_item_080_item_081_item_088_item_089_adverts_and_announcements_carry_the_virtual_mac_and_all_is_put_back()
 {
    let Some((a, b)) = nodes() else { return };
    run(async {
        let before = ["eth0/arp_ignore", "eth0/arp_filter"].map(|name| option(&a, name));
        let tap = Tap::new(&b);
        let mut first = a.start(settings(), one(on_virtual_mac(150, &["10.9.0.100"])));
        first.wait("the address", added("10.9.0.100")).await;
        let link = a.ip("-d link show vrrp.51");
        assert!(link.contains("00:00:5e:00:01:33"), "{link}");
        assert!(
            link.contains("macvlan mode private") && link.contains("addrgenmode none"),
            "{link}"
        );
        assert!(link.contains("alias director"), "{link}");
        assert!(a.ip("address show vrrp.51").contains("10.9.0.100/32"));
        for (name, value) in [
            ("vrrp.51/arp_ignore", "1"),
            ("vrrp.51/accept_local", "1"),
            ("vrrp.51/rp_filter", "0"),
            ("vrrp.51/send_redirects", "0"),
            ("vrrp.51/promote_secondaries", "1"),
            ("eth0/arp_ignore", "1"),
            ("eth0/arp_filter", "1"),
        ] {
            assert_eq!(option(&a, name), value, "{name}");
        }

        let advert = next_advert(&tap);
        assert_eq!(advert[6..12], MAC);
        assert_eq!(
            advert[26..30],
            [10, 9, 0, 1],
            "the source is the base's address"
        );
        let arp = loop {
            let frame = tap.next();
            if frame[12..14] == [8, 6] && frame[28..32] == [10, 9, 0, 100] {
                break frame;
            }
        };
        assert_eq!((&arp[6..12], &arp[22..28]), (&MAC[..], &MAC[..]));
        // The neighbour asks and is told the virtual MAC, by nobody else.
        b.ip("neigh flush dev eth0");
        let ping = b.run(|| {
            Command::new("ping")
                .args(["-c1", "-W5", "10.9.0.100"])
                .output()
        });
        if ping.is_ok_and(|output| output.status.success()) {
            let neighbour = b.ip("neigh show 10.9.0.100");
            assert!(neighbour.contains("00:00:5e:00:01:33"), "{neighbour}");
        }

        first.engine.shutdown().await;
        assert!(!a.ip("-o link").contains("vrrp.51"));
        let after = ["eth0/arp_ignore", "eth0/arp_filter"].map(|name| option(&a, name));
        assert_eq!(after, before);
    });
}

#[test]
fn item_093_a_backup_speaks_with_no_virtual_mac() {
    let (Some(_), Some((a, b))) = (crate::nftables::node(), nodes()) else {
        return;
    };
    run(async {
        let mut first = a.start(settings(), one(on_virtual_mac(150, &["10.9.0.100"])));
        first.wait("the address", added("10.9.0.100")).await;
        // What comes from b alone: a bridge port of its own would learn from it.
        let tap = Tap::new(&a);
        let mut second = b.start(settings(), one(on_virtual_mac(100, &["10.9.0.100"])));
        second.wait_state("VI", State::Backup).await;
        let heard = second.engine.snapshots();
        eventually(|| heard.latest().instances["VI"].master.is_some());
        b.ip("link set eth0 down");
        b.ip("link set eth0 up");
        first.engine.shutdown().await;
        second.wait_state("VI", State::Master).await;
        // Between its own first advert and now there was nothing from b with the virtual MAC: membership reports and
        // router solicitations are what a kernel would send.
        loop {
            let frame = tap.next();
            if frame[6..12] != MAC {
                continue;
            }
            let igmp = frame[12..14] == [8, 0] && frame[23] == 2;
            let ipv6 = frame[12..14] == [0x86, 0xdd];
            assert!(!igmp && !ipv6, "{frame:02x?}");
            if frame[12..14] == [8, 0] && frame[26..30] == [10, 9, 0, 2] {
                break;
            }
        }
    });
}

#[test]
fn a_successor_takes_the_interface_over_and_puts_back_what_was_before() {
    let Some((a, _b)) = nodes() else { return };
    run(async {
        let mut settings = settings();
        settings.reclaim_marked = true;
        let mut first = a.start(settings.clone(), one(on_virtual_mac(150, &["10.9.0.100"])));
        first.wait("the address", added("10.9.0.100")).await;
        let index = |node: &Node| {
            node.ip("-o link show vrrp.51")
                .split(':')
                .next()
                .unwrap()
                .to_owned()
        };
        let before = index(&a);
        first.engine.abort();
        assert!(a.holds("10.9.0.100"));

        let mut second = a.start(settings.clone(), one(on_virtual_mac(150, &["10.9.0.100"])));
        second.wait_state("VI", State::Master).await;
        assert_eq!(index(&a), before, "the interface is the same");
        second.engine.abort();

        // A third one has no use for it.
        let third = a.start(settings, one(fast("VI", 51, 150, &["10.9.0.100"])));
        assert!(!a.ip("-o link").contains("vrrp.51"));
        third.engine.shutdown().await;
        assert_eq!(option(&a, "eth0/arp_ignore"), "0");
    });
}

#[test]
fn an_interface_somebody_removes_comes_back_and_so_does_one_whose_base_is_made_anew() {
    let Some((a, _b)) = nodes() else { return };
    run(async {
        let mut settings = settings();
        settings.late_interfaces = true;
        let mut first = a.start(settings, one(on_virtual_mac(150, &["10.9.0.100"])));
        first.wait("the address", added("10.9.0.100")).await;
        a.ip("link del vrrp.51");
        first.wait("the address again", added("10.9.0.100")).await;
        assert!(a.ip("address show vrrp.51").contains("10.9.0.100"));
        assert!(
            first
                .story()
                .contains("vrrp.51 was removed by somebody else")
        );

        a.ip("link del eth0");
        first.wait_state("VI", State::Fault).await;
        a.ip("link add eth0 type veth peer name other0");
        a.ip("address add 10.9.0.1/24 dev eth0");
        a.ip("link set other0 up");
        a.ip("link set eth0 up");
        first.wait_state("VI", State::Master).await;
        first.wait("the address", added("10.9.0.100")).await;
        assert!(a.ip("-d link show vrrp.51").contains("vrrp.51@eth0"));
        assert_eq!(option(&a, "eth0/arp_ignore"), "1");
    });
}

#[test]
fn a_foreign_interface_of_that_name_is_left_alone() {
    let Some((a, _b)) = nodes() else { return };
    run(async {
        a.ip("link add vrrp.51 type veth peer name other0");
        let mut first = a.start(settings(), one(on_virtual_mac(150, &["10.9.0.100"])));
        first
            .wait("the complaint", |event| {
                event.to_string().contains("another one of that name")
            })
            .await;
        first.engine.shutdown().await;
        assert!(a.ip("-d link show vrrp.51").contains("veth"));
    });
}

#[test]
fn adverts_leave_by_the_base_when_asked_to_and_announcements_do_not() {
    let Some((a, b)) = nodes() else { return };
    run(async {
        let tap = Tap::new(&b);
        let mut instance = on_virtual_mac(150, &["10.9.0.100"]);
        instance.transmit_on_base = true;
        let mut first = a.start(settings(), one(instance));
        first.wait("the address", added("10.9.0.100")).await;
        let advert = next_advert(&tap);
        assert_ne!(advert[6..12], MAC);
        let arp = loop {
            let frame = tap.next();
            if frame[12..14] == [8, 6] && frame[28..32] == [10, 9, 0, 100] {
                break frame;
            }
        };
        assert_eq!(arp[6..12], MAC);
    });
}

#[test]
fn ipv6_routers_and_addresses_on_other_interfaces_have_virtual_macs_too() {
    let Some((a, b)) = nodes() else { return };
    run(async {
        a.ip("link add eth1 type veth peer name other1");
        a.ip("link set other1 up");
        a.ip("link set eth1 up");
        let vrid = Vrid::new(51).unwrap();
        let mut router = Config::new(vrid, Family::V6);
        router.interval = Interval::from_centiseconds(10).unwrap();
        router.priority = Priority::new(150);
        let mut instance = InstanceConfig::new("VI6", "eth0", router);
        let mac = virtual_mac(Family::V6, vrid);
        instance.virtual_link = Some(Box::new(VirtualLink::macvlan("vrrp6.51", mac)));
        instance.addresses = vec![
            VirtualAddress::new("fe80::5:51".parse().unwrap()).with_prefix_length(64),
            VirtualAddress::new("fd09::100".parse().unwrap()).with_prefix_length(64),
        ];
        let mut elsewhere = VirtualAddress::new("10.8.0.1".parse().unwrap()).on_device("eth1");
        elsewhere.virtual_link = Some(Box::new(VirtualLink::macvlan(
            "vad.51",
            virtual_mac(Family::V4, vrid),
        )));
        instance.excluded.push(elsewhere);
        // Of the other family, so on the base.
        instance
            .excluded
            .push(VirtualAddress::new("10.9.0.101".parse().unwrap()));
        let tap = Tap::new(&b);
        let configuration = Configuration {
            instances: shared([instance, on_virtual_mac(150, &["10.9.0.100"])]),
            ..Configuration::default()
        };
        let mut first = a.start(settings(), configuration);
        first.wait("the address", added("fd09::100")).await;
        let advert = loop {
            let frame = tap.next();
            if frame[12..14] == [0x86, 0xdd] && frame[20] == 112 {
                break frame;
            }
        };
        assert_eq!(advert[6..12], mac);
        assert_eq!(advert[22..24], [0xfe, 0x80]);
        eventually(|| a.holds("10.9.0.100") && a.holds("10.8.0.1"));
        let addresses = a.ip("address show vrrp6.51");
        assert!(addresses.contains("fe80::5:51/64"), "{addresses}");
        assert!(!addresses.contains("5eff"), "one of its own: {addresses}");
        assert!(
            !a.ip("address show vrrp.51").contains("inet6"),
            "no use for IPv6 there"
        );
        assert!(a.ip("address show vad.51").contains("10.8.0.1/32"));
        assert!(a.ip("-d link show vad.51").contains("vad.51@eth1"));
        assert!(a.ip("address show eth0").contains("10.9.0.101/32"));
        first.engine.shutdown().await;
        let links = a.ip("-o link");
        assert!(!links.contains("vrrp") && !links.contains("vad"), "{links}");
    });
}

#[test]
fn a_reload_gives_and_takes_the_virtual_mac() {
    let Some((a, _b)) = nodes() else { return };
    run(async {
        let mut first = a.start(settings(), one(on_virtual_mac(150, &["10.9.0.100"])));
        first.wait("the address", added("10.9.0.100")).await;
        let mut more = on_virtual_mac(150, &["10.9.0.100"]);
        more.excluded
            .push(VirtualAddress::new("10.9.0.101".parse().unwrap()));
        first.engine.replace(one(more)).await.unwrap();
        first.wait("the second address", added("10.9.0.101")).await;
        let story = first.story();
        assert!(!story.contains("removed"), "{story}");

        first
            .engine
            .replace(one(fast("VI", 51, 150, &["10.9.0.100"])))
            .await
            .unwrap();
        first
            .wait("the interface to go", |event| {
                matches!(event, Event::Notice { message, .. } if message.contains("removed interface"))
            })
            .await;
        first.wait("the address", added("10.9.0.100")).await;
        assert!(a.ip("address show eth0").contains("10.9.0.100"));
        assert!(!a.ip("-o link").contains("vrrp.51"));
    });
}

#[test]
fn a_strict_reverse_path_filter_moves_to_the_other_interfaces_and_back() {
    let Some((a, b)) = nodes() else { return };
    run(async {
        for node in [&a, &b] {
            node.run(|| std::fs::write("/proc/sys/net/ipv4/conf/all/rp_filter", "1").unwrap());
        }
        let mut first = a.start(settings(), one(on_virtual_mac(150, &["10.9.0.100"])));
        first.wait("the address", added("10.9.0.100")).await;
        let mut second = b.start(settings(), one(on_virtual_mac(100, &["10.9.0.100"])));
        second.wait_state("VI", State::Backup).await;
        second
            .until("five adverts", |now| {
                now.instances["VI"].counters.adverts_received >= 5
            })
            .await;
        assert_eq!(option(&b, "all/rp_filter"), "0");
        assert_eq!(option(&b, "eth0/rp_filter"), "1");
        assert_eq!(
            second.engine.snapshots().latest().instances["VI"].state,
            State::Backup
        );
        second.engine.shutdown().await;
        assert_eq!(option(&b, "all/rp_filter"), "1");
        assert_eq!(option(&b, "eth0/rp_filter"), "0");
    });
}

/// A node on whose `eth0` an interface of this kind can be made.
pub(crate) fn node_with(kind: &str) -> Option<(Node, Node)> {
    let (a, b) = pair()?;
    let words = match kind {
        "vrf" => "link add name probe type vrf table 9",
        _ => "link add link eth0 name probe type ipvlan",
    };
    let made = a.run(move || Command::new("ip").args(words.split(' ')).output().unwrap());
    if !made.status.success() {
        println!("skipped: the kernel has no {kind}");
        return None;
    }
    a.ip("link del probe");
    Some((a, b))
}

#[test]
fn ipvlan_interfaces_of_all_modes_carry_the_addresses() {
    let Some((a, b)) = node_with("ipvlan") else {
        return;
    };
    run(async {
        for (mode, words) in [
            (IpvlanMode::Bridge, "mode l2 bridge"),
            (IpvlanMode::Private, "mode l2 private"),
            (IpvlanMode::Vepa, "mode l2 vepa"),
        ] {
            let mut instance = fast("VI", 51, 150, &["10.9.0.100"]);
            let own: std::net::IpAddr = "10.9.0.7".parse().unwrap();
            instance.virtual_link = Some(Box::new(VirtualLink {
                name: "ipvl.51".to_owned(),
                kind: VirtualLinkKind::Ipvlan {
                    mode,
                    address: Some((own, 24)),
                },
                group: Some(5),
            }));
            instance.router_mut().source = Some(own);
            let tap = Tap::new(&b);
            let mut first = a.start(settings(), one(instance));
            first.wait("the address", added("10.9.0.100")).await;
            let link = a.ip("-d link show ipvl.51");
            assert!(link.contains(words) && link.contains("group 5"), "{link}");
            let addresses = a.ip("address show ipvl.51");
            assert!(addresses.contains("10.9.0.7/24"), "{addresses}");
            assert!(addresses.contains("10.9.0.100/32"), "{addresses}");
            let advert = next_advert(&tap);
            assert_eq!(advert[26..30], [10, 9, 0, 7]);
            first.engine.shutdown().await;
            assert!(!a.ip("-o link").contains("ipvl.51"));
        }
    });
}

#[test]
fn routers_find_each_other_in_a_virtual_routing_domain() {
    let Some((a, b)) = node_with("vrf") else {
        return;
    };
    run(async {
        for node in [&a, &b] {
            node.ip("link add red type vrf table 77");
            node.ip("link set red up");
            node.ip("link set eth0 master red");
        }
        let mut higher = fast("VI", 51, 150, &["10.9.0.100"]);
        let destination = vrrp_net::Prefix {
            address: "10.7.0.0".parse().unwrap(),
            length: 16,
        };
        let mut route = vrrp_net::Route::new(Family::V4, Some(destination));
        route.gateway = Some("10.9.0.2".parse().unwrap());
        route.vrf = Some("red".to_owned());
        higher.routes.push(route);
        let mut first = a.start(settings(), one(higher));
        first.wait("the address", added("10.9.0.100")).await;
        eventually(|| {
            a.ip("route show table 77")
                .contains("10.7.0.0/16 via 10.9.0.2")
        });
        let mut second = b.start(settings(), one(fast("VI", 51, 100, &["10.9.0.100"])));
        second.wait_state("VI", State::Backup).await;
        let heard = second.engine.snapshots();
        second
            .until("five adverts", |now| {
                now.instances["VI"].counters.adverts_received >= 5
            })
            .await;
        assert_eq!(heard.latest().instances["VI"].state, State::Backup);
        first.engine.shutdown().await;
        second.wait_state("VI", State::Master).await;
    });
}
