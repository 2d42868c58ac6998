//! Counting failures, with a count that halves with time.

use std::time::{Duration, Instant};

/// How many failures are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Damping {
    /// The count of failures halves in this time.
    pub(crate) half_life: Duration,
    /// A count above this holds the server down.
    pub(crate) limit: u32,
}

/// The failures of one server.
#[derive(Debug, Clone)]
pub(super) struct Failures {
    damping: Damping,
    count: f64,
    at: Instant,
    /// Held down until then.
    until: Option<Instant>,
}

impl Failures {
    pub(super) const fn none(damping: Damping, now: Instant) -> Self {
        Self {
            damping,
            count: 0.0,
            at: now,
            until: None,
        }
    }

    /// One more.
    pub(super) fn add(&mut self, now: Instant) {
        self.count = self.count(now) + 1.0;
        self.at = now;
        let limit = f64::from(self.damping.limit);
        if self.count > limit {
            self.until = Some(now + self.time_until(limit / 2.0));
        }
    }

    /// Other rules hold from now on. What has happened stays; who is held down is so for as long as the new rules say.
    pub(super) fn follow(&mut self, damping: Damping, now: Instant) {
        self.count = self.count(now);
        self.at = now;
        self.damping = damping;
        if self.until.is_some() {
            let left = self.time_until(f64::from(damping.limit) / 2.0);
            self.until = (!left.is_zero()).then(|| now + left);
        }
    }

    /// Held down no longer, though the failures are not forgotten; false if it was not held down.
    pub(super) const fn let_up(&mut self) -> bool {
        self.until.take().is_some()
    }

    fn count(&self, now: Instant) -> f64 {
        let half_lives = now.saturating_duration_since(self.at).as_secs_f64()
            / self.damping.half_life.as_secs_f64().max(0.001);
        self.count * (-half_lives).exp2()
    }

    /// Time from the last failure until the count is down to this.
    fn time_until(&self, goal: f64) -> Duration {
        let half_lives = (self.count / goal).log2().clamp(0.0, 64.0);
        let seconds = half_lives * self.damping.half_life.as_secs_f64();
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }

    /// Why the server is held down, if it is.
    pub(super) fn held(&self) -> Option<String> {
        let time = self.until?.saturating_duration_since(self.at);
        Some(format!(
            "flap_damping holds it down for {:.0} s after {:.0} failures in short time",
            time.as_secs_f64().ceil(),
            self.count.ceil()
        ))
    }

    /// The next time at which something ends.
    pub(super) fn next(&self) -> Instant {
        self.until
            .unwrap_or_else(|| self.at + self.time_until(FORGOTTEN))
    }

    pub(super) fn pass(&mut self, now: Instant) {
        self.until.take_if(|until| *until <= now);
    }

    /// True if so little is left of the count that it does not matter.
    pub(super) fn is_forgotten(&self, now: Instant) -> bool {
        self.until.is_none() && self.count(now) <= FORGOTTEN * 1.01
    }
}

/// A count that no longer matters.
const FORGOTTEN: f64 = 0.05;
