//! Random commands to a monitor, on a clock that the test holds. Whatever the order, what the
//! events told is what the monitor knows in the end, limits hold, and nothing is left running.
//!
//! `SEED=n` repeats the run that a failure names.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use healthcheck::{
    Attempt, Cause, Check, Detail, Event, Events, Monitor, MonitorSettings, Outcome, Policy, Probe,
    ProbeKey, Verdict,
};

const LIMIT: usize = 5;
const PER_HOST: usize = 2;

/// Attempts that run now: on each of four hosts, and in all.
#[derive(Debug, Default)]
struct Load {
    running: [AtomicUsize; 5],
    /// A limit was passed. A panic would only make the attempt inconclusive.
    exceeded: AtomicBool,
}

#[derive(Debug)]
struct Busy<'a>(&'a Load, usize);

impl<'a> Busy<'a> {
    fn new(load: &'a Load, host: usize) -> Self {
        for (place, limit) in [(4, LIMIT), (host, PER_HOST)] {
            if load.running[place].fetch_add(1, Ordering::SeqCst) >= limit {
                load.exceeded.store(true, Ordering::SeqCst);
            }
        }
        Self(load, host)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        for place in [4, self.1] {
            self.0.running[place].fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// Is up or down by the time of day, and takes its time.
#[derive(Debug)]
struct Moody {
    key: u64,
    load: Arc<Load>,
    begin: tokio::time::Instant,
}

impl Moody {
    fn host_number(&self) -> usize {
        usize::try_from(self.key % 4).unwrap()
    }
}

impl Probe for Moody {
    fn run(&self) -> Attempt<'_> {
        Box::pin(async move {
            let _busy = Busy::new(&self.load, self.host_number());
            let took = Duration::from_millis(self.key * 37 % 900);
            tokio::time::sleep(took).await;
            let mood = (self.begin.elapsed().as_secs() / 7 + self.key) % 3;
            let result = if mood == 0 {
                Err(Cause::Told("moody".into()))
            } else {
                Ok(Detail::Connected)
            };
            Outcome::from_result(result, took)
        })
    }

    fn key(&self) -> Option<ProbeKey> {
        (!self.key.is_multiple_of(5)).then(|| ProbeKey::new(self.key))
    }

    fn host(&self) -> Option<IpAddr> {
        Some([10, 0, 0, u8::try_from(self.host_number()).unwrap()].into())
    }
}

/// The splitmix64 generator.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

fn drain(events: &mut Events<u64>, told: &mut BTreeMap<u64, Verdict>) {
    while let Some(event) = events.try_next() {
        if let Event::Changed { id, from, to, .. } = event {
            if let Some(before) = told.get(&id) {
                assert_eq!(*before, from, "check {id} changes from what was told");
            }
            told.insert(id, to);
        }
    }
}

async fn simulate(seed: u64) {
    let mut random = Random(seed);
    let load = Arc::new(Load::default());
    let begin = tokio::time::Instant::now();
    let (monitor, mut events) = Monitor::spawn(MonitorSettings {
        concurrency: LIMIT,
        per_host: PER_HOST,
        event_capacity: 4,
        seed: Some(seed),
        ..MonitorSettings::default()
    });
    let mut told = BTreeMap::new();
    let mut names = BTreeSet::new();
    for _ in 0..300 {
        let id = random.below(12);
        match random.below(10) {
            0..=3 => {
                let key = random.below(8);
                let probe = Moody {
                    key,
                    load: Arc::clone(&load),
                    begin,
                };
                let policy = Policy {
                    retry: u32::try_from(random.below(2)).unwrap(),
                    ..Policy::new(Duration::from_secs(2))
                };
                monitor.set(id, Check::new(probe, policy));
                names.insert(id);
            }
            4 => {
                monitor.remove(id);
                names.remove(&id);
                // Events on their way still come; afterwards the name is free again.
                monitor.stats().await;
                drain(&mut events, &mut told);
                monitor.stats().await;
                drain(&mut events, &mut told);
                told.remove(&id);
            }
            5 => monitor.suspend(id),
            6 => monitor.resume(id),
            7 => monitor.check_now(id),
            _ => tokio::time::sleep(Duration::from_millis(random.below(3000))).await,
        }
        drain(&mut events, &mut told);
    }
    // Everybody gets his turn, and what was told is what is known.
    for id in 0..12 {
        monitor.resume(id);
    }
    tokio::time::sleep(Duration::from_secs(20)).await;
    for _ in 0..20 {
        monitor.stats().await;
        drain(&mut events, &mut told);
    }
    let snapshot = monitor.snapshot().await;
    assert_eq!(snapshot.len(), names.len());
    for check in snapshot {
        assert!(check.attempts > 0, "check {} was never made", check.id);
        assert_eq!(
            told.get(&check.id),
            Some(&check.verdict),
            "check {}",
            check.id
        );
    }
    // At rest nothing runs and nothing waits.
    for id in 0..12 {
        monitor.suspend(id);
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    let stats = monitor.stats().await;
    assert_eq!((stats.running, stats.waiting), (0, 0));
    assert_eq!(load.running[4].load(Ordering::SeqCst), 0);
    for id in 0..12 {
        monitor.remove(id);
    }
    assert_eq!(monitor.stats().await.checks, 0);
    assert!(!load.exceeded.load(Ordering::SeqCst), "a limit was passed");
}

#[test]
fn whatever_the_order_of_commands() {
    let seeds = match std::env::var("SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..40).collect::<Vec<u64>>(),
    };
    for seed in seeds {
        let run = std::panic::AssertUnwindSafe(|| {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .start_paused(true)
                .build()
                .unwrap()
                .block_on(simulate(seed));
        });
        assert!(
            std::panic::catch_unwind(run).is_ok(),
            "repeat with SEED={seed}"
        );
    }
}
