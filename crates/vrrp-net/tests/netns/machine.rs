//! What instances want of the machine besides their addresses.

use std::time::{Duration, Instant};

use vrrp_net::vrrp_proto::{Family, Interval, Peer, Transport};
use vrrp_net::{
    Configuration, Encapsulation, Event, OuterHeader, Prefix, ReceiveBuffer, Route, State,
    UpDownDelay, VirtualAddress,
};

use crate::support::{Tap, added, eventually, fast, one, pair, run, settings};

#[test]
fn a_short_loss_of_the_interface_does_not_count() {
    let Some((a, _b)) = pair() else { return };
    run(async {
        let mut settings = settings();
        settings.up_down_delays.push(UpDownDelay {
            interface: "eth0".to_owned(),
            down: Duration::from_secs(3),
            up: Duration::ZERO,
        });
        let mut first = a.start(settings, one(fast("VI", 51, 150, &["10.9.0.100"])));
        first.wait("the address", added("10.9.0.100")).await;
        a.ip("link set eth0 down");
        a.ip("link set eth0 up");
        eventually(|| a.ip("-o link show eth0").contains("state UP"));
        let down = Instant::now();
        a.ip("link set eth0 down");
        first.wait_state("VI", State::Fault).await;
        // The delay began with the second loss.
        assert!(down.elapsed() >= Duration::from_secs(3));
        let story = first.story();
        assert_eq!(story.matches("-> FAULT").count(), 1, "{story}");
    });
}

#[test]
fn nothing_is_said_or_heard_before_the_startup_delay_is_over() {
    let Some((a, b)) = pair() else { return };
    run(async {
        let tap = Tap::new(&b);
        let mut settings = settings();
        settings.startup_delay = Duration::from_millis(1500);
        let start = Instant::now();
        let mut owner = fast("VI", 51, 255, &["10.9.0.100"]);
        owner.router_mut().interval = Interval::from_centiseconds(10).unwrap();
        let mut first = a.start(settings, one(owner));
        let heard = first.engine.snapshots();
        assert_eq!(heard.latest().instances["VI"].state, State::Initialize);
        first.wait_state("VI", State::Master).await;
        assert!(start.elapsed() >= Duration::from_millis(1500));
        loop {
            let frame = tap.next();
            if frame[12..14] == [8, 0] && frame[23] == 112 {
                break;
            }
        }
        assert!(start.elapsed() >= Duration::from_millis(1500));
    });
}

#[test]
fn addresses_on_other_interfaces_are_announced_again_and_again() {
    let Some((a, _b)) = pair() else { return };
    run(async {
        a.ip("link add eth1 type veth peer name other1");
        a.ip("link set other1 up");
        a.ip("link set eth1 up");
        eventually(|| a.ip("-o link show eth1").contains("state UP"));
        let mut instance = fast("VI", 51, 150, &["10.9.0.100"]);
        instance.router_mut().announce.repeat = 1;
        instance.router_mut().announce.delay = Duration::ZERO;
        let elsewhere = VirtualAddress::new("10.8.0.1".parse().unwrap()).on_device("eth1");
        instance.excluded.push(elsewhere);
        instance.extra_announcements = Some((Duration::from_millis(100), true));
        let tap = Tap::new(&a);
        let mut first = a.start(settings(), one(instance));
        first.wait("the address", added("10.8.0.1")).await;
        let (mut own, mut other) = (0, 0);
        while other < 10 {
            let frame = tap.next();
            // What leaves eth1 comes in on its peer here: each counts twice.
            if frame[12..14] == [8, 6] && frame[28..32] == [10, 8, 0, 1] {
                other += 1;
            } else if frame[12..14] == [8, 6] && frame[28..32] == [10, 9, 0, 100] {
                own += 1;
            }
        }
        assert!(own <= 2, "only the first burst is on the own interface");
    });
}

#[test]
fn secondaries_are_promoted_while_the_instance_runs() {
    let Some((a, _b)) = pair() else { return };
    run(async {
        let option = || {
            a.run(|| {
                let path = "/proc/sys/net/ipv4/conf/eth0/promote_secondaries";
                std::fs::read_to_string(path).unwrap().trim().to_owned()
            })
        };
        a.run(|| std::fs::write("/proc/sys/net/ipv4/conf/eth0/promote_secondaries", "0").unwrap());
        let mut instance = fast("VI", 51, 150, &["10.9.0.100"]);
        instance.promote_secondaries = true;
        instance.receive_buffer = Some(ReceiveBuffer::Packets(100));
        let first = a.start(settings(), one(instance.clone()));
        assert_eq!(option(), "1");
        instance.promote_secondaries = false;
        first.engine.replace(one(instance.clone())).await.unwrap();
        assert_eq!(option(), "0");
        instance.promote_secondaries = true;
        first.engine.replace(one(instance)).await.unwrap();
        assert_eq!(option(), "1");
        first.engine.shutdown().await;
        assert_eq!(option(), "0");
    });
}

