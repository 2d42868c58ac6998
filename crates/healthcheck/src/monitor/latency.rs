//! How long attempts took.

use std::time::Duration;

/// Number of buckets: one for each bound, and one above the last.
const BUCKETS: usize = Latency::BOUNDS.len() + 1;

/// Counts of attempts by how long they took, successful or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Latency {
    counts: [u32; BUCKETS],
    sum: Duration,
}

impl Latency {
    /// Upper bounds of the buckets in seconds, ascending; what took longer than the last is in one
    /// more bucket.
    pub const BOUNDS: [f64; 11] = [
        0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
    ];

    pub(super) fn observe(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = Self::BOUNDS.partition_point(|bound| *bound < seconds);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count = count.saturating_add(1);
        }
        self.sum = self.sum.saturating_add(took);
    }

    /// Attempts in each bucket, not cumulative; one more than [`BOUNDS`](Self::BOUNDS).
    #[must_use]
    pub const fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// All durations together.
    #[must_use]
    pub const fn sum(&self) -> Duration {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let mut latency = Latency::default();
        for micros in [0, 1_000, 1_001, 6_000_000] {
            latency.observe(Duration::from_micros(micros));
        }
        assert_eq!(latency.counts()[..2], [2, 1]);
        assert_eq!(latency.counts().last(), Some(&1));
        assert_eq!(latency.sum(), Duration::from_micros(6_002_001));
    }
}
