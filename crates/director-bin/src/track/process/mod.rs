//! `vrrp_track_process`: how many processes of a kind run.
//!
//! The kernel tells about forks, executions and ends (process events over the netlink connector) where it lets us; everything
//! is looked through again now and then, and often where it does not: inside containers and network namespaces.

mod count;
mod events;
mod pattern;
mod sys;
mod table;

pub(crate) use pattern::{Parameters, Pattern};

use super::Report;
use count::Counter;
use events::{Happened, ProcessEvents};
use std::time::{Duration, Instant};
use table::Table;
use tokio::sync::mpsc;
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
}

/// The name of a process tracker for the VRRP engine, where scripts have names too.
pub(crate) fn process_tracker(name: &str) -> String {
    format!("process {name}")
}

/// Watches the processes of all these trackers and reports changes, until nobody listens.
pub(super) async fn watch(trackers: Vec<TrackProcess>, reports: mpsc::Sender<Report>) {
    let events = match ProcessEvents::subscribe().await {
        Ok(events) => Some(events),
        Err(error) => {
            tracing::debug!(%error, "the kernel does not tell about processes here, they are looked through every {} ms: {error}", OFTEN.as_millis());
            None
        }
    };
    let mut watch = Watch {
        table: Table::new(
            trackers
                .iter()
                .map(|tracker| tracker.pattern.clone())
                .collect(),
        ),
        counters: trackers.iter().map(Counter::new).collect(),
        trackers,
    };
    let interval = if events.is_some() { SELDOM } else { OFTEN };
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let due = watch.due();
        let look = tokio::select! {
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
            () = until(due) => false,
        };
        if look {
            watch.table.look_at_all().await;
        }
        for report in watch.judge(Instant::now()) {
            if reports.send(report).await.is_err() {
                return;
            }
        }
    }
}

struct Watch {
    trackers: Vec<TrackProcess>,
    counters: Vec<Counter>,
    table: Table,
}

impl Watch {
    /// When a state has held long enough.
    fn due(&self) -> Option<Instant> {
        self.counters.iter().filter_map(Counter::poll_timeout).min()
    }

    fn judge(&mut self, now: Instant) -> Vec<Report> {
        let mut reports = Vec::new();
        let all = self.trackers.iter().zip(&mut self.counters);
        for (index, (tracker, counter)) in all.enumerate() {
            let count = self.table.count(index);
            if let Some(good) = counter.observe(now, count) {
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
        }
        reports
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
