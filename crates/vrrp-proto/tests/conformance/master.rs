//! F and G: master, announcements.

use std::time::Duration;

use vrrp_proto::{
    Accepted, Action, AnnounceCause, AnnouncePolicy, Disagreement, DropReason, Instant, Interval,
    Reason, State, Version,
};

use crate::harness::{Bench, Other, config, ip, millis, names, seconds};

fn other(source: &str, priority: u8) -> Other {
    Other::new(Version::V2, source, priority)
}

#[test]
fn item_068_adverts_keep_their_times_though_handled_late() {
    let mut bench = Bench::master(config(Version::V2, 100));
    let first = bench.now;
    for count in 1..=100 {
        let due = bench.router.poll_timeout().unwrap();
        assert_eq!(due, first + seconds(count));
        // Handled 30 ms late each time.
        bench.now = due + millis(30);
        bench.timeout();
        assert!(!bench.adverts().is_empty());
    }
}

#[test]
fn item_069_a_resignation_is_answered_at_once() {
    let mut bench = Bench::master(config(Version::V2, 100));
    bench.pass(millis(300));
    bench.accepts(&other("10.0.0.9", 0), Accepted::ResignationAnswered);
    assert_eq!(names(&bench.actions), ["advert"]);
    assert_eq!(bench.until_timeout(), seconds(1));
}

#[test]
fn item_070_a_higher_priority_is_yielded_to_without_a_word() {
    let mut bench = Bench::master(config(Version::V3, 100));
    let better = Other::new(Version::V3, "10.0.0.1", 101).with(|other| {
        other.interval = Interval::from_centiseconds(200).unwrap();
    });
    bench.accepts(&better, Accepted::Yielded);
    assert_eq!(
        names(&bench.actions),
        ["report", "remove", "transition"],
        "the report is of the interval"
    );
    assert_eq!(bench.router.state(), State::Backup);
    // 3 x 2 s + 156/256 of 2 s.
    assert_eq!(bench.until_timeout(), Duration::from_micros(7_218_750));
    assert_eq!(
        bench.reason().to_string(),
        "higher priority 101 from 10.0.0.1 (ours is 100)"
    );
    assert_eq!(bench.router.stats().left_master, 1);
}

#[test]
fn item_070_higher_prio_send_advert_sends_one_more() {
    let mut config = config(Version::V2, 100);
    config.higher_priority_send_advert = true;
    let mut bench = Bench::master(config);
    bench.accepts(&other("10.0.0.1", 101), Accepted::Yielded);
    assert_eq!(names(&bench.actions), ["advert", "remove", "transition"]);
    assert_eq!(bench.adverts()[0].priority.value(), 100);
}

#[test]
fn item_070_a_master_that_returns_from_a_split_is_told_that_there_was_another() {
    let mut config = config(Version::V2, 100);
    config.answer_returning_master = true;
    let silent = other("10.0.0.1", 101);
    let taken_over = || {
        let mut bench = Bench::backup(config.clone());
        bench.accepts(&silent, Accepted::MasterAlive);
        bench.run_until_next();
        assert_eq!(bench.router.state(), State::Master);
        bench
    };
    let mut bench = taken_over();
    bench.accepts(&silent, Accepted::Yielded);
    assert_eq!(names(&bench.actions), ["advert", "remove", "transition"]);
    // Nobody had taken over from this one.
    let mut bench = taken_over();
    bench.accepts(&other("10.0.0.9", 101), Accepted::Yielded);
    assert_eq!(names(&bench.actions), ["remove", "transition"]);
    // One that has never heard anybody may have started during the split.
    let mut bench = Bench::backup(config.clone());
    bench.run_until_next();
    assert_eq!(bench.router.state(), State::Master);
    bench.accepts(&silent, Accepted::Yielded);
    assert_eq!(names(&bench.actions), ["advert", "remove", "transition"]);
    // One that resigned knows.
    let mut bench = Bench::backup(config.clone());
    bench.accepts(&silent, Accepted::MasterAlive);
    bench.accepts(&other("10.0.0.1", 0), Accepted::MasterResigned);
    bench.run_until_next();
    assert_eq!(bench.router.state(), State::Master);
    bench.accepts(&silent, Accepted::Yielded);
    assert_eq!(names(&bench.actions), ["remove", "transition"]);
}

#[test]
fn item_072_the_last_words_of_a_preempted_master_are_no_contest() {
    let mut bench = Bench::backup(config(Version::V2, 100));
    let lower = other("10.0.0.9", 99);
    // Heard until the end: it is preempted.
    while bench.router.state() == State::Backup {
        bench.accepts(&lower, Accepted::LowerPriorityIgnored);
        bench.run_until_next();
    }
    bench.pass(millis(5));
    bench.accepts(&lower, Accepted::LowerPriorityIgnored);
    assert_eq!(
        names(&bench.actions),
        ["advert"],
        "it is answered all the same"
    );
    assert!(bench.router.contest(bench.now).is_none());
    // Somebody else, or the same one later, is one.
    bench.accepts(&other("10.0.0.8", 99), Accepted::LowerPriority);
    bench.pass(seconds(1));
    bench.accepts(&lower, Accepted::LowerPriority);
    assert!(bench.router.contest(bench.now).is_some());
}

