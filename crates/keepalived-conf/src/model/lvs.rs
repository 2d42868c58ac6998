//! `virtual_server` and `virtual_server_group`.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::setting::settings;
use super::{CheckDefaults, Family, Origin, RealServer, Script, Spanned};

/// What a virtual server catches.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum VirtualServerTarget {
    /// `virtual_server ADDR [PORT]`.
    Address {
        /// Virtual address.
        address: IpAddr,
        /// Port; `None` is every port (persistent).
        port: Option<u16>,
    },
    /// `virtual_server fwmark N`.
    Fwmark(u32),
    /// `virtual_server group NAME`.
    Group(String),
}

impl std::fmt::Display for VirtualServerTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address {
                address,
                port: Some(port),
            } => write!(f, "{address} {port}"),
            Self::Address {
                address,
                port: None,
            } => write!(f, "{address}"),
            Self::Fwmark(mark) => write!(f, "fwmark {mark}"),
            Self::Group(name) => write!(f, "group {name}"),
        }
    }
}

/// `protocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[allow(missing_docs)]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        })
    }
}

/// `lb_algo` or `lvs_sched`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Scheduler {
    /// Round robin.
    Rr,
    /// Weighted round robin.
    Wrr,
    /// Least connections.
    Lc,
    /// Weighted least connections.
    Wlc,
    /// Locality-based least connections.
    Lblc,
    /// Source hashing.
    Sh,
    /// Maglev hashing.
    Mh,
    /// Destination hashing.
    Dh,
    /// Weighted failover.
    Fo,
    /// Weighted overflow.
    Ovf,
    /// Locality-based least connections with replication.
    Lblcr,
    /// Shortest expected delay.
    Sed,
    /// Never queue.
    Nq,
    /// Power of two choices.
    Twos,
}

impl Scheduler {
    /// All schedulers with their names.
    pub(crate) const NAMES: &'static [(&'static str, Self)] = &[
        ("rr", Self::Rr),
        ("wrr", Self::Wrr),
        ("lc", Self::Lc),
        ("wlc", Self::Wlc),
        ("lblc", Self::Lblc),
        ("sh", Self::Sh),
        ("mh", Self::Mh),
        ("dh", Self::Dh),
        ("fo", Self::Fo),
        ("ovf", Self::Ovf),
        ("lblcr", Self::Lblcr),
        ("sed", Self::Sed),
        ("nq", Self::Nq),
        ("twos", Self::Twos),
    ];

    /// The kernel's name of the scheduler.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(_, s)| *s == self)
            .map_or("", |(name, _)| name)
    }
}

/// `lb_kind` or `lvs_method`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum LvsMethod {
    /// Address translation; replies pass through the director.
    Nat,
    /// Direct routing; only the hardware address is rewritten.
    Dr,
    /// Tunnelling.
    Tun(Tunnel),
}

/// Options of tunnelling: `type ipip|gue|gre`, `port N`, `nocsum|csum|remcsum`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Tunnel {
    /// Kind of tunnel.
    pub kind: TunnelKind,
    /// Port, for `gue` only.
    pub port: Option<u16>,
    /// Checksum.
    pub checksum: TunnelChecksum,
}

/// Kind of tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[allow(missing_docs)]
pub enum TunnelKind {
    Ipip,
    Gue,
    Gre,
}

/// Checksum of a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum TunnelChecksum {
    /// `nocsum`.
    None,
    /// `csum`.
    Checksum,
    /// `remcsum`.
    Remote,
}

/// `persistence_granularity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Granularity {
    /// IPv4 netmask.
    Mask(Ipv4Addr),
    /// IPv6 prefix length, 1 to 128.
    PrefixLength(u8),
}

/// `sorry_server ADDR [PORT]`.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SorryServer {
    /// Address.
    pub address: IpAddr,
    /// Effective port: written, else the virtual server's; `None` for every port.
    pub port: Option<u16>,
    /// `sorry_server_inhibit`: keep it in the table with weight 0 when not needed.
    pub inhibit: bool,
    /// `sorry_server_lvs_method`, else the virtual server's method.
    pub lvs_method: LvsMethod,
    /// True if `sorry_server_lvs_method` was written.
    pub lvs_method_written: bool,
    /// Where the line stands.
    pub span: Origin,
}

