//! Tests of coming back.

use super::*;

fn settings(slow_start: u64, half_life: u64) -> RecoverySettings {
    RecoverySettings {
        slow_start: (slow_start > 0).then(|| Duration::from_secs(slow_start)),
        damping: (half_life > 0).then(|| Damping {
            half_life: Duration::from_secs(half_life),
            limit: 3,
        }),
    }
}

fn after(start: Instant, seconds: u64) -> Instant {
    start + Duration::from_secs(seconds)
}

#[test]
fn the_weight_grows_after_an_outage_only() {
    let start = Instant::now();
    let mut recovery = Recovery::default();
    assert_eq!(
        recovery.came_up(start, &"a"),
        None,
        "the first time is no recovery"
    );
    assert_eq!(recovery.went_down(start, &"a", settings(20, 0)), None);
    assert_eq!(recovery.poll_timeout(), None);
    let first = recovery.came_up(after(start, 5), &"a").unwrap();
    assert_eq!(
        (
            first.share,
            first.weight(100),
            first.weight(2),
            first.weight(0)
        ),
        (5, 5, 1, 0)
    );
    let mut shares = Vec::new();
    while let Some(next) = recovery.poll_timeout() {
        for (server, influence) in recovery.handle_timeout(next) {
            assert_eq!((server, influence.held), ("a", None));
            shares.push(influence.share);
        }
    }
    assert_eq!(shares, (2..=20).map(|step| step * 5).collect::<Vec<u8>>());
    assert_eq!(recovery.influence(after(start, 60), &"a"), Influence::NONE);
}

#[test]
fn an_outage_on_the_way_back_begins_anew() {
    let start = Instant::now();
    let mut recovery = Recovery::default();
    recovery.went_down(start, &"a", settings(10, 0));
    recovery.came_up(start, &"a");
    recovery.handle_timeout(after(start, 5));
    assert_eq!(recovery.influence(after(start, 5), &"a").share, 55);
    let down = recovery.went_down(after(start, 6), &"a", settings(10, 0));
    assert_eq!(down, Some(Influence::NONE));
    assert_eq!(recovery.came_up(after(start, 7), &"a").unwrap().share, 5);
}

#[test]
fn many_failures_hold_a_server_down_until_half_of_them_are_forgotten() {
    let start = Instant::now();
    let mut recovery = Recovery::default();
    for second in 0..3 {
        let now = after(start, second);
        assert_eq!(
            recovery.went_down(now, &"a", settings(0, 60)),
            None,
            "{second}"
        );
        recovery.came_up(now, &"a");
    }
    let held = recovery
        .went_down(after(start, 3), &"a", settings(0, 60))
        .unwrap();
    assert!(
        held.held
            .as_ref()
            .unwrap()
            .starts_with("flap_damping holds it down for "),
        "{held:?}"
    );
    let release = recovery.poll_timeout().unwrap();
    let waited = release.duration_since(start).as_secs();
    // 3.9 failures become 1.5 in 1.4 half-lives.
    assert!((80..95).contains(&waited), "{waited}");
    let changes = recovery.handle_timeout(release);
    assert_eq!(changes, [("a", Influence::NONE)]);
    // Long after, nothing is left.
    while let Some(next) = recovery.poll_timeout() {
        assert!(recovery.handle_timeout(next).is_empty());
        recovery.came_up(next, &"a");
    }
    assert_eq!(
        recovery.went_down(after(start, 3600), &"a", settings(0, 60)),
        None
    );
}

#[test]
fn rare_failures_are_forgiven() {
    let start = Instant::now();
    let mut recovery = Recovery::default();
    for failure in 0..50 {
        let now = after(start, failure * 120);
        assert_eq!(
            recovery.went_down(now, &"a", settings(0, 60)),
            None,
            "{failure}"
        );
        recovery.came_up(now, &"a");
    }
}

