//! A running router passed on to another process: what it knows that its configuration does not say.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use super::action::{State, Transition};
use super::election::OwnerContest;
use super::event::Fault;
use super::stats::Stats;
use super::timers::{Timer, Timers};
use super::{Config, ConfigError, Contest, Heard, Stamps, VirtualRouter};
use crate::auth::{ReplayGuard, Stamp};
use crate::ids::{Family, Priority, Version, Vrid};
use crate::time::{Instant, Interval, UnixTime};

/// Everything a running [`VirtualRouter`] knows that its configuration does not say: state, timers, sequence numbers,
/// the master it follows, counters. No secret is among it.
///
/// [`VirtualRouter::hand_over`] makes one, [`VirtualRouter::resume`] continues from it. Both sides must count time from
/// the same start: on one machine that is the system's monotonic clock. With the feature `serde` it can be written and
/// read; a reader ignores what it does not know.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Handover {
    taken_at: Instant,
    vrid: Vrid,
    version: Version,
    family: Family,
    state: State,
    started: bool,
    /// What of the old configuration a changed new one is compared with.
    priority: Priority,
    interval: Interval,
    addresses: Vec<IpAddr>,
    configured_source: Option<IpAddr>,
    last_transition: Option<Transition>,
    #[cfg_attr(feature = "serde", serde(default))]
    faults: Vec<Fault>,
    source: Option<IpAddr>,
    tracked: Option<Priority>,
    #[cfg_attr(feature = "serde", serde(default))]
    reduced: bool,
    owners: Option<Box<OwnerContest>>,
    timers: Timers,
    master_interval: Interval,
    listening_since: Instant,
    master: Option<Heard>,
    lower: Option<Heard>,
    resigned_by: Option<IpAddr>,
    preempt_at: Option<Instant>,
    /// Ordered to stand down, and until when if that is limited.
    #[cfg_attr(feature = "serde", serde(default))]
    stands_down: bool,
    stands_down_until: Option<Instant>,
    silent: Option<IpAddr>,
    #[cfg_attr(feature = "serde", serde(default))]
    unheard: bool,
    preempted: Option<(IpAddr, Instant)>,
    #[cfg_attr(feature = "serde", serde(default))]
    wants_master: bool,
    #[cfg_attr(feature = "serde", serde(default))]
    contests: Vec<Contest>,
    contest_announced: Option<Instant>,
    answered: Option<Instant>,
    #[cfg_attr(feature = "serde", serde(default))]
    answer_due: bool,
    #[cfg_attr(feature = "serde", serde(default))]
    identification: u16,
    #[cfg_attr(feature = "serde", serde(default))]
    sequence: u32,
    #[cfg_attr(feature = "serde", serde(default))]
    received_sequence: u32,
    #[cfg_attr(feature = "serde", serde(default))]
    stamps_heard: Vec<(IpAddr, u64)>,
    last_stamp: Option<u64>,
    /// When the wall clock was told, and what it said in microseconds.
    wall_clock: Option<(Instant, u64)>,
    #[cfg_attr(feature = "serde", serde(default))]
    old_unicast_checksum: bool,
    #[cfg_attr(feature = "serde", serde(default))]
    stats: Stats,
}

/// Why a router cannot continue from a [`Handover`]; it must start afresh.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResumeError {
    /// The configuration contradicts itself.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It is of another virtual router.
    #[error("it is of virtual router {vrid}, version {version}, {family}")]
    Identity {
        /// Its identifier.
        vrid: Vrid,
        /// Its version.
        version: Version,
        /// Its family.
        family: Family,
    },
    /// The clock reads an earlier time than when it was made: another machine, or a restart of this one.
    #[error("it is from the future; was the machine restarted?")]
    Future,
    /// So much time has passed that others will have held an election, or that this router should have.
    #[error("it is {age:?} old, too late to continue")]
    Stale {
        /// Its age.
        age: Duration,
    },
}

impl Handover {
    /// When it was made.
    pub const fn taken_at(&self) -> Instant {
        self.taken_at
    }

    /// The state the router was in.
    pub const fn state(&self) -> State {
        self.state
    }

    /// The last transition, with its reason.
    pub const fn last_transition(&self) -> Option<&Transition> {
        self.last_transition.as_ref()
    }

    /// The source address the router had.
    pub const fn source(&self) -> Option<IpAddr> {
        self.source
    }

    /// The faults that were in force.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The effective priority the trackers had made, if they had made any.
    pub const fn tracked_priority(&self) -> Option<Priority> {
        self.tracked
    }

    fn check(&self, now: Instant, config: &Config) -> Result<(), ResumeError> {
        config.validate()?;
        if (self.vrid, self.version, self.family) != (config.vrid, config.version, config.family) {
            return Err(ResumeError::Identity {
                vrid: self.vrid,
                version: self.version,
                family: self.family,
            });
        }
        if now < self.taken_at {
            return Err(ResumeError::Future);
        }
        let late = |timer, grace: u64| {
            let deadline = self.timers.deadline(timer);
            deadline.is_some_and(|deadline| now > deadline.plus_micros(grace))
        };
        let stale = match self.state {
            // The last advert was an interval before the deadline; the others wait for three and their skew.
            State::Master => late(Timer::Advert, 2 * self.interval.as_micros()),
            // Silence counts only while somebody listens.
            State::Backup => late(Timer::MasterDown, 0),
            State::Initialize | State::Fault => false,
        };
        if stale {
            let age = now - self.taken_at;
            return Err(ResumeError::Stale { age });
        }
        Ok(())
    }
}

