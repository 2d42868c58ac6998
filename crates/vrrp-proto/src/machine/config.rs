//! What one virtual router is told to be.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use crate::auth::{Authentication, Signing};
use crate::ids::{Family, Priority, Version, Vrid};
use crate::time::Interval;
use crate::wire::ChecksumForm;

/// The configuration of a virtual router.
///
/// Make one with [`Config::new`] and set what differs from the defaults, which are keepalived's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The virtual router identifier (`virtual_router_id`).
    pub vrid: Vrid,
    /// The protocol version (`version`).
    pub version: Version,
    /// The address family.
    pub family: Family,
    /// The configured priority, 1 to 255 (`priority`). Default 100.
    pub priority: Priority,
    /// The interval between adverts (`advert_int`). Default 1 s.
    pub interval: Interval,
    /// The addresses that adverts list, in their order, at most 255 (`virtual_ipaddress`). Empty
    /// is allowed (`no_virtual_ipaddress`); the router then also accepts adverts without addresses.
    pub addresses: Vec<IpAddr>,
    /// The source address of adverts, also the tie-breaker between equal priorities
    /// (`mcast_src_ip`, `unicast_src_ip`, or the primary address of the interface). Without one
    /// the router is at fault until [`Event::SourceChanged`](super::Event::SourceChanged) brings it.
    pub source: Option<IpAddr>,
    /// Whom adverts go to and come from.
    pub transport: Transport,
    /// Whether a backup takes over from a master of lower priority.
    pub preemption: Preemption,
    /// How many adverts may be missing before a backup takes over, 1 to 100 (`down_timer_adverts`).
    /// Default 3.
    pub down_timer_adverts: u8,
    /// As master, do not answer an advert of lower priority at once (`lower_prio_no_advert`).
    pub lower_priority_no_advert: bool,
    /// As master, send one more advert before yielding to a higher priority
    /// (`higher_prio_send_advert`).
    pub higher_priority_send_advert: bool,
    /// The same, but only before yielding to the very router whose silence made this one master, or to any if this one
    /// became master without having heard anybody: it may have started during the split. After a split the other router
    /// may never have stopped being master, and then nothing else would tell it to announce the addresses again: hosts
    /// would go on sending to us. Default false.
    pub answer_returning_master: bool,
    /// As owner (255), ignore all adverts (`owner_ignore_adverts`).
    pub owner_ignore_adverts: bool,
    /// What to do when an advert lists other addresses than ours.
    pub address_check: AddressCheck,
    /// Authentication of version 2 (`authentication`).
    pub authentication: Authentication,
    /// Signed adverts (`auth_hmac`).
    pub signing: Option<Box<Signing>>,
    /// Over which bytes the checksum of version 3 over IPv4 is sent (`v3_checksum_as_v2`,
    /// `old_unicast_checksum`). Other messages have one form only. Every form is accepted.
    pub checksum: ChecksumForm,
    /// Send the old unicast form of the checksum once a peer is seen to use it; on by default,
    /// off with `old_unicast_checksum never`.
    pub follow_old_unicast_checksum: bool,
    /// TTL or hop limit of adverts (`unicast_ttl`). Default 255, which multicast needs.
    pub hop_limit: u8,
    /// When the addresses are announced by gratuitous ARP or neighbour advertisements.
    pub announce: AnnouncePolicy,
    /// What to do after having slept through a whole master-down interval.
    pub overslept: Overslept,
    /// Member of a sync group: ask before becoming master, follow [`GroupOrder`](super::GroupOrder)s.
    pub grouped: bool,
    /// Shortest time between two reports of the same kind; what comes between is counted.
    /// Default 60 s.
    pub report_interval: Duration,
}

