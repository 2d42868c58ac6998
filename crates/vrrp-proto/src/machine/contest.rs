//! Who disagrees with this router about being master, or about what the virtual router is.

use core::fmt;
use core::net::IpAddr;

use super::VirtualRouter;
use super::action::{AnnounceCause, State};
use super::reason::{DropReason, Warning};
use super::timers::Timer;
use crate::ids::Priority;
use crate::time::{Instant, micros};

use core::time::Duration;

/// What another router disagrees about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Disagreement {
    /// It is master too, with a lower priority or a smaller address.
    Master,
    /// It speaks another version.
    Version,
    /// It has another interval, which version 2 does not allow.
    Interval,
    /// It has another password, key or kind of authentication, or a clock too far away.
    Authentication,
    /// It lists other addresses.
    Addresses,
    /// It is not among the unicast peers.
    Sender,
    /// It sends from our own address.
    SourceAddress,
    /// It lists our addresses under another virtual router identifier.
    Identifier,
}

impl Disagreement {
    /// What a dropped packet disagrees about; `None` if it is merely damaged.
    pub const fn of(reason: DropReason) -> Option<Self> {
        Some(match reason {
            DropReason::Version => Self::Version,
            DropReason::IntervalMismatch | DropReason::IntervalZero => Self::Interval,
            DropReason::AddressList | DropReason::NoAddresses => Self::Addresses,
            DropReason::UnknownSource => Self::Sender,
            DropReason::OwnAdvert => Self::SourceAddress,
            DropReason::AuthTypeUnknown
            | DropReason::AuthTypeMismatch
            | DropReason::Password
            | DropReason::HeaderMalformed
            | DropReason::HeaderDigest
            | DropReason::HeaderReplay
            | DropReason::SignatureMissing
            | DropReason::SignatureMalformed
            | DropReason::SignatureStale
            | DropReason::SignatureUnknownKey
            | DropReason::SignatureInvalid
            | DropReason::SignatureReplay => Self::Authentication,
            _ => return None,
        })
    }
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Master => "also master",
            Self::Version => "another version",
            Self::Interval => "another interval",
            Self::Authentication => "another authentication",
            Self::Addresses => "other addresses",
            Self::Sender => "not among the peers",
            Self::SourceAddress => "our own source address",
            Self::Identifier => "our addresses under another identifier",
        })
    }
}

/// Another router that disagrees with this one, as long as it is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Contest {
    /// What about.
    pub about: Disagreement,
    /// Its address: of the last one, if there are several.
    pub source: IpAddr,
    /// Its priority, where the packet could be trusted to tell.
    pub priority: Option<Priority>,
    /// Since when it is heard.
    pub since: Instant,
    /// When it was last heard.
    pub last: Instant,
    /// How many of its adverts were heard.
    pub adverts: u64,
    /// For how many microseconds without an advert it counts as present.
    window: u64,
}

impl Contest {
    const fn is_current(&self, now: Instant) -> bool {
        now.micros_since(self.last) <= self.window
    }
}

/// An advert beyond three intervals may be late by this much.
const GRACE: u64 = 1_000_000;
/// What was dropped tells no interval that could be believed: so long it counts as present.
const GRACE_OF_STRANGERS: u64 = 10_000_000;

impl VirtualRouter {
    /// As master, another master that is still heard.
    pub fn contest(&self, now: Instant) -> Option<&Contest> {
        self.contests(now)
            .find(|contest| contest.about == Disagreement::Master)
    }

    /// Everything that other routers disagree about and that is still heard; of each kind the last one.
    pub fn contests(&self, now: Instant) -> impl Iterator<Item = &Contest> {
        let running = matches!(self.state, State::Backup | State::Master);
        let current = move |contest: &&Contest| running && contest.is_current(now);
        self.contests.iter().filter(current)
    }

    /// Notes one more advert; `interval` is how often more are to be expected.
    pub(super) fn note_contest(
        &mut self,
        now: Instant,
        about: Disagreement,
        source: IpAddr,
        known: Option<(Priority, Duration)>,
    ) {
        let window = match known {
            Some((_, interval)) => 3 * micros(interval) + GRACE,
            None => 3 * self.config.interval.as_micros() + GRACE_OF_STRANGERS,
        };
        let mut contest = Contest {
            about,
            source,
            priority: known.map(|(priority, _)| priority),
            since: now,
            last: now,
            adverts: 1,
            window,
        };
        match self.contests.iter_mut().find(|known| known.about == about) {
            Some(known) => {
                if known.source == source && known.is_current(now) {
                    contest.since = known.since;
                    contest.adverts = known.adverts.saturating_add(1);
                }
                *known = contest;
            }
            None => self.contests.push(contest),
        }
    }

    /// Not master any more, or not yet: nobody contests it.
    pub(super) fn forget_rival(&mut self) {
        self.contests
            .retain(|contest| contest.about != Disagreement::Master);
    }

    /// The other master gave up: hosts and switches that learned it are told again.
    pub(super) fn end_contest(&mut self, now: Instant) {
        if !self.report_end(now) {
            return;
        }
        let repeat = self.config.announce.lower_priority_repeat;
        self.announce(repeat, AnnounceCause::ContestWon);
    }

    /// Looks whether the other master is still heard.
    pub(super) fn review_contest(&mut self, now: Instant) {
        let rival = self
            .contests
            .iter()
            .find(|contest| contest.about == Disagreement::Master);
        match rival {
            Some(rival) if rival.is_current(now) => {
                let over = rival.last.plus_micros(rival.window + 1);
                self.timers.set(Timer::ContestOver, over);
            }
            // The second burst of the contest is still to come.
            _ if self.timers.deadline(Timer::Contest).is_some() => {
                self.report_end(now);
            }
            _ => self.end_contest(now),
        }
    }

    /// Forgets the other master and says so, if there was one.
    fn report_end(&mut self, now: Instant) -> bool {
        self.timers.stop(Timer::ContestOver);
        let rival = self
            .contests
            .iter()
            .find(|contest| contest.about == Disagreement::Master)
            .copied();
        let Some(rival) = rival else { return false };
        self.forget_rival();
        let warning = Warning::ContestOver {
            source: rival.source,
            lasted: rival.last - rival.since,
        };
        self.warn(now, warning);
        true
    }
}
