//! The typed result of a load: effective values, each knowing where it came from.
//!
//! Field names follow the keywords. Defaults and inheritance (global to instance, virtual server
//! to real server to checker) are already applied; [`Setting::is_written`] tells whether somebody
//! wrote a value.

mod address;
mod bfd;
mod checker;
mod global;
mod lvs;
mod real_server;
mod root;
mod route;
mod rule;
mod script;
pub(crate) mod setting;
mod track;
mod vrrp;

pub use address::{Broadcast, Lifetime, PeerAddress, RouteScope, VirtualAddress};
pub use bfd::BfdInstance;
pub use checker::{
    AgentCheck, Checker, CheckerKind, DnsCheck, DnsType, FileCheck, HttpGet, HttpProtocol,
    MiscCheck, Nibble, Pace, SmtpCheck, SourceBinding, StatusRange, TalkCheck, TalkTurn, TlsTrust,
    UdpCheck, Url,
};
pub use global::{
    AutoPriority, DynamicInterfaces, ExtraInterfaceGarp, FlushOnStop, GlobalDefs, IncludeChecks,
    Iptables, LvsSyncDaemon, LvsTimeouts, NotifyFifo, ReceiveBufferPolicy, SmtpServer, SmtpTls,
};
pub use lvs::{
    Granularity, LvsMethod, Protocol, Scheduler, SorryServer, Tunnel, TunnelChecksum, TunnelKind,
    VirtualServer, VirtualServerGroup, VirtualServerGroupMember, VirtualServerTarget,
};
pub use real_server::{CheckDefaults, RealServer, RealServerNames};
pub use root::{Config, GarpGroup, InterfaceDelay, LinkbeatInterface, SslKeys, TrackGroup};
pub use route::{Encapsulation, Metric, NextHop, Route, RouteOperation, RouteType};
pub use rule::{PortRange, Rule, RuleAction};
pub use script::{Script, ScriptUser};
pub use setting::{Origin, Secret, Setting, Spanned};
pub use track::{
    ParameterMatch, TrackEntry, TrackFile, TrackProcess, TrackWeight, Trackers, VrrpScript,
};
pub use vrrp::{
    AntiReplay, AuthHmac, AuthType, Authentication, HmacKey, HmacMode, InitialState, IpvlanMode,
    Notify, OldUnicastChecksum, UnicastPeer, UseIpvlan, UseVmac, VrrpInstance, VrrpSyncGroup,
    VrrpVersion,
};

/// Address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Family {
    /// IPv4 (`inet`).
    Inet,
    /// IPv6 (`inet6`).
    Inet6,
}

impl Family {
    /// Family of an address.
    #[must_use]
    pub const fn of(address: &std::net::IpAddr) -> Self {
        match address {
            std::net::IpAddr::V4(_) => Self::Inet,
            std::net::IpAddr::V6(_) => Self::Inet6,
        }
    }

    /// 32 or 128.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::Inet => 32,
            Self::Inet6 => 128,
        }
    }
}

/// An address with a prefix length (`10.0.0.0/8`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Prefix {
    /// The address as written; host bits are kept.
    pub address: std::net::IpAddr,
    /// Prefix length, 0 to 32 or 0 to 128.
    pub length: u8,
}

impl std::fmt::Display for Prefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}
