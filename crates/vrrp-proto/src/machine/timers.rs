//! The deadlines of a virtual router.

use crate::time::Instant;

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// Backup: the master is gone (RFC 9568 section 6.2).
    MasterDown,
    /// Master: the next advert.
    Advert,
    /// Master: the second burst of announcements.
    Announce,
    /// Master: the next refresh of announcements.
    Refresh,
    /// Master: the second burst after a contest.
    Contest,
    /// Master: the other master may be gone.
    ContestOver,
}

impl Timer {
    const ALL: [Self; 6] = [
        Self::MasterDown,
        Self::Advert,
        Self::Announce,
        Self::Refresh,
        Self::Contest,
        Self::ContestOver,
    ];
}

/// One optional deadline per kind.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Timers {
    master_down: Option<Instant>,
    advert: Option<Instant>,
    announce: Option<Instant>,
    refresh: Option<Instant>,
    contest: Option<Instant>,
    contest_over: Option<Instant>,
}

impl Timers {
    fn slot(&mut self, timer: Timer) -> &mut Option<Instant> {
        match timer {
            Timer::MasterDown => &mut self.master_down,
            Timer::Advert => &mut self.advert,
            Timer::Announce => &mut self.announce,
            Timer::Refresh => &mut self.refresh,
            Timer::Contest => &mut self.contest,
            Timer::ContestOver => &mut self.contest_over,
        }
    }

    pub(super) fn set(&mut self, timer: Timer, at: Instant) {
        *self.slot(timer) = Some(at);
    }

    pub(super) fn stop(&mut self, timer: Timer) {
        *self.slot(timer) = None;
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) const fn deadline(&self, timer: Timer) -> Option<Instant> {
        match timer {
            Timer::MasterDown => self.master_down,
            Timer::Advert => self.advert,
            Timer::Announce => self.announce,
            Timer::Refresh => self.refresh,
            Timer::Contest => self.contest,
            Timer::ContestOver => self.contest_over,
        }
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<(Timer, Instant)> {
        let set = |timer| self.deadline(timer).map(|at| (timer, at));
        Timer::ALL
            .into_iter()
            .filter_map(set)
            .min_by_key(|(_, at)| *at)
    }
}
