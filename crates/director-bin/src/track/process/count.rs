//! When a number of processes counts as good. Pure: the time is given.

use super::TrackProcess;
use std::time::{Duration, Instant};

/// Where a process tracker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tally {
    /// Processes that match.
    pub(crate) processes: u32,
    /// Whether that counts as good; false before the first look.
    pub(crate) good: bool,
    /// What holds the contrary up until its delay has passed.
    pub(crate) held_up_by: Option<Cause>,
}

/// What changes a number of processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A new process; the state that comes with it waits for `fork_delay`.
    Fork,
    /// The end of a process; the state that comes with it waits for `terminate_delay`.
    Termination,
}

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
    /// When the contrary is said, if it holds until then, and what has brought it about.
    due: Option<(Instant, Cause)>,
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
        let (delay, cause) = if count >= before {
            (self.fork_delay, Cause::Fork)
        } else {
            (self.terminate_delay, Cause::Termination)
        };
        if self.said.is_none() {
            self.said = Some(good);
            return Some(good);
        }
        if self.said == Some(good) {
            self.due = None;
            return None;
        }
        let (due, _) = *self.due.get_or_insert((now + delay, cause));
        if now < due {
            return None;
        }
        self.due = None;
        self.said = Some(good);
        Some(good)
    }

    /// When [`observe`](Self::observe) is to be called again with the same number.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.due.map(|(due, _)| due)
    }

    /// Where it stands.
    pub(super) fn tally(&self) -> Tally {
        Tally {
            processes: self.count,
            good: self.said.unwrap_or(false),
            held_up_by: self.due.map(|(_, cause)| cause),
        }
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
            tracked: true,
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

    #[test]
    fn the_tally_tells_which_delay_runs() {
        let start = Instant::now();
        let mut counter = counter(2, None);
        let tally = |processes, good, held_up_by| Tally {
            processes,
            good,
            held_up_by,
        };
        assert_eq!(counter.tally(), Tally::default());
        counter.observe(start, 1);
        assert_eq!(counter.tally(), tally(1, false, None));
        counter.observe(start, 2);
        assert_eq!(counter.tally(), tally(2, false, Some(Cause::Fork)));
        counter.observe(start + 2 * SECOND, 2);
        assert_eq!(counter.tally(), tally(2, true, None));
        counter.observe(start + 3 * SECOND, 1);
        assert_eq!(counter.tally(), tally(1, true, Some(Cause::Termination)));
        counter.observe(start + 4 * SECOND, 0);
        assert_eq!(counter.tally(), tally(0, true, Some(Cause::Termination)));
        counter.observe(start + 8 * SECOND, 0);
        assert_eq!(counter.tally(), tally(0, false, None));
    }
}
