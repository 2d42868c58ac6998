//! Due times of all checks, in slices: what is due within one slice starts together, so that many
//! checks cost few wake-ups.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The length of a slice. An attempt starts at the end of the slice in which it is due.
pub(super) const SLICE: Duration = Duration::from_millis(50);

/// Number of a slice, counted from the origin of the wheel.
pub(super) type Slice = u64;

/// Checks by the slice in which they are due. Checks that are far apart take no more room than those
/// that are close together.
#[derive(Debug)]
pub(super) struct Wheel {
    origin: Instant,
    due: BTreeMap<Slice, Vec<u64>>,
}

impl Wheel {
    pub(super) const fn new(origin: Instant) -> Self {
        Self {
            origin,
            due: BTreeMap::new(),
        }
    }

    /// The slice whose end is the first at or after `due`.
    pub(super) fn slice(&self, due: Instant) -> Slice {
        let after = due.saturating_duration_since(self.origin).as_nanos();
        u64::try_from(after.div_ceil(SLICE.as_nanos())).unwrap_or(u64::MAX)
    }

    /// The time at which a slice ends.
    pub(super) fn end(&self, slice: Slice) -> Instant {
        let nanos = u64::try_from(SLICE.as_nanos()).unwrap_or(u64::MAX);
        let after = Duration::from_nanos(nanos.saturating_mul(slice));
        self.origin.checked_add(after).unwrap_or(self.origin)
    }

    pub(super) fn insert(&mut self, slice: Slice, check: u64) {
        self.due.entry(slice).or_default().push(check);
    }

    /// When the next slice ends.
    pub(super) fn next(&self) -> Option<Instant> {
        let (slice, _) = self.due.first_key_value()?;
        Some(self.end(*slice))
    }

    /// The checks of the first slice, with that slice, if it has ended.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<(Slice, Vec<u64>)> {
        if self.next()? > now {
            return None;
        }
        self.due.pop_first()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_comes_out_at_the_end_of_its_slice_and_never_early() {
        let origin = Instant::now();
        let mut wheel = Wheel::new(origin);
        let at = |micros| origin + Duration::from_micros(micros);
        for (check, due) in [(1, 0), (2, 1), (3, 49_999), (4, 50_000), (5, 50_001)] {
            let slice = wheel.slice(at(due));
            assert!(wheel.end(slice) >= at(due));
            wheel.insert(slice, check);
        }
        let mut due = |now| std::iter::from_fn(|| wheel.take_due(now)).collect::<Vec<_>>();
        assert_eq!(due(origin), [(0, vec![1])]);
        assert!(due(at(49_999)).is_empty());
        assert_eq!(due(at(50_000)), [(1, vec![2, 3, 4])]);
        assert_eq!(wheel.next(), Some(at(100_000)));
        let mut due = |now| std::iter::from_fn(|| wheel.take_due(now)).collect::<Vec<_>>();
        assert_eq!(due(at(110_000)), [(2, vec![5])]);
        assert_eq!(wheel.next(), None);
    }
}
