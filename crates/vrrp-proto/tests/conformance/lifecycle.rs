//! D: start, stop, faults.

use std::time::Duration;

use vrrp_proto::{Accepted, Event, Fault, Reason, State, Version};

use crate::harness::{Bench, Other, config, ip, names, seconds};

fn down() -> Fault {
    Fault::InterfaceDown("eth0".into())
}

#[test]
fn item_056_an_owner_starts_as_master_advert_first_then_addresses_then_announcements() {
    let mut bench = Bench::new(config(Version::V2, 255));
    bench.event(Event::Startup);
    assert_eq!(
        names(&bench.actions),
        ["advert", "add", "announce", "transition"]
    );
    assert_eq!(bench.router.state(), State::Master);
    assert_eq!(bench.reason(), Reason::StartedAsOwner);
}

#[test]
fn item_057_others_start_as_backup_for_the_whole_master_down_interval() {
    let mut bench = Bench::new(config(Version::V2, 254));
    bench.event(Event::Startup);
    assert_eq!(bench.router.state(), State::Backup);
    assert_eq!(bench.adverts(), []);
    assert_eq!(bench.until_timeout(), Duration::from_micros(3_007_812));
}

#[test]
fn item_058_addresses_left_over_are_removed_before_the_election() {
    let mut bench = Bench::new(config(Version::V2, 100));
    bench.event(Event::Startup);
    assert_eq!(names(&bench.actions), ["remove", "transition"]);
    let mut bench = Bench::new(config(Version::V2, 100));
    bench.event(Event::FaultRaised(down()));
    bench.event(Event::Startup);
    assert_eq!(names(&bench.actions), ["remove", "transition"]);
    assert_eq!(bench.router.state(), State::Fault);
}

#[test]
fn item_059_stopping_as_backup_is_silent() {
    let mut bench = Bench::backup(config(Version::V2, 100));
    bench.event(Event::Shutdown);
    assert_eq!(names(&bench.actions), ["transition"]);
    assert_eq!(bench.router.poll_timeout(), None);
}

#[test]
fn item_060_a_fault_stops_the_router_and_recovery_starts_it_with_a_fresh_timer() {
    let mut bench = Bench::backup(config(Version::V2, 100));
    bench.pass(seconds(3));
    bench.event(Event::FaultRaised(down()));
    assert_eq!(bench.router.state(), State::Fault);
    assert_eq!(bench.reason(), Reason::Fault(down()));
    assert_eq!(bench.router.poll_timeout(), None);
    bench.pass(seconds(60));
    bench.event(Event::FaultCleared(down()));
    assert_eq!(bench.router.state(), State::Backup);
    assert_eq!(bench.until_timeout(), Duration::from_micros(3_609_375));
}

#[test]
fn item_060_a_recovered_owner_is_master_at_once() {
    let mut bench = Bench::master(config(Version::V2, 255));
    bench.event(Event::FaultRaised(down()));
    bench.event(Event::FaultCleared(down()));
    assert_eq!(bench.router.state(), State::Master);
    assert_eq!(bench.reason(), Reason::RecoveredAsOwner);
}

#[test]
fn item_060_all_faults_must_go_and_raising_twice_is_once() {
    let mut bench = Bench::backup(config(Version::V2, 100));
    let tracker = Fault::Tracker("check_nginx".into());
    bench.event(Event::FaultRaised(down()));
    bench.event(Event::FaultRaised(tracker.clone()));
    bench.event(Event::FaultRaised(tracker.clone()));
    assert_eq!(names(&bench.actions), Vec::<&str>::new());
    bench.event(Event::FaultCleared(down()));
    assert_eq!(bench.router.state(), State::Fault);
    assert_eq!(bench.router.faults(), std::slice::from_ref(&tracker));
    bench.event(Event::FaultCleared(tracker));
    assert_eq!(bench.router.state(), State::Backup);
}

#[test]
fn item_060_without_a_source_address_the_router_is_at_fault() {
    let mut without = config(Version::V2, 100);
    without.source = None;
    let mut bench = Bench::new(without);
    bench.event(Event::Startup);
    assert_eq!(bench.router.state(), State::Fault);
    assert_eq!(bench.reason(), Reason::Fault(Fault::NoSourceAddress));
    bench.event(Event::SourceChanged(Some(ip("10.0.0.5"))));
    assert_eq!(bench.router.state(), State::Backup);
    bench.run_until_next();
    bench.event(Event::SourceChanged(None));
    // The resignation still goes out from the old address.
    assert_eq!(bench.adverts()[0].source, ip("10.0.0.5"));
    assert!(bench.adverts()[0].priority.is_resign());
    assert_eq!(bench.router.state(), State::Fault);
}

#[test]
fn a_router_whose_trackers_have_not_reported_waits_in_initialize() {
    let mut bench = Bench::new(config(Version::V2, 100));
    bench.event(Event::FaultRaised(Fault::TrackersPending));
    bench.event(Event::Startup);
    assert_eq!(bench.router.state(), State::Initialize);
    assert_eq!(names(&bench.actions), Vec::<&str>::new());
    bench.event(Event::FaultCleared(Fault::TrackersPending));
    assert_eq!(bench.router.state(), State::Backup);
}

#[test]
fn item_074_stopping_as_master_resigns_once_before_the_addresses_go() {
    let mut bench = Bench::master(config(Version::V2, 100));
    bench.event(Event::Shutdown);
    assert_eq!(names(&bench.actions), ["advert", "remove", "transition"]);
    assert!(bench.adverts()[0].priority.is_resign());
    assert_eq!(bench.encode(&bench.adverts()[0])[2], 0);
    assert_eq!(bench.router.state(), State::Initialize);
    assert_eq!(bench.router.poll_timeout(), None);
    assert_eq!(bench.router.stats().resignations_sent, 1);
    // And may start again.
    bench.event(Event::Startup);
    assert_eq!(bench.router.state(), State::Backup);
}

#[test]
fn item_074_a_fault_as_master_resigns() {
    let mut bench = Bench::master(config(Version::V2, 100));
    bench.event(Event::FaultRaised(down()));
    assert_eq!(names(&bench.actions), ["advert", "remove", "transition"]);
    assert!(bench.adverts()[0].priority.is_resign());
}

#[test]
fn item_074_repeated_resignations_are_taken_and_do_not_put_the_takeover_off() {
    let mut bench = Bench::backup(config(Version::V2, 100));
    let leaving = Other::new(Version::V2, "10.0.0.9", 0);
    bench.accepts(&leaving, Accepted::MasterResigned);
    let due = bench.router.poll_timeout();
    for _ in 0..5 {
        bench.pass(Duration::from_millis(10));
        bench.accepts(&leaving, Accepted::MasterResigned);
    }
    assert_eq!(bench.router.poll_timeout(), due);
}
