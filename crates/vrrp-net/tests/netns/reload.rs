//! Reloads of a master, as a third node sees them: adverts go on, addresses stay.

use std::collections::BTreeMap;
use std::sync::Arc;

use vrrp_net::vrrp_proto::Priority;
use vrrp_net::{Configuration, Event, GroupConfig, State};

use crate::support::{Running, Tap, Trio, added, eventually, fast, run, settings, shared, trio};

fn two(first: (&str, &[&str]), second: (&str, &[&str])) -> Configuration {
    Configuration {
        instances: shared([
            fast(first.0, 51, 150, first.1),
            fast(second.0, 52, 150, second.1),
        ]),
        ..Configuration::default()
    }
}

/// Nobody resigned, and no advert is missing from the count of any router.
fn went_on(tap: &Tap, more: usize) {
    let mut last = BTreeMap::new();
    let mut counts: BTreeMap<u8, usize> = BTreeMap::from([(51, 0), (52, 0)]);
    while counts.values().any(|count| *count < more) {
        let advert = tap.next_advert();
        assert_eq!(advert.priority, 150, "{advert:?}");
        *counts.entry(advert.vrid).or_insert(0) += 1;
        if let Some(before) = last.insert(advert.vrid, advert.identification) {
            assert_eq!(advert.identification, before + 1);
        }
    }
}

/// A backup beside it has seen no reason to do anything.
fn unmoved(backup: &mut Running) {
    assert_eq!(backup.changes(), Vec::<String>::new(), "{}", backup.story());
}

#[test]
fn instances_are_renamed_and_exchange_names_without_a_transition() {
    let Some(trio) = trio() else { return };
    let Trio { a, b, witness, .. } = &trio;
    run(async {
        let grouped = |group: &str, first: &str, second: &str| Configuration {
            groups: vec![GroupConfig::new(
                group,
                vec![first.to_owned(), second.to_owned()],
            )],
            ..two((first, &["10.9.0.100"]), (second, &["10.9.0.101"]))
        };
        let mut master = a.start(settings(), grouped("G", "ONE", "TWO"));
        master.wait("the address", added("10.9.0.101")).await;
        let mut backup_configuration = grouped("G", "ONE", "TWO");
        for instance in &mut backup_configuration.instances {
            Arc::make_mut(instance).router_mut().priority = Priority::new(100);
        }
        let mut backup = b.start(settings(), backup_configuration);
        let mut heard = backup.engine.snapshots();
        heard
            .wait_for(|now| now.instances.values().all(|one| one.master.is_some()))
            .await
            .unwrap();
        let (_, _) = (master.changes(), backup.changes());
        let tap = Tap::new(witness);
        let since = master.engine.snapshots().latest().instances["ONE"].since;
        for (group, first, second) in [("H", "WEB", "TWO"), ("H", "TWO", "WEB"), ("I", "TWO", "DB")]
        {
            master
                .engine
                .replace(grouped(group, first, second))
                .await
                .unwrap();
            went_on(&tap, 3);
            let snapshot = master.engine.snapshots().latest();
            let one = &snapshot.instances[first];
            assert_eq!((one.state, one.since, one.vrid), (State::Master, since, 51));
            assert_eq!(one.addresses[0].address.to_string(), "10.9.0.100");
            assert_eq!(snapshot.groups[group].state, State::Master);
        }
        let changes = master.changes();
        assert!(
            changes.iter().all(|change| change.contains("was called")),
            "{changes:?}"
        );
        assert_eq!(changes.len(), 4, "{changes:?}");
        unmoved(&mut backup);
    });
}

#[test]
fn an_address_moves_in_one_reload_and_a_third_node_is_told() {
    let Some(trio) = trio() else { return };
    let Trio { a, witness, .. } = &trio;
    run(async {
        let mut master = a.start(
            settings(),
            two(
                ("ONE", &["10.9.0.100", "10.9.0.102"]),
                ("TWO", &["10.9.0.101"]),
            ),
        );
        master.wait("the address", added("10.9.0.101")).await;
        master.wait("the address", added("10.9.0.102")).await;
        master.changes();
        let tap = Tap::new(witness);
        master
            .engine
            .replace(two(
                ("ONE", &["10.9.0.100"]),
                ("TWO", &["10.9.0.101", "10.9.0.102"]),
            ))
            .await
            .unwrap();
        // Hosts are told again, though the address never went.
        let moved = [10, 9, 0, 102];
        loop {
            let frame = tap.next();
            if frame[12..14] == [8, 6] && frame[28..32] == moved && frame[38..42] == moved {
                break;
            }
        }
        went_on(&tap, 3);
        assert!(a.holds("10.9.0.102"));
        assert_eq!(master.changes(), Vec::<String>::new());
    });
}

#[test]
fn a_removed_instance_resigns_and_the_others_go_on() {
    let Some(trio) = trio() else { return };
    let Trio { a, witness, .. } = &trio;
    run(async {
        let all = two(("ONE", &["10.9.0.100"]), ("TWO", &["10.9.0.101"]));
        let mut master = a.start(settings(), all.clone());
        master.wait("the address", added("10.9.0.101")).await;
        master.changes();
        let tap = Tap::new(witness);
        let mut fewer = all;
        fewer.instances.remove(0);
        let before = master.engine.refresh().await.unwrap();
        master.engine.replace(fewer).await.unwrap();
        let after = master.engine.refresh().await.unwrap();
        let names = |snapshot: &vrrp_net::Snapshot| snapshot.instances.keys().cloned().collect();
        let (kept, left): (Vec<_>, Vec<_>) = (names(&before), names(&after));
        assert_eq!((kept.len(), left.len()), (2, 1), "{kept:?}, {left:?}");
        assert_eq!(*left[0], *"TWO");
        let mut of_second = Vec::new();
        let mut resigned = false;
        while of_second.len() < 4 {
            let advert = tap.next_advert();
            match advert.vrid {
                51 => resigned |= advert.priority == 0,
                _ => of_second.push(advert),
            }
        }
        assert!(resigned);
        for pair in of_second.windows(2) {
            assert_eq!(pair[0].identification + 1, pair[1].identification);
            assert_eq!(pair[1].priority, 150);
        }
        eventually(|| !a.holds("10.9.0.100"));
        assert!(a.holds("10.9.0.101"));
        while let Some(event) = master.events.try_recv() {
            if let Event::Transition { instance, .. } = &event {
                assert_eq!(&**instance, "ONE", "{event}");
            }
        }
    });
}
