//! Routes and rules that come and go with mastership, and those that are always there.

use crate::support::{Node, Running, eventually, fast, one, pair, run, shared};
use std::sync::Arc;
use vrrp_net::vrrp_proto::Family;
use vrrp_net::{
    Configuration, Event, InstanceConfig, NextHop, Prefix, Route, RouteKind, RouteMetric,
    RouteMetricKind, RoutePreference, Rule, RuleAction, Settings, State, VirtualAddress,
};

fn prefix(text: &str) -> Prefix {
    let (address, length) = text.split_once('/').unwrap();
    Prefix {
        address: address.parse().unwrap(),
        length: length.parse().unwrap(),
    }
}

fn to(destination: &str) -> Route {
    let destination = prefix(destination);
    let family = Family::of(destination.address);
    Route::new(family, Some(destination))
}

/// A route from the virtual address by a gateway, one that needs the first to be there, and a rule.
fn equipped(priority: u8) -> InstanceConfig {
    let mut instance = fast("VI", 51, priority, &["10.9.0.100"]);
    instance.routes.push(Route {
        gateway: Some("10.9.0.77".parse().unwrap()),
        preferred_source: Some("10.9.0.100".parse().unwrap()),
        metric: Some(5),
        metrics: vec![RouteMetric {
            kind: RouteMetricKind::Mtu,
            value: 1400,
            lock: true,
        }],
        ..to("10.70.0.0/16")
    });
    instance.routes.push(Route {
        kind: RouteKind::Blackhole,
        table: 1000,
        ..to("10.71.0.0/16")
    });
    let mut rule = Rule::new(Family::V4, 4711, RuleAction::Table(1000));
    rule.from = Some(prefix("10.9.0.100/32"));
    rule.mark = Some((0x10, 0xff));
    instance.rules.push(rule);
    instance
}

fn marked(node: &Node) -> String {
    node.ip("-d route show table all proto 112")
}

fn has_rule(node: &Node) -> bool {
    node.ip("rule show").contains("4711:")
}

async fn last_entry(engine: &mut Running) {
    engine
        .wait(
            "the rule",
            |event| matches!(event, Event::EntryAdded { entry, .. } if entry.starts_with("rule")),
        )
        .await;
}

#[test]
fn they_come_after_the_addresses_and_go_before_them() {
    let Some((a, _b)) = pair() else { return };
    run(async {
        let mut engine = a.start(Settings::default(), one(equipped(150)));
        last_entry(&mut engine).await;
        let routes = marked(&a);
        assert!(
            routes.contains("10.70.0.0/16 via 10.9.0.77 dev eth0"),
            "{routes}"
        );
        assert!(routes.contains("src 10.9.0.100 metric 5"), "{routes}");
        assert!(routes.contains("mtu lock 1400"), "{routes}");
        assert!(
            routes.contains("blackhole 10.71.0.0/16 table 1000"),
            "{routes}"
        );
        let rules = a.ip("rule show");
        assert!(
            rules.contains("from 10.9.0.100 fwmark 0x10/0xff lookup 1000"),
            "{rules}"
        );

        engine.engine.shutdown().await;
        assert_eq!(marked(&a), "");
        assert!(!has_rule(&a));
        let mut order = Vec::new();
        while let Some(event) = engine.events.try_recv() {
            match event {
                Event::EntryRemoved { entry, .. } => order.push(entry),
                Event::AddressRemoved { address, .. } => order.push(address.to_string()),
                _ => {}
            }
        }
        let order: Vec<&str> = order
            .iter()
            .map(|entry| entry.split(':').next().unwrap())
            .collect();
        let expected = [
            "rule 4711",
            "route blackhole 10.71.0.0/16 table 1000",
            "route 10.70.0.0/16 via 10.9.0.77 src 10.9.0.100 metric 5 mtu lock 1400",
            "10.9.0.100",
        ];
        assert_eq!(order, expected);
    });
}

