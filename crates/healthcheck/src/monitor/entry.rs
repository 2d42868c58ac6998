//! What a monitor knows of one check.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::attempts::Slot;
use super::wheel::Slice;
use super::{Check, Latency, Snapshot};
use crate::outcome::{Outcome, Weight};
use crate::probe::ProbeKey;
use crate::schedule::{Change, Policy, Tracker, Verdict};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// One name under which a check is known.
pub(super) struct Subscription {
    pub(super) entry: u64,
    pub(super) suspended: bool,
    /// It stands in the outbox.
    pub(super) queued: bool,
    /// What its owner was last told.
    pub(super) told: (Verdict, Option<Weight>),
}

/// One check that is run, for one or more names.
pub(super) struct Entry<K> {
    pub(super) check: Check,
    pub(super) shared_as: Option<(ProbeKey, Arc<Policy>)>,
    pub(super) host: Option<IpAddr>,
    pub(super) tracker: Tracker,
    pub(super) names: Vec<K>,
    /// The slice of the wheel in which it stands; others there are out of date.
    pub(super) scheduled: Option<Slice>,
    /// It is due and waits for a limit.
    pub(super) waiting: bool,
    pub(super) running: Option<Slot>,
    /// How the verdict in force was made.
    pub(super) made: Option<Made>,
    pub(super) last_outcome: Option<Outcome>,
    pub(super) last_attempt: Option<SystemTime>,
    pub(super) attempts: u64,
    pub(super) failures: u64,
    pub(super) flips: u64,
    pub(super) latency: Latency,
    /// When the end of the certificate was last told.
    pub(super) warned: Option<SystemTime>,
}

pub(super) struct Made {
    pub(super) reason: Outcome,
    pub(super) first: SystemTime,
    pub(super) last: SystemTime,
    pub(super) attempts: u32,
}

impl<K> Entry<K> {
    /// A check that has not been tried yet and has no name.
    pub(super) fn new(
        check: Check,
        shared_as: Option<(ProbeKey, Arc<Policy>)>,
        tracker: Tracker,
    ) -> Self {
        Self {
            host: check.probe.as_ref().and_then(|probe| probe.host()),
            check,
            shared_as,
            tracker,
            names: Vec::new(),
            scheduled: None,
            waiting: false,
            running: None,
            made: None,
            last_outcome: None,
            last_attempt: None,
            attempts: 0,
            failures: 0,
            flips: 0,
            latency: Latency::default(),
            warned: None,
        }
    }
}

impl<K: Clone> Entry<K> {
    pub(super) const fn tells(&self) -> (Verdict, Option<Weight>) {
        (self.tracker.verdict(), self.tracker.weight())
    }

    pub(super) fn apply(&mut self, change: Change, now: Instant, wall: SystemTime) {
        if change.from != change.to && !matches!(change.from, Verdict::Unknown { .. }) {
            self.flips += 1;
        }
        let wall_of = |instant: Instant| {
            wall.checked_sub(now.saturating_duration_since(instant))
                .unwrap_or(wall)
        };
        self.made = Some(Made {
            first: wall_of(change.first),
            last: wall_of(change.last),
            reason: change.reason,
            attempts: change.attempts,
        });
    }

    /// The end of the certificate, if it is near and was not told today.
    pub(super) fn certificate_warning(
        &mut self,
        outcome: &Outcome,
        wall: SystemTime,
    ) -> Option<SystemTime> {
        let before = self.tracker.policy().certificate_warning?;
        let expires = outcome.certificate_expires()?;
        if expires.checked_sub(before)? > wall {
            self.warned = None;
            return None;
        }
        let told = self.warned.and_then(|told| wall.duration_since(told).ok());
        if told.is_some_and(|ago| ago < DAY) {
            return None;
        }
        self.warned = Some(wall);
        Some(expires)
    }

    pub(super) fn snapshot(&self, id: &K, suspended: bool, now: Instant) -> Snapshot<K> {
        let due = self.scheduled.and_then(|_| self.tracker.poll_timeout());
        Snapshot {
            id: id.clone(),
            verdict: self.tracker.verdict(),
            weight: self.tracker.weight(),
            since: self.made.as_ref().map(|made| made.last),
            reason: self.made.as_ref().map(|made| made.reason.clone()),
            last_outcome: self.last_outcome.clone(),
            last_attempt: self.last_attempt,
            next_in: due.map(|due| due.saturating_duration_since(now)),
            suspended,
            attempts: self.attempts,
            failures: self.failures,
            flips: self.flips,
            latency: self.latency,
            shared_with: self.names.len().saturating_sub(1),
        }
    }
}

/// True if both run the same probe, under whatever rules.
pub(super) fn same_probe(a: &Check, b: &Check) -> bool {
    let (Some(a), Some(b)) = (&a.probe, &b.probe) else {
        return false;
    };
    Arc::ptr_eq(a, b) || a.key().is_some_and(|key| b.key() == Some(key))
}
