//! An engine passed on to another one, as a third node sees it.

use vrrp_net::vrrp_proto::auth::{Authentication, Password};
use vrrp_net::vrrp_proto::{Interval, Version};
use vrrp_net::{Configuration, Event, GroupConfig, InstanceConfig, State};

use crate::support::{Tap, Trio, added, fast, one, run, settings, shared, trio};

/// Two instances in one group, one of them with an authentication header at one second.
fn configuration(priority: u8) -> Configuration {
    let mut signed = fast("SIGNED", 52, priority, &["10.9.0.101"]);
    signed.router_mut().version = Version::V2;
    signed.router_mut().interval = Interval::DEFAULT;
    signed.router_mut().authentication = Authentication::Header(Password::new(b"s3cret12"));
    Configuration {
        instances: shared([fast("FAST", 51, priority, &["10.9.0.100"]), signed]),
        ..Configuration::default()
    }
}

#[test]
fn a_master_is_passed_on_and_nobody_notices() {
    let Some(trio) = trio() else { return };
    let Trio { a, b, witness, .. } = &trio;
    run(async {
        let mut first = a.start(settings(), configuration(150));
        let mut second = b.start(settings(), configuration(100));
        first.wait("the address", added("10.9.0.100")).await;
        first.wait("the address", added("10.9.0.101")).await;
        second.changes();

        let tap = Tap::new(witness);
        let before = tap.next_advert();
        let reason = |running: &crate::support::Running| {
            let snapshot = running.engine.snapshots().latest();
            snapshot.instances["FAST"].reason.to_string()
        };
        let since_when = reason(&first);
        let held = first.engine.hand_over().await.unwrap();
        assert_eq!(held.handover().instances().count(), 2);
        let mut third = a.resume(settings(), configuration(150), held.handover());
        held.release();
        first.engine.abort();

        // Twenty of the fast ones are two of the slow ones.
        let mut seen = vec![before];
        while seen.iter().filter(|advert| advert.vrid == 51).count() < 25 {
            seen.push(tap.next_advert());
        }
        for advert in &seen {
            assert_eq!(
                (advert.source.to_string(), advert.priority),
                ("10.9.0.1".to_owned(), 150)
            );
        }
        for vrid in [51, 52] {
            let of_one: Vec<_> = seen.iter().filter(|advert| advert.vrid == vrid).collect();
            assert!(of_one.len() > 1, "{seen:?}");
            for pair in of_one.windows(2) {
                // The count goes on: none was left out, none sent twice.
                assert_eq!(
                    pair[0].identification + 1,
                    pair[1].identification,
                    "{pair:?}"
                );
                assert_eq!(
                    pair[0].sequence.map(|sequence| sequence + 1),
                    pair[1].sequence
                );
            }
        }
        assert_eq!(second.changes(), Vec::<String>::new());
        assert_eq!(third.changes(), Vec::<String>::new(), "{}", third.story());
        let snapshot = third.engine.snapshots().latest();
        assert!(
            snapshot
                .instances
                .values()
                .all(|one| one.state == State::Master)
        );
        assert_eq!(reason(&third), since_when);
        assert_eq!(snapshot.instances["FAST"].counters.became_master, 1);
        assert!(a.holds("10.9.0.100") && a.holds("10.9.0.101"));
        let heard = second.engine.snapshots().latest();
        assert_eq!(
            heard.instances["SIGNED"]
                .counters
                .ignored
                .get("replayed authentication header"),
            None
        );

        // It is a master like any other: it resigns when it stops.
        third.engine.shutdown().await;
        assert!(!a.holds("10.9.0.100") && !a.holds("10.9.0.101"));
        second.wait_state("FAST", State::Master).await;
    });
}

#[test]
fn a_backup_and_a_group_are_passed_on() {
    let Some(trio) = trio() else { return };
    let Trio { a, b, .. } = &trio;
    // So slow that a busy machine passes them on in time: who is late for three adverts starts afresh.
    let instance = |name: &str, vrid, priority, address: &str| {
        let mut instance = fast(name, vrid, priority, &[address]);
        instance.router_mut().interval = Interval::DEFAULT;
        instance
    };
    let grouped = |priority| Configuration {
        instances: shared([
            instance("ONE", 51, priority, "10.9.0.100"),
            instance("TWO", 52, priority, "10.9.0.101"),
        ]),
        groups: vec![GroupConfig::new(
            "G",
            vec!["ONE".to_owned(), "TWO".to_owned()],
        )],
        ..Configuration::default()
    };
    run(async {
        let mut first = a.start(settings(), grouped(150));
        let second = b.start(settings(), grouped(100));
        first.wait("the address", added("10.9.0.101")).await;
        let mut heard = second.engine.snapshots();
        let both = heard.wait_for(|now| now.instances.values().all(|one| one.master.is_some()));
        assert!(both.await.is_some());

        let held = second.engine.hand_over().await.unwrap();
        let mut third = b.resume(settings(), grouped(100), held.handover());
        held.release();
        let held = first.engine.hand_over().await.unwrap();
        let mut fourth = a.resume(settings(), grouped(150), held.handover());
        held.release();
        let snapshot = third.engine.snapshots().latest();
        for instance in snapshot.instances.values() {
            assert_eq!(instance.master.unwrap().address.to_string(), "10.9.0.1");
        }
        assert_eq!(snapshot.groups["G"].state, State::Backup);
        assert_eq!(
            fourth.engine.snapshots().latest().groups["G"].state,
            State::Master
        );
        assert_eq!(fourth.changes(), Vec::<String>::new());
        assert_eq!(third.changes(), Vec::<String>::new());
        fourth.engine.abort();
        third.wait_state("ONE", State::Master).await;
        third.wait("the address", added("10.9.0.101")).await;
    });
}