#[test]
fn what_somebody_removes_comes_back_as_often_as_is_allowed() {
    let Some((a, _b)) = pair() else { return };
    run(async {
        let mut settings = Settings::default();
        settings.restores_per_minute = 2;
        let mut engine = a.start(settings, one(equipped(150)));
        last_entry(&mut engine).await;
        for command in [
            "rule del preference 4711",
            "route del 10.70.0.0/16",
            "route del 10.70.0.0/16",
        ] {
            a.ip(command);
            engine
                .wait("restoring", |event| {
                    matches!(event, Event::EntryRestored { .. })
                })
                .await;
        }
        assert!(has_rule(&a));
        assert!(marked(&a).contains("10.70.0.0/16"));
        // A third time within the minute is too often. The rule shows that the notice has been seen.
        a.ip("route del 10.70.0.0/16");
        a.ip("rule del preference 4711");
        engine
            .wait("the rule to come back", |event| {
                matches!(event, Event::EntryRestored { .. })
            })
            .await;
        assert!(has_rule(&a));
        assert!(!marked(&a).contains("10.70.0.0/16"));
        let status = engine.engine.snapshots().latest();
        assert_eq!(status.instances["VI"].state, State::Master);
    });
}

#[test]
fn a_crash_leaves_nothing_that_the_successor_does_not_take_away() {
    let Some((a, b)) = pair() else { return };
    run(async {
        let mut first = a.start(Settings::default(), one(equipped(150)));
        last_entry(&mut first).await;
        first.engine.abort();
        assert!(marked(&a).contains("10.70.0.0/16") && has_rule(&a));

        // The same configuration, as backup; then another one that reclaims by the mark.
        let mut master = b.start(
            Settings::default(),
            one(fast("VI", 51, 200, &["10.9.0.100"])),
        );
        master.wait_state("VI", State::Master).await;
        let mut second = a.start(Settings::default(), one(equipped(100)));
        second.wait_state("VI", State::Backup).await;
        assert_eq!(marked(&a), "");
        assert!(!has_rule(&a));
        second.engine.shutdown().await;

        a.ip("route add 10.70.0.0/16 via 10.9.0.77 proto 112");
        a.ip("route add 10.72.0.0/16 via 10.9.0.77");
        a.ip("rule add preference 4711 lookup 1000 proto 112");
        let mut settings = Settings::default();
        settings.reclaim_marked = true;
        let third = a.start(settings, one(fast("VI", 51, 100, &["10.9.0.100"])));
        assert_eq!(marked(&a), "");
        assert!(!has_rule(&a));
        assert!(a.ip("route show").contains("10.72.0.0/16"));
        third.engine.shutdown().await;
    });
}

#[test]
fn a_reload_moves_a_route_without_taking_it_away() {
    let Some((a, _b)) = pair() else { return };
    run(async {
        let route = Route {
            gateway: Some("10.9.0.77".parse().unwrap()),
            ..to("10.70.0.0/16")
        };
        let both = |first: bool| {
            let mut instances = [
                fast("one", 51, 150, &["10.9.0.100"]),
                fast("two", 52, 150, &["10.9.0.101"]),
            ];
            let holder = if first { 0 } else { 1 };
            instances[holder].routes.push(route.clone());
            Configuration {
                instances: shared(instances),
                ..Configuration::default()
            }
        };
        let mut engine = a.start(Settings::default(), both(true));
        engine.wait_state("one", State::Master).await;
        engine.wait_state("two", State::Master).await;
        eventually(|| marked(&a).contains("10.70.0.0/16"));
        while engine.events.try_recv().is_some() {}
        engine.engine.replace(both(false)).await.unwrap();
        assert!(marked(&a).contains("10.70.0.0/16"));
        while let Some(event) = engine.events.try_recv() {
            assert!(!matches!(event, Event::EntryRemoved { .. }), "{event}");
        }
        let mut without = both(false);
        Arc::make_mut(&mut without.instances[1]).routes.clear();
        engine.engine.replace(without).await.unwrap();
        assert_eq!(marked(&a), "");
    });
}

