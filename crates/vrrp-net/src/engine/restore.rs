//! Putting things back that somebody else removed, or that could not be put in place at first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use vrrp_proto::Instant;

use super::instance::InstanceId;

/// Things to be put back, and how often each has been.
#[derive(Debug)]
pub(super) struct Restorer<K> {
    due: BTreeMap<K, (Instant, InstanceId, bool)>,
    history: BTreeMap<K, VecDeque<Instant>>,
    /// How often the addition failed in a row.
    failures: BTreeMap<K, u32>,
}

impl<K> Default for Restorer<K> {
    fn default() -> Self {
        Self {
            due: BTreeMap::new(),
            history: BTreeMap::new(),
            failures: BTreeMap::new(),
        }
    }
}

const MINUTE: Duration = Duration::from_secs(60);
/// When an addition failed for the first time, the next attempt comes after this; each further one doubles it.
const RETRY: Duration = Duration::from_secs(1);

impl<K: Ord + Clone> Restorer<K> {
    /// Somebody removed it: back at once, unless that has happened too often within a minute.
    pub(super) fn lost(&mut self, key: K, owner: InstanceId, now: Instant, per_minute: u32) {
        let at = self.next_turn(&key, now, per_minute);
        self.restored(&key, at, per_minute);
        self.due.insert(key, (at, owner, true));
    }

    /// When it may be put back the next time.
    pub(super) fn next_turn(&mut self, key: &K, now: Instant, per_minute: u32) -> Instant {
        let Some(history) = self.history.get_mut(key) else {
            return now;
        };
        while history
            .front()
            .is_some_and(|at| now.saturating_duration_since(*at) >= MINUTE)
        {
            history.pop_front();
        }
        match history.front() {
            Some(oldest) if history.len() >= limit(per_minute) => *oldest + MINUTE,
            _ => now,
        }
    }

    /// It is put back at that moment.
    pub(super) fn restored(&mut self, key: &K, at: Instant, per_minute: u32) {
        let history = self.history.entry(key.clone()).or_default();
        if history.len() >= limit(per_minute) {
            history.pop_front();
        }
        history.push_back(at);
    }

    /// An addition failed: once more after a while. Says whether it was the first failure in a row.
    pub(super) fn later(&mut self, key: K, owner: InstanceId, now: Instant) -> bool {
        let failures = self.failures.entry(key.clone()).or_insert(0);
        let first = *failures == 0;
        let wait = (RETRY * 2_u32.saturating_pow(*failures)).min(MINUTE);
        *failures = failures.saturating_add(1).min(10);
        self.due.insert(key, (now + wait, owner, false));
        first
    }

    /// It is in place.
    pub(super) fn succeeded(&mut self, key: &K) {
        self.due.remove(key);
        self.failures.remove(key);
    }

    /// Nobody wants it any more.
    pub(super) fn forget(&mut self, key: &K) {
        self.succeeded(key);
    }

    /// Those whose turn is yet to come.
    pub(super) fn waiting(&self, now: Instant) -> BTreeSet<K> {
        let waiting = self.due.iter().filter(|(_, (at, ..))| *at > now);
        waiting.map(|(key, _)| key.clone()).collect()
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.values().map(|(at, ..)| *at).min()
    }

    pub(super) fn take_due(&mut self, now: Instant) -> Vec<(K, InstanceId, bool)> {
        let due: Vec<_> = self
            .due
            .iter()
            .filter(|(_, (at, ..))| *at <= now)
            .map(|(key, (_, owner, by_others))| (key.clone(), *owner, *by_others))
            .collect();
        for (key, ..) in &due {
            self.due.remove(key);
        }
        due
    }
}

fn limit(per_minute: u32) -> usize {
    usize::try_from(per_minute.max(1)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::AddressKey;

    #[test]
    fn restoring_is_bounded_within_a_minute() {
        let key = AddressKey {
            index: 1,
            address: "10.0.0.1".parse().unwrap(),
            prefix_length: 32,
        };
        let (owner, start) = (InstanceId(0), Instant::from_millis(1_000));
        let mut restorer = Restorer::default();
        for _ in 0..3 {
            restorer.lost(key, owner, start, 3);
            assert_eq!(restorer.take_due(start), [(key, owner, true)]);
        }
        restorer.lost(key, owner, start, 3);
        assert_eq!(restorer.take_due(start), []);
        assert_eq!(restorer.next_due(), Some(start + MINUTE));
        assert_eq!(restorer.take_due(start + MINUTE).len(), 1);
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            restorer.later(key, owner, start);
            assert_eq!(
                restorer.next_due(),
                Some(start + Duration::from_secs(seconds))
            );
        }
        restorer.forget(&key);
        assert_eq!(restorer.next_due(), None);
    }
}
