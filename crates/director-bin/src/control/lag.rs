//! How late the main loop is: a timer that is due twice a second, and when it is served.

use director_control::snapshot::{Histogram, Lag};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Time between measurements.
pub(crate) const BEAT: Duration = Duration::from_millis(500);

/// Measurements of the last minute.
const MINUTE: usize = 120;

/// Upper bounds of the buckets, in seconds.
const BOUNDS: [f64; 10] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0];

/// Collects measurements.
#[derive(Debug, Default)]
pub(crate) struct LagMeter {
    lag: Lag,
    minute: VecDeque<f64>,
}

impl LagMeter {
    /// A timer that was due at `due` is served at `now`.
    pub(crate) fn observe(&mut self, due: Instant, now: Instant) {
        let late = now.saturating_duration_since(due).as_secs_f64();
        self.lag.last_seconds = late;
        self.lag.worst_seconds = self.lag.worst_seconds.max(late);
        if self.minute.len() >= MINUTE {
            self.minute.pop_front();
        }
        self.minute.push_back(late);
        observe(&mut self.lag.histogram, &BOUNDS, late);
    }

    /// What has been measured.
    pub(crate) fn lag(&self) -> Lag {
        Lag {
            worst_minute_seconds: self.minute.iter().copied().fold(0.0, f64::max),
            ..self.lag.clone()
        }
    }
}

/// Counts a value in a histogram, which gets its buckets with the first one.
pub(crate) fn observe(histogram: &mut Histogram, bounds: &[f64], value: f64) {
    if histogram.counts.is_empty() {
        histogram.bounds = bounds.to_vec();
        histogram.counts = vec![0; bounds.len() + 1];
    }
    let bucket = histogram.bounds.partition_point(|bound| *bound < value);
    if let Some(count) = histogram.counts.get_mut(bucket) {
        *count = count.saturating_add(1);
    }
    histogram.sum_seconds += value;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_the_last_minute_is_forgotten_after_it() {
        let mut meter = LagMeter::default();
        let start = Instant::now();
        meter.observe(start, start + Duration::from_millis(200));
        for _ in 0..MINUTE {
            meter.observe(start, start);
        }
        let lag = meter.lag();
        assert_eq!((lag.worst_minute_seconds, lag.worst_seconds), (0.0, 0.2));
        assert_eq!(lag.histogram.counts.iter().sum::<u64>(), 121);
        assert_eq!(lag.histogram.counts[8], 1, "{:?}", lag.histogram);
    }
}
