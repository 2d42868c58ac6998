//! Tests of the LVS model.

use super::super::{CheckStart, RealServer, SorryServer};
use super::*;
use ipvs_netlink::{Destination, Forwarding, Scheduler, Service, ServiceId};
use keepalived_conf::model::Origin;
use proptest::prelude::*;
use std::net::{Ipv4Addr, SocketAddr};

const NAME: &str = "[172.16.1.8]:tcp:80";

fn address(last: u8) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(172, 16, 1, last), 80))
}

fn real_server(last: u8, weight: u32, checks: usize) -> RealServer {
    RealServer {
        destination: Destination::new(address(last), Forwarding::DirectRouting).with_weight(weight),
        inhibit_on_failure: false,
        snmp_name: None,
        recovery: crate::recovery::RecoverySettings::default(),
        checks: vec![
            CheckStart {
                kind: "TCP_CHECK",
                alpha: false
            };
            checks
        ]
        .into(),
        place: Origin::default(),
    }
}

fn virtual_server(real_servers: Vec<RealServer>) -> VirtualServer {
    VirtualServer {
        name: NAME.into(),
        services: vec![Service::new(
            ServiceId::tcp(address(8)),
            Scheduler::RoundRobin,
        )],
        quorum: 1,
        hysteresis: 0,
        real_servers,
        sorry_server: None,
        ha_suspend: false,
        snmp_name: None,
        place: Origin::default(),
    }
}

fn sorry(inhibit: bool) -> Option<SorryServer> {
    Some(SorryServer {
        destination: Destination::new(address(99), Forwarding::DirectRouting),
        inhibit,
    })
}

fn model(server: VirtualServer) -> Model {
    let mut model = Model::default();
    model.replace(&[Arc::new(server)], |_| Fate::Kept);
    model
}

fn tell(model: &mut Model, last: u8, index: usize, up: bool) -> Vec<Happening> {
    let check = CheckId {
        virtual_server: NAME.into(),
        real_server: address(last).into(),
        index,
    };
    model.observe(&check, verdict(up), &mut Touched::default())
}

fn verdict(up: bool) -> Verdict {
    Verdict::made(up, None, "test")
}

/// Last octet and weight of what the table has.
fn table(model: &Model) -> Vec<(u8, u32)> {
    let wished = model.wished();
    let destinations = wished
        .services
        .values()
        .flat_map(|service| service.destinations.values());
    destinations
        .map(|destination| match destination.id.address {
            std::net::IpAddr::V4(address) => (address.octets()[3], destination.weight),
            std::net::IpAddr::V6(_) => unreachable!("only IPv4 in these tests"),
        })
        .collect()
}

#[test]
fn a_failed_server_leaves_and_returns() {
    let mut model = model(virtual_server(vec![
        real_server(4, 1, 1),
        real_server(5, 3, 1),
    ]));
    assert_eq!(table(&model), [(4, 1), (5, 3)]);
    let told = tell(&mut model, 4, 0, false);
    assert!(
        matches!(told.as_slice(), [Happening::RealServerDown { .. }]),
        "{told:?}"
    );
    assert_eq!(table(&model), [(5, 3)]);
    let told = tell(&mut model, 4, 0, true);
    assert!(
        matches!(told.as_slice(), [Happening::RealServerUp { .. }]),
        "{told:?}"
    );
    assert_eq!(table(&model), [(4, 1), (5, 3)]);
    assert!(tell(&mut model, 4, 0, true).is_empty(), "nothing changes");
    assert!(tell(&mut model, 77, 0, true).is_empty(), "not configured");
}

#[test]
fn a_server_is_up_when_all_its_checks_are() {
    let mut model = model(virtual_server(vec![
        real_server(4, 1, 2),
        real_server(5, 1, 0),
    ]));
    tell(&mut model, 4, 0, false);
    assert!(tell(&mut model, 4, 1, false).is_empty());
    assert!(tell(&mut model, 4, 0, true).is_empty());
    assert_eq!(table(&model), [(5, 1)]);
    tell(&mut model, 4, 1, true);
    assert_eq!(table(&model), [(4, 1), (5, 1)]);
}

