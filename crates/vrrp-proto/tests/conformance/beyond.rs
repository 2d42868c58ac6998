//! J and the rest: sync groups, tracking, reload, operators, sleep.

use std::time::Duration;

use vrrp_proto::group::{GroupState, SyncGroup};
use vrrp_proto::{
    Accepted, Action, AnnounceCause, ConfigError, Event, Fault, Interval, MemberReport, Overslept,
    Preemption, Priority, Reason, State, Verdict, Version, Vrid, Warning,
};

use crate::harness::{Bench, Other, config, ip, millis, names, seconds};

fn other(priority: u8) -> Other {
    Other::new(Version::V2, "10.0.0.9", priority)
}

/// Two routers in a group, driven together.
struct Pair {
    members: [Bench; 2],
    group: SyncGroup,
}

impl Pair {
    fn new(priority: u8) -> Self {
        let member = || {
            let mut config = config(Version::V2, priority);
            config.grouped = true;
            Bench::new(config)
        };
        let mut pair = Self {
            members: [member(), member()],
            group: SyncGroup::new(["inside", "outside"]),
        };
        for index in 0..2 {
            pair.event(index, Event::Startup);
        }
        pair
    }

    fn event(&mut self, index: usize, event: Event) {
        self.members[index].event(event);
        self.settle(index);
    }

    fn settle(&mut self, index: usize) {
        let mut sent = Vec::new();
        let mut seen: [Vec<Action>; 2] = Default::default();
        seen[index] = self.members[index].actions.clone();
        for action in &seen[index] {
            if let Action::Group(report) = action {
                sent.push((index, *report));
            }
        }
        loop {
            for (from, report) in sent.drain(..) {
                self.group.handle(from, report);
            }
            let Some((to, order)) = self.group.poll_order() else {
                break;
            };
            self.members[to].event(Event::Group(order));
            for action in &self.members[to].actions {
                seen[to].push(action.clone());
                if let Action::Group(report) = action {
                    sent.push((to, *report));
                }
            }
        }
        let [a, b] = seen;
        self.members[0].actions = a;
        self.members[1].actions = b;
    }

    fn hear(&mut self, index: usize, other: &Other) {
        self.members[index].hear(other);
        self.settle(index);
    }

    fn run_until_next(&mut self, index: usize) {
        self.members[index].run_until_next();
        let now = self.members[index].now;
        self.members[1 - index].now = now;
        self.settle(index);
    }

    fn states(&self) -> [State; 2] {
        [0, 1].map(|index| self.members[index].router.state())
    }
}

#[test]
fn item_099_a_group_is_master_only_when_all_members_can_be() {
    let mut pair = Pair::new(100);
    pair.run_until_next(0);
    assert_eq!(pair.states(), [State::Backup; 2]);
    assert!(pair.members[0].router.wants_master());
    // The member that waits keeps its full timer.
    assert_eq!(
        pair.members[0].until_timeout(),
        Duration::from_micros(3_609_375)
    );
    pair.run_until_next(1);
    assert_eq!(pair.states(), [State::Master; 2]);
    assert_eq!(pair.group.state(), GroupState::Master);
    for member in &pair.members {
        assert_eq!(member.reason(), Reason::GroupPromoted);
        let done = names(&member.actions);
        let done: Vec<_> = done.iter().filter(|name| **name != "group").collect();
        assert_eq!(done, [&"advert", &"add", &"announce", &"transition"]);
    }
}

#[test]
fn item_099_a_member_that_hears_its_master_holds_the_group_back() {
    let mut pair = Pair::new(100);
    pair.run_until_next(0);
    pair.hear(0, &other(200));
    assert!(!pair.members[0].router.wants_master());
    pair.run_until_next(1);
    assert_eq!(pair.states(), [State::Backup; 2]);
}

fn master_pair() -> Pair {
    let mut pair = Pair::new(100);
    pair.run_until_next(0);
    pair.run_until_next(1);
    assert_eq!(pair.states(), [State::Master; 2]);
    pair
}

#[test]
fn item_099_one_that_yields_takes_the_others_along_and_they_resign() {
    let mut pair = master_pair();
    pair.hear(0, &other(200));
    assert_eq!(pair.states(), [State::Backup; 2]);
    assert!(pair.members[1].adverts()[0].priority.is_resign());
    assert_eq!(
        pair.members[1].reason().to_string(),
        "inside of the sync group stopped being master"
    );
}

#[test]
fn item_099_one_fault_faults_all_and_all_resign_at_once() {
    let mut pair = master_pair();
    let down = Fault::InterfaceDown("eth1".into());
    pair.event(1, Event::FaultRaised(down.clone()));
    assert_eq!(pair.states(), [State::Fault; 2]);
    for member in &pair.members {
        assert!(member.adverts()[0].priority.is_resign());
        assert_eq!(member.adverts().len(), 1);
    }
    pair.event(1, Event::FaultCleared(down));
    assert_eq!(pair.states(), [State::Backup; 2]);
}

