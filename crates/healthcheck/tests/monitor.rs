//! Many checks on a clock that the tests hold.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use healthcheck::{
    Attempt, Cause, Check, Detail, Event, Events, Monitor, MonitorSettings, Outcome, Policy, Probe,
    ProbeKey, Verdict, Weight,
};
use tokio::time::Instant;

const LOOP: Duration = Duration::from_secs(6);
/// Attempts start up to this much later than they are due.
const SLICE: Duration = Duration::from_millis(50);

/// A server in memory: what it says, and what was done to it.
#[derive(Debug, Default)]
struct Server {
    down: AtomicBool,
    panics: AtomicBool,
    takes: Mutex<Duration>,
    weight: Mutex<Option<Weight>>,
    started: Mutex<Vec<Instant>>,
    running: AtomicUsize,
    most_running: AtomicUsize,
    cancelled: AtomicUsize,
}

/// Notices when an attempt is dropped before its end.
struct Watch<'a>(&'a Server, bool);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
        if !self.1 {
            self.0.cancelled.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[derive(Clone, Debug)]
struct Fake {
    server: Arc<Server>,
    key: Option<u32>,
    host: Option<IpAddr>,
}

impl Fake {
    fn new() -> (Self, Arc<Server>) {
        let server = Arc::new(Server::default());
        (
            Self {
                server: Arc::clone(&server),
                key: None,
                host: None,
            },
            server,
        )
    }
}

impl Probe for Fake {
    fn run(&self) -> Attempt<'_> {
        let server = &*self.server;
        Box::pin(async move {
            server.started.lock().unwrap().push(Instant::now());
            let running = server.running.fetch_add(1, Ordering::SeqCst) + 1;
            server.most_running.fetch_max(running, Ordering::SeqCst);
            let mut watch = Watch(server, false);
            let takes = *server.takes.lock().unwrap();
            if !takes.is_zero() {
                tokio::time::sleep(takes).await;
            }
            assert!(!server.panics.load(Ordering::SeqCst), "as told");
            watch.1 = true;
            let weight = *server.weight.lock().unwrap();
            let result = if server.down.load(Ordering::SeqCst) {
                Err(Cause::Told("gone".into()))
            } else {
                Ok(Detail::Exited { status: 0, weight })
            };
            Outcome::from_result(result, takes)
        })
    }

    fn key(&self) -> Option<ProbeKey> {
        self.key.map(ProbeKey::new)
    }

    fn host(&self) -> Option<IpAddr> {
        self.host
    }
}

fn wall() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000)
}

fn settings() -> MonitorSettings {
    MonitorSettings {
        seed: Some(0),
        wall_clock: wall,
        ..MonitorSettings::default()
    }
}

fn policy() -> Policy {
    Policy {
        warmup: Some(Duration::ZERO),
        retry: 1,
        ..Policy::new(LOOP)
    }
}

fn verdict(event: Option<Event<&'static str>>) -> (&'static str, Verdict) {
    match event {
        Some(Event::Changed { id, to, .. }) => (id, to),
        other => panic!("{other:?}"),
    }
}

async fn next(events: &mut Events<&'static str>) -> (&'static str, Verdict) {
    verdict(events.next().await)
}