#[test]
fn inhibit_on_failure_keeps_the_server_with_weight_0() {
    let mut server = virtual_server(vec![real_server(4, 5, 1), real_server(5, 5, 1)]);
    server.real_servers[0].inhibit_on_failure = true;
    let mut model = model(server);
    tell(&mut model, 4, 0, false);
    assert_eq!(table(&model), [(4, 0), (5, 5)]);
}

#[test]
fn the_sorry_server_answers_while_the_quorum_is_missing() {
    let mut server = virtual_server(vec![real_server(4, 1, 1), real_server(5, 1, 1)]);
    server.sorry_server = sorry(false);
    let mut model = model(server);
    assert_eq!(table(&model), [(4, 1), (5, 1)]);
    tell(&mut model, 4, 0, false);
    let told = tell(&mut model, 5, 0, false);
    assert!(
        matches!(
            told.as_slice(),
            [
                Happening::RealServerDown { .. },
                Happening::QuorumLost {
                    sorry_server: Some(_),
                    ..
                }
            ]
        ),
        "{told:?}"
    );
    assert_eq!(table(&model), [(99, 1)]);
    let told = tell(&mut model, 5, 0, true);
    assert!(
        matches!(
            told.as_slice(),
            [
                Happening::RealServerUp { .. },
                Happening::QuorumGained { .. }
            ]
        ),
        "{told:?}"
    );
    assert_eq!(table(&model), [(5, 1)]);
}

#[test]
fn an_inhibited_sorry_server_waits_with_weight_0() {
    let mut server = virtual_server(vec![real_server(4, 1, 1)]);
    server.sorry_server = sorry(true);
    let mut model = model(server);
    assert_eq!(table(&model), [(4, 1), (99, 0)]);
    tell(&mut model, 4, 0, false);
    assert_eq!(table(&model), [(99, 1)]);
}

#[test]
fn a_lost_quorum_takes_live_servers_out_only_for_a_sorry_server() {
    let mut server = virtual_server((4..8).map(|last| real_server(last, 1, 1)).collect());
    server.quorum = 3;
    let mut without = model(server.clone());
    server.sorry_server = sorry(false);
    let mut with = model(server);
    for model in [&mut without, &mut with] {
        tell(model, 4, 0, false);
        let told = tell(model, 5, 0, false);
        assert!(
            matches!(
                told.as_slice(),
                [
                    _,
                    Happening::QuorumLost {
                        weight: 2,
                        needed: 3,
                        ..
                    }
                ]
            ),
            "{told:?}"
        );
    }
    assert_eq!(table(&without), [(6, 1), (7, 1)]);
    assert_eq!(table(&with), [(99, 1)]);
}

#[test]
fn hysteresis_keeps_the_quorum_from_flapping() {
    let mut server = virtual_server((4..10).map(|last| real_server(last, 1, 1)).collect());
    (server.quorum, server.hysteresis) = (3, 2);
    let mut model = model(server);
    // Six are up. It is lost below 1 and comes back at 5.
    for last in 4..9 {
        assert_eq!(tell(&mut model, last, 0, false).len(), 1);
    }
    assert_eq!(tell(&mut model, 9, 0, false).len(), 2, "none is left");
    for last in 4..8 {
        assert_eq!(tell(&mut model, last, 0, true).len(), 1);
    }
    assert_eq!(tell(&mut model, 8, 0, true).len(), 2, "five are up");
}

#[test]
fn alpha_starts_down_and_tells_when_it_comes_up() {
    let mut server = virtual_server(vec![real_server(4, 1, 1)]);
    server.real_servers[0].checks[0].alpha = true;
    let mut model = Model::default();
    let told = model.replace(&[Arc::new(server)], |_| Fate::Kept);
    assert!(told.is_empty(), "{told:?}");
    assert!(table(&model).is_empty());
    let told = tell(&mut model, 4, 0, true);
    assert!(
        matches!(
            told.as_slice(),
            [
                Happening::RealServerUp { .. },
                Happening::QuorumGained { .. }
            ]
        ),
        "{told:?}"
    );
    assert_eq!(table(&model), [(4, 1)]);
}

