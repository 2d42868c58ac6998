use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;

use super::name::Name;
use super::scheduler::{Scheduler, SchedulerFlags};
use super::stats::Stats;

/// Transport protocol of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum Protocol {
    /// TCP, protocol number 6.
    Tcp,
    /// UDP, protocol number 17.
    Udp,
    /// SCTP, protocol number 132.
    Sctp,
    /// Another IP protocol number.
    Other(u16),
}

impl Protocol {
    /// The IP protocol number (`IPVS_SVC_ATTR_PROTOCOL`).
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
            Self::Other(number) => number,
        }
    }

    /// The protocol with this number.
    #[must_use]
    pub const fn from_number(number: u16) -> Self {
        match number {
            6 => Self::Tcp,
            17 => Self::Udp,
            132 => Self::Sctp,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp => f.pad("TCP"),
            Self::Udp => f.pad("UDP"),
            Self::Sctp => f.pad("SCTP"),
            Self::Other(number) => f.pad(&format!("protocol-{number}")),
        }
    }
}

/// Address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The number of bits in an address: 32 or 128.
    #[must_use]
    pub const fn address_bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// What the kernel tells services apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum ServiceId {
    /// An address, port and protocol.
    Address {
        /// Transport protocol.
        protocol: Protocol,
        /// Virtual address.
        address: IpAddr,
        /// Port; 0 takes every port and needs persistence.
        port: u16,
    },
    /// A firewall mark, set on packets by nftables or iptables.
    Fwmark {
        /// The mark.
        mark: NonZeroU32,
        /// Family of the marked packets; the same mark may have one service for each.
        family: Family,
    },
}

impl ServiceId {
    /// A TCP service.
    #[must_use]
    pub const fn tcp(address: SocketAddr) -> Self {
        Self::address(Protocol::Tcp, address)
    }

    /// A UDP service.
    #[must_use]
    pub const fn udp(address: SocketAddr) -> Self {
        Self::address(Protocol::Udp, address)
    }

    /// An SCTP service.
    #[must_use]
    pub const fn sctp(address: SocketAddr) -> Self {
        Self::address(Protocol::Sctp, address)
    }

    /// A service by protocol and address.
    #[must_use]
    pub const fn address(protocol: Protocol, address: SocketAddr) -> Self {
        Self::Address {
            protocol,
            address: address.ip(),
            port: address.port(),
        }
    }

    /// A service by firewall mark; `None` for mark 0, which is no mark.
    #[must_use]
    pub fn fwmark(mark: u32, family: Family) -> Option<Self> {
        NonZeroU32::new(mark).map(|mark| Self::Fwmark { mark, family })
    }

    /// The family of the service's packets.
    #[must_use]
    pub const fn family(&self) -> Family {
        match self {
            Self::Address { address, .. } => Family::of(*address),
            Self::Fwmark { family, .. } => *family,
        }
    }
}

/// As ipvsadm lists it: `TCP 172.16.1.8:80`, `UDP [2001:db8::8]:53`, `FWM 7`, `FWM 9 IPv6`.
impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address {
                protocol,
                address,
                port,
            } => {
                write!(f, "{protocol} {}", SocketAddr::new(*address, *port))
            }
            Self::Fwmark {
                mark,
                family: Family::V4,
            } => write!(f, "FWM {mark}"),
            Self::Fwmark {
                mark,
                family: Family::V6,
            } => write!(f, "FWM {mark} IPv6"),
        }
    }
}

/// Which clients count as one for persistence (keepalived's `persistence_granularity`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum Netmask {
    /// IPv4: the bits of the client's address that count, as a mask.
    V4(Ipv4Addr),
    /// IPv6: the number of leading bits that count, 1 to 128.
    V6(u8),
}

impl Netmask {
    /// Each client counts for itself.
    #[must_use]
    pub const fn host(family: Family) -> Self {
        match family {
            Family::V4 => Self::V4(Ipv4Addr::BROADCAST),
            Family::V6 => Self::V6(128),
        }
    }

