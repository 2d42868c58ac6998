//! `vrrp_script`: programs run at an interval whose exit status changes a priority or a state.

use super::{Ended, Program, run};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

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

/// The result of a script has changed, or is known for the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    /// Which script.
    pub(crate) name: String,
    /// Good or bad.
    pub(crate) good: bool,
    /// What the deciding run did, such as `exit status 1`.
    pub(crate) reason: String,
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

/// The running tracking scripts.
#[derive(Debug)]
pub(crate) struct Trackers {
    running: BTreeMap<String, (TrackScript, JoinHandle<()>)>,
    reports: mpsc::Sender<Report>,
}

impl Trackers {
    /// Reports go to `reports`.
    pub(crate) const fn new(reports: mpsc::Sender<Report>) -> Self {
        Self {
            running: BTreeMap::new(),
            reports,
        }
    }

    /// Runs exactly `wished`. Scripts that are unchanged keep running and keep their counts.
    pub(crate) fn replace(&mut self, wished: Vec<TrackScript>) {
        let mut before = std::mem::take(&mut self.running);
        for script in wished {
            let name = script.name.clone();
            let entry = match before.remove(&name) {
                Some((same, task)) if same == script => (same, task),
                other => {
                    if let Some((_, task)) = other {
                        task.abort();
                    }
                    let task = tokio::spawn(repeat(script.clone(), self.reports.clone()));
                    (script, task)
                }
            };
            self.running.insert(name, entry);
        }
        for (_, task) in before.into_values() {
            task.abort();
        }
    }

    /// Ends all of them and what they have started.
    pub(crate) async fn stop(&mut self) {
        for (_, task) in std::mem::take(&mut self.running).into_values() {
            task.abort();
            // Only to be sure that the process group has been killed.
            drop(task.await);
        }
    }
}

async fn repeat(script: TrackScript, reports: mpsc::Sender<Report>) {
    let mut counter = Counter::new(script.rise, script.fall);
    let mut ticks = interval_at(
        Instant::now(),
        script.interval.max(Duration::from_millis(1)),
    );
    // A run that takes longer than the interval skips the runs it covers.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let ended = run(&script.program, &[], script.timeout).await;
        if let Ended::NotStarted(error) = &ended {
            tracing::debug!(script = script.name, %error, "tracking script cannot be started");
        }
        if let Some(good) = counter.observe(ended.success()) {
            let report = Report {
                name: script.name.clone(),
                good,
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

    #[tokio::test]
    async fn a_changed_result_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let flag = folder.path().join("flag");
        let arguments = ["/usr/bin/test", "-e", flag.to_str().unwrap()]
            .map(str::to_owned)
            .to_vec();
        let script = TrackScript {
            name: "flag".to_owned(),
            program: Program {
                arguments,
                identity: None,
            },
            interval: Duration::from_millis(20),
            timeout: Duration::from_secs(10),
            rise: 1,
            fall: 1,
        };
        let (send, mut reports) = mpsc::channel(8);
        let mut trackers = Trackers::new(send);
        trackers.replace(vec![script.clone()]);
        let first = reports.recv().await.unwrap();
        assert_eq!(
            (first.good, first.reason.as_str()),
            (false, "exit status 1")
        );
        std::fs::write(&flag, "").unwrap();
        assert!(reports.recv().await.unwrap().good);
        // The same script again does not start anew: its state is known, so nothing is reported until it changes.
        trackers.replace(vec![script]);
        std::fs::remove_file(&flag).unwrap();
        assert!(!reports.recv().await.unwrap().good);
        trackers.stop().await;
    }
}