#[test]
fn a_dynamic_weight_is_programmed() {
    let mut model = model(virtual_server(vec![real_server(4, 10, 1)]));
    let check = CheckId {
        virtual_server: NAME.into(),
        real_server: address(4).into(),
        index: 0,
    };
    let verdict = |weight| Verdict::made(true, Some(weight), "test");
    let mut touched = Touched::default();
    let told = model.observe(&check, verdict(Weight::Exact(3)), &mut touched);
    assert!(
        matches!(
            told.as_slice(),
            [Happening::WeightChanged {
                from: 10,
                to: 3,
                ..
            }]
        ),
        "{told:?}"
    );
    assert_eq!(table(&model), [(4, 3)]);
    model.observe(&check, verdict(Weight::Adjust(-20)), &mut touched);
    assert_eq!(table(&model), [(4, 0)]);
}

#[test]
fn a_reload_keeps_what_is_known_of_unchanged_checks() {
    let server = virtual_server(vec![real_server(4, 1, 1), real_server(5, 1, 1)]);
    let mut model = model(server.clone());
    tell(&mut model, 4, 0, false);
    let mut changed = server;
    changed.real_servers.push(real_server(6, 2, 1));
    assert!(
        model
            .replace(&[Arc::new(changed.clone())], |_| Fate::Kept)
            .is_empty()
    );
    assert_eq!(table(&model), [(5, 1), (6, 2)]);
    // The checks are other ones now: .4 has to pass its new one first, .5 counts as up until it fails, `alpha` or not.
    changed.real_servers[1].checks[0].alpha = true;
    model.replace(&[Arc::new(changed)], |_| Fate::New);
    assert_eq!(table(&model), [(5, 1), (6, 2)]);
    assert!(model.is_down(&CheckId {
        virtual_server: NAME.into(),
        real_server: address(4).into(),
        index: 0
    }));
    tell(&mut model, 4, 0, true);
    assert_eq!(table(&model), [(4, 1), (5, 1), (6, 2)]);
    assert!(model.replace(&[], |_| Fate::Kept).is_empty());
    assert!(model.wished().services.is_empty());
}

#[test]
fn an_influence_scales_the_weight_or_holds_a_server_down() {
    use crate::recovery::Influence;
    let mut model = model(virtual_server(vec![
        real_server(4, 40, 1),
        real_server(5, 40, 1),
    ]));
    let influence = |model: &mut Model, share, held: Option<&str>| {
        let influence = Influence {
            share,
            held: held.map(str::to_owned),
        };
        model.influence(NAME, address(4).into(), influence, &mut Touched::default())
    };
    assert!(
        influence(&mut model, 25, None).is_empty(),
        "a growing weight is no news"
    );
    assert_eq!(table(&model), [(4, 10), (5, 40)]);
    let (_, _, standings) = model.standings().next().unwrap();
    assert_eq!(
        standings[0].reasons[0],
        "slow_start gives it 25% of its weight for now"
    );
    let told = influence(&mut model, 100, Some("too many failures"));
    assert!(
        matches!(told.as_slice(), [Happening::RealServerDown { .. }]),
        "{told:?}"
    );
    assert_eq!(table(&model), [(5, 40)]);
    assert!(
        tell(&mut model, 4, 0, true).is_empty(),
        "its check does not help it"
    );
    let (_, _, standings) = model.standings().next().unwrap();
    assert_eq!(standings[0].reasons[0], "too many failures");
    let told = influence(&mut model, 100, None);
    assert!(
        matches!(told.as_slice(), [Happening::RealServerUp { .. }]),
        "{told:?}"
    );
    assert_eq!(table(&model), [(4, 40), (5, 40)]);
}

#[test]
fn every_server_has_a_reason() {
    let mut server = virtual_server(vec![real_server(4, 1, 1), real_server(5, 1, 0)]);
    server.quorum = 2;
    server.sorry_server = sorry(false);
    let mut model = model(server);
    tell(&mut model, 4, 0, false);
    let (_, quorum_up, standings) = model.standings().next().unwrap();
    assert!(!quorum_up);
    assert_eq!(standings[0].reasons, ["TCP_CHECK: test"]);
    assert!(
        standings[1].reasons[0].contains("quorum of 2 is missing"),
        "{:?}",
        standings[1]
    );
    assert_eq!(standings[2].presence, super::super::Presence::Weight(1));
}

