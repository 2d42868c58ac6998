//! Why: transitions, dropped packets, warnings.

use alloc::string::String;
use core::fmt;
use core::net::IpAddr;
use core::time::Duration;

use super::action::State;
use super::event::Fault;
use crate::auth::TrailerError;
use crate::ids::{Priority, Vrid};
use crate::time::{Interval, Seconds};
use crate::wire::ParseError;

/// Why a state changed. `Display` is one sentence without a full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Reason {
    /// Started.
    Started,
    /// Started, and the addresses are this router's own.
    StartedAsOwner,
    /// Stopped by the caller.
    Stopped,
    /// The master-down interval passed without an advert that counts.
    MasterDown {
        /// Time since the last advert that counted, or since this router began to listen.
        silence: Duration,
        /// A master of lower priority that is heard, if there is one.
        preempted: Option<(IpAddr, Priority)>,
    },
    /// The master resigned and nobody better spoke up within the skew time.
    MasterResigned {
        /// Who resigned.
        source: IpAddr,
    },
    /// As master, heard a higher priority.
    HigherPriority {
        /// From whom.
        source: IpAddr,
        /// Its priority.
        priority: Priority,
        /// Ours.
        ours: Priority,
    },
    /// As master, heard the same priority from a greater address.
    GreaterAddress {
        /// From whom.
        source: IpAddr,
        /// The priority of both.
        priority: Priority,
    },
    /// A fault appeared.
    Fault(Fault),
    /// The last fault is gone.
    Recovered,
    /// The last fault is gone, and the addresses are this router's own.
    RecoveredAsOwner,
    /// An operator ordered it to take over.
    TakeOver,
    /// An operator ordered it to stand down.
    StandDown,
    /// It slept longer than its master-down interval, so others may have taken over.
    Overslept {
        /// How late it woke.
        late: Duration,
    },
    /// All members of its sync group can be master.
    GroupPromoted,
    /// A member of its sync group stopped being master.
    GroupDemoted {
        /// That member.
        because: String,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => f.write_str("started"),
            Self::StartedAsOwner => f.write_str("started as owner of the addresses"),
            Self::Stopped => f.write_str("stopped"),
            Self::MasterDown {
                silence,
                preempted: None,
            } => write!(f, "no advert for {}", Seconds(*silence)),
            Self::MasterDown {
                silence,
                preempted: Some((source, priority)),
            } => write!(
                f,
                "preempting {source} (priority {priority}), no better advert for {}",
                Seconds(*silence)
            ),
            Self::MasterResigned { source } => write!(f, "priority 0 advert from {source}"),
            Self::HigherPriority {
                source,
                priority,
                ours,
            } => write!(
                f,
                "higher priority {priority} from {source} (ours is {ours})"
            ),
            Self::GreaterAddress { source, priority } => {
                write!(f, "same priority {priority} from greater address {source}")
            }
            Self::Fault(fault) => fmt::Display::fmt(fault, f),
            Self::Recovered => f.write_str("all faults cleared"),
            Self::RecoveredAsOwner => f.write_str("all faults cleared, owner of the addresses"),
            Self::TakeOver => f.write_str("ordered to take over"),
            Self::StandDown => f.write_str("ordered to stand down"),
            Self::Overslept { late } => {
                write!(f, "woke {} late, listening before speaking", Seconds(*late))
            }
            Self::GroupPromoted => f.write_str("all members of the sync group can be master"),
            Self::GroupDemoted { because } => {
                write!(f, "{because} of the sync group stopped being master")
            }
        }
    }
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passed all checks.
    Accepted(Accepted),
    /// It was dropped and changed nothing but a counter.
    Dropped(DropReason),
}

/// What an advert that passed all checks led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Accepted {
    /// Backup: the master is alive, the timer starts again.
    MasterAlive,
    /// Backup: the master resigned, the timer is cut to the skew time.
    MasterResigned,
    /// From a lower priority. Backup: discarded, the timer runs on. Master: the last advert of a router that it has just
    /// taken over from, answered.
    LowerPriorityIgnored,
    /// Master: another master resigned; answered with an advert.
    ResignationAnswered,
    /// Master: from a lower priority (or equal, smaller address).
    LowerPriority,
    /// Master: from a better one; this router is backup now.
    Yielded,
}

