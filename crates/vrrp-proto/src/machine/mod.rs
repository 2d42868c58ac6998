//! The state machine of one virtual router (RFC 9568 section 6).
//!
//! | file | what is in it |
//! | --- | --- |
//! | `config` | what a router is told to be |
//! | `event`, `action` | what goes in, what comes out |
//! | `reason` | why: transitions, dropped packets, warnings |
//! | `receive` | the checks a packet must pass |
//! | `contest` | who disagrees with this router |
//! | `election` | adverts, timers, transitions |
//! | `local` | start, stop, faults, operators, sync group, reconfiguration |
//! | `transmit` | adverts as bytes |
//! | `handover` | a running router passed on to another process |
//! | `timers`, `reports`, `stats` | deadlines, rate of reports, counters |

mod action;
mod config;
mod contest;
mod election;
mod event;
mod handover;
mod local;
mod reason;
mod receive;
mod reports;
mod stats;
mod timers;
mod transmit;

pub use action::{
    Action, Advert, AnnounceCause, Announcement, MemberReport, Report, State, Transition,
};
pub use config::{
    AddressCheck, AnnouncePolicy, Config, ConfigError, Overslept, Peer, Preemption, Transport,
};
pub use contest::{Contest, Disagreement};
pub use event::{Event, Fault, GroupOrder, Received};
pub use handover::{Handover, ResumeError};
pub use reason::{Accepted, DropReason, Reason, Verdict, Warning};
pub use stats::Stats;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use crate::auth::{Authentication, HeaderKey, ReplayGuard, Signing, Stamp};
use crate::ids::{Family, Priority};
use crate::time::{Instant, Interval, UnixTime};

use election::OwnerContest;
use reports::Reports;
use timers::Timers;

/// Another router as last heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Heard {
    /// Its address.
    pub source: IpAddr,
    /// Its priority.
    pub priority: Priority,
    /// When its last advert came.
    pub at: Instant,
}

/// One virtual router; it owns no socket and no clock.
///
/// Feed it with [`handle_event`](Self::handle_event), [`handle_packet`](Self::handle_packet) and
/// [`handle_timeout`](Self::handle_timeout). After each of them take what there is to do from
/// [`poll_action`](Self::poll_action) until it gives `None`, and arm one timer for
/// [`poll_timeout`](Self::poll_timeout).
///
/// Before calling `handle_timeout` hand over all packets that have arrived: a late process must not
/// act on silence that is its own.
#[derive(Debug)]
pub struct VirtualRouter {
    config: Arc<Config>,
    /// The configured addresses in numerical order; `None` where they are configured in that order.
    in_order: Option<Box<[IpAddr]>>,
    state: State,
    started: bool,
    last_transition: Option<Transition>,
    faults: Vec<Fault>,
    /// The address adverts are sent from.
    source: Option<IpAddr>,
    tracked: Option<Priority>,
    /// An owner that counts as 254 because another owner does not go.
    reduced: bool,
    owners: Option<Box<OwnerContest>>,
    timers: Timers,
    /// The interval to wait by: the master's in version 3, ours otherwise.
    master_interval: Interval,
    /// Backup: since when no advert that counts has come.
    listening_since: Instant,
    master: Option<Heard>,
    /// Backup: the last advert that was discarded for its lower priority.
    lower: Option<Heard>,
    /// Backup: who resigned since the last advert that counts.
    resigned_by: Option<IpAddr>,
    /// Backup: from when on a master of lower priority does not count (`preempt_delay`).
    preempt_at: Option<Instant>,
    /// Ordered to stand down, until then or for good.
    yielding: Option<Option<Instant>>,
    /// Master: whose silence made this router master.
    silent: Option<IpAddr>,
    /// Master: nobody was heard before.
    unheard: bool,
    /// Master: from whom it took over, though heard, and when.
    preempted: Option<(IpAddr, Instant)>,
    /// Grouped: this member's election says master.
    wants_master: bool,
    /// At most one of each kind.
    contests: Vec<Contest>,
    contest_announced: Option<Instant>,
    /// When another master was last told at once, and whether the next advert is such an answer.
    answered: Option<Instant>,
    answer_due: bool,
    identification: u16,
    header_key: Option<Box<HeaderKey>>,
    /// The greatest sequence number of an authentication header, sent or received.
    sequence: u32,
    /// The greatest one received.
    received_sequence: u32,
    /// Made when the first signed advert, or the time of the day, is there.
    stamps: Option<Box<Stamps>>,
    old_unicast_checksum: bool,
    reports: Reports,
    stats: Stats,
    actions: VecDeque<Action>,
}

