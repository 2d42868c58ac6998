//! E: backup.

use std::time::Duration;

use vrrp_proto::{Accepted, Event, Preemption, Priority, Reason, State, Version};

use crate::harness::{Bench, Other, config, ip, millis, names, seconds};

fn other(priority: u8) -> Other {
    Other::new(Version::V2, "10.0.0.9", priority)
}

#[test]
fn item_061_priority_0_cuts_the_timer_to_the_skew_time() {
    let mut bench = Bench::backup(config(Version::V2, 100));
    bench.accepts(&other(0), Accepted::MasterResigned);
    assert_eq!(bench.until_timeout(), Duration::from_micros(609_375));
    bench.run_until_next();
    assert_eq!(bench.router.state(), State::Master);
    assert_eq!(
        bench.reason().to_string(),
        "priority 0 advert from 10.0.0.9"
    );
}

#[test]
fn item_062_equal_and_higher_priorities_restart_the_timer() {
    for (priority, source) in [(100, "10.0.0.1"), (100, "10.0.0.9"), (101, "10.0.0.1")] {
        let mut bench = Bench::backup(config(Version::V2, 100));
        for _ in 0..10 {
            bench.pass(seconds(3));
            let other = Other::new(Version::V2, source, priority);
            bench.accepts(&other, Accepted::MasterAlive);
            assert_eq!(bench.until_timeout(), Duration::from_micros(3_609_375));
        }
        let master = bench.router.master().unwrap();
        assert_eq!(
            (master.source, master.priority),
            (ip(source), Priority::new(priority))
        );
    }
}

#[test]
fn item_063_item_064_lower_priorities_are_discarded_and_do_not_move_the_timer() {
    let mut bench = Bench::backup(config(Version::V2, 100));
    let due = bench.router.poll_timeout().unwrap();
    while bench.now + millis(10) < due {
        bench.pass(millis(10));
        bench.accepts(&other(99), Accepted::LowerPriorityIgnored);
    }
    bench.run_until_next();
    assert_eq!(bench.now, due);
    assert_eq!(bench.router.state(), State::Master);
    assert_eq!(
        bench.reason().to_string(),
        "preempting 10.0.0.9 (priority 99), no better advert for 3.609 s"
    );
}

#[test]
fn item_065_taking_over_is_advert_then_addresses_then_announcements() {
    let mut bench = Bench::backup(config(Version::V2, 100));
    bench.run_until_next();
    assert_eq!(
        names(&bench.actions),
        ["advert", "add", "announce", "transition"]
    );
    assert_eq!(bench.adverts()[0].priority, Priority::new(100));
    assert_eq!(bench.until_timeout(), seconds(1));
    let transition = bench.transition().unwrap();
    assert_eq!(
        transition.to_string(),
        "BACKUP -> MASTER: no advert for 3.609 s"
    );
    assert_eq!(bench.router.stats().became_master, 1);
}

#[test]
fn item_067_nopreempt_follows_any_master() {
    let mut config = config(Version::V2, 100);
    config.preemption = Preemption::Never;
    let mut bench = Bench::backup(config);
    for _ in 0..20 {
        bench.pass(seconds(3));
        bench.accepts(&other(1), Accepted::MasterAlive);
    }
    bench.run_until_next();
    assert_eq!(bench.router.state(), State::Master);
}

#[test]
fn item_067_nopreempt_never_applies_to_an_owner() {
    let mut config = config(Version::V2, 255);
    config.preemption = Preemption::Never;
    config.grouped = true;
    let mut bench = Bench::new(config);
    bench.event(Event::Startup);
    assert_eq!(bench.router.state(), State::Backup);
    bench.accepts(&other(254), Accepted::LowerPriorityIgnored);
}

/// D = 2 s at 0.5 s intervals: takeover one master-down interval after the last advert within D.
#[test]
fn item_067_preempt_delay_counts_from_the_first_lower_advert() {
    let interval = vrrp_proto::Interval::from_centiseconds(50).unwrap();
    let mut config = config(Version::V3, 150);
    config.preemption = Preemption::Delayed(seconds(2));
    config.interval = interval;
    let mut bench = Bench::backup(config);
    let lower = Other::new(Version::V3, "10.0.0.9", 100).with(|other| other.interval = interval);
    let first = bench.now;
    let mut step = 0;
    while bench.router.state() == State::Backup {
        bench.now = first + millis(500 * step);
        bench.timeout();
        if bench.router.state() == State::Backup {
            let verdict = bench.hear(&lower);
            let within = step < 4;
            assert_eq!(
                verdict == vrrp_proto::Verdict::Accepted(Accepted::MasterAlive),
                within
            );
            if let Some(due) = bench.router.poll_timeout()
                && due < first + millis(500 * (step + 1))
            {
                bench.run_until_next();
            }
        }
        step += 1;
    }
    // Last heard at 1.5 s within D; 1.5 s + 0.207 s of master-down from there.
    assert_eq!(bench.now - first, Duration::from_micros(3_207_031));
}

#[test]
fn item_067_a_better_advert_cancels_the_preempt_delay() {
    let mut config = config(Version::V2, 100);
    config.preemption = Preemption::Delayed(seconds(2));
    let mut bench = Bench::backup(config);
    bench.accepts(&other(50), Accepted::MasterAlive);
    bench.pass(seconds(1));
    bench.accepts(&other(200), Accepted::MasterAlive);
    bench.pass(seconds(2));
    bench.accepts(&other(50), Accepted::MasterAlive);
    bench.pass(seconds(2));
    bench.accepts(&other(50), Accepted::LowerPriorityIgnored);
}

#[test]
fn the_reason_of_a_takeover_tells_how_long_there_was_silence() {
    let mut bench = Bench::backup(config(Version::V2, 100));
    bench.accepts(&other(200), Accepted::MasterAlive);
    bench.run_until_next();
    assert_eq!(
        bench.reason(),
        Reason::MasterDown {
            silence: Duration::from_micros(3_609_375),
            preempted: None
        }
    );
}
