//! What must hold after every step.

use alloc::string::String;

use core::fmt;

use crate::machine::{Reason, State, Transition};
use crate::time::{Instant, micros};

/// An invariant did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Microseconds of true time from the start.
    pub at: u64,
    /// The link.
    pub link: usize,
    /// What did not hold.
    pub broken: Broken,
}

/// Which invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Broken {
    /// Two masters that hear each other lasted too long.
    TwoMasters {
        /// The nodes.
        nodes: (usize, usize),
        /// Since when they could have known.
        since: u64,
    },
    /// It has long been quiet, and there is no master.
    NoMaster,
    /// At the end there is not exactly one master.
    Unsettled {
        /// How many there are.
        masters: usize,
    },
    /// A transition that nothing explains.
    Causeless {
        /// The node.
        node: usize,
        /// The transition.
        transition: String,
    },
    /// A router has the addresses and is not master, or the reverse.
    Addresses {
        /// The node.
        node: usize,
        /// Its state.
        state: State,
    },
    /// Some members of a sync group are master and others are not.
    SplitGroup {
        /// The node.
        node: usize,
    },
    /// A configuration of the scenario was refused.
    Configuration {
        /// The node.
        node: usize,
        /// Why.
        why: String,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, rest) = (self.at / 1_000_000, self.at % 1_000_000);
        write!(f, "at {seconds}.{rest:06} s on link {}: ", self.link)?;
        match &self.broken {
            Broken::TwoMasters { nodes, since } => write!(
                f,
                "nodes {} and {} are both master and could have known for {} us",
                nodes.0,
                nodes.1,
                self.at - since
            ),
            Broken::NoMaster => f.write_str("no master although it has long been quiet"),
            Broken::Unsettled { masters } => write!(f, "{masters} masters at the end"),
            Broken::Causeless { node, transition } => {
                write!(f, "node {node} changed without a cause: {transition}")
            }
            Broken::Addresses { node, state } => {
                write!(f, "node {node} is {state} and its addresses are not so")
            }
            Broken::SplitGroup { node } => write!(f, "the sync group of node {node} is split"),
            Broken::Configuration { node, why } => {
                write!(f, "node {node} refuses its configuration: {why}")
            }
        }
    }
}

impl core::error::Error for Violation {}

/// What made a router act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Event,
    Packet,
    Timeout,
    GroupOrder,
}

/// What a router is seen to hear, to hold its reasons against.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Witness {
    /// When the last advert that counted came, or listening began, by the router's clock.
    pub(super) counted: Instant,
    /// Somebody resigned since.
    pub(super) resigned: bool,
}

impl Witness {
    /// Whether `transition` is explained by what happened.
    pub(super) fn explains(&self, transition: &Transition, cause: Cause, least: u64) -> bool {
        match &transition.reason {
            Reason::Started
            | Reason::StartedAsOwner
            | Reason::Stopped
            | Reason::TakeOver
            | Reason::StandDown => cause == Cause::Event,
            Reason::Fault(_) | Reason::Recovered | Reason::RecoveredAsOwner => {
                matches!(cause, Cause::Event | Cause::GroupOrder)
            }
            Reason::MasterDown { silence, .. } => {
                let heard = transition.at.saturating_duration_since(self.counted);
                cause == Cause::Timeout && *silence == heard && micros(*silence) >= least
            }
            Reason::MasterResigned { .. } => cause == Cause::Timeout && self.resigned,
            Reason::HigherPriority { priority, ours, .. } => {
                cause == Cause::Packet && priority > ours && transition.from == State::Master
            }
            Reason::GreaterAddress { .. } => {
                cause == Cause::Packet && transition.from == State::Master
            }
            Reason::Overslept { .. } => matches!(cause, Cause::Packet | Cause::Timeout),
            Reason::GroupPromoted | Reason::GroupDemoted { .. } => cause == Cause::GroupOrder,
        }
    }
}