#[test]
fn a_reload_keeps_what_it_can() {
    let start = Instant::now();
    let mut recovery = Recovery::default();
    for server in ["a", "b", "c"] {
        recovery.went_down(start, &server, settings(10, 60));
        recovery.came_up(start, &server);
    }
    let changes = recovery.replace(start, |server| match *server {
        "a" => Some(settings(10, 60)),
        "b" => Some(settings(0, 60)),
        _ => None,
    });
    assert_eq!(changes, [("b", Influence::NONE)]);
    assert_eq!(recovery.influence(start, &"a").share, 5);
    assert_eq!(recovery.influence(start, &"c"), Influence::NONE);
}

#[test]
fn a_reload_with_another_time_goes_on_where_the_ramp_is() {
    let start = Instant::now();
    let mut recovery = Recovery::default();
    recovery.went_down(start, &"a", settings(20, 0));
    recovery.came_up(start, &"a");
    let now = after(start, 10);
    recovery.handle_timeout(now);
    assert_eq!(recovery.influence(now, &"a").share, 55);
    let slower = recovery.replace(now, |_| Some(settings(200, 0)));
    assert!(slower.is_empty(), "{slower:?}");
    assert_eq!(recovery.influence(now, &"a").share, 55);
    assert_eq!(recovery.influence(after(now, 50), &"a").share, 80);
    recovery.replace(now, |_| Some(settings(2, 0)));
    let mut shares = Vec::new();
    while let Some(next) = recovery.poll_timeout() {
        assert!(next <= after(now, 2));
        let changes = recovery.handle_timeout(next);
        shares.extend(changes.into_iter().map(|(_, influence)| influence.share));
    }
    assert_eq!(shares, (12..=20).map(|step| step * 5).collect::<Vec<u8>>());
}

#[test]
fn a_reload_with_another_half_life_holds_by_the_new_one() {
    let start = Instant::now();
    let held = |recovery: &Recovery<&str>| recovery.influence(start, &"a").held.is_some();
    let mut recovery = Recovery::default();
    for _ in 0..4 {
        recovery.went_down(start, &"a", settings(0, 60));
    }
    assert!(held(&recovery));
    recovery.replace(start, |_| Some(settings(0, 6)));
    assert!(held(&recovery), "four failures are still too many");
    let release = recovery.poll_timeout().unwrap().duration_since(start);
    // Four become one and a half in 1.4 half-lives.
    assert!((8..=9).contains(&release.as_secs()), "{release:?}");
    let lenient = |_: &_| {
        let mut lenient = settings(0, 60);
        lenient.damping.as_mut().unwrap().limit = 10;
        Some(lenient)
    };
    assert_eq!(recovery.replace(start, lenient), [("a", Influence::NONE)]);
}

#[test]
fn who_is_let_up_is_held_again_after_the_next_failure() {
    let start = Instant::now();
    let mut recovery = Recovery::default();
    for _ in 0..4 {
        recovery.went_down(start, &"a", settings(10, 60));
    }
    assert!(recovery.let_up(start, |server| *server == "b").is_empty());
    assert_eq!(
        recovery.let_up(start, |server| *server == "a"),
        [("a", Influence::NONE)]
    );
    assert!(recovery.let_up(start, |_| true).is_empty(), "only once");
    assert_eq!(recovery.came_up(start, &"a").unwrap().share, 5);
    let again = recovery.went_down(start, &"a", settings(10, 60)).unwrap();
    assert!(again.held.is_some());
}

#[test]
fn the_greatest_times_of_a_file_are_borne() {
    let start = Instant::now();
    let longest = Duration::from_micros(u64::MAX / 2);
    let settings = RecoverySettings {
        slow_start: Some(longest),
        damping: Some(Damping {
            half_life: longest,
            limit: 1,
        }),
    };
    let mut recovery = Recovery::default();
    for _ in 0..100 {
        recovery.went_down(start, &"a", settings);
        recovery.came_up(start, &"a");
    }
    assert!(recovery.influence(start, &"a").held.is_some());
    assert!(recovery.poll_timeout().is_some());
}

#[test]
fn nothing_is_kept_where_nothing_is_asked_for() {
    let start = Instant::now();
    let mut recovery = Recovery::default();
    assert_eq!(
        recovery.went_down(start, &"a", RecoverySettings::default()),
        None
    );
    assert!(recovery.servers.is_empty());
}