#[test]
fn a_master_that_the_successor_does_not_have_resigns() {
    let Some(trio) = trio() else { return };
    let Trio { a, b, witness, .. } = &trio;
    // Silence alone would take minutes.
    let slow = |name: &str, vrid, priority, address: &str| {
        let mut instance = fast(name, vrid, priority, &[address]);
        instance.router_mut().interval = Interval::from_seconds(40).unwrap();
        instance.router_mut().version = Version::V2;
        instance.router_mut().authentication = Authentication::Password(Password::new(b"s3cret12"));
        instance
    };
    let both = |priority| Configuration {
        instances: shared([
            slow("KEPT", 51, priority, "10.9.0.100"),
            slow("GONE", 52, priority, "10.9.0.101"),
        ]),
        ..Configuration::default()
    };
    run(async {
        let mut first = a.start(settings(), both(255));
        first.wait("the address", added("10.9.0.100")).await;
        first.wait("the address", added("10.9.0.101")).await;
        let mut second = b.start(settings(), both(100));
        second.wait_state("GONE", State::Backup).await;

        let tap = Tap::new(witness);
        let held = first.engine.hand_over().await.unwrap();
        let kept = one(slow("KEPT", 51, 255, "10.9.0.100"));
        let left_out = held.handover().masters_left_out(&kept);
        assert_eq!(left_out, ["GONE"]);
        let third = a.resume(settings(), kept, held.handover());
        held.release_resigning(left_out);
        first.engine.abort();
        second.wait_state("GONE", State::Master).await;
        second.wait("the address", added("10.9.0.101")).await;
        assert!(a.holds("10.9.0.100") && !a.holds("10.9.0.101"));
        let resigned = tap
            .advert_when("a resignation", |advert| advert.priority == 0)
            .1;
        assert_eq!(resigned.vrid, 52);
        let snapshot = third.engine.snapshots().latest();
        assert_eq!(snapshot.instances["KEPT"].state, State::Master);
        assert_eq!(snapshot.instances.len(), 1);
    });
}

#[test]
fn what_is_too_old_or_of_another_router_starts_afresh() {
    let Some(trio) = trio() else { return };
    let Trio { a, b, .. } = &trio;
    let refused = |event: &Event| matches!(event, Event::NotResumed { .. });
    run(async {
        let mut first = a.start(settings(), one(fast("VI", 51, 150, &["10.9.0.100"])));
        first.wait("the address", added("10.9.0.100")).await;
        let held = first.engine.hand_over().await.unwrap();
        let mut other: InstanceConfig = fast("VI", 51, 150, &["10.9.0.100"]);
        other.router_mut().version = Version::V2;
        other.router_mut().interval = Interval::DEFAULT;
        let mut third = a.resume(settings(), one(other), held.handover());
        let event = third.wait("a refusal", refused).await;
        assert!(event.to_string().contains("version 3"), "{event}");
        // It has started as any other, so what was handed over is gone.
        assert!(!a.holds("10.9.0.100"));
        third.engine.shutdown().await;

        // Another one is master before anybody goes on.
        let mut second = b.start(settings(), one(fast("VI", 51, 100, &["10.9.0.100"])));
        second.wait_state("VI", State::Master).await;
        let mut third = a.resume(
            settings(),
            one(fast("VI", 51, 90, &["10.9.0.100"])),
            held.handover(),
        );
        let event = third.wait("a refusal", refused).await;
        assert!(event.to_string().contains("too late"), "{event}");
        third.wait_state("VI", State::Backup).await;
        held.release();
        assert_eq!(
            second.engine.snapshots().latest().instances["VI"].state,
            State::Master
        );
    });
}

#[test]
fn an_engine_that_nobody_takes_over_goes_on() {
    let Some(trio) = trio() else { return };
    let Trio { a, b, witness, .. } = &trio;
    run(async {
        let mut first = a.start(settings(), one(fast("VI", 51, 150, &["10.9.0.100"])));
        first.wait("the address", added("10.9.0.100")).await;
        first.changes();
        let tap = Tap::new(witness);
        drop(first.engine.hand_over().await.unwrap());
        for _ in 0..3 {
            assert_eq!(tap.next_advert().priority, 150);
        }
        assert_eq!(first.changes(), Vec::<String>::new());

        // Who stands still for too long listens first.
        let mut second = b.start(settings(), one(fast("VI", 51, 100, &["10.9.0.100"])));
        second.wait_state("VI", State::Backup).await;
        let held = first.engine.hand_over().await.unwrap();
        second.wait_state("VI", State::Master).await;
        tap.adverts();
        for _ in 0..6 {
            assert_eq!(tap.next_advert().priority, 100);
        }
        drop(held);
        first.wait_state("VI", State::Backup).await;
        first.wait_state("VI", State::Master).await;
    });
}
