//! When a number of processes counts as good. Pure: the time is given.

use super::TrackProcess;
use std::time::{Duration, Instant};

/// Judges the number of processes of one tracker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counter {
    quorum: u32,
    quorum_max: u32,
    fork_delay: Duration,
    terminate_delay: Duration,
    count: u32,
    /// What was said last.
    said: Option<bool>,
    /// When the contrary is said, if it holds until then.
    due: Option<Instant>,
}

impl Counter {
    pub(super) fn new(tracker: &TrackProcess) -> Self {
        Self {
            quorum: tracker.quorum,
            quorum_max: tracker.quorum_max.unwrap_or(u32::MAX),
            fork_delay: tracker.fork_delay,
            terminate_delay: tracker.terminate_delay,
            count: 0,
            said: None,
            due: None,
        }
    }

    /// Takes the number as it is now; `Some` if the judgement changes. The first one is given at once, others when they have
    /// held for the delay of what brought them about: a new process or the end of one.
    pub(super) fn observe(&mut self, now: Instant, count: u32) -> Option<bool> {
        let good = (self.quorum..=self.quorum_max).contains(&count);
        let before = std::mem::replace(&mut self.count, count);
        let delay = if count >= before {
            self.fork_delay
        } else {
            self.terminate_delay
        };
        if self.said.is_none() {
            self.said = Some(good);
            return Some(good);
        }
        if self.said == Some(good) {
            self.due = None;
            return None;
        }
        let due = *self.due.get_or_insert(now + delay);
        if now < due {
            return None;
        }
        self.due = None;
        self.said = Some(good);
        Some(good)
    }

    /// When [`observe`](Self::observe) is to be called again with the same number.
    pub(super) const fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::super::Pattern;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn counter(quorum: u32, quorum_max: Option<u32>) -> Counter {
        Counter::new(&TrackProcess {
            name: "p".to_owned(),
            pattern: Pattern::named("p"),
            quorum,
            quorum_max,
            fork_delay: 2 * SECOND,
            terminate_delay: 5 * SECOND,
        })
    }

    #[test]
    fn a_state_has_to_hold() {
        let start = Instant::now();
        let mut counter = counter(2, None);
        assert_eq!(counter.observe(start, 1), Some(false), "the first at once");
        assert_eq!(counter.observe(start, 2), None);
        assert_eq!(counter.poll_timeout(), Some(start + 2 * SECOND));
        assert_eq!(counter.observe(start + SECOND, 3), None);
        assert_eq!(counter.observe(start + 2 * SECOND, 3), Some(true));
        assert_eq!(counter.poll_timeout(), None);
        assert_eq!(counter.observe(start + 3 * SECOND, 1), None);
        assert_eq!(counter.observe(start + 4 * SECOND, 2), None, "back in time");
        assert_eq!(counter.poll_timeout(), None);
        assert_eq!(counter.observe(start + 5 * SECOND, 0), None);
        assert_eq!(counter.observe(start + 10 * SECOND, 0), Some(false));
    }

    #[test]
    fn too_many_are_as_bad_as_too_few() {
        let now = Instant::now();
        let mut none_may_run = counter(0, Some(0));
        assert_eq!(none_may_run.observe(now, 0), Some(true));
        assert_eq!(none_may_run.observe(now, 1), None);
        assert_eq!(none_may_run.observe(now + 2 * SECOND, 1), Some(false));
        assert_eq!(none_may_run.observe(now + 3 * SECOND, 0), None);
        assert_eq!(none_may_run.observe(now + 8 * SECOND, 0), Some(true));
    }
}