#[test]
fn a_verdict_costs_work_for_its_server_only() {
    // The second of its services too, but no other destination and no other virtual server.
    let mut server = virtual_server((4..200).map(|last| real_server(last, 1, 1)).collect());
    let second = Service::new(ServiceId::tcp(address(9)), Scheduler::RoundRobin);
    server.services.push(second);
    server.sorry_server = sorry(false);
    let mut model = model(server);
    let observe = |model: &mut Model, last, up| {
        let check = CheckId {
            virtual_server: NAME.into(),
            real_server: address(last).into(),
            index: 0,
        };
        let mut touched = Touched::default();
        model.observe(&check, verdict(up), &mut touched);
        model.delta(&touched)
    };
    let delta = observe(&mut model, 77, false);
    assert!(delta.services.is_empty() && delta.removed.is_empty());
    let wished: Vec<_> = delta
        .destinations
        .iter()
        .map(|(service, id, to)| (*service, *id, *to))
        .collect();
    let id = DestinationId::from(address(77));
    assert_eq!(
        wished,
        [
            (ServiceId::tcp(address(8)), id, None),
            (ServiceId::tcp(address(9)), id, None)
        ]
    );
    assert_eq!(
        observe(&mut model, 77, false),
        Delta::default(),
        "said before"
    );
    // Only the quorum concerns all.
    for last in 4..199 {
        observe(&mut model, last, false);
    }
    let delta = observe(&mut model, 199, false);
    assert_eq!((delta.services.len(), delta.destinations.len()), (2, 0));
}

#[test]
fn a_reload_costs_work_for_what_has_changed_only() {
    let mut one = virtual_server(vec![real_server(4, 1, 1)]);
    let mut two = one.clone();
    two.name = "two".into();
    two.services = vec![Service::new(
        ServiceId::tcp(address(9)),
        Scheduler::RoundRobin,
    )];
    let (first, second) = (Arc::new(one.clone()), Arc::new(two));
    let mut before = Model::default();
    before.replace(&[Arc::clone(&first), Arc::clone(&second)], |_| Fate::New);
    one.real_servers.push(real_server(5, 1, 1));
    let mut after = before.clone();
    let asked = std::cell::RefCell::new(Vec::new());
    after.replace(&[Arc::new(one), second], |id| {
        asked.borrow_mut().push(id.virtual_server.to_string());
        Fate::New
    });
    assert_eq!(asked.into_inner(), [NAME, NAME], "nothing of the other one");
    let delta = before.delta_to(&after);
    assert_eq!((delta.services.len(), delta.removed.len()), (1, 0));
    let mut gone = before.clone();
    gone.replace(&[first], |_| Fate::New);
    let delta = before.delta_to(&gone);
    assert_eq!((delta.services.len(), delta.removed.len()), (0, 1));
}

proptest! {
    /// Whatever the order of verdicts: the table has exactly the live servers, or exactly the sorry server.
    #[test]
    fn the_table_is_the_live_servers_or_the_sorry_server(
        weights in prop::collection::vec(0_u32..5, 1..6),
        quorum in 1_u32..6,
        hysteresis in 0_u32..3,
        steps in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..40),
    ) {
        let last = |index: usize| u8::try_from(10 + index).unwrap();
        let mut server = virtual_server(weights.iter().enumerate().map(|(i, w)| real_server(last(i), *w, 1)).collect());
        (server.quorum, server.hysteresis) = (quorum, hysteresis.min(quorum - 1));
        server.sorry_server = sorry(false);
        let (gain, keep) = (quorum + server.hysteresis, (quorum - server.hysteresis).max(1));
        let mut model = model(server);
        let mut up = vec![true; weights.len()];
        let live = |up: &[bool]| up.iter().zip(&weights).filter(|(up, _)| **up).map(|(_, weight)| weight).sum::<u32>();
        let mut quorum_up = live(&up) >= gain;
        for (index, verdict) in steps {
            let index = index.index(weights.len());
            up[index] = verdict;
            tell(&mut model, last(index), 0, verdict);
            quorum_up = if quorum_up { live(&up) >= keep } else { live(&up) >= gain };
            let expected: Vec<(u8, u32)> = if quorum_up {
                up.iter().enumerate().filter(|(_, up)| **up).map(|(i, _)| (last(i), weights[i])).collect()
            } else {
                vec![(99, 1)]
            };
            prop_assert_eq!(table(&model), expected);
        }
    }
}