    /// The first `bits` bits count; more than the address has are taken as all.
    #[must_use]
    pub fn prefix(family: Family, bits: u8) -> Self {
        match family {
            Family::V4 => {
                let host_bits = 32_u32.saturating_sub(u32::from(bits));
                Self::V4(Ipv4Addr::from(u32::MAX.checked_shl(host_bits).unwrap_or(0)))
            }
            Family::V6 => Self::V6(bits.min(128)),
        }
    }

    /// Whether each client counts for itself.
    #[must_use]
    pub const fn is_host(self) -> bool {
        match self {
            Self::V4(mask) => mask.to_bits() == u32::MAX,
            Self::V6(bits) => bits == 128,
        }
    }

    /// The family it is for.
    #[must_use]
    pub const fn family(self) -> Family {
        match self {
            Self::V4(_) => Family::V4,
            Self::V6(_) => Family::V6,
        }
    }
}

/// As ipvsadm's `-M` takes it: `255.255.255.0`, or `64` for IPv6.
impl fmt::Display for Netmask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(mask) => mask.fmt(f),
            Self::V6(bits) => bits.fmt(f),
        }
    }
}

/// Keeps a client on the destination it was first given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Persistence {
    /// Seconds without a connection after which a client may go elsewhere (keepalived's
    /// `persistence_timeout`).
    pub timeout: u32,
    /// Which clients count as one; of the service's family.
    pub netmask: Netmask,
}

impl Persistence {
    /// Persistence for `timeout` seconds, each client for itself.
    #[must_use]
    pub const fn new(family: Family, timeout: u32) -> Self {
        Self {
            timeout,
            netmask: Netmask::host(family),
        }
    }

    /// The same with clients grouped.
    #[must_use]
    pub const fn with_netmask(self, netmask: Netmask) -> Self {
        Self { netmask, ..self }
    }
}

/// A virtual service as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Service {
    /// What it takes packets for.
    pub id: ServiceId,
    /// How it picks a destination.
    pub scheduler: Scheduler,
    /// Flags of the scheduler.
    pub scheduler_flags: SchedulerFlags,
    /// Persistence, if any.
    pub persistence: Option<Persistence>,
    /// Persistence engine, such as `sip` (module `ip_vs_pe_sip`).
    pub persistence_engine: Option<Name>,
    /// Each packet is scheduled by itself (UDP; keepalived's `ops`).
    pub one_packet: bool,
    /// Flag bits that this version does not know; 0 in a service you make.
    pub unknown_flags: u32,
}

impl Service {
    /// A service with a scheduler and nothing else.
    #[must_use]
    pub const fn new(id: ServiceId, scheduler: Scheduler) -> Self {
        Self {
            id,
            scheduler,
            scheduler_flags: SchedulerFlags::NONE,
            persistence: None,
            persistence_engine: None,
            one_packet: false,
            unknown_flags: 0,
        }
    }
}

/// `TCP 172.16.1.8:80 wrr persistent 300 mask 255.255.255.0`, for messages.
impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.scheduler)?;
        if !self.scheduler_flags.is_empty() {
            write!(f, " ({})", self.scheduler_flags.names(&self.scheduler))?;
        }
        if let Some(persistence) = self.persistence {
            write!(f, " persistent {}", persistence.timeout)?;
            if !persistence.netmask.is_host() {
                write!(f, " mask {}", persistence.netmask)?;
            }
        }
        if let Some(engine) = &self.persistence_engine {
            write!(f, " pe {engine}")?;
        }
        if self.one_packet {
            write!(f, " ops")?;
        }
        Ok(())
    }
}

/// A service as the kernel reports it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ServiceEntry {
    /// Its settings.
    pub service: Service,
    /// Its counters.
    pub stats: Stats,
}
