//! The engine alone.

use crate::support::{added, eventually, fast, one, pair, run, settings, shared};
use std::sync::Arc;
use vrrp_net::vrrp_proto::Interval;
use vrrp_net::vrrp_proto::tracking::Tracker;
use vrrp_net::{
    Configuration, ConfigurationError, Engine, Event, GroupConfig, StartError, State,
    TrackerConfig, TrackerState, VirtualAddress,
};

#[test]
fn the_higher_priority_becomes_master_and_hands_over_when_it_stops() {
    let Some((a, b)) = pair() else { return };
    run(async {
        // So slow that nobody is taken for dead because the machine is busy.
        let instance = |priority| {
            let mut instance = fast("VI", 51, priority, &["10.9.0.100"]);
            instance.router_mut().interval = Interval::DEFAULT;
            instance
        };
        let mut first = a.start(settings(), one(instance(150)));
        first.wait_state("VI", State::Master).await;
        let mut second = b.start(settings(), one(instance(100)));
        first.wait("the address", added("10.9.0.100")).await;
        assert!(a.holds("10.9.0.100"));
        assert!(!b.holds("10.9.0.100"));

        first.engine.shutdown().await;
        assert!(!a.holds("10.9.0.100"));
        let event = second.wait_state("VI", State::Master).await;
        let text = event.to_string();
        assert!(text.contains("priority 0 advert from 10.9.0.1"), "{text}");
        second.wait("the address", added("10.9.0.100")).await;
        assert!(b.holds("10.9.0.100"));
    });
}

#[test]
fn a_crash_is_noticed_and_its_leftovers_are_removed_by_the_successor() {
    let Some((a, b)) = pair() else { return };
    run(async {
        let mut first = a.start(settings(), one(fast("VI", 51, 150, &["10.9.0.100"])));
        first.wait("the address", added("10.9.0.100")).await;
        let mut second = b.start(settings(), one(fast("VI", 51, 100, &["10.9.0.100"])));
        second.wait_state("VI", State::Backup).await;

        first.engine.abort();
        assert!(a.holds("10.9.0.100"), "a crash leaves the address");
        second.wait_state("VI", State::Master).await;

        // The successor is told never to preempt, so the address can only go by the clean-up at start.
        let mut instance = fast("VI", 51, 90, &["10.9.0.100"]);
        instance.router_mut().preemption = vrrp_proto::Preemption::Never;
        let mut third = a.start(settings(), one(instance));
        third
            .wait("the leftover to go", |event| {
                matches!(event, Event::AddressRemoved { instance: None, .. })
            })
            .await;
        assert!(!a.holds("10.9.0.100"));

        let snapshot = second.engine.snapshots().latest();
        let status = &snapshot.instances["VI"];
        println!("slowest takeover: {:?}", status.counters.slowest_takeover);
    });
}

#[test]
fn marked_leftovers_of_another_configuration_are_reclaimed() {
    let Some((a, _b)) = pair() else { return };
    run(async {
        let mut first = a.start(settings(), one(fast("VI", 51, 150, &["10.9.0.100"])));
        first.wait("the address", added("10.9.0.100")).await;
        first.engine.abort();
        if !a.ip("-d address show dev eth0").contains("proto") {
            println!("skipped: this kernel or iproute2 does not know address protocols");
            return;
        }
        let mut settings = settings();
        settings.reclaim_marked = true;
        let mut second = a.start(settings, one(fast("VI", 51, 150, &["10.9.0.101"])));
        second
            .wait("the old one to go", |event| {
                matches!(event, Event::AddressRemoved { .. })
            })
            .await;
        assert!(!a.holds("10.9.0.100"));
    });
}

#[test]
fn an_address_somebody_removes_comes_back() {
    let Some((a, _b)) = pair() else { return };
    run(async {
        let mut first = a.start(settings(), one(fast("VI", 51, 150, &["10.9.0.100"])));
        first.wait("the address", added("10.9.0.100")).await;
        a.ip("address del 10.9.0.100/32 dev eth0");
        first
            .wait("restoring", |event| {
                matches!(event, Event::AddressRestored { .. })
            })
            .await;
        assert!(a.holds("10.9.0.100"));
        assert_eq!(
            first.engine.snapshots().latest().instances["VI"].state,
            State::Master
        );
    });
}