#[test]
fn item_071_the_greater_address_wins_a_tie_as_an_unsigned_number() {
    for (theirs, ours_wins) in [
        ("10.0.0.4", true),
        ("10.0.0.6", false),
        ("9.255.255.255", true),
        ("200.0.0.1", false),
    ] {
        let mut bench = Bench::master(config(Version::V2, 100));
        let wanted = if ours_wins {
            Accepted::LowerPriority
        } else {
            Accepted::Yielded
        };
        bench.accepts(&other(theirs, 100), wanted);
    }
    let mut config = vrrp_proto::Config::new(crate::harness::vrid(), vrrp_proto::Family::V6);
    config.source = Some(ip("fe80::8000:0:0:5"));
    let mut bench = Bench::master(config);
    let v6 = |source: &str| {
        Other::new(Version::V3, source, 100).with(|other| {
            other.destination = ip("ff02::12");
            other.addresses.clear();
        })
    };
    bench.accepts(&v6("fe80::7fff:ffff:ffff:ffff"), Accepted::LowerPriority);
    bench.accepts(&v6("fe80::8000:0:0:6"), Accepted::Yielded);
    assert!(matches!(bench.reason(), Reason::GreaterAddress { .. }));
}

#[test]
fn item_072_a_lower_priority_is_answered_at_once_and_the_timer_starts_again() {
    let mut bench = Bench::master(config(Version::V2, 100));
    bench.pass(millis(400));
    bench.accepts(&other("10.0.0.9", 99), Accepted::LowerPriority);
    assert_eq!(bench.adverts().len(), 1);
    assert_eq!(bench.until_timeout(), seconds(1));
    assert_eq!(bench.router.state(), State::Master);
}

#[test]
fn item_072_lower_prio_no_advert_keeps_silent() {
    let mut config = config(Version::V2, 100);
    config.lower_priority_no_advert = true;
    let mut bench = Bench::master(config);
    bench.pass(millis(400));
    bench.accepts(&other("10.0.0.9", 99), Accepted::LowerPriority);
    assert_eq!(bench.adverts(), []);
    assert_eq!(bench.until_timeout(), millis(600));
}

#[test]
fn item_073_announcements_come_again_after_a_lower_advert_and_five_seconds_later() {
    let mut bench = Bench::master(config(Version::V2, 100));
    bench.run(seconds(10));
    bench.accepts(&other("10.0.0.9", 99), Accepted::LowerPriority);
    let now: Vec<_> = bench
        .announcements()
        .iter()
        .map(|it| (it.repeat, it.cause))
        .collect();
    assert_eq!(now, [(5, AnnounceCause::Contest)]);
    assert_eq!(
        causes(&bench.run(seconds(10))),
        [(5, AnnounceCause::ContestDelayed)]
    );
    let mut config = config(Version::V2, 100);
    config.announce.lower_priority_repeat = 0;
    let mut bench = Bench::master(config);
    bench.accepts(&other("10.0.0.9", 99), Accepted::LowerPriority);
    assert_eq!(bench.announcements(), []);
}

#[test]
fn item_072_answers_to_a_flood_are_ten_times_the_rate_at_most_and_none_is_lost() {
    for priority in [0, 99] {
        let mut bench = Bench::master(config(Version::V2, 100));
        bench.pass(millis(500));
        let mut sent = 0;
        for _ in 0..2_000 {
            bench.hear(&other("10.0.0.9", priority));
            sent += bench.adverts().len();
            bench.pass(millis(1));
            bench.timeout();
            sent += bench.adverts().len();
        }
        assert!((19..=22).contains(&sent), "{sent} answers");
        // The last one heard is answered too, a tenth of an interval later at most.
        bench.hear(&other("10.0.0.9", priority));
        assert!(!bench.adverts().is_empty() || bench.until_timeout() <= millis(100));
        bench.run(seconds(2));
        assert!(bench.until_timeout() <= seconds(1));
    }
}

#[test]
fn item_073_announcements_come_again_when_the_other_master_gives_up() {
    let mut bench = Bench::master(config(Version::V2, 100));
    bench.run(seconds(10));
    bench.accepts(&other("10.0.0.9", 99), Accepted::LowerPriority);
    bench.announcements();
    bench.pass(millis(200));
    bench.accepts(&other("10.0.0.9", 0), Accepted::ResignationAnswered);
    let repeated = bench.announcements();
    assert_eq!(repeated[0].cause, AnnounceCause::ContestWon);
    assert_eq!(bench.router.contest(bench.now), None);

    // And when it falls silent, if no second burst is to come anyway.
    let mut config = config(Version::V2, 100);
    config.announce.lower_priority_delay = seconds(0);
    let mut bench = Bench::master(config);
    bench.run(seconds(10));
    bench.accepts(&other("10.0.0.9", 99), Accepted::LowerPriority);
    bench.announcements();
    let later = bench.run(seconds(10));
    assert_eq!(causes(&later), [(5, AnnounceCause::ContestWon)]);
}