impl VirtualRouter {
    /// What a successor needs to go on where this router stands. It stays as it is, but whoever passes this on must not
    /// let it act any more.
    ///
    /// Take all actions from [`poll_action`](Self::poll_action) first: what is left there is not part of it.
    pub fn hand_over(&self, now: Instant) -> Handover {
        let stamps = self.stamps.as_deref();
        Handover {
            taken_at: now,
            vrid: self.config.vrid,
            version: self.config.version,
            family: self.config.family,
            state: self.state,
            started: self.started,
            priority: self.config.priority,
            interval: self.config.interval,
            addresses: self.config.addresses.clone(),
            configured_source: self.config.source,
            last_transition: self.last_transition.clone(),
            faults: self.faults.clone(),
            source: self.source,
            tracked: self.tracked,
            reduced: self.reduced,
            owners: self.owners.clone(),
            timers: self.timers.clone(),
            master_interval: self.master_interval,
            listening_since: self.listening_since,
            master: self.master,
            lower: self.lower,
            resigned_by: self.resigned_by,
            preempt_at: self.preempt_at,
            stands_down: self.yielding.is_some(),
            stands_down_until: self.yielding.flatten(),
            silent: self.silent,
            unheard: self.unheard,
            preempted: self.preempted,
            wants_master: self.wants_master,
            contests: self.contests.clone(),
            contest_announced: self.contest_announced,
            answered: self.answered,
            answer_due: self.answer_due,
            identification: self.identification,
            sequence: self.sequence,
            received_sequence: self.received_sequence,
            stamps_heard: stamps
                .iter()
                .flat_map(|stamps| stamps.heard.senders())
                .map(|(sender, stamp)| (sender, stamp.value()))
                .collect(),
            last_stamp: stamps.and_then(|stamps| stamps.sent).map(Stamp::value),
            wall_clock: stamps
                .and_then(|stamps| stamps.clock)
                .map(|(at, time)| (at, time.as_micros())),
            old_unicast_checksum: self.old_unicast_checksum,
            stats: self.stats.clone(),
        }
    }

    /// Goes on where another process stopped: same state, same timers, same sequence numbers, no transition. What
    /// differs between its configuration and `config` is treated as [`reconfigure`](Self::reconfigure) does.
    ///
    /// No [`Event::Startup`](super::Event::Startup) is needed. Faults are as they were; raise and clear what has changed.
    ///
    /// # Errors
    /// [`ResumeError`]; make the router with [`new`](Self::new) then.
    pub fn resume(
        now: Instant,
        config: impl Into<Arc<Config>>,
        from: &Handover,
    ) -> Result<Self, ResumeError> {
        let config = config.into();
        from.check(now, &config)?;
        let before = Config {
            priority: from.priority,
            interval: from.interval,
            addresses: from.addresses.clone(),
            source: from.configured_source,
            ..Config::clone(&config)
        };
        let capacity = super::replay_capacity(&config.transport);
        let told = |(at, micros)| (at, UnixTime::from_micros(micros));
        let mut stamps = Stamps {
            heard: ReplayGuard::new(capacity),
            sent: from.last_stamp.map(Stamp::from_value),
            clock: from.wall_clock.map(told),
        };
        for (sender, stamp) in from.stamps_heard.iter().take(capacity).rev() {
            stamps.heard.accept(*sender, Stamp::from_value(*stamp));
        }
        let used = stamps.sent.is_some() || stamps.clock.is_some() || !from.stamps_heard.is_empty();
        let mut router = Self::new(before)?;
        router.state = from.state;
        router.started = from.started;
        router.last_transition.clone_from(&from.last_transition);
        router.faults.clone_from(&from.faults);
        router.source = from.source;
        router.tracked = from.tracked;
        router.reduced = from.reduced;
        router.owners.clone_from(&from.owners);
        router.timers = from.timers.clone();
        router.master_interval = from.master_interval;
        router.listening_since = from.listening_since;
        router.master = from.master;
        router.lower = from.lower;
        router.resigned_by = from.resigned_by;
        router.preempt_at = from.preempt_at;
        router.yielding = from.stands_down.then_some(from.stands_down_until);
        router.silent = from.silent;
        router.unheard = from.unheard;
        router.preempted = from.preempted;
        router.wants_master = from.wants_master && router.config.grouped;
        router.contests.clone_from(&from.contests);
        router.contest_announced = from.contest_announced;
        router.answered = from.answered;
        router.answer_due = from.answer_due;
        router.identification = from.identification;
        router.sequence = from.sequence;
        router.received_sequence = from.received_sequence;
        router.stamps = used.then(|| Box::new(stamps));
        router.old_unicast_checksum = from.old_unicast_checksum;
        router.stats = from.stats.clone();
        if !router.config.grouped {
            router.leave_group(now);
        }
        router.reconfigure(now, config)?;
        Ok(router)
    }
}