#[test]
fn item_099_a_group_of_owners_starts_as_master() {
    let pair = Pair::new(255);
    assert_eq!(pair.states(), [State::Master; 2]);
}

#[test]
fn item_073_the_other_members_announce_too_after_a_lower_advert() {
    let mut pair = master_pair();
    pair.hear(0, &other(50));
    assert_eq!(
        pair.members[1].announcements()[0].cause,
        AnnounceCause::Contest
    );
}

#[test]
fn a_group_made_anew_takes_running_members_over() {
    let pair = master_pair();
    let mut group = SyncGroup::new(["inside", "outside"]);
    for (index, member) in pair.members.iter().enumerate() {
        group.adopt(index, &member.router);
    }
    group.settle();
    assert_eq!(group.poll_order(), None);
    assert_eq!(group.state(), GroupState::Master);
    // A member that is not master joins: the masters step down.
    let backup = Bench::backup(config(Version::V2, 100));
    let mut group = SyncGroup::new(["inside", "new"]);
    group.adopt(0, &pair.members[0].router);
    group.adopt(1, &backup.router);
    group.settle();
    assert!(matches!(
        group.poll_order(),
        Some((0, vrrp_proto::GroupOrder::Demote { .. }))
    ));
}

#[test]
fn item_101_a_changed_priority_shows_in_the_next_advert_and_sends_none() {
    let mut bench = Bench::master(config(Version::V2, 100));
    bench.pass(millis(500));
    bench.event(Event::TrackedPriority(Priority::new(80)));
    assert_eq!(names(&bench.actions), Vec::<&str>::new());
    assert_eq!(bench.router.state(), State::Master);
    bench.run_until_next();
    assert_eq!(bench.adverts()[0].priority.value(), 80);
}

#[test]
fn item_102_a_reload_keeps_mastership_and_the_adverts_go_on() {
    let mut bench = Bench::master(config(Version::V2, 100));
    bench.run(seconds(10));
    let due = bench.router.poll_timeout();
    let mut new = config(Version::V2, 150);
    new.preemption = Preemption::Never;
    new.authentication =
        vrrp_proto::auth::Authentication::Password(vrrp_proto::auth::Password::new(b"x"));
    bench.router.reconfigure(bench.now, new).unwrap();
    assert_eq!(bench.router.poll_action(), None);
    assert_eq!(bench.router.state(), State::Master);
    assert_eq!(bench.router.poll_timeout(), due);
    bench.run_until_next();
    let bytes = bench.encode(&bench.adverts()[0]);
    assert_eq!((bytes[2], bytes[4]), (150, 1));
}

#[test]
fn item_102_new_addresses_are_advertised_at_once_and_announced_removed_ones_only_advertised() {
    let mut bench = Bench::master(config(Version::V2, 100));
    let mut new = config(Version::V2, 100);
    new.addresses.push(ip("10.0.0.102"));
    bench.router.reconfigure(bench.now, new.clone()).unwrap();
    let actions: Vec<_> = std::iter::from_fn(|| bench.router.poll_action()).collect();
    assert_eq!(names(&actions), ["advert", "add", "announce"]);
    new.addresses.remove(0);
    bench.router.reconfigure(bench.now, new).unwrap();
    let actions: Vec<_> = std::iter::from_fn(|| bench.router.poll_action()).collect();
    assert_eq!(names(&actions), ["advert", "add"]);
}

#[test]
fn item_102_a_new_interval_counts_from_now() {
    let mut bench = Bench::master(config(Version::V3, 100));
    let mut new = config(Version::V3, 100);
    new.interval = Interval::from_centiseconds(10).unwrap();
    bench.router.reconfigure(bench.now, new.clone()).unwrap();
    assert_eq!(bench.until_timeout(), millis(100));
    let mut backup = Bench::backup(config(Version::V3, 100));
    backup.router.reconfigure(backup.now, new).unwrap();
    assert_eq!(backup.until_timeout(), Duration::from_micros(360_937));
}

#[test]
fn item_102_a_bad_configuration_or_another_identity_leaves_the_old_one() {
    let mut bench = Bench::master(config(Version::V2, 100));
    let mut bad = config(Version::V2, 0);
    let refused = bench.router.reconfigure(bench.now, bad.clone());
    assert_eq!(refused, Err(ConfigError::PriorityZero));
    bad.priority = Priority::new(1);
    bad.vrid = Vrid::new(1).unwrap();
    let refused = bench.router.reconfigure(bench.now, bad);
    assert_eq!(refused, Err(ConfigError::Identity));
    assert_eq!(*bench.router.config(), config(Version::V2, 100));
    assert_eq!(bench.router.poll_action(), None);
}

