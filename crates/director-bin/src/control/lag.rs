//! How late the main loop is: how long its turns take, since whatever comes meanwhile waits for their end.

use director_control::snapshot::{Histogram, Lag};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

/// Upper bounds of the buckets, in seconds.
const BOUNDS: [f64; 10] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0];

/// Collects measurements.
#[derive(Debug, Default)]
pub(crate) struct LagMeter {
    lag: Lag,
    /// Those of the last minute that none after them exceeds, so the greatest first.
    minute: VecDeque<(Instant, f64)>,
}

impl LagMeter {
    /// What came at `due` was served at `now`.
    pub(crate) fn observe(&mut self, due: Instant, now: Instant) {
        let late = now.saturating_duration_since(due).as_secs_f64();
        self.lag.last_seconds = late;
        self.lag.worst_seconds = self.lag.worst_seconds.max(late);
        while self.minute.back().is_some_and(|(_, last)| *last <= late) {
            self.minute.pop_back();
        }
        self.minute.push_back((now, late));
        self.forget(now);
        observe(&mut self.lag.histogram, &BOUNDS, late);
    }

    /// What has been measured until `now`.
    pub(crate) fn lag(&mut self, now: Instant) -> Lag {
        self.forget(now);
        Lag {
            worst_minute_seconds: self.minute.front().map_or(0.0, |(_, late)| *late),
            ..self.lag.clone()
        }
    }

    fn forget(&mut self, now: Instant) {
        let old = |(at, _): &(Instant, f64)| now.saturating_duration_since(*at) > MINUTE;
        while self.minute.front().is_some_and(old) {
            self.minute.pop_front();
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
        let at = |millis| start + Duration::from_millis(millis);
        meter.observe(start, at(200));
        meter.observe(at(1000), at(1100));
        meter.observe(at(2000), at(2010));
        let worst = |meter: &mut LagMeter, now| meter.lag(now).worst_minute_seconds;
        assert_eq!(worst(&mut meter, at(60_200)), 0.2);
        assert_eq!(worst(&mut meter, at(60_201)), 0.1);
        assert_eq!(worst(&mut meter, at(61_101)), 0.01);
        assert_eq!(worst(&mut meter, at(70_000)), 0.0);
        let lag = meter.lag(at(70_000));
        assert_eq!(lag.worst_seconds, 0.2);
        assert_eq!(lag.histogram.counts.iter().sum::<u64>(), 3);
        assert_eq!(lag.histogram.counts[8], 1, "{:?}", lag.histogram);
    }
}