#[test]
fn static_ones_are_there_whoever_is_master() {
    let Some((a, b)) = pair() else { return };
    run(async {
        let mut master = b.start(
            Settings::default(),
            one(fast("VI", 51, 200, &["10.9.0.100"])),
        );
        master.wait_state("VI", State::Master).await;
        a.ip("link add inner0 type veth peer name other0");
        a.ip("link set other0 up");
        a.ip("link set inner0 up");
        eventually(|| a.ip("-o link show inner0").contains("state UP"));
        let hop = |gateway: &str, weight| NextHop {
            gateway: Some(gateway.parse().unwrap()),
            device: Some("inner0".to_owned()),
            weight,
            on_link: false,
            realms: None,
            encapsulation: None,
        };
        let configuration = Configuration {
            static_addresses: vec![
                VirtualAddress::new("10.8.0.1".parse().unwrap())
                    .with_prefix_length(24)
                    .on_device("inner0"),
                VirtualAddress::new("fd08::1".parse().unwrap())
                    .with_prefix_length(64)
                    .on_device("inner0"),
            ],
            static_routes: vec![
                Route {
                    next_hops: vec![hop("10.8.0.7", 1), hop("10.8.0.8", 3)],
                    ..to("10.73.0.0/16")
                },
                Route {
                    gateway: Some("fd08::7".parse().unwrap()),
                    preference: Some(RoutePreference::High),
                    metric: Some(77),
                    ..to("fd70::/32")
                },
                Route {
                    device: Some("late0".to_owned()),
                    ..to("10.74.0.0/16")
                },
            ],
            static_rules: vec![Rule::new(Family::V6, 4711, RuleAction::Unreachable)],
            ..one(fast("VI", 51, 100, &["10.9.0.100"]))
        };
        let mut settings = Settings::default();
        settings.late_interfaces = true;
        let mut engine = a.start(settings, configuration);
        engine.wait_state("VI", State::Backup).await;
        assert!(a.holds("10.8.0.1") && a.holds("fd08::1"));
        let routes = marked(&a);
        assert!(
            routes.contains("via 10.8.0.8 dev inner0 weight 3"),
            "{routes}"
        );
        assert!(!routes.contains("10.74.0.0/16"), "{routes}");
        let routes = a.ip("-6 route show proto 112");
        assert!(
            routes.contains("fd70::/32 via fd08::7 dev inner0"),
            "{routes}"
        );
        assert!(routes.contains("metric 77"), "{routes}");
        assert!(routes.contains("pref high"), "{routes}");
        assert!(a.ip("-6 rule show").contains("4711:"));

        // An interface that comes late, and one that goes down and takes its routes along.
        a.ip("link add late0 type veth peer name later0");
        a.ip("link set later0 up");
        a.ip("link set late0 up");
        eventually(|| marked(&a).contains("10.74.0.0/16"));
        a.ip("link set inner0 down");
        eventually(|| !marked(&a).contains("10.73.0.0/16"));
        a.ip("link set inner0 up");
        eventually(|| marked(&a).contains("10.73.0.0/16"));

        engine.engine.shutdown().await;
        assert!(!a.holds("10.8.0.1") && !a.holds("fd08::1"));
        assert_eq!(marked(&a), "");
        assert_eq!(a.ip("-6 route show proto 112"), "");
        assert!(!a.ip("-6 rule show").contains("4711:"));
    });
}

#[test]
fn a_static_address_is_a_source() {
    let Some((a, _b)) = pair() else { return };
    run(async {
        a.ip("address flush dev eth0 scope global");
        let configuration = Configuration {
            static_addresses: vec![
                VirtualAddress::new("10.9.0.5".parse().unwrap())
                    .with_prefix_length(24)
                    .on_device("eth0"),
            ],
            ..one(fast("VI", 51, 150, &["10.9.0.100"]))
        };
        let mut engine = a.start(Settings::default(), configuration);
        engine.wait_state("VI", State::Master).await;
        let snapshot = engine.engine.snapshots().latest();
        assert_eq!(
            snapshot.instances["VI"].source,
            Some("10.9.0.5".parse().unwrap())
        );
    });
}
