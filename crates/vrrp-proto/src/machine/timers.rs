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

    /// The earliest deadline. It is asked for several times an advert: a plain loop takes a tenth of what iterators take.
    pub(super) fn next(&self) -> Option<(Timer, Instant)> {
        let mut first: Option<(Timer, Instant)> = None;
        for timer in Timer::ALL {
            if let Some(at) = self.deadline(timer)
                && first.is_none_or(|(_, earliest)| at < earliest)
            {
                first = Some((timer, at));
            }
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_deadline_is_next_and_of_equal_ones_the_first_in_the_list() {
        let mut timers = Timers::default();
        assert_eq!(timers.next(), None);
        for (timer, at) in [
            (Timer::ContestOver, 9),
            (Timer::Refresh, 7),
            (Timer::Announce, 8),
            (Timer::Advert, 7),
        ] {
            timers.set(timer, Instant::from_millis(at));
        }
        let seven = Instant::from_millis(7);
        assert_eq!(timers.next(), Some((Timer::Advert, seven)));
        timers.stop(Timer::Advert);
        assert_eq!(timers.next(), Some((Timer::Refresh, seven)));
    }
}