#[test]
fn a_master_of_lower_priority_is_told_of() {
    let Some((a, b)) = pair() else { return };
    run(async {
        let mut first = a.start(settings(), one(fast("VI", 51, 150, &["10.9.0.100"])));
        first.wait_state("VI", State::Master).await;
        // It hears nothing, so it is master too.
        b.run(|| std::fs::write("/proc/sys/net/ipv4/conf/eth0/rp_filter", "1").unwrap());
        b.ip("address del 10.9.0.2/24 dev eth0");
        b.ip("address add 10.8.0.2/24 dev eth0");
        let mut second = b.start(settings(), one(fast("VI", 51, 100, &["10.9.0.100"])));
        second.wait_state("VI", State::Master).await;
        let event = first
            .wait("the lower one", |event| {
                matches!(event, Event::LowerPriority { .. })
            })
            .await;
        let Event::LowerPriority {
            source, priority, ..
        } = event
        else {
            unreachable!()
        };
        assert_eq!((source.to_string().as_str(), priority), ("10.8.0.2", 100));
    });
}

#[test]
fn an_instance_is_at_fault_while_it_lacks_what_is_always_to_be_there() {
    let Some((a, _b)) = pair() else { return };
    run(async {
        a.ip("link add eth1 type veth peer name other1");
        a.ip("link set other1 up");
        let mut route = Route::new(
            Family::V4,
            Some(Prefix {
                address: "10.7.0.0".parse().unwrap(),
                length: 16,
            }),
        );
        route.device = Some("eth1".to_owned());
        route.needed_by = vec!["VI".to_owned()];
        let configuration = Configuration {
            static_routes: vec![route],
            ..one(fast("VI", 51, 150, &["10.9.0.100"]))
        };
        let mut first = a.start(settings(), configuration);
        first.wait_state("VI", State::Fault).await;
        let faults = first.engine.snapshots().latest().instances["VI"]
            .faults
            .clone();
        assert!(faults[0].contains("static route 10.7.0.0/16"), "{faults:?}");
        // Now the route can be.
        a.ip("link set eth1 up");
        first.wait_state("VI", State::Master).await;
        assert!(a.ip("route show").contains("10.7.0.0/16 dev eth1"));
        a.ip("link set eth1 down");
        first.wait_state("VI", State::Fault).await;
    });
}

#[test]
fn unicast_routers_without_an_interface_of_their_own_find_each_other() {
    let Some((a, b)) = pair() else { return };
    run(async {
        let instance = |own: &str, other: &str, priority| {
            let mut instance = fast("VI", 51, priority, &["10.9.0.100"]);
            instance.interface = "".into();
            instance.router_mut().source = Some(own.parse().unwrap());
            instance.router_mut().transport = Transport::Unicast {
                peers: vec![Peer::new(other.parse().unwrap())],
                check_source: true,
            };
            instance.addresses[0].device = Some("eth0".to_owned());
            instance
        };
        let mut first = a.start(settings(), one(instance("10.9.0.1", "10.9.0.2", 150)));
        first.wait("the address", added("10.9.0.100")).await;
        let mut second = b.start(settings(), one(instance("10.9.0.2", "10.9.0.1", 100)));
        second.wait_state("VI", State::Backup).await;
        second
            .until("five adverts", |now| {
                now.instances["VI"].counters.adverts_received >= 5
            })
            .await;
        first.engine.shutdown().await;
        second.wait_state("VI", State::Master).await;
        second.wait("the address", added("10.9.0.100")).await;
    });
}

#[test]
fn after_a_fault_unicast_peers_are_told_where_we_are() {
    let Some((a, b)) = pair() else { return };
    run(async {
        let mut instance = fast("VI", 51, 100, &["10.9.0.100"]);
        instance.router_mut().transport = Transport::Unicast {
            peers: vec![Peer::new("10.9.0.2".parse().unwrap())],
            check_source: true,
        };
        let mut engine = a.start(settings(), one(instance));
        engine.wait_state("VI", State::Backup).await;
        a.ip("link set eth0 down");
        engine.wait_state("VI", State::Fault).await;
        let tap = Tap::new(&b);
        a.ip("link set eth0 up");
        engine.wait_state("VI", State::Backup).await;
        // A gratuitous ARP: it is the sender and the target.
        let told = [10, 9, 0, 1];
        let announced = (0..1_000).any(|_| {
            let frame = tap.next();
            frame[12..14] == [8, 6] && frame[28..32] == told && frame[38..42] == told
        });
        assert!(announced);
    });
}

