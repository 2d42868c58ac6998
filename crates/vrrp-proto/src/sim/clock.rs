//! A clock that does not go at the right rate.

use crate::time::Instant;

/// The relation between true time and what a node's clock shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    offset: u64,
    /// Microseconds of the clock in a true second.
    rate: u64,
}

impl Clock {
    pub(super) fn new(offset: u64, ppm: i64) -> Self {
        let rate = 1_000_000 + ppm.clamp(-500_000, 500_000);
        Self {
            offset,
            rate: rate.unsigned_abs(),
        }
    }

    /// What the clock shows at true time `at`.
    pub(super) const fn shows(&self, at: u64) -> Instant {
        let (seconds, rest) = (at / 1_000_000, at % 1_000_000);
        Instant::from_micros(self.offset + seconds * self.rate + rest * self.rate / 1_000_000)
    }

    /// The first true time at which the clock shows at least `shown`.
    pub(super) const fn reaches(&self, shown: Instant) -> u64 {
        let run = shown.as_micros().saturating_sub(self.offset);
        let (seconds, rest) = (run / self.rate, run % self.rate);
        seconds * 1_000_000 + (rest * 1_000_000).div_ceil(self.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reaching_is_the_inverse_of_showing() {
        for ppm in [-5_000, -1, 0, 1, 333, 5_000] {
            let clock = Clock::new(77, ppm);
            for at in [0, 1, 999_999, 1_000_000, 123_456_789] {
                let shown = clock.shows(at);
                let reached = clock.reaches(shown);
                assert!(clock.shows(reached) >= shown);
                assert!(reached <= at, "{ppm} {at}");
                assert!(reached == 0 || clock.shows(reached - 1) < shown);
            }
        }
    }
}
