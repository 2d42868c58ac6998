//! The schedule and the verdict of one check.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Policy;
use crate::outcome::{Outcome, Weight};

/// The shortest pause between two attempts, whatever the policy says.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

/// What a check says of its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Verdict {
    /// No attempt has come to a result yet. `assumed_up` is false with
    /// [`alpha`](Policy::alpha).
    Unknown {
        /// True if the server counts as up meanwhile.
        assumed_up: bool,
    },
    /// The server does its work.
    Up,
    /// The server does not do its work.
    Down,
}

impl Verdict {
    /// True if traffic should go to the server.
    #[must_use]
    pub const fn is_up(self) -> bool {
        matches!(self, Self::Up | Self::Unknown { assumed_up: true })
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unknown { assumed_up: true } => "not yet checked, taken as up",
            Self::Unknown { assumed_up: false } => "not yet checked, taken as down",
            Self::Up => "up",
            Self::Down => "down",
        })
    }
}

/// A verdict, or the weight that goes with it, has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The verdict before; equal to `to` if only the weight changed.
    pub from: Verdict,
    /// The verdict now.
    pub to: Verdict,
    /// The weight that the server or script asks for now, if any.
    pub weight: Option<Weight>,
    /// The outcome that made the verdict.
    pub reason: Outcome,
    /// Start of the first attempt of the row of like results that made the verdict.
    pub first: Instant,
    /// End of the last attempt of that row.
    pub last: Instant,
    /// Attempts in that row.
    pub attempts: u32,
}

impl Change {
    /// True if the verdict stays and only the weight changed.
    #[must_use]
    pub fn is_weight_only(&self) -> bool {
        self.from == self.to
    }
}

/// A row of results that agree.
#[derive(Clone, Copy, Debug)]
struct Row {
    up: bool,
    first: Instant,
    attempts: u32,
}

/// The schedule and verdict of one check. Owns no clock: the caller starts an attempt when
/// [`poll_timeout`](Self::poll_timeout) has passed, says so with [`start`](Self::start), and
/// hands in the result with [`observe`](Self::observe).
///
/// ```
/// use std::time::{Duration, Instant};
/// use healthcheck::{Cause, Detail, Outcome, Policy, Tracker, Verdict};
///
/// let policy = Policy { retry: 1, ..Policy::new(Duration::from_secs(6)) };
/// let start = Instant::now();
/// let mut tracker = Tracker::new(policy, start, 0);
/// let up = Outcome::from_result(Ok(Detail::Connected), Duration::ZERO);
/// let down = Outcome::from_result(Err(Cause::Told("gone".into())), Duration::ZERO);
///
/// assert_eq!(tracker.poll_timeout(), Some(start));
/// tracker.start(start);
/// assert_eq!(tracker.observe(start, &up).map(|change| change.to), Some(Verdict::Up));
///
/// // Six seconds later a first failure is forgiven, and a retry follows after one second.
/// let later = start + Duration::from_secs(6);
/// tracker.start(later);
/// assert_eq!(tracker.observe(later, &down), None);
/// assert_eq!(tracker.poll_timeout(), Some(later + Duration::from_secs(1)));
/// ```
#[derive(Clone, Debug)]
pub struct Tracker {
    policy: Arc<Policy>,
    verdict: Verdict,
    weight: Option<Weight>,
    /// Start of the running attempt.
    running: Option<Instant>,
    /// When the next attempt is due; kept while suspended.
    due: Instant,
    /// The regular beat, which retries leave and come back to.
    beat: Instant,
    suspended: bool,
    /// An attempt was asked for while one was running.
    again: bool,
    row: Option<Row>,
    random: u64,
}

impl Tracker {
    /// A check that begins now. `random` should be evenly spread over all 64-bit values; it
    /// places the first attempt within the warm-up and feeds the jitter.
    #[must_use]
    pub fn new(policy: impl Into<Arc<Policy>>, now: Instant, random: u64) -> Self {
        let policy = policy.into();
        let warmup = policy.warmup.unwrap_or(policy.delay_loop);
        let beat = now + share(warmup, random);
        Self {
            verdict: Verdict::Unknown {
                assumed_up: !policy.alpha,
            },
            policy,
            weight: None,
            running: None,
            due: beat,
            beat,
            suspended: false,
            again: false,
            row: None,
            random,
        }
    }

    /// Begins with what is known of the server from an earlier check of it, so that retries apply
    /// from the first result on.
    pub const fn adopt(&mut self, verdict: Verdict, weight: Option<Weight>) {
        self.verdict = verdict;
        self.weight = weight;
    }

