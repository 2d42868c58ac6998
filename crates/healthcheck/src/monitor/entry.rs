//! What a monitor knows of one check.

use std::net::IpAddr;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::attempts::Slot;
use super::names::Few;
use super::wheel::Slice;
use super::{Check, Latency, Snapshot, same_probe};
use crate::outcome::{Detail, Outcome, Weight};
use crate::probe::Probe;
use crate::schedule::{Change, Tracker, Verdict};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// One check that is run, for one or more names. There may be very many, so each is kept small.
pub(super) struct Entry {
    /// `None` if it is fed from outside.
    pub(super) probe: Option<Arc<dyn Probe>>,
    /// The digest under which others may find it, to share it.
    pub(super) shared_as: Option<NonZeroU64>,
    pub(super) host: Option<IpAddr>,
    pub(super) tracker: Tracker,
    pub(super) names: Few,
    /// The slice of the wheel in which it stands; others there are out of date.
    pub(super) scheduled: Option<Slice>,
    /// It is due and waits for a limit.
    pub(super) waiting: bool,
    pub(super) running: Option<Slot>,
    /// How the verdict in force was made.
    pub(super) made: Option<Made>,
    /// The last outcome, and when it came.
    last: Option<(Seen, SystemTime)>,
    pub(super) attempts: u64,
    pub(super) failures: u64,
    flips: u64,
    pub(super) latency: Latency,
    /// When the end of the certificate was last told.
    warned: Option<SystemTime>,
}

pub(super) struct Made {
    pub(super) reason: Seen,
    pub(super) first: SystemTime,
    pub(super) last: SystemTime,
    pub(super) attempts: u32,
}

/// An outcome in little room: most are successes, and there is much to say of a failure.
pub(super) enum Seen {
    Up { detail: Detail, took: Duration },
    Other(Box<Outcome>),
}

impl From<Outcome> for Seen {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Up { detail, took } => Self::Up { detail, took },
            other => Self::Other(Box::new(other)),
        }
    }
}

impl Seen {
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Up { detail, took } => Outcome::Up {
                detail: detail.clone(),
                took: *took,
            },
            Self::Other(outcome) => (**outcome).clone(),
        }
    }
}

impl Entry {
    /// A check that has not been tried yet and has no name.
    pub(super) fn new(
        probe: Option<Arc<dyn Probe>>,
        shared_as: Option<NonZeroU64>,
        tracker: Tracker,
    ) -> Self {
        Self {
            host: probe.as_ref().and_then(|probe| probe.host()),
            probe,
            shared_as,
            tracker,
            names: Few::none(),
            scheduled: None,
            waiting: false,
            running: None,
            made: None,
            last: None,
            attempts: 0,
            failures: 0,
            flips: 0,
            latency: Latency::default(),
            warned: None,
        }
    }

    /// True if this is what the other would do.
    pub(super) fn does(&self, check: &Check) -> bool {
        *self.tracker.policy() == *check.policy
            && match (&self.probe, &check.probe) {
                (None, None) => true,
                _ => self.runs_probe_of(check),
            }
    }

    /// True if both run the same probe, under whatever rules.
    pub(super) fn runs_probe_of(&self, check: &Check) -> bool {
        match (&self.probe, &check.probe) {
            (Some(a), Some(b)) => same_probe(a, b),
            _ => false,
        }
    }

    pub(super) const fn tells(&self) -> (Verdict, Option<Weight>) {
        (self.tracker.verdict(), self.tracker.weight())
    }

    /// What was seen last.
    pub(super) fn last_outcome(&self) -> Option<Outcome> {
        self.last.as_ref().map(|(seen, _)| seen.outcome())
    }

    pub(super) fn saw(&mut self, outcome: Outcome, wall: SystemTime) {
        self.last = Some((outcome.into(), wall));
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
            reason: change.reason.into(),
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

    pub(super) fn snapshot<K>(&self, id: K, suspended: bool, now: Instant) -> Snapshot<K> {
        let due = self.scheduled.and_then(|_| self.tracker.poll_timeout());
        Snapshot {
            id,
            verdict: self.tracker.verdict(),
            weight: self.tracker.weight(),
            since: self.made.as_ref().map(|made| made.last),
            reason: self.made.as_ref().map(|made| made.reason.outcome()),
            last_outcome: self.last_outcome(),
            last_attempt: self.last.as_ref().map(|(_, at)| *at),
            next_in: due.map(|due| due.saturating_duration_since(now)),
            suspended,
            attempts: self.attempts,
            failures: self.failures,
            flips: self.flips,
            latency: self.latency,
            shared_with: self.names.as_slice().len().saturating_sub(1),
        }
    }
}