/// Lets the monitor do all that it can do without time passing.
async fn settle<K: Clone + Eq + std::hash::Hash + std::fmt::Debug + Send + Sync + 'static>(
    monitor: &Monitor<K>,
) {
    for _ in 0..5 {
        monitor.stats().await;
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn verdicts_come_with_their_reasons_and_times() {
    let (fake, server) = Fake::new();
    *server.takes.lock().unwrap() = Duration::from_millis(250);
    let (monitor, mut events) = Monitor::spawn(settings());
    let begin = Instant::now();
    monitor.set("a", Check::new(fake, policy()));
    assert_eq!(next(&mut events).await, ("a", Verdict::Up));
    assert_eq!(begin.elapsed(), Duration::from_millis(250));

    server.down.store(true, Ordering::SeqCst);
    let Some(Event::Changed {
        from,
        to,
        reason,
        first,
        last,
        attempts,
        ..
    }) = events.next().await
    else {
        panic!()
    };
    assert_eq!((from, to, attempts), (Verdict::Up, Verdict::Down, 2));
    assert_eq!(reason.to_string(), "gone");
    assert_eq!(reason.took(), Duration::from_millis(250));
    assert_eq!(last, wall());
    // One attempt, the pause before the retry, and the retry, which starts within a slice.
    let span = last.duration_since(first).unwrap().as_millis();
    assert!((1500..1550).contains(&span), "{span} ms");

    server.down.store(false, Ordering::SeqCst);
    assert_eq!(next(&mut events).await, ("a", Verdict::Up));
    let snapshot = monitor.snapshot().await;
    assert_eq!((snapshot.len(), snapshot[0].verdict), (1, Verdict::Up));
    assert_eq!(
        (
            snapshot[0].attempts,
            snapshot[0].failures,
            snapshot[0].flips
        ),
        (4, 2, 2)
    );
}

#[tokio::test(start_paused = true)]
async fn checks_are_spread_evenly_over_their_interval() {
    let (monitor, mut events) = Monitor::spawn(settings());
    let begin = Instant::now();
    let mut servers = Vec::new();
    for id in 0..100_u32 {
        let (fake, server) = Fake::new();
        monitor.set(
            id,
            Check::new(
                fake,
                Policy {
                    warmup: None,
                    ..policy()
                },
            ),
        );
        servers.push(server);
    }
    for _ in 0..100 {
        assert!(events.next().await.is_some());
    }
    assert!(
        begin.elapsed() <= LOOP + SLICE,
        "the first round ends within one loop"
    );
    tokio::time::sleep_until(begin + LOOP * 3).await;
    settle(&monitor).await;
    let mut tenths = BTreeMap::<u128, usize>::new();
    for server in &servers {
        let started = server.started.lock().unwrap();
        let first = started[0] - begin;
        *tenths
            .entry((first.as_millis() * 10 / LOOP.as_millis()).min(9))
            .or_default() += 1;
        for (beat, at) in started.iter().enumerate() {
            let late = (*at - begin).saturating_sub(first + LOOP * u32::try_from(beat).unwrap());
            assert!(late <= Duration::from_millis(2), "{late:?}");
        }
        assert!((2..=4).contains(&started.len()), "{}", started.len());
    }
    assert!(
        tenths.len() == 10 && tenths.values().all(|count| (8..=12).contains(count)),
        "{tenths:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_same_check_is_made_once_for_all_who_want_it() {
    let (mut fake, server) = Fake::new();
    fake.key = Some(7);
    let (monitor, mut events) = Monitor::spawn(settings());
    monitor.set("a", Check::new(fake.clone(), policy()));
    monitor.set("b", Check::new(fake.clone(), policy()));
    assert_eq!(next(&mut events).await, ("a", Verdict::Up));
    assert_eq!(next(&mut events).await, ("b", Verdict::Up));
    tokio::time::sleep(Duration::from_secs(1)).await;
    // Who comes later is told at once what is known.
    monitor.set("c", Check::new(fake.clone(), policy()));
    assert_eq!(next(&mut events).await, ("c", Verdict::Up));
    assert_eq!(server.started.lock().unwrap().len(), 1);
    assert_eq!(monitor.stats().await.checks, 1);
    assert!(
        monitor
            .snapshot()
            .await
            .iter()
            .all(|check| check.shared_with == 2)
    );
    // Another policy is another check.
    monitor.set(
        "d",
        Check::new(
            fake,
            Policy {
                retry: 5,
                ..policy()
            },
        ),
    );
    assert_eq!(next(&mut events).await, ("d", Verdict::Up));
    assert_eq!(monitor.stats().await.checks, 2);

    for id in ["a", "b", "c", "d"] {
        monitor.remove(id);
    }
    assert_eq!(monitor.stats().await.checks, 0);
    let before = server.started.lock().unwrap().len();
    tokio::time::sleep(LOOP * 5).await;
    assert_eq!(server.started.lock().unwrap().len(), before);
}

#[tokio::test(start_paused = true)]
async fn a_replacement_keeps_what_it_can() {
    let (mut fake, server) = Fake::new();
    fake.key = Some(1);
    server.down.store(true, Ordering::SeqCst);
    let (monitor, mut events) = Monitor::spawn(settings());
    monitor.set("a", Check::new(fake.clone(), policy()));
    assert_eq!(next(&mut events).await, ("a", Verdict::Down));
    let attempts = server.started.lock().unwrap().len();

    monitor.set("a", Check::new(fake.clone(), policy()));
    settle(&monitor).await;
    let snapshot = monitor.snapshot().await;
    assert_eq!(
        snapshot[0].verdict,
        Verdict::Down,
        "nothing changed, so nothing is forgotten"
    );
    assert_eq!(server.started.lock().unwrap().len(), attempts);

    // Other rules for the same probe: the verdict stays and is not told again.
    monitor.set(
        "a",
        Check::new(
            fake.clone(),
            Policy {
                retry: 2,
                ..policy()
            },
        ),
    );
    settle(&monitor).await;
    assert_eq!(monitor.snapshot().await[0].verdict, Verdict::Down);
    assert!(events.try_next().is_none());

    // Another probe begins anew, and tells only what differs from what was told.
    fake.key = Some(2);
    monitor.set("a", Check::new(fake.clone(), policy()));
    settle(&monitor).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert!(events.try_next().is_none(), "still down");
    server.down.store(false, Ordering::SeqCst);
    assert_eq!(next(&mut events).await, ("a", Verdict::Up));
}

#[tokio::test(start_paused = true)]
async fn limits_hold_in_all_and_per_host() {
    let (fake, server) = Fake::new();
    *server.takes.lock().unwrap() = Duration::from_secs(1);
    let settings = MonitorSettings {
        concurrency: 10,
        per_host: 2,
        ..settings()
    };
    let (monitor, mut events) = Monitor::spawn(settings);
    let mut per_host = Vec::new();
    for host in 0..3_u8 {
        let (mut fake, server) = Fake::new();
        fake.host = Some([10, 0, 0, host].into());
        *server.takes.lock().unwrap() = Duration::from_secs(1);
        for check in 0..4_u8 {
            monitor.set((host, check), Check::new(fake.clone(), policy()));
        }
        per_host.push(server);
    }
    for check in 0..20 {
        monitor.set((9, check), Check::new(fake.clone(), policy()));
    }
    settle(&monitor).await;
    let stats = monitor.stats().await;
    assert_eq!((stats.running, stats.waiting), (10, 22));
    for _ in 0..32 {
        assert!(events.next().await.is_some());
    }
    for host in &per_host {
        assert_eq!(host.most_running.load(Ordering::SeqCst), 2);
        assert_eq!(host.started.lock().unwrap().len(), 4, "nobody is forgotten");
    }
    assert!(server.most_running.load(Ordering::SeqCst) <= 10);
    assert!(monitor.stats().await.worst_lateness >= Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn suspended_checks_rest_and_removed_ones_are_cancelled() {
    let (fake, server) = Fake::new();
    let (monitor, mut events) = Monitor::spawn(settings());
    monitor.set("a", Check::new(fake, policy()));
    assert_eq!(next(&mut events).await, ("a", Verdict::Up));
    monitor.suspend("a");
    server.down.store(true, Ordering::SeqCst);
    tokio::time::sleep(LOOP * 10).await;
    assert_eq!(server.started.lock().unwrap().len(), 1);
    assert!(monitor.snapshot().await[0].suspended);
    monitor.resume("a");
    assert_eq!(next(&mut events).await, ("a", Verdict::Down));

    *server.takes.lock().unwrap() = Duration::from_secs(1000);
    monitor.check_now("a");
    settle(&monitor).await;
    assert_eq!(server.running.load(Ordering::SeqCst), 1);
    monitor.suspend("a");
    settle(&monitor).await;
    assert_eq!(server.cancelled.load(Ordering::SeqCst), 1);
    monitor.resume("a");
    monitor.check_now("a");
    settle(&monitor).await;
    assert_eq!(server.running.load(Ordering::SeqCst), 1);
    monitor.remove("a");
    settle(&monitor).await;
    assert_eq!(server.cancelled.load(Ordering::SeqCst), 2);
    assert_eq!(monitor.stats().await.running, 0);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_handle_cancels_everything() {
    let (fake, server) = Fake::new();
    *server.takes.lock().unwrap() = Duration::from_secs(1000);
    let (monitor, mut events) = Monitor::spawn(settings());
    monitor.set("a", Check::new(fake, policy()));
    settle(&monitor).await;
    drop(monitor);
    assert!(events.next().await.is_none());
    while server.cancelled.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_panics_hurts_nobody() {
    let (fake, server) = Fake::new();
    let (monitor, mut events) = Monitor::spawn(settings());
    server.panics.store(true, Ordering::SeqCst);
    monitor.set("a", Check::new(fake, policy()));
    let (other, _) = Fake::new();
    monitor.set("b", Check::new(other, policy()));
    assert_eq!(next(&mut events).await, ("b", Verdict::Up));
    let snapshot = monitor.snapshot().await;
    assert_eq!(snapshot[0].verdict, Verdict::Unknown { assumed_up: true });
    assert!(
        snapshot[0]
            .last_outcome
            .as_ref()
            .unwrap()
            .to_string()
            .contains("panicked")
    );
    server.panics.store(false, Ordering::SeqCst);
    assert_eq!(next(&mut events).await, ("a", Verdict::Up));
}

#[tokio::test(start_paused = true)]
async fn checks_can_be_fed_from_outside() {
    let (monitor, mut events) = Monitor::spawn(settings());
    monitor.set(
        "bfd",
        Check::fed(Policy {
            alpha: true,
            ..Policy::misc(LOOP)
        }),
    );
    let tell = |result: Result<Detail, Cause>| {
        monitor.report("bfd", Outcome::from_result(result, Duration::ZERO));
    };
    tell(Ok(Detail::Told("session up".into())));
    assert_eq!(next(&mut events).await, ("bfd", Verdict::Up));
    tell(Err(Cause::Told("session down".into())));
    assert_eq!(next(&mut events).await, ("bfd", Verdict::Down));
    tokio::time::sleep(LOOP * 3).await;
    assert_eq!(monitor.stats().await.started, 0);
}

#[tokio::test(start_paused = true)]
async fn a_new_weight_is_told_without_a_new_verdict() {
    let (fake, server) = Fake::new();
    *server.weight.lock().unwrap() = Some(Weight::Exact(5));
    let (monitor, mut events) = Monitor::spawn(settings());
    monitor.set("a", Check::new(fake, policy()));
    assert_eq!(next(&mut events).await, ("a", Verdict::Up));
    *server.weight.lock().unwrap() = Some(Weight::Exact(9));
    let Some(Event::Changed {
        from, to, weight, ..
    }) = events.next().await
    else {
        panic!()
    };
    assert_eq!(
        (from, to, weight),
        (Verdict::Up, Verdict::Up, Some(Weight::Exact(9)))
    );
}

#[tokio::test(start_paused = true)]
async fn every_failure_is_told_if_wanted() {
    let (fake, server) = Fake::new();
    let (monitor, mut events) = Monitor::spawn(settings());
    monitor.set(
        "a",
        Check::new(
            fake,
            Policy {
                log_all_failures: true,
                ..policy()
            },
        ),
    );
    assert_eq!(next(&mut events).await, ("a", Verdict::Up));
    server.down.store(true, Ordering::SeqCst);
    assert!(matches!(
        events.next().await,
        Some(Event::Failed {
            verdict: Verdict::Up,
            ..
        })
    ));
    assert_eq!(next(&mut events).await, ("a", Verdict::Down));
    assert!(matches!(
        events.next().await,
        Some(Event::Failed {
            verdict: Verdict::Down,
            ..
        })
    ));
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_gets_the_newest_state_of_every_check() {
    let settings = MonitorSettings {
        event_capacity: 1,
        ..settings()
    };
    let (monitor, mut events) = Monitor::spawn(settings);
    let mut servers = Vec::new();
    for id in 0..50_u32 {
        let (fake, server) = Fake::new();
        monitor.set(
            id,
            Check::new(
                fake,
                Policy {
                    retry: 0,
                    ..policy()
                },
            ),
        );
        servers.push(server);
    }
    // Many changes come while nobody reads.
    for round in 0..4 {
        for server in &servers {
            server.down.store(round % 2 == 0, Ordering::SeqCst);
        }
        tokio::time::sleep(LOOP).await;
    }
    for server in &servers {
        server.down.store(true, Ordering::SeqCst);
    }
    tokio::time::sleep(LOOP).await;
    let mut last = BTreeMap::new();
    while last.len() < 50 || last.values().any(|verdict| *verdict != Verdict::Down) {
        let Some(Event::Changed { id, to, .. }) = events.next().await else {
            panic!()
        };
        last.insert(id, to);
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_that_is_removed_while_it_waits_gives_its_turn_away() {
    let settings = MonitorSettings {
        per_host: 1,
        ..settings()
    };
    let (monitor, mut events) = Monitor::spawn(settings);
    let slow = Policy {
        warmup: Some(Duration::ZERO),
        ..Policy::new(Duration::from_secs(1000))
    };
    for id in ["runs", "goes", "waits"] {
        let (mut fake, server) = Fake::new();
        fake.host = Some([10, 0, 0, 1].into());
        *server.takes.lock().unwrap() = Duration::from_secs(1);
        monitor.set(id, Check::new(fake, slow.clone()));
        settle(&monitor).await;
    }
    monitor.remove("goes");
    assert_eq!(next(&mut events).await, ("runs", Verdict::Up));
    let begin = Instant::now();
    assert_eq!(next(&mut events).await, ("waits", Verdict::Up));
    assert_eq!(begin.elapsed(), Duration::from_secs(1));
}