impl VirtualRouter {
    /// A virtual router in [`State::Initialize`]; it does nothing until [`Event::Startup`]. It keeps the configuration, so
    /// that who keeps it too shares the memory.
    ///
    /// # Errors
    /// [`ConfigError`] if the configuration contradicts itself.
    pub fn new(config: impl Into<Arc<Config>>) -> Result<Self, ConfigError> {
        let config = config.into();
        config.validate()?;
        Ok(Self {
            in_order: in_order(&config.addresses),
            state: State::Initialize,
            started: false,
            last_transition: None,
            faults: Vec::new(),
            source: config.source,
            tracked: None,
            reduced: false,
            owners: None,
            timers: Timers::default(),
            master_interval: config.interval,
            listening_since: Instant::ZERO,
            master: None,
            lower: None,
            resigned_by: None,
            preempt_at: None,
            yielding: None,
            silent: None,
            unheard: false,
            preempted: None,
            wants_master: false,
            contests: Vec::new(),
            contest_announced: None,
            answered: None,
            answer_due: false,
            identification: 0,
            header_key: header_key(&config.authentication),
            sequence: 0,
            received_sequence: 0,
            stamps: None,
            old_unicast_checksum: false,
            reports: Reports::default(),
            stats: Stats::default(),
            actions: VecDeque::new(),
            config,
        })
    }

    /// Takes a packet for this virtual router and says what became of it.
    ///
    /// A dropped packet changes nothing but its counter and, at a bounded rate, a report.
    pub fn handle_packet(&mut self, now: Instant, received: &Received<'_>) -> Verdict {
        match self.check(now, received) {
            Ok(heard) => Verdict::Accepted(self.accept(now, &heard)),
            Err(reason) => {
                self.stats.count_drop(reason);
                let source = received.source;
                if let Some(about) = Disagreement::of(reason) {
                    self.note_contest(now, about, source, None);
                }
                match reason {
                    DropReason::NotListening | DropReason::OwnerIgnores => {}
                    DropReason::OwnAdvert => self.warn(now, Warning::DuplicateSource { source }),
                    _ => self.warn(now, Warning::Dropped { reason, source }),
                }
                Verdict::Dropped(reason)
            }
        }
    }

