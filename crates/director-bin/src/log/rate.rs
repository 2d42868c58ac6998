//! A bound on how often one kind of line is written.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Lets one line per key pass in each period and counts the others, so that a flood of bad packets does not become a flood
/// of log lines.
#[derive(Debug)]
pub(crate) struct RateLimit {
    period: Duration,
    keys: BTreeMap<String, (Instant, u64)>,
    /// Keys that may be remembered at a time; they can come from outside.
    capacity: usize,
}

impl RateLimit {
    /// One line per key in `period`, for at most `capacity` keys at a time.
    pub(crate) const fn new(period: Duration, capacity: usize) -> Self {
        Self {
            period,
            keys: BTreeMap::new(),
            capacity,
        }
    }

    /// `Some(n)` if a line may be written now, `n` being how many were held back since the last one.
    pub(crate) fn allow(&mut self, key: &str, now: Instant) -> Option<u64> {
        if let Some((last, held)) = self.keys.get_mut(key) {
            if now.saturating_duration_since(*last) < self.period {
                *held = held.saturating_add(1);
                return None;
            }
            *last = now;
            return Some(std::mem::take(held));
        }
        if self.keys.len() >= self.capacity {
            let period = self.period;
            self.keys
                .retain(|_, (last, _)| now.saturating_duration_since(*last) < period);
            if self.keys.len() >= self.capacity {
                return None;
            }
        }
        self.keys.insert(key.to_owned(), (now, 0));
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_per_key_and_period() {
        let start = Instant::now();
        let mut limit = RateLimit::new(Duration::from_secs(10), 2);
        assert_eq!(limit.allow("a", start), Some(0));
        assert_eq!(limit.allow("a", start + Duration::from_secs(1)), None);
        assert_eq!(limit.allow("a", start + Duration::from_secs(2)), None);
        assert_eq!(limit.allow("b", start + Duration::from_secs(2)), Some(0));
        assert_eq!(
            limit.allow("c", start + Duration::from_secs(2)),
            None,
            "no room for a third key"
        );
        assert_eq!(limit.allow("a", start + Duration::from_secs(10)), Some(2));
        assert_eq!(
            limit.allow("c", start + Duration::from_secs(30)),
            Some(0),
            "old keys make room"
        );
    }
}