settings! {
    /// `virtual_server ADDR [PORT] | fwmark N | group NAME { }`.
    pub struct VirtualServer {
        /// Family; deduced unless written. `None` if nothing tells.
        ip_family: Option<Family> = None,
        /// Protocol; `None` for firewall marks. UDP if an address has none (as keepalived).
        protocol: Option<Protocol> = None,
        /// Scheduler.
        lb_algo: Scheduler = Scheduler::Wlc,
        /// Forwarding method.
        lb_kind: LvsMethod = LvsMethod::Nat,
        /// One-packet scheduling (UDP).
        ops: bool = false,
        /// Scheduler flag 1.
        flag_1: bool = false,
        /// Scheduler flag 2.
        flag_2: bool = false,
        /// Scheduler flag 3.
        flag_3: bool = false,
        /// `sh`: hash the port too.
        sh_port: bool = false,
        /// `sh`: another server if the hashed one is unusable.
        sh_fallback: bool = false,
        /// `mh`: hash the port too.
        mh_port: bool = false,
        /// `mh`: another server if the hashed one is unusable.
        mh_fallback: bool = false,
        /// Persistence engine.
        persistence_engine: Option<String> = None,
        /// Persistence; `None` is off. 360 s if written without a number or forced by port 0.
        persistence_timeout: Option<Duration> = None,
        /// Granularity of persistence; `None` is one host.
        persistence_granularity: Option<Granularity> = None,
        /// Check only while the address is present locally.
        ha_suspend: bool = false,
        /// Mail when the quorum is gained or lost.
        smtp_alert: bool = false,
        /// Default HTTP host name of checkers.
        virtualhost: Option<String> = None,
        /// Name for SNMP.
        snmp_name: Option<String> = None,
        /// Real servers start as down.
        alpha: bool = false,
        /// Run the down notifications at shutdown.
        omega: bool = false,
        /// Smallest sum of weights of live servers, from 1.
        quorum: u32 = 1,
        /// Gained at quorum + hysteresis, lost below quorum - hysteresis.
        hysteresis: u32 = 0,
        /// Default weight of real servers, from 1.
        weight: u32 = 1,
        /// Failed real servers stay in the table with weight 0.
        inhibit_on_failure: bool = false,
    } plus {
        /// What is caught.
        target: Spanned<VirtualServerTarget> =
            Spanned::new(VirtualServerTarget::Fwmark(0), Origin::default().0),
        /// `retry`, `delay_before_retry`, `warmup`, `connect_timeout`, `delay_loop`: already
        /// applied to the checkers.
        checks: CheckDefaults = CheckDefaults::default(),
        /// Run when the quorum is gained.
        quorum_up: Option<Box<Script>> = None,
        /// Run when the quorum is lost.
        quorum_down: Option<Box<Script>> = None,
        /// Answers when no real server does.
        sorry_server: Option<Box<SorryServer>> = None,
        /// Real servers in the order of the file.
        real_server: Vec<RealServer> = Vec::new(),
        /// Where the block stands.
        span: Origin = Origin::default(),
    }
}

/// `virtual_server_group NAME { }`.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct VirtualServerGroup {
    /// Name of the group.
    pub name: Spanned<String>,
    /// Members in the order of the file.
    pub members: Vec<VirtualServerGroupMember>,
    /// Where the block stands.
    pub span: Origin,
}

/// An entry of a `virtual_server_group`.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum VirtualServerGroupMember {
    /// `ADDR [PORT]`, `ADDR-END [PORT]` or `ADDR/LEN [PORT]`; a single address has `last == first`.
    Range {
        /// First address.
        first: IpAddr,
        /// Last address.
        last: IpAddr,
        /// Port; `None` is every port.
        port: Option<u16>,
        /// Where the entry stands.
        span: Origin,
    },
    /// `fwmark N [inet|inet6]`.
    Fwmark {
        /// The mark.
        mark: u32,
        /// Family, if written.
        family: Option<Family>,
        /// Where the entry stands.
        span: Origin,
    },
}