    /// When the next attempt should start; `None` while one runs or the check is suspended. May
    /// change after a call of any method that takes `&mut self`.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        if self.suspended || self.running.is_some() {
            None
        } else {
            Some(self.due)
        }
    }

    /// An attempt starts now. Without it, `observe` takes the attempt to have had no duration.
    pub const fn start(&mut self, now: Instant) {
        self.running = Some(now);
    }

    /// The running attempt was given up without a result.
    pub fn cancel(&mut self, now: Instant) {
        if self.running.take().is_some() {
            self.due = self.next_beat(now);
        }
    }

    /// Takes the result of an attempt, sets the time of the next one, and tells what changed.
    pub fn observe(&mut self, now: Instant, outcome: &Outcome) -> Option<Change> {
        let change = self.judge(now, outcome);
        if std::mem::take(&mut self.again) {
            self.due = now;
        }
        change
    }

    fn judge(&mut self, now: Instant, outcome: &Outcome) -> Option<Change> {
        let started = self.running.take().unwrap_or(now);
        let up = match outcome {
            Outcome::Inconclusive { .. } => {
                self.due = self.after_pause(now, self.policy.delay_before_retry);
                return None;
            }
            Outcome::Up { .. } => true,
            Outcome::Down { .. } => false,
        };
        let row = match self.row {
            Some(row) if row.up == up => Row {
                attempts: row.attempts.saturating_add(1),
                ..row
            },
            _ => Row {
                up,
                first: started,
                attempts: 1,
            },
        };
        self.row = Some(row);

        let enough = match (self.verdict, up) {
            (Verdict::Unknown { assumed_up: false }, true) | (Verdict::Down, true) => {
                row.attempts >= self.policy.rise
            }
            (Verdict::Up, false) => row.attempts > self.policy.retry,
            _ => true,
        };
        if !enough {
            self.due = self.after_pause(now, self.policy.delay_before_retry);
            return None;
        }
        self.due = self.next_beat(now);

        let from = self.verdict;
        let to = if up { Verdict::Up } else { Verdict::Down };
        let weight = outcome.weight();
        if from == to && weight == self.weight {
            return None;
        }
        self.verdict = to;
        self.weight = weight;
        Some(Change {
            from,
            to,
            weight,
            reason: outcome.clone(),
            first: row.first,
            last: now,
            attempts: row.attempts,
        })
    }

    /// No further attempts until [`resume`](Self::resume); the verdict stays (`ha_suspend`).
    pub const fn suspend(&mut self) {
        self.suspended = true;
    }

    /// Attempts go on. A check whose time has passed meanwhile waits for its next regular beat.
    pub fn resume(&mut self, now: Instant) {
        self.suspended = false;
        if self.due < now {
            self.due = self.next_beat(now);
        }
    }

    /// Makes the next attempt due now. The regular beat stays. If an attempt is running, which
    /// may have missed what made the caller ask, another one follows it at once.
    pub const fn check_now(&mut self, now: Instant) {
        self.due = now;
        self.again = self.running.is_some();
    }

    /// What the check says of its server.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// The weight that the last success asked for.
    #[must_use]
    pub const fn weight(&self) -> Option<Weight> {
        self.weight
    }

    /// True while suspended.
    #[must_use]
    pub const fn is_suspended(&self) -> bool {
        self.suspended
    }

    /// Start of the attempt that runs now, if one does.
    #[must_use]
    pub const fn running_since(&self) -> Option<Instant> {
        self.running
    }

    /// Like results in a row at the end of what was seen, and whether they were successes.
    #[must_use]
    pub fn streak(&self) -> Option<(bool, u32)> {
        self.row.map(|row| (row.up, row.attempts))
    }

    /// The rules in force.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The next multiple of `delay_loop` after now, counted from the first attempt, so that
    /// checks that were spread over time stay spread.
    fn next_beat(&mut self, now: Instant) -> Instant {
        let period = self.policy.delay_loop.max(SHORTEST_PAUSE);
        if self.beat <= now {
            let late = now.duration_since(self.beat).as_nanos();
            let into = late % period.as_nanos();
            let into = u64::try_from(into).map_or(Duration::MAX, Duration::from_nanos);
            self.beat = now + period.saturating_sub(into);
        }
        self.beat + self.next_jitter()
    }

    fn after_pause(&mut self, now: Instant, pause: Duration) -> Instant {
        now + pause.max(SHORTEST_PAUSE) + self.next_jitter()
    }

    fn next_jitter(&mut self) -> Duration {
        if self.policy.jitter.is_zero() {
            return Duration::ZERO;
        }
        // A step of the splitmix64 generator: even, and the same for the same start.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        share(self.policy.jitter, mixed ^ (mixed >> 31))
    }
}

/// `span * random / 2^64`.
fn share(span: Duration, random: u64) -> Duration {
    let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    let scaled = (u128::from(nanos) * u128::from(random)) >> 64;
    Duration::from_nanos(u64::try_from(scaled).unwrap_or(u64::MAX))
}