#[test]
fn item_086_item_087_labels_devices_and_excluded_addresses_are_as_configured() {
    let Some((a, _b)) = pair() else { return };
    run(async {
        a.ip("link add inner0 type veth peer name other0");
        a.ip("link set other0 up");
        a.ip("link set inner0 up");
        let mut instance = fast("VI", 51, 255, &["10.9.0.100"]);
        instance.addresses[0].label = Some("eth0:0".to_owned());
        instance.excluded.push(
            VirtualAddress::new("10.7.0.1".parse().unwrap())
                .with_prefix_length(24)
                .on_device("inner0"),
        );
        instance
            .excluded
            .push(VirtualAddress::new("fd09::100".parse().unwrap()));
        let mut first = a.start(settings(), one(instance));
        first.wait("the last address", added("fd09::100")).await;
        assert!(
            a.ip("-o address show dev eth0")
                .contains("10.9.0.100/32 scope global eth0:0")
        );
        assert!(a.ip("-o address show dev inner0").contains("10.7.0.1/24"));
        first.engine.shutdown().await;
        assert!(!a.holds("10.9.0.100") && !a.holds("10.7.0.1") && !a.holds("fd09::100"));
        assert!(a.holds("10.9.0.1"));
    });
}

#[test]
fn a_reload_keeps_mastership_and_moves_an_address_in_one_step() {
    let Some((a, _b)) = pair() else { return };
    run(async {
        let configuration = |first: &[&str], second: &[&str]| Configuration {
            instances: shared([fast("ONE", 51, 150, first), fast("TWO", 52, 150, second)]),
            ..Configuration::default()
        };
        let mut engine = a.start(
            settings(),
            configuration(&["10.9.0.100", "10.9.0.101"], &["10.9.0.102"]),
        );
        engine.wait("the address", added("10.9.0.101")).await;
        engine.wait("the address", added("10.9.0.102")).await;

        engine
            .engine
            .replace(configuration(
                &["10.9.0.100"],
                &["10.9.0.102", "10.9.0.101"],
            ))
            .await
            .unwrap();
        let snapshot = engine.engine.snapshots().latest();
        let held = |name: &str| {
            snapshot.instances[name]
                .addresses
                .iter()
                .map(|held| held.address.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(held("ONE"), ["10.9.0.100"]);
        assert_eq!(held("TWO"), ["10.9.0.101", "10.9.0.102"]);
        assert!(a.holds("10.9.0.101"));
        while let Some(event) = engine.events.try_recv() {
            assert!(
                !matches!(
                    event,
                    Event::AddressRemoved { .. } | Event::Transition { .. }
                ),
                "{event}"
            );
        }

        // A removed instance resigns and takes its address along; a refused configuration changes nothing.
        let bad = one(fast("ONE", 51, 150, &["10.9.0.100", "fd09::1"]));
        assert!(engine.engine.replace(bad).await.is_err());
        engine
            .engine
            .replace(one(fast("ONE", 51, 150, &["10.9.0.100"])))
            .await
            .unwrap();
        assert!(a.holds("10.9.0.100") && !a.holds("10.9.0.101") && !a.holds("10.9.0.102"));
        engine
            .wait("TWO to stop", |event| {
                matches!(event, Event::Transition { instance, to: State::Initialize, .. } if &**instance == "TWO")
            })
            .await;
    });
}

#[test]
fn faults_of_link_and_source_come_and_go_with_their_reason() {
    let Some((a, _b)) = pair() else { return };
    run(async {
        let mut engine = a.start(settings(), one(fast("VI", 51, 150, &["10.9.0.100"])));
        engine.wait_state("VI", State::Master).await;

        a.ip("link set eth0 down");
        let event = engine.wait_state("VI", State::Fault).await;
        assert!(event.to_string().contains("eth0 is down"), "{event}");
        a.ip("link set eth0 up");
        engine.wait_state("VI", State::Master).await;

        a.ip("address del 10.9.0.1/24 dev eth0");
        let event = engine.wait_state("VI", State::Fault).await;
        assert!(
            event.to_string().contains("no source address on eth0"),
            "{event}"
        );
        a.ip("address add 10.9.0.1/24 dev eth0");
        engine.wait_state("VI", State::Master).await;
    });
}

#[test]
fn an_interface_that_is_not_there_is_refused_or_awaited() {
    let Some((a, _b)) = pair() else { return };
    run(async {
        let mut instance = fast("VI", 51, 150, &["10.8.0.100"]);
        instance.interface = "late0".into();
        let configuration = one(instance);
        let refused = configuration.clone();
        match a.run(move || Engine::start(settings(), refused).map(drop)) {
            Err(StartError::Configuration(ConfigurationError::NoSuchInterface {
                interface,
                ..
            })) => {
                assert_eq!(interface, "late0");
            }
            other => panic!("{other:?}"),
        }

        let mut settings = settings();
        settings.late_interfaces = true;
        let mut engine = a.start(settings, configuration);
        engine.wait_state("VI", State::Fault).await;
        a.ip("link add late0 type veth peer name other0");
        a.ip("link set other0 up");
        a.ip("address add 10.8.0.1/24 dev late0");
        a.ip("link set late0 up");
        engine.wait_state("VI", State::Master).await;
        a.ip("link del late0");
        engine.wait_state("VI", State::Fault).await;
        a.ip("link add late0 type veth peer name other0");
        a.ip("link set other0 up");
        a.ip("address add 10.8.0.1/24 dev late0");
        a.ip("link set late0 up");
        engine.wait_state("VI", State::Master).await;
        engine.wait("the address", added("10.8.0.100")).await;
    });
}

#[test]
fn a_failing_tracker_hands_over_and_says_why() {
    let Some((a, b)) = pair() else { return };
    run(async {
        let tracked = |priority| {
            let mut instance = fast("VI", 51, priority, &["10.9.0.100"]);
            instance.trackers.push(Tracker {
                name: "web".into(),
                weight: -60,
                reverse: false,
            });
            let trackers = vec![TrackerConfig {
                name: "web".into(),
                initial: TrackerState::Up,
            }];
            Configuration {
                trackers,
                ..one(instance)
            }
        };
        let mut first = a.start(settings(), tracked(150));
        let mut second = b.start(settings(), tracked(100));
        first.wait_state("VI", State::Master).await;
        first
            .engine
            .tracker_result("web", TrackerState::Down)
            .await
            .unwrap();
        let event = first
            .wait("the priority", |event| {
                matches!(event, Event::PriorityChanged { .. })
            })
            .await;
        assert!(
            event.to_string().contains("150 - 60 (web failed) = 90"),
            "{event}"
        );
        second.wait_state("VI", State::Master).await;
        let event = first.wait_state("VI", State::Backup).await;
        assert!(
            event
                .to_string()
                .contains("higher priority 100 from 10.9.0.2"),
            "{event}"
        );
        first
            .engine
            .tracker_result("web", TrackerState::Up)
            .await
            .unwrap();
        first.wait_state("VI", State::Master).await;
        second.wait_state("VI", State::Backup).await;
    });
}

#[test]
fn a_group_is_master_as_a_whole_or_not_at_all() {
    let Some((a, _b)) = pair() else { return };
    run(async {
        a.ip("link add inner0 type veth peer name other0");
        a.ip("link set other0 up");
        a.ip("address add 10.7.0.1/24 dev inner0");
        let mut inside = fast("IN", 52, 150, &["10.7.0.100"]);
        inside.interface = "inner0".into();
        let configuration = Configuration {
            instances: shared([fast("OUT", 51, 150, &["10.9.0.100"]), inside]),
            groups: vec![GroupConfig::new(
                "G",
                vec!["OUT".to_owned(), "IN".to_owned()],
            )],
            ..Configuration::default()
        };
        let mut engine = a.start(settings(), configuration);
        engine.wait_state("OUT", State::Fault).await;
        a.ip("link set inner0 up");
        let master = |event: &Event| {
            matches!(
                event,
                Event::GroupTransition {
                    to: State::Master,
                    ..
                }
            )
        };
        engine.wait("the group", master).await;
        engine.wait("the addresses", added("10.9.0.100")).await;
        eventually(|| a.holds("10.9.0.100") && a.holds("10.7.0.100"));
        a.ip("link set inner0 down");
        engine.wait_state("OUT", State::Fault).await;
        engine
            .wait("OUT to give up its address", |event| {
                matches!(event, Event::AddressRemoved { .. })
            })
            .await;
        assert!(!a.holds("10.9.0.100"));
    });
}

#[test]
fn two_hundred_and_fifty_instances_change_sides_together() {
    let Some((a, b)) = pair() else { return };
    let configuration = |priority| {
        let instances = (1..=250_u8).map(|number| {
            let address = format!("10.9.1.{number}");
            let mut instance = fast(&format!("VI_{number}"), number, priority, &[&address]);
            instance.router_mut().interval = Interval::from_centiseconds(50).unwrap();
            instance
        });
        Configuration {
            instances: instances.map(Arc::new).collect(),
            ..Configuration::default()
        }
    };
    let masters = |snapshot: &vrrp_net::Snapshot| {
        let all = snapshot.instances.values();
        all.filter(|instance| instance.state == State::Master && instance.addresses.len() == 1)
            .count()
    };
    run(async {
        let first = a.start(settings(), configuration(150));
        let mut snapshots = first.engine.snapshots();
        let all = snapshots.wait_for(|snapshot| masters(snapshot) == 250);
        tokio::time::timeout(crate::support::PATIENCE, all)
            .await
            .unwrap()
            .unwrap();
        let second = b.start(settings(), configuration(100));
        let mut snapshots = second.engine.snapshots();
        let heard = snapshots.wait_for(|snapshot| {
            assert_eq!(masters(snapshot), 0);
            snapshot
                .instances
                .values()
                .all(|instance| instance.master.is_some())
        });
        tokio::time::timeout(crate::support::PATIENCE, heard)
            .await
            .unwrap()
            .unwrap();
        first.engine.shutdown().await;
        assert!(!a.ip("-o address show").contains("10.9.1."));
        let all = snapshots.wait_for(|snapshot| masters(snapshot) == 250);
        let snapshot = tokio::time::timeout(crate::support::PATIENCE, all)
            .await
            .unwrap()
            .unwrap();
        let slowest = snapshot
            .instances
            .values()
            .map(|instance| instance.counters.slowest_takeover)
            .max();
        println!("slowest takeover of 250: {slowest:?}");
    });
}

#[test]
fn a_group_may_lose_a_member_in_a_reload_and_gain_one() {
    let Some((a, _b)) = pair() else { return };
    run(async {
        let three = || {
            let instances = (1..=3_u8).map(|number| {
                fast(
                    &format!("VI_{number}"),
                    number,
                    150,
                    &[&format!("10.9.1.{number}")],
                )
            });
            instances.map(Arc::new).collect::<Vec<_>>()
        };
        let group = |members: &[&str]| {
            GroupConfig::new(
                "G",
                members.iter().map(|member| (*member).to_owned()).collect(),
            )
        };
        let mut configuration = Configuration {
            instances: three(),
            groups: vec![group(&["VI_1", "VI_2"])],
            ..Configuration::default()
        };
        let mut engine = a.start(settings(), configuration.clone());
        let held = |count: usize| {
            move |snapshot: &vrrp_net::Snapshot| {
                snapshot
                    .instances
                    .values()
                    .filter(|instance| !instance.addresses.is_empty())
                    .count()
                    == count
            }
        };
        let mut snapshots = engine.engine.snapshots();
        let all = snapshots.wait_for(held(3));
        tokio::time::timeout(crate::support::PATIENCE, all)
            .await
            .unwrap()
            .unwrap();
        while engine.events.try_recv().is_some() {}

        // A master joins a group of masters, then one leaves it for good: nobody else notices.
        configuration.groups = vec![group(&["VI_1", "VI_2", "VI_3"])];
        engine.engine.replace(configuration.clone()).await.unwrap();
        configuration.groups = vec![group(&["VI_1", "VI_3"])];
        configuration.instances.remove(1);
        engine.engine.replace(configuration.clone()).await.unwrap();
        while let Some(event) = engine.events.try_recv() {
            if let Event::Transition { instance, .. } = &event {
                assert_eq!(&**instance, "VI_2", "{event}");
            }
        }
        let snapshot = engine.engine.snapshots().latest();
        assert!(held(2)(&snapshot), "{snapshot:?}");
        assert_eq!(snapshot.groups["G"].state, State::Master);
    });
}