    /// Lets time pass; call it when [`poll_timeout`](Self::poll_timeout) is reached. Early and
    /// repeated calls do nothing.
    ///
    /// A call that comes later than its deadline by more than a whole master-down interval means
    /// that this process slept while others held an election. The router then listens before it
    /// speaks, unless [`Overslept::Continue`] is configured: a backup starts its timer again, a
    /// master becomes backup without resigning.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.run_timers(now);
    }

    /// When to call [`handle_timeout`](Self::handle_timeout); `None` while there is nothing to wait
    /// for. May change after any `handle_*` call and after [`reconfigure`](Self::reconfigure).
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next().map(|(_, at)| at)
    }

    /// The next thing to do; call until `None` after every `handle_*` call and after
    /// [`reconfigure`](Self::reconfigure).
    #[must_use]
    pub fn poll_action(&mut self) -> Option<Action> {
        let action = self.actions.pop_front();
        // A transition asks for several things, and comes once in months; an advert asks for one.
        if self.actions.is_empty() && self.actions.capacity() > 1 {
            self.actions.shrink_to(1);
        }
        action
    }

    /// Whether [`poll_action`](Self::poll_action) would give nothing.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.actions.is_empty()
    }

    /// The state.
    pub const fn state(&self) -> State {
        self.state
    }

    /// The configuration in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The counters.
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The address adverts are sent from.
    pub const fn source(&self) -> Option<IpAddr> {
        self.source
    }

    /// The priority in force: as configured, as tracked, or 254 for an owner that another owner
    /// does not give way to.
    pub fn effective_priority(&self) -> Priority {
        if self.config.priority.is_owner() {
            if self.reduced {
                Priority::MAX_NON_OWNER
            } else {
                Priority::OWNER
            }
        } else {
            self.tracked.unwrap_or(self.config.priority)
        }
    }

    /// The last transition, with its reason.
    pub const fn last_transition(&self) -> Option<&Transition> {
        self.last_transition.as_ref()
    }

    /// The faults in force, in order of appearance.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// As backup, the master this router follows.
    pub const fn master(&self) -> Option<&Heard> {
        self.master.as_ref()
    }

    /// Grouped: whether this member's own election says that it should be master.
    pub const fn wants_master(&self) -> bool {
        self.wants_master
    }

    /// The master-down interval in force: `down_timer_adverts` x interval + skew.
    pub fn master_down_interval(&self) -> Duration {
        Duration::from_micros(self.master_down_micros())
    }

    /// The skew time in force: (256 - priority) / 256 of a second in version 2, of the master's
    /// interval in version 3.
    pub fn skew_time(&self) -> Duration {
        Duration::from_micros(self.skew_micros())
    }

    /// The interval to wait by: the master's in version 3, ours in version 2 and as master.
    pub const fn master_interval(&self) -> Interval {
        self.master_interval
    }

    fn stamps_mut(&mut self) -> &mut Stamps {
        let transport = &self.config.transport;
        self.stamps
            .get_or_insert_with(|| Box::new(Stamps::new(transport)))
    }

    /// The configured addresses in numerical order, for comparison.
    fn sorted_addresses(&self) -> &[IpAddr] {
        self.in_order.as_deref().unwrap_or(&self.config.addresses)
    }

    /// Bytes that one advert takes in an IPv4 or IPv6 packet, IPv4 header and trailer included.
    pub fn encoded_len(&self) -> usize {
        let config = &self.config;
        let count = config.addresses.len();
        let header = crate::wire::HEADER_LEN + count * config.family.address_len();
        let family = match config.family {
            Family::V4 => crate::wire::IPV4_HEADER_LEN,
            Family::V6 => 0,
        };
        let auth = match (config.version, config.family) {
            (crate::Version::V2, Family::V4) => 8,
            _ => 0,
        };
        let ah = self.header_key.as_ref().map_or(0, |_| crate::auth::AH_LEN);
        let signs = config.signing.as_deref().is_some_and(Signing::signs);
        let trailer = if signs { crate::auth::TRAILER_LEN } else { 0 };
        family + ah + header + auth + trailer
    }
}

fn in_order(addresses: &[IpAddr]) -> Option<Box<[IpAddr]>> {
    if addresses.is_sorted() {
        return None;
    }
    let mut sorted: Box<[IpAddr]> = addresses.into();
    sorted.sort_unstable();
    Some(sorted)
}

fn header_key(authentication: &Authentication) -> Option<Box<HeaderKey>> {
    match authentication {
        Authentication::Header(password) => Some(Box::new(HeaderKey::new(password))),
        Authentication::None | Authentication::Password(_) => None,
    }
}

/// What signed adverts need.
#[derive(Clone, Debug)]
struct Stamps {
    /// The last one of each sender.
    heard: ReplayGuard,
    /// The last one sent.
    sent: Option<Stamp>,
    /// When the time of the day was told, and what it was.
    clock: Option<(Instant, UnixTime)>,
}

impl Stamps {
    fn new(transport: &Transport) -> Self {
        Self {
            heard: ReplayGuard::new(replay_capacity(transport)),
            sent: None,
            clock: None,
        }
    }
}

/// How many senders of signed adverts to remember: every peer, or as many as keepalived does.
fn replay_capacity(transport: &Transport) -> usize {
    match transport {
        Transport::Multicast(_) => 4,
        Transport::Unicast { peers, .. } => peers.len(),
    }
}
