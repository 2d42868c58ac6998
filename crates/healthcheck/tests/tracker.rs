//! The rules of schedule and verdict, on a time that the tests give.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::{Duration, Instant};

use healthcheck::{Cause, Detail, Outcome, Policy, Tracker, Verdict, Weight};
use proptest::prelude::*;

const LOOP: Duration = Duration::from_secs(6);
const RETRY: Duration = Duration::from_secs(1);

fn up() -> Outcome {
    Outcome::from_result(Ok(Detail::Connected), Duration::ZERO)
}

fn down() -> Outcome {
    Outcome::from_result(Err(Cause::Told("gone".into())), Duration::ZERO)
}

fn weighing(weight: u32) -> Outcome {
    let weight = Some(Weight::Exact(weight));
    Outcome::from_result(Ok(Detail::Exited { status: 2, weight }), Duration::ZERO)
}

fn policy(retry: u32) -> Policy {
    Policy {
        retry,
        delay_before_retry: RETRY,
        ..Policy::new(LOOP)
    }
}

/// Runs attempts that take no time, each when it is due.
fn verdicts(tracker: &mut Tracker, outcomes: &[Outcome]) -> Vec<Option<Verdict>> {
    let mut seen = Vec::new();
    for outcome in outcomes {
        let now = tracker.poll_timeout().unwrap();
        tracker.start(now);
        seen.push(tracker.observe(now, outcome).map(|change| change.to));
    }
    seen
}

#[test]
fn the_first_failure_is_never_forgiven() {
    let mut tracker = Tracker::new(policy(3), Instant::now(), 0);
    assert!(tracker.verdict().is_up(), "taken as up until then");
    assert_eq!(verdicts(&mut tracker, &[down()]), [Some(Verdict::Down)]);
    assert_eq!(
        verdicts(&mut tracker, &[down(), up()]),
        [None, Some(Verdict::Up)]
    );
}

#[test]
fn a_server_is_down_after_its_retries_and_up_after_one_success() {
    let mut tracker = Tracker::new(policy(2), Instant::now(), 0);
    let outcomes = [up(), down(), down(), up(), down(), down(), down(), up()];
    let (went_up, went_down) = (Some(Verdict::Up), Some(Verdict::Down));
    assert_eq!(
        verdicts(&mut tracker, &outcomes),
        [went_up, None, None, None, None, None, went_down, went_up]
    );
}

#[test]
fn retries_come_fast_and_the_beat_is_kept() {
    let start = Instant::now();
    let mut tracker = Tracker::new(policy(1), start, 0);
    verdicts(&mut tracker, &[up()]);
    assert_eq!(tracker.poll_timeout(), Some(start + LOOP));
    verdicts(&mut tracker, &[down()]);
    assert_eq!(tracker.poll_timeout(), Some(start + LOOP + RETRY));
    verdicts(&mut tracker, &[down()]);
    assert_eq!(tracker.verdict(), Verdict::Down);
    assert_eq!(tracker.poll_timeout(), Some(start + 2 * LOOP));
}

#[test]
fn an_attempt_longer_than_the_loop_skips_beats_and_does_not_pile_up() {
    let start = Instant::now();
    let mut tracker = Tracker::new(policy(0), start, 0);
    tracker.start(start);
    tracker.observe(start + LOOP * 2 + RETRY, &up());
    assert_eq!(tracker.poll_timeout(), Some(start + LOOP * 3));
}

#[test]
fn alpha_waits_for_the_first_success() {
    let mut tracker = Tracker::new(
        Policy {
            alpha: true,
            ..policy(1)
        },
        Instant::now(),
        0,
    );
    assert!(!tracker.verdict().is_up());
    assert_eq!(verdicts(&mut tracker, &[up()]), [Some(Verdict::Up)]);
}

#[test]
fn rise_asks_for_several_successes() {
    let mut tracker = Tracker::new(
        Policy {
            rise: 3,
            ..policy(0)
        },
        Instant::now(),
        0,
    );
    let outcomes = [down(), up(), up(), down(), up(), up(), up()];
    let change = [
        Some(Verdict::Down),
        None,
        None,
        None,
        None,
        None,
        Some(Verdict::Up),
    ];
    assert_eq!(verdicts(&mut tracker, &outcomes), change);
}

#[test]
fn the_change_tells_when_the_row_began() {
    let start = Instant::now();
    let mut tracker = Tracker::new(policy(1), start, 0);
    verdicts(&mut tracker, &[up(), down()]);
    let at = tracker.poll_timeout().unwrap();
    tracker.start(at);
    let change = tracker.observe(at + RETRY, &down()).unwrap();
    assert_eq!((change.first, change.last), (start + LOOP, at + RETRY));
    assert_eq!((change.attempts, change.reason), (2, down()));
}