impl Config {
    /// A virtual router with the defaults: version 2 for IPv4 and 3 for IPv6, priority 100, adverts
    /// every second, multicast, no address yet.
    pub fn new(vrid: Vrid, family: Family) -> Self {
        Self {
            vrid,
            version: match family {
                Family::V4 => Version::V2,
                Family::V6 => Version::V3,
            },
            family,
            priority: Priority::DEFAULT,
            interval: Interval::DEFAULT,
            addresses: Vec::new(),
            source: None,
            transport: Transport::Multicast(family.multicast_group()),
            preemption: Preemption::Always,
            down_timer_adverts: 3,
            lower_priority_no_advert: false,
            higher_priority_send_advert: false,
            answer_returning_master: false,
            owner_ignore_adverts: false,
            address_check: AddressCheck::Report,
            authentication: Authentication::None,
            signing: None,
            checksum: ChecksumForm::PseudoHeader,
            follow_old_unicast_checksum: true,
            hop_limit: 255,
            announce: AnnouncePolicy::default(),
            overslept: Overslept::Listen,
            grouped: false,
            report_interval: Duration::from_secs(60),
        }
    }

    /// Checks that the values fit each other.
    ///
    /// # Errors
    /// The first contradiction found, as a [`ConfigError`].
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.priority.is_resign() {
            return Err(ConfigError::PriorityZero);
        }
        if self.addresses.len() > 255 {
            return Err(ConfigError::TooManyAddresses(self.addresses.len()));
        }
        if !self.interval.fits(self.version) {
            return Err(ConfigError::Interval {
                interval: self.interval,
                version: self.version,
            });
        }
        if !(1..=100).contains(&self.down_timer_adverts) {
            return Err(ConfigError::DownTimerAdverts(self.down_timer_adverts));
        }
        let foreign = |address: &&IpAddr| Family::of(**address) != self.family;
        let mentioned = self.addresses.iter().chain(&self.source);
        if let Some(address) = mentioned.chain(self.transport.iter()).find(foreign) {
            return Err(ConfigError::Family {
                address: *address,
                family: self.family,
            });
        }
        match &self.transport {
            Transport::Multicast(group) if !group.is_multicast() => {
                return Err(ConfigError::NotMulticast(*group));
            }
            Transport::Unicast { peers, .. } => {
                if let Some(peer) = peers.iter().find(|peer| peer.address.is_multicast()) {
                    return Err(ConfigError::NotUnicast(peer.address));
                }
            }
            Transport::Multicast(_) => {}
        }
        if self.version == Version::V3 && self.authentication != Authentication::None {
            return Err(ConfigError::AuthenticationVersion);
        }
        if self.signing.is_some() && self.authentication != Authentication::None {
            return Err(ConfigError::AuthenticationAndSigning);
        }
        if self.family == Family::V6 && matches!(self.authentication, Authentication::Header(_)) {
            return Err(ConfigError::HeaderFamily);
        }
        Ok(())
    }
}

/// A configuration contradicts itself or the protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Priority 0 only ever resigns.
    #[error("priority 0 is not allowed; use 1 to 254, or 255 for the owner of the addresses")]
    PriorityZero,
    /// The count field has eight bits.
    #[error("{0} addresses do not fit in an advert; list at most 255 and exclude the others")]
    TooManyAddresses(usize),
    /// The version cannot carry the interval.
    #[error("version {version} cannot carry an interval of {interval}")]
    Interval {
        /// The interval asked for.
        interval: Interval,
        /// The version asked for.
        version: Version,
    },
    /// Out of range.
    #[error("down_timer_adverts {0} is out of range; use 1 to 100")]
    DownTimerAdverts(u8),
    /// All addresses of a virtual router are of one family.
    #[error("{address} is not an {family} address; a virtual router has one family")]
    Family {
        /// The address that does not fit.
        address: IpAddr,
        /// The family of the virtual router.
        family: Family,
    },
    /// The multicast destination is none.
    #[error("{0} is not a multicast address; give a group or configure unicast peers")]
    NotMulticast(IpAddr),
    /// A peer is a multicast group.
    #[error("peer {0} is a multicast address; give the address of one router")]
    NotUnicast(IpAddr),
    /// Version 3 has no authentication of its own.
    #[error("version 3 has no password or header authentication; use version 2 or signing")]
    AuthenticationVersion,
    /// Signing replaces the older kinds of authentication.
    #[error("signing replaces password and header authentication; configure one of them")]
    AuthenticationAndSigning,
    /// The authentication header is for IPv4.
    #[error("the authentication header needs IPv4; use signing")]
    HeaderFamily,
    /// The identity of a running router cannot change.
    #[error("virtual router identifier, version and family cannot change; make a new router")]
    Identity,
}

