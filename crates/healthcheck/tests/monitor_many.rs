//! What a monitor promises about many checks, on a clock that the tests hold.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use healthcheck::{
    Attempt, Cause, Check, Detail, Event, Monitor, MonitorSettings, Outcome, Policy, Probe,
    ProbeKey, Verdict,
};
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

/// A server that answers after a while, and may die.
#[derive(Debug, Default)]
struct Server {
    dead: AtomicBool,
    attempts: AtomicU64,
}

#[derive(Debug)]
struct Asking(Arc<Server>, Duration, Option<u32>);

impl Probe for Asking {
    fn run(&self) -> Attempt<'_> {
        Box::pin(async move {
            self.0.attempts.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(self.1).await;
            let result = if self.0.dead.load(Ordering::Relaxed) {
                Err(Cause::Told("dead".into()))
            } else {
                Ok(Detail::Connected)
            };
            Outcome::from_result(result, self.1)
        })
    }

    fn key(&self) -> Option<ProbeKey> {
        self.2.map(ProbeKey::new)
    }
}

fn settings() -> MonitorSettings {
    MonitorSettings {
        seed: Some(7),
        ..MonitorSettings::default()
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_checks_a_second_are_never_late_and_tell_nothing_new() {
    const COUNT: u64 = 10_000;
    let (monitor, mut events) = Monitor::spawn(MonitorSettings {
        event_capacity: 10_000,
        ..settings()
    });
    let server = Arc::new(Server::default());
    let policy = Arc::new(Policy::new(SECOND));
    for number in 0..COUNT {
        let probe = Asking(Arc::clone(&server), Duration::from_millis(3), None);
        monitor.set(number, Check::new(probe, Arc::clone(&policy)));
    }
    tokio::time::sleep(SECOND + Duration::from_millis(50)).await;
    assert_eq!(
        server.attempts.load(Ordering::Relaxed) / COUNT,
        1,
        "the first round takes one loop"
    );
    for _ in 0..COUNT {
        assert!(events.try_next().is_some(), "every first verdict is told");
    }
    tokio::time::sleep(4 * SECOND).await;
    let stats = monitor.stats().await;
    assert!(stats.started >= 5 * COUNT && stats.started <= 5 * COUNT + COUNT / 10);
    assert!(
        stats.worst_lateness <= Duration::from_millis(2),
        "{:?}",
        stats.worst_lateness
    );
    assert_eq!(events.try_next(), None, "an unchanged verdict is no event");
}

#[tokio::test(start_paused = true)]
async fn a_dead_server_is_noticed_within_one_loop_and_its_retries() {
    let policy = Policy {
        retry: 2,
        delay_before_retry: SECOND,
        ..Policy::new(6 * SECOND)
    };
    let takes = Duration::from_millis(50);
    let (monitor, mut events) = Monitor::spawn(settings());
    let servers: BTreeMap<u32, Arc<Server>> =
        (0..200).map(|number| (number, Arc::default())).collect();
    for (number, server) in &servers {
        let probe = Asking(Arc::clone(server), takes, None);
        monitor.set(*number, Check::new(probe, policy.clone()));
    }
    tokio::time::sleep(20 * SECOND).await;
    while events.try_next().is_some() {}
    let died = Instant::now();
    for server in servers.values() {
        server.dead.store(true, Ordering::Relaxed);
    }
    // One loop, two retries, three attempts, each started up to a slice after it was due.
    let slice = Duration::from_millis(50);
    let bound = policy.delay_loop + 2 * policy.delay_before_retry + 3 * takes + 3 * slice;
    for _ in 0..servers.len() {
        let event = events.next().await.unwrap();
        assert!(
            matches!(
                event,
                Event::Changed {
                    to: Verdict::Down,
                    ..
                }
            ),
            "{event:?}"
        );
    }
    assert!(died.elapsed() <= bound, "{:?}", died.elapsed());
}

#[tokio::test(start_paused = true)]
async fn checks_that_change_their_names_keep_their_state() {
    let (monitor, mut events) = Monitor::spawn(settings());
    let (good, bad) = (Arc::new(Server::default()), Arc::new(Server::default()));
    bad.dead.store(true, Ordering::Relaxed);
    let policy = Policy {
        warmup: Some(Duration::ZERO),
        ..Policy::new(60 * SECOND)
    };
    let check = |server: &Arc<Server>, key| {
        let probe = Asking(Arc::clone(server), Duration::ZERO, Some(key));
        Check::new(probe, policy.clone())
    };
    monitor.set("first", check(&good, 1));
    monitor.set("second", check(&bad, 2));
    tokio::time::sleep(SECOND).await;
    while events.try_next().is_some() {}
    // The two change places, as when a line is put before another in a file.
    monitor.set("first", check(&bad, 2));
    monitor.set("second", check(&good, 1));
    let mut told = BTreeMap::new();
    for _ in 0..2 {
        match events.next().await {
            Some(Event::Changed { id, to, .. }) => told.insert(id, to),
            other => panic!("{other:?}"),
        };
    }
    assert_eq!(
        told,
        BTreeMap::from([("first", Verdict::Down), ("second", Verdict::Up)])
    );
    let attempts = |server: &Server| server.attempts.load(Ordering::Relaxed);
    assert_eq!(
        (attempts(&good), attempts(&bad)),
        (1, 1),
        "nothing was asked again"
    );
    monitor.remove("second");
    assert_eq!(monitor.stats().await.checks, 1);
}

/// Says when its certificate ends.
#[derive(Debug)]
struct Certified(SystemTime);

impl Probe for Certified {
    fn run(&self) -> Attempt<'_> {
        Box::pin(async move {
            let detail = Detail::Http {
                status: healthcheck::http::StatusCode::new(200),
                body_bytes: 0,
                certificate_expires: Some(self.0),
            };
            Outcome::from_result(Ok(detail), Duration::ZERO)
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_ends_soon_is_told_once_a_day() {
    const DAY: Duration = Duration::from_secs(86_400);
    fn wall() -> SystemTime {
        // The wall clock follows the clock of the runtime.
        static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        let start = *START.get_or_init(Instant::now);
        SystemTime::UNIX_EPOCH + 100 * DAY + start.elapsed()
    }
    let _ = wall();
    let (monitor, mut events) = Monitor::spawn(MonitorSettings {
        wall_clock: wall,
        ..settings()
    });
    let policy = Policy {
        certificate_warning: Some(14 * DAY),
        ..Policy::new(60 * SECOND)
    };
    let ends = |days: u32| SystemTime::UNIX_EPOCH + (100 + days) * DAY;
    monitor.set("soon", Check::new(Certified(ends(10)), policy.clone()));
    monitor.set("late", Check::new(Certified(ends(100)), policy.clone()));
    tokio::time::sleep(3 * DAY).await;
    let mut told = Vec::new();
    while let Some(event) = events.try_next() {
        match event {
            Event::CertificateEnds { id, expires, .. } => told.push((id, expires)),
            Event::Changed { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(told, [("soon", ends(10)); 3]);
}