#[test]
fn a_new_weight_is_a_change_without_a_new_verdict() {
    let mut tracker = Tracker::new(policy(0), Instant::now(), 0);
    verdicts(&mut tracker, &[weighing(5)]);
    assert_eq!(verdicts(&mut tracker, &[weighing(5)]), [None]);
    let now = tracker.poll_timeout().unwrap();
    let change = tracker.observe(now, &weighing(7)).unwrap();
    assert!(change.is_weight_only());
    assert_eq!(change.weight, Some(Weight::Exact(7)));
    verdicts(&mut tracker, &[up()]);
    assert_eq!(tracker.weight(), None);
}

#[test]
fn want_of_resources_changes_nothing() {
    let mut tracker = Tracker::new(policy(0), Instant::now(), 0);
    verdicts(&mut tracker, &[up()]);
    let now = tracker.poll_timeout().unwrap();
    let outcome = Outcome::Inconclusive {
        cause: Cause::Panicked,
        took: Duration::ZERO,
    };
    assert_eq!(tracker.observe(now, &outcome), None);
    assert_eq!(tracker.verdict(), Verdict::Up);
    assert_eq!(tracker.poll_timeout(), Some(now + RETRY));
}

#[test]
fn suspension_and_asking_for_an_attempt() {
    let start = Instant::now();
    let mut tracker = Tracker::new(policy(0), start, 0);
    verdicts(&mut tracker, &[up()]);
    tracker.suspend();
    assert_eq!(tracker.poll_timeout(), None);
    tracker.resume(start + LOOP + RETRY);
    assert_eq!(tracker.poll_timeout(), Some(start + LOOP * 2));
    let now = start + LOOP + RETRY;
    tracker.check_now(now);
    assert_eq!(tracker.poll_timeout(), Some(now));
    tracker.start(now);
    tracker.check_now(now);
    tracker.observe(now + RETRY, &up());
    assert_eq!(
        tracker.poll_timeout(),
        Some(now + RETRY),
        "asked again while running"
    );
    verdicts(&mut tracker, &[up()]);
    assert_eq!(tracker.poll_timeout(), Some(start + LOOP * 2));
}

#[test]
fn the_first_attempt_falls_into_the_warm_up() {
    let start = Instant::now();
    let at = |policy: &Policy, random| {
        Tracker::new(policy.clone(), start, random)
            .poll_timeout()
            .unwrap()
            - start
    };
    assert_eq!(at(&policy(0), u64::MAX / 2 + 1), LOOP / 2);
    assert!(at(&policy(0), u64::MAX) < LOOP);
    let warm = Policy {
        warmup: Some(Duration::ZERO),
        ..policy(0)
    };
    assert_eq!(at(&warm, u64::MAX), Duration::ZERO);
}

proptest! {
    #[test]
    fn verdicts_follow_the_rules_whatever_comes(
        results in proptest::collection::vec((any::<bool>(), 0_u64..20_000), 1..60),
        retry in 0_u32..4,
        rise in 1_u32..4,
        alpha: bool,
        jitter in 0_u64..500,
        random: u64,
    ) {
        let start = Instant::now();
        let jitter = Duration::from_millis(jitter);
        let policy = Policy { rise, alpha, jitter, ..policy(retry) };
        let mut tracker = Tracker::new(policy, start, random);
        let mut expected = None;
        let mut row = (None, 0_u32);
        for (ok, took) in results {
            let due = tracker.poll_timeout().unwrap();
            prop_assert!(due >= start);
            tracker.start(due);
            prop_assert_eq!(tracker.poll_timeout(), None);
            let now = due + Duration::from_millis(took);
            let before = tracker.verdict();
            let change = tracker.observe(now, &if ok { up() } else { down() });

            row = if row.0 == Some(ok) { (row.0, row.1 + 1) } else { (Some(ok), 1) };
            let enough = match (expected, ok) {
                (None, true) => !alpha || row.1 >= rise,
                (None, false) => true,
                (Some(false), true) => row.1 >= rise,
                (Some(true), false) => row.1 > retry,
                _ => true,
            };
            if enough {
                expected = Some(ok);
            }
            let wanted = match expected {
                Some(true) => Verdict::Up,
                Some(false) => Verdict::Down,
                None => Verdict::Unknown { assumed_up: !alpha },
            };
            prop_assert_eq!(tracker.verdict(), wanted);
            prop_assert_eq!(change.is_some(), before != wanted);
            let next = tracker.poll_timeout().unwrap();
            prop_assert!(next > now && next <= now + LOOP + jitter);
        }
    }
}