macro_rules! drop_reasons {
    ($($(#[$doc:meta])* $name:ident => $text:literal,)*) => {
        /// Why a packet was dropped. Each has a counter in [`Stats`](super::Stats).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
        #[non_exhaustive]
        pub enum DropReason {
            $($(#[$doc])* $name,)*
        }

        impl DropReason {
            /// Every reason, in order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

drop_reasons! {
    /// The router is not started, or at fault.
    NotListening => "not listening",
    /// The packet's family is not the router's.
    Family => "wrong address family",
    /// TTL or hop limit is not 255 on multicast (RFC 9568 section 7.1).
    HopLimit => "hop limit is not 255",
    /// TTL or hop limit is outside the bounds of the unicast peer.
    PeerHopLimit => "hop limit outside the peer's bounds",
    /// Shorter than its fixed part or its address count says.
    Truncated => "truncated",
    /// Longer than its address count says.
    Excess => "longer than its contents",
    /// No VRRP version we know, or not the configured one.
    Version => "wrong version",
    /// Not an advertisement.
    Type => "unknown type",
    /// VRID 0 or of another virtual router.
    Vrid => "wrong virtual router identifier",
    /// The checksum is wrong in every known form.
    Checksum => "bad checksum",
    /// Version 3 with a maximum advertisement interval of 0 (RFC 9568 erratum 8301).
    IntervalZero => "interval 0",
    /// No addresses, while this router has some (RFC 9568 erratum 8299).
    NoAddresses => "no addresses",
    /// Version 2 with another interval than ours (RFC 3768 section 7.1).
    IntervalMismatch => "another interval",
    /// Version 2 with other addresses than ours, when those are to be dropped.
    AddressList => "another address list",
    /// Multicast where unicast is configured, or the reverse.
    Destination => "wrong kind of destination",
    /// A unicast sender that is not a peer.
    UnknownSource => "unknown sender",
    /// Our own advert came back.
    OwnAdvert => "own advert",
    /// This router is the owner and ignores all adverts.
    OwnerIgnores => "owner ignores adverts",
    /// An authentication type that no RFC defines.
    AuthTypeUnknown => "unknown authentication type",
    /// Another authentication type than ours, or a header where none is configured.
    AuthTypeMismatch => "another authentication type",
    /// The password differs.
    Password => "wrong password",
    /// The authentication header is malformed or names another sender.
    HeaderMalformed => "malformed authentication header",
    /// The digest of the authentication header does not match.
    HeaderDigest => "wrong digest in the authentication header",
    /// The sequence number of the authentication header is not greater than the last.
    HeaderReplay => "replayed authentication header",
    /// No signature where one is needed.
    SignatureMissing => "not signed",
    /// The signature trailer is malformed.
    SignatureMalformed => "malformed signature",
    /// Signed too far from our clock.
    SignatureStale => "signature too old or in the future",
    /// Signed with a key that is not configured here.
    SignatureUnknownKey => "signed with an unknown key",
    /// The signature does not match.
    SignatureInvalid => "wrong signature",
    /// The signature was seen before.
    SignatureReplay => "replayed signature",
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl From<ParseError> for DropReason {
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::Truncated { .. } | ParseError::Ipv4Header => Self::Truncated,
            ParseError::Version(_) => Self::Version,
            ParseError::Type(_) => Self::Type,
            ParseError::VridZero => Self::Vrid,
            ParseError::Checksum { .. } => Self::Checksum,
        }
    }
}

impl From<TrailerError> for DropReason {
    fn from(error: TrailerError) -> Self {
        match error {
            TrailerError::Malformed => Self::SignatureMalformed,
            TrailerError::Stale { .. } => Self::SignatureStale,
            TrailerError::UnknownKey(_) => Self::SignatureUnknownKey,
            TrailerError::Invalid => Self::SignatureInvalid,
        }
    }
}

/// Something an operator should look at. `Display` is one sentence without a full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Warning {
    /// A packet for this virtual router was dropped.
    Dropped {
        /// Why.
        reason: DropReason,
        /// Who sent it.
        source: IpAddr,
    },
    /// Another router lists other addresses.
    AddressListMismatch {
        /// Who sent it.
        source: IpAddr,
    },
    /// Version 3: another router has another interval.
    IntervalDiffers {
        /// Who sent it.
        source: IpAddr,
        /// Its interval.
        theirs: Interval,
        /// Ours.
        ours: Interval,
    },
    /// Another router is master too.
    OtherMaster {
        /// Who.
        source: IpAddr,
        /// Its priority.
        priority: Priority,
    },
    /// Another router has our addresses under another identifier.
    ForeignIdentifier {
        /// Who.
        source: IpAddr,
        /// The identifier it uses.
        vrid: Vrid,
    },
    /// The other master is heard no more, or gave up.
    ContestOver {
        /// Who.
        source: IpAddr,
        /// From its first advert to its last.
        lasted: Duration,
    },
    /// Two routers say that they own the addresses.
    TwoOwners {
        /// The other one.
        source: IpAddr,
    },
    /// A packet came in with our own source address, and we did not send it.
    DuplicateSource {
        /// The address.
        source: IpAddr,
    },
    /// Woke later than the master-down interval.
    Overslept {
        /// How late.
        late: Duration,
    },
    /// An order to take over was refused: a better master is there.
    TakeOverRefused {
        /// The master.
        master: IpAddr,
        /// Its priority.
        priority: Priority,
    },
    /// An order to take over cannot be followed in this state.
    TakeOverImpossible {
        /// The state.
        state: State,
    },
    /// IPv6: the first address is not link-local (RFC 9568 section 5.2.9).
    LinkLocalNotFirst,
    /// A peer uses the checksum of old versions on unicast; so do we from now on.
    OldUnicastChecksum {
        /// The peer.
        source: IpAddr,
    },
    /// A sender's clock differs from ours by more than half the window for signed adverts.
    ClockSkew {
        /// The sender.
        source: IpAddr,
        /// By how many seconds.
        seconds: u32,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dropped { reason, source } => write!(f, "dropped advert from {source}: {reason}"),
            Self::AddressListMismatch { source } => write!(
                f,
                "{source} advertises other addresses; make both configurations agree"
            ),
            Self::IntervalDiffers {
                source,
                theirs,
                ours,
            } => write!(
                f,
                "{source} advertises every {theirs}, we every {ours}; make both agree"
            ),
            Self::OtherMaster { source, priority } => {
                write!(f, "{source} (priority {priority}) is master too")
            }
            Self::ForeignIdentifier { source, vrid } => write!(
                f,
                "{source} advertises our addresses as virtual router {vrid}; make both identifiers agree"
            ),
            Self::ContestOver { source, lasted } => write!(
                f,
                "{source} is not master any more; it was for {}",
                Seconds(*lasted)
            ),
            Self::TwoOwners { source } => write!(
                f,
                "{source} has priority 255 too; only one router may own the addresses"
            ),
            Self::DuplicateSource { source } => write!(
                f,
                "an advert that is not ours came from our own address {source}; \
                 look for a duplicate address or a loop"
            ),
            Self::Overslept { late } => write!(
                f,
                "woke {} late; give the process more priority or use a longer interval",
                Seconds(*late)
            ),
            Self::TakeOverRefused { master, priority } => write!(
                f,
                "not taking over: {master} has the better priority {priority}"
            ),
            Self::TakeOverImpossible { state } => {
                write!(f, "not taking over: the state is {state}")
            }
            Self::LinkLocalNotFirst => {
                f.write_str("the first IPv6 address should be link-local; reorder the addresses")
            }
            Self::OldUnicastChecksum { source } => write!(
                f,
                "{source} computes unicast checksums as old versions did; following it"
            ),
            Self::ClockSkew { source, seconds } => write!(
                f,
                "the clock of {source} is {seconds} s away from ours; synchronise both"
            ),
        }
    }
}
