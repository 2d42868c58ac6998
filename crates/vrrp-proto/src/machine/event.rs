//! What goes into a virtual router besides packets and time.

use alloc::string::String;
use core::fmt;
use core::net::IpAddr;
use core::time::Duration;

use crate::ids::{Family, Priority, Vrid};
use crate::time::UnixTime;
use crate::wire::{Ipv4Header, ParseError};

/// A local happening.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Begin: an owner becomes master at once, others become backup, or fault.
    Startup,
    /// Stop for good: a master resigns.
    Shutdown,
    /// Something the router needs is missing. Any number may be raised; raising one again does
    /// nothing. A master resigns and gives the addresses up.
    FaultRaised(Fault),
    /// That fault is gone. When the last one goes the router becomes backup, or an owner master.
    FaultCleared(Fault),
    /// Tracking changed the priority to this (1 to 254). Owners keep 255. A running backup timer
    /// shifts by the change of skew; adverts carry the new priority from the next one on.
    TrackedPriority(Priority),
    /// The address that adverts are sent from; `None` raises [`Fault::NoSourceAddress`].
    SourceChanged(Option<IpAddr>),
    /// An operator wants this router to be master now. Refused, with a report, while a better
    /// master is heard.
    TakeOver,
    /// An operator wants another router to be master: resign and accept any other master, for
    /// `hold` or, if `None`, until [`Event::TakeOver`]. Should nobody else come forward, this router
    /// becomes master again after its master-down interval.
    StandDown {
        /// How long to accept a master of lower priority.
        hold: Option<Duration>,
    },
    /// As master, announce the addresses once more, as after a transition.
    Announce,
    /// The wall clock, for signed adverts with a time window. Tell it at start and whenever the
    /// clock may have been set; once a second is plenty.
    WallClock(UnixTime),
    /// Another router advertises addresses of this one under another identifier. Only the caller sees such adverts:
    /// they are not for this router.
    ForeignIdentifier {
        /// Who.
        source: IpAddr,
        /// The identifier it uses.
        vrid: Vrid,
    },
    /// An order of the sync group.
    Group(GroupOrder),
}

/// What a sync group tells a member; see [`SyncGroup`](crate::group::SyncGroup).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupOrder {
    /// All members can be master: become master.
    Promote,
    /// Member `because` stopped being master: resign and become backup.
    Demote {
        /// The member that went first.
        because: String,
    },
    /// Member `because` is at fault: be at fault too.
    Fault {
        /// The member at fault.
        because: String,
    },
    /// No other member is at fault any more.
    ClearFault,
    /// Another member heard a master of lower priority: announce the addresses again.
    Announce,
}

/// Something a virtual router needs and does not have.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Fault {
    /// The named interface is down, has no link, or does not exist.
    InterfaceDown(String),
    /// There is no address to send adverts from.
    NoSourceAddress,
    /// The named tracked object, whose weight is zero, failed.
    Tracker(String),
    /// Trackers that decide have not reported yet. A router that starts with only this fault stays
    /// in [`State::Initialize`](super::State::Initialize).
    TrackersPending,
    /// The named virtual address, route or rule was lost and cannot be restored.
    AddressLost(String),
    /// The configuration cannot work on this machine.
    Configuration(String),
    /// The named member of the sync group is at fault. Raised by
    /// [`GroupOrder::Fault`], not by the caller.
    Group(String),
    /// Another reason, said in a few words.
    Other(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InterfaceDown(name) => write!(f, "interface {name} is down"),
            Self::NoSourceAddress => f.write_str("no source address for adverts"),
            Self::Tracker(name) => write!(f, "tracked {name} failed"),
            Self::TrackersPending => f.write_str("trackers have not reported yet"),
            Self::AddressLost(name) => write!(f, "{name} was lost"),
            Self::Configuration(why) => write!(f, "configuration: {why}"),
            Self::Group(member) => write!(f, "{member} of the sync group is at fault"),
            Self::Other(why) => f.write_str(why),
        }
    }
}

/// A packet with what the IP layer knows about it.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// The source address of the IP header.
    pub source: IpAddr,
    /// The destination address of the IP header.
    pub destination: IpAddr,
    /// TTL or hop limit it arrived with.
    pub hop_limit: u8,
    /// The IP protocol of `payload`: 112 (VRRP) or 51 (authentication header).
    pub protocol: u8,
    /// What follows the IP header, without link padding.
    pub payload: &'a [u8],
    /// The IPv4 header with its options; only the authentication header needs it.
    pub ipv4_header: Option<&'a [u8]>,
}

impl<'a> Received<'a> {
    /// Takes an IPv4 datagram apart, as raw sockets deliver it. Padding after the length that the
    /// header gives is cut off.
    ///
    /// # Errors
    /// [`ParseError::Ipv4Header`] if it is no complete IPv4 datagram.
    #[inline]
    pub fn from_ipv4(datagram: &'a [u8]) -> Result<Self, ParseError> {
        let (header, ipv4_header, payload) = Ipv4Header::parse(datagram)?;
        Ok(Self {
            source: IpAddr::V4(header.source),
            destination: IpAddr::V4(header.destination),
            hop_limit: header.ttl,
            protocol: header.protocol,
            payload,
            ipv4_header: Some(ipv4_header),
        })
    }

    /// A VRRP message over IPv6, or over IPv4 without its header.
    pub const fn new(
        source: IpAddr,
        destination: IpAddr,
        hop_limit: u8,
        payload: &'a [u8],
    ) -> Self {
        Self {
            source,
            destination,
            hop_limit,
            protocol: crate::ids::PROTOCOL_VRRP,
            payload,
            ipv4_header: None,
        }
    }

    /// The family of the packet.
    pub const fn family(&self) -> Family {
        Family::of(self.source)
    }

    /// The VRRP message: the payload, or what follows the authentication header; `None` if that is damaged.
    pub fn message(&self) -> Option<&'a [u8]> {
        if self.protocol == crate::ids::PROTOCOL_AH {
            return crate::auth::AuthenticationHeader::parse(self.payload)
                .map(|(_, message)| message);
        }
        Some(self.payload)
    }

    /// Which virtual router this is for; nothing else is checked. See [`crate::wire::peek`].
    #[inline]
    pub fn peek(&self) -> Option<crate::wire::Peek> {
        crate::wire::peek(self.protocol, self.payload)
    }
}
