//! What a monitor tells.

use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;

use crate::outcome::{Outcome, Weight};
use crate::schedule::Verdict;

use super::Latency;

/// Something that a monitor tells about the check `id`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Event<K> {
    /// The verdict, or the weight that goes with it, has changed.
    Changed {
        /// The name of the check.
        id: K,
        /// The verdict before; equal to `to` if only the weight changed.
        from: Verdict,
        /// The verdict now.
        to: Verdict,
        /// The weight that the server or script asks for now, if any.
        weight: Option<Weight>,
        /// The outcome that made the verdict, with the latency of that attempt.
        reason: Outcome,
        /// Start of the first attempt of the row of like results that made the verdict.
        first: SystemTime,
        /// End of the last attempt of that row: when the verdict was made.
        last: SystemTime,
        /// Attempts in that row.
        attempts: u32,
    },
    /// An attempt failed without changing the verdict; told only with
    /// [`log_all_failures`](crate::Policy::log_all_failures). Lost when the reader is too slow.
    Failed {
        /// The name of the check.
        id: K,
        /// The verdict, which stays.
        verdict: Verdict,
        /// What was seen.
        reason: Outcome,
        /// When the attempt ended.
        at: SystemTime,
    },
    /// The certificate of the server ends soon, or has ended; told once a day with
    /// [`certificate_warning`](crate::Policy::certificate_warning). Lost until the next day when
    /// the reader is too slow.
    CertificateEnds {
        /// The name of the check.
        id: K,
        /// The end of its validity.
        expires: SystemTime,
        /// When the attempt that saw it ended.
        at: SystemTime,
    },
}

impl<K> Event<K> {
    /// The name of the check.
    pub const fn id(&self) -> &K {
        match self {
            Self::Changed { id, .. }
            | Self::Failed { id, .. }
            | Self::CertificateEnds { id, .. } => id,
        }
    }
}

/// The events of a monitor, in order.
#[derive(Debug)]
pub struct Events<K> {
    receiver: mpsc::Receiver<Event<K>>,
}

impl<K> Events<K> {
    pub(super) const fn new(receiver: mpsc::Receiver<Event<K>>) -> Self {
        Self { receiver }
    }

    /// Waits for the next event; `None` when the monitor has ended. May be cancelled without
    /// losing an event.
    pub async fn next(&mut self) -> Option<Event<K>> {
        self.receiver.recv().await
    }

    /// The next event, if one is waiting.
    pub fn try_next(&mut self) -> Option<Event<K>> {
        self.receiver.try_recv().ok()
    }
}

/// The state of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Snapshot<K> {
    /// The name of the check.
    pub id: K,
    /// The verdict in force.
    pub verdict: Verdict,
    /// The weight that the server or script asks for, if any.
    pub weight: Option<Weight>,
    /// When the verdict was made; `None` before the first.
    pub since: Option<SystemTime>,
    /// The outcome that made the verdict.
    pub reason: Option<Outcome>,
    /// The outcome of the last attempt.
    pub last_outcome: Option<Outcome>,
    /// When the last attempt ended.
    pub last_attempt: Option<SystemTime>,
    /// Time until the next attempt; `None` while one runs or the check is suspended.
    pub next_in: Option<Duration>,
    /// True while suspended.
    pub suspended: bool,
    /// Attempts that came to an end.
    pub attempts: u64,
    /// Attempts of these that failed.
    pub failures: u64,
    /// Changes between up and down.
    pub flips: u64,
    /// How long its attempts took.
    pub latency: Latency,
    /// Other names that share the same attempts.
    pub shared_with: usize,
}

/// Counters of a monitor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Stats {
    /// Different checks that are run, each once however many names it has.
    pub checks: usize,
    /// Attempts that run now.
    pub running: usize,
    /// Attempts that are due and wait for one of the limits.
    pub waiting: usize,
    /// Attempts started since the monitor began.
    pub started: u64,
    /// The longest time that any attempt started after it was due.
    pub worst_lateness: Duration,
    /// Events of failed attempts and of certificates that were lost because the reader was too
    /// slow.
    pub lost_events: u64,
}