#[test]
fn item_102_a_tracked_priority_moves_with_the_configured_one() {
    let mut bench = Bench::backup(config(Version::V2, 100));
    bench.event(Event::TrackedPriority(Priority::new(80)));
    let new = config(Version::V2, 150);
    bench.router.reconfigure(bench.now, new).unwrap();
    assert_eq!(bench.router.effective_priority().value(), 130);
}

#[test]
fn a_new_source_address_is_advertised_at_once() {
    let mut bench = Bench::master(config(Version::V2, 100));
    bench.event(Event::SourceChanged(Some(ip("10.0.0.6"))));
    assert_eq!(bench.adverts()[0].source, ip("10.0.0.6"));
    assert_eq!(bench.router.state(), State::Master);
}

#[test]
fn item_078_a_backup_that_overslept_listens_before_it_speaks() {
    let mut bench = Bench::backup(config(Version::V2, 100));
    bench.accepts(&other(200), Accepted::MasterAlive);
    bench.pass(seconds(60));
    bench.timeout();
    assert_eq!(bench.router.state(), State::Backup);
    assert!(matches!(bench.warnings()[..], [Warning::Overslept { .. }]));
    assert_eq!(bench.until_timeout(), Duration::from_micros(3_609_375));
    bench.run_until_next();
    assert_eq!(bench.router.state(), State::Master);
    let mut config = config(Version::V2, 100);
    config.overslept = Overslept::Continue;
    let mut bench = Bench::backup(config);
    bench.pass(seconds(60));
    bench.timeout();
    assert_eq!(bench.router.state(), State::Master);
}

#[test]
fn item_078_a_backup_that_is_only_a_little_late_takes_over() {
    let mut bench = Bench::backup(config(Version::V2, 100));
    bench.pass(seconds(7));
    bench.timeout();
    assert_eq!(bench.router.state(), State::Master);
}

#[test]
fn item_078_a_master_that_overslept_steps_back_without_resigning() {
    for by_packet in [false, true] {
        let mut bench = Bench::master(config(Version::V2, 100));
        bench.pass(seconds(60));
        if by_packet {
            // What came in meanwhile is handed over first, as the documentation asks.
            bench.accepts(&other(50), Accepted::LowerPriorityIgnored);
        } else {
            bench.timeout();
        }
        assert_eq!(bench.router.state(), State::Backup);
        assert!(matches!(bench.reason(), Reason::Overslept { .. }));
        assert_eq!(bench.adverts(), []);
        assert_eq!(bench.until_timeout(), Duration::from_micros(3_609_375));
    }
}

#[test]
fn taking_over_by_order_beats_nopreempt_but_not_a_better_master() {
    let mut config = config(Version::V2, 100);
    config.preemption = Preemption::Never;
    let mut bench = Bench::backup(config);
    bench.accepts(&other(50), Accepted::MasterAlive);
    bench.event(Event::TakeOver);
    assert_eq!(bench.router.state(), State::Master);
    assert_eq!(bench.reason(), Reason::TakeOver);

    let mut bench = Bench::backup(crate::harness::config(Version::V2, 100));
    bench.accepts(&other(200), Accepted::MasterAlive);
    bench.event(Event::TakeOver);
    assert_eq!(bench.router.state(), State::Backup);
    assert!(matches!(
        bench.warnings()[..],
        [Warning::TakeOverRefused { .. }]
    ));
}

#[test]
fn standing_down_by_order_lets_a_lower_router_be_master() {
    let mut bench = Bench::master(config(Version::V2, 100));
    let hold = Some(seconds(30));
    bench.event(Event::StandDown { hold });
    assert_eq!(names(&bench.actions), ["advert", "remove", "transition"]);
    assert!(bench.adverts()[0].priority.is_resign());
    for _ in 0..10 {
        bench.pass(seconds(2));
        bench.accepts(&other(50), Accepted::MasterAlive);
    }
    bench.pass(seconds(10));
    assert!(matches!(
        bench.hear(&other(50)),
        Verdict::Accepted(Accepted::LowerPriorityIgnored)
    ));
    // Nobody comes forward: it takes the addresses back.
    let mut alone = Bench::master(config(Version::V2, 100));
    alone.event(Event::StandDown { hold: None });
    alone.run_until_next();
    assert_eq!(alone.router.state(), State::Master);
}

#[test]
fn member_reports_are_made_only_in_a_group() {
    let bench = Bench::master(config(Version::V2, 100));
    assert!(!names(&bench.actions).contains(&"group"));
    let mut grouped = config(Version::V2, 100);
    grouped.grouped = true;
    let mut bench = Bench::backup(grouped);
    bench.run_until_next();
    assert_eq!(
        bench.actions,
        [Action::Group(MemberReport::WantsMaster(true))]
    );
}
