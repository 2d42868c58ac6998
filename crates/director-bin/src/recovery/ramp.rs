//! A weight that grows.

use std::time::{Duration, Instant};

/// Steps from nothing to the full weight.
const STEPS: u32 = 20;

/// The way of one server back to its full weight.
#[derive(Debug, Clone)]
pub(super) struct Ramp {
    duration: Duration,
    began: Instant,
    next: Instant,
    over: bool,
}

impl Ramp {
    pub(super) fn new(duration: Duration, now: Instant) -> Self {
        let mut ramp = Self {
            duration: duration.max(Duration::from_millis(1)),
            began: now,
            next: now,
            over: false,
        };
        ramp.pass(now);
        ramp
    }

    /// The same share of the way in another time.
    pub(super) fn follow(&mut self, duration: Duration, now: Instant) {
        let steps = u32::from(self.share(now)) * STEPS / 100;
        *self = Self::new(duration, now);
        let passed = self.step().saturating_mul(steps.saturating_sub(1));
        self.began = now.checked_sub(passed).unwrap_or(now);
    }

    fn step(&self) -> Duration {
        (self.duration / STEPS).max(Duration::from_millis(1))
    }

    /// Share of the weight in per cent, 5 to 100.
    pub(super) fn share(&self, now: Instant) -> u8 {
        let steps = now.saturating_duration_since(self.began).as_nanos() / self.step().as_nanos();
        let steps = u32::try_from(steps).unwrap_or(STEPS).saturating_add(1);
        u8::try_from(steps.min(STEPS) * 100 / STEPS).unwrap_or(100)
    }

    pub(super) const fn next(&self) -> Instant {
        self.next
    }

    pub(super) fn pass(&mut self, now: Instant) {
        self.over = self.share(now) == 100;
        self.next = now + self.step();
    }

    pub(super) const fn is_over(&self) -> bool {
        self.over
    }
}
