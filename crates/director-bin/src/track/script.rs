//! `vrrp_script`: programs run at an interval whose exit status changes a priority or a state.

use super::Report;
use crate::script::{Ended, Given, Program, run};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use vrrp_net::TrackerState;

/// A tracking script of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TrackScript {
    /// The name of the `vrrp_script` block.
    pub(crate) name: String,
    /// What to run.
    pub(crate) program: Program,
    /// From the start of one run to the start of the next.
    pub(crate) interval: Duration,
    /// How long one run may take.
    pub(crate) timeout: Duration,
    /// Successes in a row until it counts as good.
    pub(crate) rise: u32,
    /// Failures in a row until it counts as bad.
    pub(crate) fall: u32,
}

/// Counts results in a row. The first result decides at once; afterwards it takes `rise` or `fall` of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counter {
    rise: u32,
    fall: u32,
    good: Option<bool>,
    against: u32,
}

impl Counter {
    const fn new(rise: u32, fall: u32) -> Self {
        Self {
            rise,
            fall,
            good: None,
            against: 0,
        }
    }

    /// Takes one result; `Some` if the judgement changes.
    const fn observe(&mut self, good: bool) -> Option<bool> {
        match self.good {
            None => {}
            Some(now) if now == good => {
                self.against = 0;
                return None;
            }
            Some(_) => {
                self.against = self.against.saturating_add(1);
                if self.against < if good { self.rise } else { self.fall } {
                    return None;
                }
            }
        }
        self.good = Some(good);
        self.against = 0;
        Some(good)
    }
}

/// Runs the script at its interval and reports changes, until nobody listens.
pub(super) async fn repeat(script: TrackScript, reports: mpsc::Sender<Report>) {
    let mut counter = Counter::new(script.rise, script.fall);
    let mut ticks = interval_at(
        Instant::now(),
        script.interval.max(Duration::from_millis(1)),
    );
    // A run that takes longer than the interval skips the runs it covers.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let ended = run(&script.program, &Given::default(), script.timeout).await;
        if let Ended::NotStarted(error) = &ended {
            tracing::debug!(script = script.name, %error, "tracking script cannot be started");
        }
        if let Some(good) = counter.observe(ended.success()) {
            let report = Report {
                kind: "vrrp_script",
                name: script.name.clone(),
                state: if good {
                    TrackerState::Up
                } else {
                    TrackerState::Down
                },
                reason: ended.to_string(),
            };
            if reports.send(report).await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_result_decides_then_rise_and_fall_count() {
        let mut counter = Counter::new(2, 3);
        assert_eq!(counter.observe(true), Some(true));
        assert_eq!(counter.observe(false), None);
        assert_eq!(counter.observe(false), None);
        assert_eq!(
            counter.observe(true),
            None,
            "a success in between starts the count again"
        );
        assert_eq!(
            [
                counter.observe(false),
                counter.observe(false),
                counter.observe(false)
            ],
            [None, None, Some(false)]
        );
        assert_eq!(
            [counter.observe(true), counter.observe(true)],
            [None, Some(true)]
        );
        assert_eq!(Counter::new(5, 5).observe(false), Some(false));
    }
}
