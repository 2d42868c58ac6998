//! What comes out of a virtual router.

use core::fmt;
use core::net::IpAddr;

use super::reason::{Reason, Warning};
use crate::auth::Stamp;
use crate::ids::Priority;
use crate::time::Instant;

/// The state of a virtual router (RFC 9568 section 6.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum State {
    /// Not started, stopped, or waiting for its trackers.
    #[default]
    Initialize,
    /// Watches the master.
    #[doc(alias = "Standby")]
    Backup,
    /// Holds the addresses and sends adverts.
    #[doc(alias = "Active")]
    Master,
    /// Something it needs is missing.
    Fault,
}

impl fmt::Display for State {
    /// keepalived's word: `INIT`, `BACKUP`, `MASTER` or `FAULT`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Initialize => "INIT",
            Self::Backup => "BACKUP",
            Self::Master => "MASTER",
            Self::Fault => "FAULT",
        })
    }
}

/// Something for the caller to do, in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Send this advert to every destination of the router; encode it with
    /// [`VirtualRouter::encode_message`](super::VirtualRouter::encode_message) or
    /// [`VirtualRouter::encode_datagram`](super::VirtualRouter::encode_datagram).
    SendAdvert(Advert),
    /// Have all addresses (advertised, excluded, routes, rules) in place. Comes on becoming master
    /// and again when a new configuration changes the list; what is in place may stay.
    AddAddresses,
    /// Have none of the addresses in place. Comes also at start, for what a crash left over.
    RemoveAddresses,
    /// Announce all addresses now, excluded ones too.
    Announce(Announcement),
    /// The state has changed.
    Transition(Transition),
    /// Something an operator should know; bounded in rate.
    Report(Report),
    /// For the sync group, if the router is in one: pass it to
    /// [`SyncGroup::handle`](crate::group::SyncGroup::handle).
    Group(MemberReport),
}

/// An advert to send. What it lists and how it is secured is taken from the configuration when it
/// is encoded; what must not change between copies is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advert {
    /// The priority it carries; 0 resigns.
    pub priority: Priority,
    /// The address it is sent from.
    pub source: IpAddr,
    /// The IP protocol: 112, or 51 under an authentication header.
    pub protocol: u8,
    /// TTL or hop limit to send with.
    pub hop_limit: u8,
    /// Identification of the IPv4 header.
    pub identification: u16,
    pub(super) sequence: u32,
    pub(super) stamp: Option<Stamp>,
}

/// Send `repeat` rounds of gratuitous ARP (IPv4) or unsolicited neighbour advertisements (IPv6),
/// each round taking every address once, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// How many rounds.
    pub repeat: u32,
    /// Why now.
    pub cause: AnnounceCause,
}

/// Why addresses are announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum AnnounceCause {
    /// The router has just become master.
    Takeover,
    /// The second burst (`garp_master_delay`).
    Delayed,
    /// The periodic refresh (`garp_master_refresh`).
    Refresh,
    /// Another master of lower priority was heard; switches and hosts may have learned its address.
    Contest,
    /// The second burst after such a contest (`garp_lower_prio_delay`).
    ContestDelayed,
    /// The other master is gone; some may still have its address.
    ContestWon,
    /// The configuration brought new addresses.
    Reconfigured,
    /// The caller or the sync group asked for it.
    Requested,
}

/// A change of state.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Transition {
    /// When.
    pub at: Instant,
    /// The state before.
    pub from: State,
    /// The state since.
    pub to: State,
    /// Why.
    pub reason: Reason,
    /// The effective priority at that moment.
    pub priority: Priority,
}

impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}: {}", self.from, self.to, self.reason)
    }
}

/// A warning with the number of equal ones held back since the last.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Report {
    /// What is wrong.
    pub warning: Warning,
    /// How many of this kind were not reported since the last report.
    pub suppressed: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.warning, f)?;
        if self.suppressed > 0 {
            write!(f, " ({} more since the last report)", self.suppressed)?;
        }
        Ok(())
    }
}

/// What a member of a sync group tells its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MemberReport {
    /// Whether the member's own election says that it should be master.
    WantsMaster(bool),
    /// Whether the member has a fault of its own.
    AtFault(bool),
    /// The member became master.
    BecameMaster,
    /// The member stopped being master by itself.
    LeftMaster,
    /// The member, as master, heard one of lower priority.
    LowerPriorityHeard,
}
