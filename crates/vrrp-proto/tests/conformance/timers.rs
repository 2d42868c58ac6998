//! C: timers.

use std::time::Duration;

use vrrp_proto::{Accepted, Event, Instant, Interval, Priority, State, Version};

use crate::harness::{Bench, Other, config, millis, seconds};

#[test]
fn item_049_version_2_skew_is_of_a_second_whatever_the_interval() {
    for (priority, interval, micros) in [
        (100, 1, 3_609_375),
        (254, 1, 3_007_812),
        (1, 1, 3_996_093),
        (100, 10, 30_609_375),
    ] {
        let mut config = config(Version::V2, priority);
        config.interval = Interval::from_seconds(interval).unwrap();
        let bench = Bench::backup(config);
        let wanted = Duration::from_micros(micros);
        assert_eq!(bench.router.master_down_interval(), wanted);
        assert_eq!(bench.until_timeout(), wanted);
    }
}

#[test]
fn item_050_version_3_skew_is_of_the_masters_interval_in_microseconds() {
    for (priority, centiseconds, skew, down) in [
        (100, 100, 609_375, 3_609_375),
        (200, 1, 2_187, 32_187),
        (254, 1, 78, 30_078),
        (100, 10, 60_937, 360_937),
        (1, 4_095, 40_790_039, 163_640_039),
    ] {
        let mut config = config(Version::V3, priority);
        config.interval = Interval::from_centiseconds(centiseconds).unwrap();
        let bench = Bench::backup(config);
        assert_eq!(bench.router.skew_time(), Duration::from_micros(skew));
        assert_eq!(bench.until_timeout(), Duration::from_micros(down));
    }
}

fn fast_master(priority: u8) -> Other {
    Other::new(Version::V3, "10.0.0.9", priority).with(|other| {
        other.interval = Interval::from_centiseconds(10).unwrap();
    })
}

#[test]
fn item_051_version_3_waits_by_the_masters_interval() {
    let mut bench = Bench::backup(config(Version::V3, 100));
    assert_eq!(bench.until_timeout(), Duration::from_micros(3_609_375));
    bench.accepts(&fast_master(200), Accepted::MasterAlive);
    assert_eq!(bench.until_timeout(), Duration::from_micros(360_937));
}

#[test]
fn item_052_the_adopted_interval_is_forgotten_on_becoming_master() {
    let mut bench = Bench::backup(config(Version::V3, 100));
    bench.accepts(&fast_master(200), Accepted::MasterAlive);
    bench.run_until_next();
    assert_eq!(bench.router.state(), State::Master);
    assert_eq!(bench.until_timeout(), seconds(1));
    assert_eq!(bench.encode(&bench.adverts()[0])[4..6], [0, 100]);
    // Back to backup by fault and recovery: the local interval again.
    let fault = vrrp_proto::Fault::InterfaceDown("eth0".into());
    bench.event(Event::FaultRaised(fault.clone()));
    bench.event(Event::FaultCleared(fault));
    assert_eq!(bench.until_timeout(), Duration::from_micros(3_609_375));
}

#[test]
fn item_053_ten_milliseconds_work() {
    let mut config = config(Version::V3, 100);
    config.interval = Interval::MIN;
    let mut bench = Bench::master(config);
    let sent = bench.run(millis(100)).len();
    assert_eq!(sent, 10);
}

#[test]
fn item_054_down_timer_adverts_replaces_the_three() {
    let mut config = config(Version::V2, 100);
    config.down_timer_adverts = 1;
    let bench = Bench::backup(config.clone());
    assert_eq!(bench.until_timeout(), Duration::from_micros(1_609_375));
    config.down_timer_adverts = 0;
    assert!(vrrp_proto::VirtualRouter::new(config).is_err());
}

/// All time comes from the caller: the same story at another place of the count is the same story.
#[test]
fn item_055_only_differences_of_time_matter() {
    let story = |start: u64| {
        let mut bench = Bench::new(config(Version::V3, 100));
        bench.now = Instant::from_micros(start);
        bench.event(Event::Startup);
        let mut seen = Vec::new();
        for (at, action) in bench.run(seconds(20)) {
            seen.push((at - Instant::from_micros(start), action));
        }
        seen.iter().map(|(at, _)| *at).collect::<Vec<_>>()
    };
    assert_eq!(story(0), story(1_795_229_277_000_000));
    assert!(story(0).len() > 15);
}

#[test]
fn a_changed_priority_shifts_a_running_timer_by_the_change_of_skew() {
    let mut bench = Bench::backup(config(Version::V2, 100));
    bench.pass(seconds(1));
    bench.event(Event::TrackedPriority(Priority::new(200)));
    assert_eq!(bench.until_timeout(), Duration::from_micros(2_218_750));
    bench.event(Event::TrackedPriority(Priority::new(100)));
    assert_eq!(bench.until_timeout(), Duration::from_micros(2_609_375));
}

#[test]
fn early_and_repeated_timeouts_do_nothing() {
    let mut bench = Bench::backup(config(Version::V2, 100));
    let due = bench.router.poll_timeout();
    for _ in 0..10 {
        bench.pass(millis(100));
        assert_eq!(bench.timeout().len(), 0);
    }
    assert_eq!(bench.router.poll_timeout(), due);
}