#[test]
fn addresses_have_all_their_attributes() {
    let Some((a, _b)) = pair() else { return };
    run(async {
        let address = |text: &str, length| {
            VirtualAddress::new(text.parse().unwrap()).with_prefix_length(length)
        };
        let mut instance = fast("VI", 51, 150, &[]);
        let mut plain = address("10.9.1.1", 24);
        plain.broadcast = vrrp_net::Broadcast::HostBitsSet;
        plain.scope = vrrp_net::AddressScope::LINK;
        plain.label = Some("eth0:vip".to_owned());
        plain.no_prefix_route = true;
        let mut point = address("10.9.2.1", 32);
        point.peer = Some("10.9.2.2".parse().unwrap());
        instance.addresses = vec![plain, point];
        let mut home = address("fd09::1", 64);
        home.home = true;
        home.duplicate_detection = true;
        let mut source = address("fd09:1::1", 64);
        source.manage_temporary = true;
        source.preferred_lifetime = Some(Duration::from_secs(5000));
        instance.excluded = vec![home, source];
        let mut first = a.start(settings(), one(instance));
        first.wait("the last", added("fd09:1::1")).await;
        let shown = a.ip("-d address show dev eth0");
        let line = |text: &str| {
            let line = shown.lines().position(|line| line.contains(text));
            let line = line.unwrap_or_else(|| panic!("no {text} in {shown}"));
            shown.lines().skip(line).take(2).collect::<String>()
        };
        let plain = line("10.9.1.1/24");
        for word in ["brd 10.9.1.255", "scope link", "eth0:vip", "noprefixroute"] {
            assert!(plain.contains(word), "no {word} in {plain}");
        }
        assert!(line("10.9.2.1").contains("peer 10.9.2.2/32"));
        let home = line("fd09::1/64");
        assert!(home.contains(" home") && !home.contains("nodad"), "{home}");
        let source = line("fd09:1::1/64");
        assert!(
            source.contains("mngtmpaddr")
                && source.contains("nodad")
                && !source.contains("preferred_lft forever"),
            "{source}"
        );
        assert!(
            shown.contains("proto 112") || !shown.contains("proto "),
            "{shown}"
        );
        assert!(!a.ip("route show").contains("10.9.1.0/24"));
        first.engine.shutdown().await;
        assert!(!a.holds("10.9.1.1") && !a.holds("fd09::1"));
    });
}

#[test]
fn routes_put_headers_around_packets() {
    let Some((a, _b)) = pair() else { return };
    run(async {
        let mut route = Route::new(
            Family::V4,
            Some(Prefix {
                address: "10.7.0.0".parse().unwrap(),
                length: 16,
            }),
        );
        route.device = Some("eth0".to_owned());
        route.encapsulation = Some(Encapsulation::Ip(OuterHeader {
            id: Some(7),
            destination: Some([10, 9, 0, 3].into()),
            hop_limit: Some(9),
            ..OuterHeader::default()
        }));
        let mut instance = fast("VI", 51, 150, &["10.9.0.100"]);
        instance.routes.push(route);
        let mut first = a.start(settings(), one(instance));
        let event = first
            .wait("the route", |event| match event {
                Event::EntryAdded { .. } => true,
                Event::Warning { message, .. } => message.contains("cannot add"),
                _ => false,
            })
            .await;
        if matches!(event, Event::Warning { .. }) {
            println!("skipped: the kernel has no light-weight tunnels: {event}");
            return;
        }
        let routes = a.ip("route show");
        assert!(
            routes.contains("10.7.0.0/16  encap ip id 7") && routes.contains("dst 10.9.0.3 ttl 9"),
            "{routes}"
        );
    });
}

#[test]
fn virtual_routers_nobody_knows_are_told_of_where_that_is_asked_for() {
    let Some((a, b)) = pair() else { return };
    run(async {
        let mut settings = settings();
        settings.tell_unknown_routers = true;
        let mut first = a.start(settings, one(fast("VI", 51, 150, &["10.9.0.100"])));
        let _second = b.start(
            crate::support::settings(),
            one(fast("OTHER", 99, 100, &["10.9.0.200"])),
        );
        first
            .wait("the unknown router", |event| {
                event
                    .to_string()
                    .contains("no instance has virtual router id 99")
            })
            .await;
    });
}
