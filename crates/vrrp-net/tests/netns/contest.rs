//! Others that disagree with us, and what becomes of it.

use vrrp_net::vrrp_proto::{Interval, Priority, Version, Vrid};
use vrrp_net::{Disagreement, Snapshot, State};

use crate::support::{
    PATIENCE, Running, Tap, Trio, added, eventually, fast, one, run, settings, trio,
};

/// Waits until the instance `VI` is contested about that, by that one.
async fn contested(node: &Running, about: Disagreement, by: &str) {
    let mut snapshots = node.engine.snapshots();
    let seen = snapshots.wait_for(|now: &Snapshot| {
        let contests = &now.instances["VI"].contests;
        contests
            .iter()
            .any(|contest| contest.about == about && contest.by.to_string() == by)
    });
    tokio::time::timeout(PATIENCE, seen)
        .await
        .unwrap_or_else(|_| panic!("{about} by {by}: {}", node.story()))
        .unwrap();
}

#[test]
fn each_disagreement_is_a_state_with_a_name() {
    let Some(trio) = trio() else { return };
    let Trio { a, b, witness, .. } = &trio;
    run(async {
        let mut ours = fast("VI", 51, 150, &["10.9.0.100"]);
        ours.router_mut().version = Version::V2;
        ours.router_mut().interval = Interval::DEFAULT;
        let mut master = a.start(settings(), one(ours.clone()));
        master.wait_state("VI", State::Master).await;

        // The same addresses under another identifier; and somebody who is none of our business.
        let mut theirs = fast("THEIRS", 52, 100, &["10.9.0.100"]);
        let wrong_identifier = b.start(settings(), one(theirs.clone()));
        theirs.addresses = fast("", 1, 1, &["10.9.0.55"]).addresses;
        theirs.router_mut().vrid = Vrid::new(53).unwrap();
        let stranger = witness.start(settings(), one(theirs));
        contested(&master, Disagreement::Identifier, "10.9.0.2").await;
        wrong_identifier.engine.shutdown().await;
        stranger.engine.shutdown().await;

        let mut other = ours.clone();
        other.router_mut().version = Version::V3;
        let wrong_version = b.start(settings(), one(other));
        contested(&master, Disagreement::Version, "10.9.0.2").await;
        wrong_version.engine.shutdown().await;

        let mut other = ours.clone();
        other.router_mut().interval = Interval::from_seconds(2).unwrap();
        other.router_mut().priority = Priority::OWNER;
        let wrong_interval = b.start(settings(), one(other));
        contested(&master, Disagreement::Interval, "10.9.0.2").await;
        wrong_interval.engine.shutdown().await;

        let snapshot = master.engine.snapshots().latest();
        let instance = &snapshot.instances["VI"];
        assert_eq!(instance.state, State::Master);
        for contest in &instance.contests {
            assert_eq!(contest.by.to_string(), "10.9.0.2", "{contest:?}");
            assert!(contest.adverts > 0 && contest.since <= contest.last);
        }
        assert!(instance.counters.foreign_identifiers > 0);
        assert!(instance.counters.ignored["wrong version"] > 0);
        assert!(instance.counters.ignored["another interval"] > 0);
        // One line each, not one for each packet.
        let lines = master.changes();
        let told = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
        assert_eq!(
            (told("wrong version"), told("another interval")),
            (1, 1),
            "{lines:?}"
        );
    });
}

#[test]
fn after_a_split_the_winner_announces_its_addresses_again() {
    split_and_heal(false);
}

#[test]
fn after_a_split_a_router_started_meanwhile_makes_the_winner_announce_again() {
    split_and_heal(true);
}

fn split_and_heal(started_meanwhile: bool) {
    let Some(trio) = trio() else { return };
    let Trio {
        a,
        b,
        witness,
        switch,
    } = &trio;
    run(async {
        let mut first = a.start(settings(), one(fast("VI", 51, 150, &["10.9.0.100"])));
        // The loser answers the one it took over from; else the winner may never learn that there was another one.
        let mut loser = fast("VI", 51, 100, &["10.9.0.100"]);
        loser.router_mut().answer_returning_master = true;
        // The port blocks: neither of the two sees its own link go.
        let split = || switch.ip("link set port2 nomaster");
        if started_meanwhile {
            split();
        }
        let mut second = b.start(settings(), one(loser));
        first.wait("the address", added("10.9.0.100")).await;
        if !started_meanwhile {
            split();
        }
        second.wait("the address", added("10.9.0.100")).await;
        let tap = Tap::new(witness);
        switch.ip("link set port2 master br0");
        second.wait_state("VI", State::Backup).await;
        contested(&first, Disagreement::Master, "10.9.0.2").await;
        eventually(|| !b.holds("10.9.0.100"));
        let link = a.ip("-o link show eth0");
        let mut words = link.split_whitespace();
        let mac = words
            .find(|word| *word == "link/ether")
            .and_then(|_| words.next());
        let announced = (0..2_000).any(|_| {
            let frame = tap.next();
            let from: Vec<String> = frame[6..12]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            let told = [10, 9, 0, 100];
            frame[12..14] == [8, 6]
                && Some(&*from.join(":")) == mac
                && frame[28..32] == told
                && frame[38..42] == told
        });
        assert!(announced);
        let snapshot = first.engine.snapshots().latest();
        let winner = &snapshot.instances["VI"];
        assert_eq!(winner.state, State::Master);
        assert!(winner.counters.lower_priority_received > 0);
    });
}