/// Whom adverts go to and come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// One multicast group (`mcast_dst_ip`), hop limit 255 checked.
    Multicast(IpAddr),
    /// A list of routers (`unicast_peer`); each gets its own copy in this order.
    Unicast {
        /// The other routers.
        peers: Vec<Peer>,
        /// Accept adverts from these only (`check_unicast_src`). Hop-limit bounds on any peer
        /// imply it.
        check_source: bool,
    },
}

impl Transport {
    /// The destinations of an advert, in order.
    pub fn destinations(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.iter().copied()
    }

    fn iter(&self) -> impl Iterator<Item = &IpAddr> + '_ {
        let (group, peers) = match self {
            Self::Multicast(group) => (Some(group), &[][..]),
            Self::Unicast { peers, .. } => (None, peers.as_slice()),
        };
        group
            .into_iter()
            .chain(peers.iter().map(|peer| &peer.address))
    }

    /// Whether adverts go to peers one by one.
    pub const fn is_unicast(&self) -> bool {
        matches!(self, Self::Unicast { .. })
    }
}

/// Another router of the virtual router, reached by unicast (`unicast_peer`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// The least hop limit its adverts may arrive with (`min_ttl`). Default 0.
    pub min_hop_limit: u8,
    /// The greatest hop limit its adverts may arrive with (`max_ttl`). Default 255.
    pub max_hop_limit: u8,
}

impl Peer {
    /// A peer whose adverts may arrive with any hop limit.
    pub const fn new(address: IpAddr) -> Self {
        Self {
            address,
            min_hop_limit: 0,
            max_hop_limit: 255,
        }
    }

    pub(super) const fn is_bounded(&self) -> bool {
        self.min_hop_limit > 0 || self.max_hop_limit < 255
    }
}

/// Whether a backup takes over from a master of lower priority. An owner always does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Preemption {
    /// `preempt`.
    #[default]
    Always,
    /// `preempt_delay`: such a master is accepted for this long after it was first heard.
    Delayed(Duration),
    /// `nopreempt`.
    Never,
}

/// What to do when an advert lists other addresses than ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum AddressCheck {
    /// Count and report it; the advert counts all the same, as with keepalived 2.4.
    #[default]
    Report,
    /// As `Report`, but do not look again while the master stays the same (`skip_check_adv_addr`).
    SkipKnownMaster,
    /// In version 2 drop it, unless an owner sent it (RFC 3768 section 7.1); in version 3 as
    /// `Report`, which RFC 9568 section 7.1 asks for.
    Drop,
}

/// What to do after having slept (a stopped process, a paused machine) through a whole
/// master-down interval, in which the others will have elected somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Overslept {
    /// Listen before speaking: a backup starts its timer again, a master becomes backup with a
    /// fresh timer and no resignation. This is keepalived's `timer_expired_backup`, for everybody.
    #[default]
    Listen,
    /// Go on as if nothing had been; two masters may meet.
    Continue,
}

/// When addresses are announced (`garp_*`). Times are from the transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AnnouncePolicy {
    /// Announcements of each address in a burst (`garp_master_repeat`). Default 5.
    pub repeat: u32,
    /// After how long the burst comes again, zero for not (`garp_master_delay`). Default 5 s.
    pub delay: Duration,
    /// Time between refreshes while master, zero for none (`garp_master_refresh`). Default none.
    pub refresh: Duration,
    /// Announcements of each address in a refresh (`garp_master_refresh_repeat`). Default 1.
    pub refresh_repeat: u32,
    /// Announcements of each address after an advert of lower priority, zero for none
    /// (`garp_lower_prio_repeat`). Default 5.
    pub lower_priority_repeat: u32,
    /// After how long those come again, zero for not (`garp_lower_prio_delay`). Default 5 s.
    pub lower_priority_delay: Duration,
}

impl Default for AnnouncePolicy {
    fn default() -> Self {
        Self {
            repeat: 5,
            delay: Duration::from_secs(5),
            refresh: Duration::ZERO,
            refresh_repeat: 1,
            lower_priority_repeat: 5,
            lower_priority_delay: Duration::from_secs(5),
        }
    }
}
