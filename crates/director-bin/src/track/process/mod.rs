//! `vrrp_track_process`: how many processes of a kind run.
//!
//! The kernel tells about forks, executions and ends (process events over the netlink connector) where it lets us; everything
//! is looked through again now and then, and often where it does not: inside containers and network namespaces.

mod count;
mod events;
mod pattern;
mod sys;
mod table;

pub(crate) use count::{Cause, Tally};
pub(crate) use pattern::{Parameters, Pattern};

use super::Report;
use count::Counter;
use events::{Happened, ProcessEvents};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use table::Table;
use tokio::sync::{mpsc, watch};
use vrrp_net::TrackerState;

/// Between two looks at all processes while the kernel tells what happens: only in case something was missed.
const SELDOM: Duration = Duration::from_secs(10);
/// The same while it does not.
const OFTEN: Duration = Duration::from_millis(500);

/// A process tracker of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TrackProcess {
    /// The name of the `vrrp_track_process` block.
    pub(crate) name: String,
    /// Which processes count.
    pub(crate) pattern: Pattern,
    /// Fewest of them.
    pub(crate) quorum: u32,
    /// Most of them; `None` is unlimited.
    pub(crate) quorum_max: Option<u32>,
    /// How long a state has to hold that came with a new process.
    pub(crate) fork_delay: Duration,
    /// How long a state has to hold that came with the end of one.
    pub(crate) terminate_delay: Duration,
    /// An instance or group depends on it. If not, it is only counted, for those who ask.
    pub(crate) tracked: bool,
}

/// The name of a process tracker for the VRRP engine, where scripts have names too.
pub(crate) fn process_tracker(name: &str) -> String {
    format!("process {name}")
}

/// Where each tracker stands, by name.
pub(super) type Tallies = BTreeMap<String, Tally>;

/// Watches the processes of all these trackers and reports changes, until nobody listens. `tallies` follows them. With each list
/// of `wishes` they are others; what is the same in it goes on and keeps its counts.
pub(super) async fn watch(
    trackers: Vec<TrackProcess>,
    mut wishes: mpsc::UnboundedReceiver<Vec<TrackProcess>>,
    tallies: watch::Sender<Tallies>,
    reports: mpsc::Sender<Report>,
) {
    let events = match ProcessEvents::subscribe().await {
        Ok(events) => Some(events),
        Err(error) => {
            tracing::debug!(%error, "the kernel does not tell about processes here, they are looked through every {} ms: {error}", OFTEN.as_millis());
            None
        }
    };
    let mut watch = Watch::default();
    watch.change(&trackers);
    let interval = if events.is_some() { SELDOM } else { OFTEN };
    let first = tokio::time::Instant::now() + interval;
    let mut ticks = tokio::time::interval_at(first, interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut look = true;
    loop {
        if look {
            watch.table.look_at_all().await;
        }
        let changed = watch.judge(Instant::now());
        tallies.send_if_modified(|known| watch.tell(known));
        for report in changed {
            if reports.send(report).await.is_err() {
                return;
            }
        }
        let due = watch.due();
        look = tokio::select! {
            _ = ticks.tick() => true,
            happened = next(events.as_ref()) => match happened {
                Happened::Process(pid) => {
                    watch.table.look_at(pid);
                    false
                }
                Happened::Ended(pid) => {
                    watch.table.forget(pid);
                    false
                }
                Happened::Missed => true,
            },
            wished = wishes.recv() => {
                let Some(trackers) = wished else {
                    return;
                };
                watch.change(&trackers);
                true
            }
            () = until(due) => false,
        };
    }
}

/// A tracker and what is known of it.
#[derive(Debug, Clone)]
struct Watching {
    tracker: TrackProcess,
    counter: Counter,
    /// What was reported last.
    told: Option<bool>,
}

impl Watching {
    fn new(tracker: &TrackProcess) -> Self {
        Self {
            counter: Counter::new(tracker),
            tracker: tracker.clone(),
            told: None,
        }
    }

    /// The same for `tracker`, if that counts as this one does; somebody may depend on it now, or nobody any more.
    fn for_tracker(&self, tracker: &TrackProcess) -> Option<Self> {
        let before = TrackProcess {
            tracked: tracker.tracked,
            ..self.tracker.clone()
        };
        (before == *tracker).then(|| Self {
            tracker: before,
            counter: self.counter.clone(),
            told: self.told.filter(|_| tracker.tracked),
        })
    }
}

#[derive(Default)]
struct Watch {
    all: Vec<Watching>,
    table: Table,
}

impl Watch {
    /// Watches these from now on. All processes are to be looked at then.
    fn change(&mut self, trackers: &[TrackProcess]) {
        let watching = trackers.iter().map(|tracker| {
            let mut known = self.all.iter();
            let known = known.find_map(|known| known.for_tracker(tracker));
            known.unwrap_or_else(|| Watching::new(tracker))
        });
        self.all = watching.collect();
        let patterns = trackers.iter().map(|tracker| tracker.pattern.clone());
        self.table = Table::new(patterns.collect());
    }

    /// When a state has held long enough.
    fn due(&self) -> Option<Instant> {
        let dues = self.all.iter().map(|watching| &watching.counter);
        dues.filter_map(Counter::poll_timeout).min()
    }

    fn judge(&mut self, now: Instant) -> Vec<Report> {
        let mut reports = Vec::new();
        for (index, watching) in self.all.iter_mut().enumerate() {
            let (tracker, count) = (&watching.tracker, self.table.count(index));
            watching.counter.observe(now, count);
            let good = watching.counter.tally().good;
            if !tracker.tracked || watching.told == Some(good) {
                continue;
            }
            watching.told = Some(good);
            let processes = if count == 1 { "process" } else { "processes" };
            reports.push(Report {
                kind: "vrrp_track_process",
                name: process_tracker(&tracker.name),
                state: if good {
                    TrackerState::Up
                } else {
                    TrackerState::Down
                },
                reason: format!("{count} {processes} of `{}`", tracker.pattern),
            });
        }
        reports
    }

    /// Puts down where they stand; true if that is another place than `known`.
    fn tell(&self, known: &mut Tallies) -> bool {
        let tally = |watching: &Watching| watching.counter.tally();
        let all = self.all.iter();
        let now: Tallies = all
            .map(|watching| (watching.tracker.name.clone(), tally(watching)))
            .collect();
        let differs = now != *known;
        *known = now;
        differs
    }
}

async fn next(events: Option<&ProcessEvents>) -> Happened {
    match events {
        Some(events) => events.next().await,
        None => std::future::pending().await,
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