#[test]
fn item_043_what_others_disagree_about_is_a_state_with_a_beginning() {
    let mut bench = Bench::master(config(Version::V2, 100));
    let since = bench.now;
    let mut stranger = other("10.0.0.9", 99);
    stranger.version = Version::V3;
    let about = |bench: &Bench| -> Vec<_> {
        let all = bench.router.contests(bench.now);
        all.map(|contest| {
            (
                contest.about,
                contest.source,
                contest.since,
                contest.adverts,
            )
        })
        .collect()
    };
    for _ in 0..3 {
        bench.hear(&stranger);
        bench.pass(seconds(1));
    }
    assert_eq!(
        about(&bench),
        [(Disagreement::Version, ip("10.0.0.9"), since, 3)]
    );
    // Another one on top of it, which the checks let through.
    bench.accepts(&other("10.0.0.8", 99), Accepted::LowerPriority);
    assert_eq!(about(&bench).len(), 2);
    bench.run(seconds(60));
    assert_eq!(about(&bench), []);
    // Every drop that is a disagreement is one, and damage is none.
    let of = |reason| Disagreement::of(reason);
    assert_eq!(of(DropReason::Password), Some(Disagreement::Authentication));
    assert_eq!(of(DropReason::UnknownSource), Some(Disagreement::Sender));
    assert_eq!(of(DropReason::Checksum), None);
}

fn causes(actions: &[(Instant, Action)]) -> Vec<(u32, AnnounceCause)> {
    let cause = |(_, action): &(Instant, Action)| match action {
        Action::Announce(announcement) => Some((announcement.repeat, announcement.cause)),
        _ => None,
    };
    actions.iter().filter_map(cause).collect()
}

#[test]
fn a_contest_is_seen_while_the_other_master_is_heard() {
    let mut bench = Bench::master(config(Version::V2, 100));
    assert_eq!(bench.router.contest(bench.now), None);
    let since = bench.now;
    for _ in 0..3 {
        bench.accepts(&other("10.0.0.9", 99), Accepted::LowerPriority);
        bench.run(seconds(1));
    }
    let contest = bench.router.contest(bench.now).unwrap();
    assert_eq!((contest.source, contest.since), (ip("10.0.0.9"), since));
    bench.run(seconds(10));
    assert_eq!(bench.router.contest(bench.now), None);
}

#[test]
fn item_075_of_two_owners_the_lower_address_yields() {
    let mut bench = Bench::master(config(Version::V2, 255));
    bench.accepts(&other("10.0.0.9", 255), Accepted::Yielded);
    assert!(matches!(
        bench.warnings()[..],
        [vrrp_proto::Warning::TwoOwners { .. }]
    ));
    assert_eq!(bench.router.state(), State::Backup);
}

#[test]
fn item_075_the_higher_address_yields_only_to_an_owner_that_does_not_go() {
    let mut bench = Bench::master(config(Version::V2, 255));
    let began = bench.now;
    let stubborn = other("10.0.0.1", 255);
    let mut yielded_after = None;
    for _ in 0..10 {
        match bench.hear(&stubborn) {
            vrrp_proto::Verdict::Accepted(Accepted::Yielded) => {
                yielded_after = Some(bench.now - began);
                break;
            }
            verdict => assert_eq!(
                verdict,
                vrrp_proto::Verdict::Accepted(Accepted::LowerPriority)
            ),
        }
        bench.run(seconds(1));
    }
    let after = yielded_after.unwrap();
    assert!(after >= seconds(2) && after <= seconds(4), "{after:?}");
    assert_eq!(bench.router.effective_priority().value(), 254);
    // Gone: an advert of a lower priority, or mastership, brings 255 back.
    bench.accepts(&other("10.0.0.3", 100), Accepted::LowerPriorityIgnored);
    assert!(bench.router.effective_priority().is_owner());
}

#[test]
fn item_082_announcements_at_once_after_the_delay_and_refreshed() {
    let mut config = config(Version::V2, 100);
    let mut policy = AnnouncePolicy::default();
    policy.refresh = seconds(10);
    policy.refresh_repeat = 2;
    config.announce = policy;
    let mut bench = Bench::master(config);
    let began = bench.now;
    let first = bench.announcements();
    assert_eq!(
        (first[0].repeat, first[0].cause),
        (5, AnnounceCause::Takeover)
    );
    let later: Vec<_> = bench
        .run(seconds(40))
        .into_iter()
        .filter(|(_, action)| matches!(action, Action::Announce(_)))
        .map(|(at, action)| ((at - began).as_secs(), action))
        .collect();
    let times: Vec<_> = later.iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [5, 15, 25, 35]);
    assert!(matches!(
        &later[1].1,
        Action::Announce(it) if it.repeat == 2 && it.cause == AnnounceCause::Refresh
    ));
}

#[test]
fn item_082_nothing_is_announced_after_mastership_ends() {
    let mut bench = Bench::master(config(Version::V2, 100));
    bench.accepts(&other("10.0.0.9", 200), Accepted::Yielded);
    assert_eq!(causes(&bench.run(seconds(3))), []);
}