#[test]
fn what_an_operator_sets_holds_over_a_reload_until_it_is_taken_back() {
    let servers = || virtual_server(vec![real_server(4, 1, 1), real_server(5, 3, 1)]);
    let mut model = model(servers());
    let set = |model: &mut Model, last: u8, setting| {
        let mut touched = Touched::default();
        let told = model.set(NAME, address(last).into(), setting, "test", &mut touched);
        (told.len(), model.delta(&touched).destinations.len())
    };
    assert_eq!(set(&mut model, 4, Some(Setting::Weight(7))), (1, 1));
    assert_eq!(
        set(&mut model, 4, Some(Setting::Weight(7))),
        (0, 0),
        "nothing new"
    );
    assert_eq!(set(&mut model, 5, Some(Setting::Drain)), (1, 1));
    assert_eq!(table(&model), [(4, 7), (5, 0)]);
    model.replace(&[Arc::new(servers())], |_| Fate::Kept);
    assert_eq!(table(&model), [(4, 7), (5, 0)]);
    tell(&mut model, 4, 0, false);
    assert_eq!(table(&model), [(5, 0)], "checks decide whatever is set");
    assert_eq!(set(&mut model, 5, Some(Setting::Drained)), (0, 1));
    assert_eq!(table(&model), []);
    tell(&mut model, 4, 0, true);
    set(&mut model, 4, None);
    set(&mut model, 5, None);
    assert_eq!(table(&model), [(4, 1), (5, 3)]);
    assert_eq!(
        set(&mut model, 99, Some(Setting::Drain)),
        (0, 0),
        "no such server"
    );
}

#[test]
fn a_drained_server_keeps_its_connections_while_the_sorry_server_answers() {
    let mut server = virtual_server(vec![real_server(4, 1, 1)]);
    server.sorry_server = sorry(false);
    let mut model = model(server);
    let drain = Some(Setting::Drain);
    model.set(
        NAME,
        address(4).into(),
        drain,
        "test",
        &mut Touched::default(),
    );
    assert_eq!(table(&model), [(4, 0), (99, 1)]);
}

#[test]
fn the_change_guard_keeps_all_when_too_many_fail_at_once() {
    let servers = (4..8).map(|last| real_server(last, 1, 1)).collect();
    let mut server = virtual_server(servers);
    server.sorry_server = sorry(false);
    let mut model = model(server);
    model.judge_guard(Some(50), &mut Touched::default());
    let now = Timestamp::default();
    tell(&mut model, 4, 0, false);
    tell(&mut model, 5, 0, false);
    assert_eq!(table(&model), [(6, 1), (7, 1)], "half of them may fail");
    assert_eq!(model.guard_change(now), None);
    let told = tell(&mut model, 6, 0, false);
    assert_eq!(table(&model), [(4, 1), (5, 1), (6, 1), (7, 1)], "{told:?}");
    let change = model.guard_change(now).unwrap();
    assert_eq!((change.held, change.down, change.all), (true, 3, 4));
    let told = tell(&mut model, 7, 0, false);
    let lost = told
        .iter()
        .any(|told| matches!(told, Happening::QuorumLost { .. }));
    assert!(!lost, "what is held is not lost: {told:?}");
    assert!(model.held().is_some());
    tell(&mut model, 7, 0, true);
    assert_eq!(
        model.guard_change(now),
        None,
        "three of four are still down"
    );
    tell(&mut model, 6, 0, true);
    assert_eq!(table(&model), [(6, 1), (7, 1)]);
    assert_eq!(
        model.guard_change(now).map(|change| change.held),
        Some(false)
    );
    assert!(model.held().is_none());
}

#[test]
fn without_a_guard_nothing_is_held() {
    let mut model = model(virtual_server(vec![real_server(4, 1, 1)]));
    model.judge_guard(None, &mut Touched::default());
    tell(&mut model, 4, 0, false);
    assert_eq!(table(&model), []);
    assert!(!super::super::exceeds(2, 4, 50) && super::super::exceeds(3, 4, 50));
    assert!(!super::super::exceeds(0, 0, 50));
}
