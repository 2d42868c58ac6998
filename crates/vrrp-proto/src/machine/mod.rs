//! The state machine of one virtual router.

mod action;
mod config;
mod event;
mod reason;
mod stats;

pub use action::{
    Action, Advert, AnnounceCause, Announcement, MemberReport, Report, State, Transition,
};
pub use config::{
    AddressCheck, AnnouncePolicy, Config, ConfigError, Overslept, Peer, Preemption, Transport,
};
pub use event::{Event, Fault, GroupOrder, Received};
pub use reason::{Accepted, DropReason, Reason, Verdict, Warning};
pub use stats::Stats;

use alloc::collections::VecDeque;
use core::net::IpAddr;
use core::time::Duration;

use crate::ids::Priority;
use crate::time::Instant;
use crate::wire::EncodeError;

/// An advert cannot be encoded.
pub type SendError = EncodeError;

/// One virtual router; it owns no socket and no clock.
#[derive(Debug)]
pub struct VirtualRouter {
    config: Config,
    state: State,
    stats: Stats,
    actions: VecDeque<Action>,
}

/// Another router as last heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Its address.
    pub source: IpAddr,
    /// Its priority.
    pub priority: Priority,
    /// When its last advert came.
    pub at: Instant,
}

/// Another master beside this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contest {
    /// Its address.
    pub source: IpAddr,
    /// Its priority.
    pub priority: Priority,
    /// Since when it is heard.
    pub since: Instant,
    /// When it was last heard.
    pub last: Instant,
}

#[allow(unused_variables, clippy::unused_self, missing_docs)]
impl VirtualRouter {
    /// A virtual router in [`State::Initialize`]; it does nothing until [`Event::Startup`].
    ///
    /// # Errors
    /// [`ConfigError`] if the configuration contradicts itself.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.validate()?;
        Ok(Self {
            config,
            state: State::Initialize,
            stats: Stats::default(),
            actions: VecDeque::new(),
        })
    }
    /// Tells of a local happening.
    pub fn handle_event(&mut self, now: Instant, event: Event) {}
    /// Takes a packet for this virtual router and says what became of it. A dropped packet changes
    /// nothing but its counter.
    pub fn handle_packet(&mut self, now: Instant, received: &Received<'_>) -> Verdict {
        Verdict::Dropped(DropReason::NotListening)
    }
    /// Lets time pass; call it when [`poll_timeout`](Self::poll_timeout) is reached.
    pub fn handle_timeout(&mut self, now: Instant) {}
    /// Changes the configuration without a transition. Identity (VRID, version, family) must stay.
    ///
    /// # Errors
    /// [`ConfigError`]; the old configuration then stays in force.
    pub fn reconfigure(&mut self, now: Instant, config: Config) -> Result<(), ConfigError> {
        config.validate()
    }
    /// When to call [`handle_timeout`](Self::handle_timeout); may change after any `handle_*` call.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }
    /// The next thing to do; call until `None` after every `handle_*` call.
    #[must_use]
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }
    /// Encodes the message of `advert` for `destination` (what follows the IP header): for IPv6, or
    /// for IPv4 when the kernel writes the header.
    ///
    /// # Errors
    /// [`EncodeError`] if `out` is too small or the destination is of the other family.
    pub fn encode_message(
        &self,
        advert: &Advert,
        destination: IpAddr,
        out: &mut [u8],
    ) -> Result<usize, SendError> {
        Ok(0)
    }
    /// Encodes the complete IPv4 datagram of `advert` for `destination`, for a socket with
    /// `IP_HDRINCL`. Needed under an authentication header, whose digest covers the IP header.
    ///
    /// # Errors
    /// [`EncodeError`] if `out` is too small or a source or destination is not IPv4.
    pub fn encode_datagram(
        &self,
        advert: &Advert,
        destination: IpAddr,
        out: &mut [u8],
    ) -> Result<usize, SendError> {
        Ok(0)
    }
    /// The state.
    pub const fn state(&self) -> State {
        self.state
    }
    /// The configuration in force.
    pub const fn config(&self) -> &Config {
        &self.config
    }
    /// The counters.
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }
    /// The priority in force: configured, tracked, or reduced in a contest of two owners.
    pub fn effective_priority(&self) -> Priority {
        self.config.priority
    }
    /// The last transition, with its reason.
    pub const fn last_transition(&self) -> Option<&Transition> {
        None
    }
    /// The faults in force, in order of appearance.
    pub fn faults(&self) -> &[Fault] {
        &[]
    }
    /// The master this router follows or last heard.
    pub const fn master(&self) -> Option<&Heard> {
        None
    }
    /// As master, another master heard within its own master-down interval.
    pub fn contest(&self, now: Instant) -> Option<&Contest> {
        None
    }
    /// The master-down interval in force.
    pub fn master_down_interval(&self) -> Duration {
        Duration::ZERO
    }
    /// The skew time in force.
    pub fn skew_time(&self) -> Duration {
        Duration::ZERO
    }
}
