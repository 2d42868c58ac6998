use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::stats::Stats;

/// What the kernel tells the destinations of a service apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DestinationId {
    /// Address of the real server.
    pub address: IpAddr,
    /// Its port; 0 in services that take every port.
    pub port: u16,
}

impl DestinationId {
    /// Both together.
    #[must_use]
    pub const fn address_and_port(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }
}

impl From<SocketAddr> for DestinationId {
    fn from(address: SocketAddr) -> Self {
        Self {
            address: address.ip(),
            port: address.port(),
        }
    }
}

impl fmt::Display for DestinationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.address, self.port).fmt(f)
    }
}

/// How packets reach a destination (keepalived's `lvs_method`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Forwarding {
    /// `DR`: the frame is sent on unchanged; the server answers the client itself.
    #[default]
    DirectRouting,
    /// `NAT`: addresses are rewritten; answers come back through the director.
    Masquerading,
    /// `TUN`: the packet is sent on inside another one.
    Tunnel(Tunnel),
    /// The director itself.
    Local,
    /// To the original address, past the servers (transparent caches).
    Bypass,
    /// A method that this version does not know (`IP_VS_CONN_F_FWD_MASK`).
    Other(u32),
}

impl fmt::Display for Forwarding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DirectRouting => f.write_str("route"),
            Self::Masquerading => f.write_str("masq"),
            Self::Tunnel(tunnel) => write!(f, "tunnel {tunnel}"),
            Self::Local => f.write_str("local"),
            Self::Bypass => f.write_str("bypass"),
            Self::Other(number) => write!(f, "forwarding-{number}"),
        }
    }
}

/// Kind of encapsulation (`IPVS_DEST_ATTR_TUN_TYPE`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum TunnelKind {
    /// IP in IP.
    #[default]
    Ipip,
    /// Generic UDP encapsulation; needs a port.
    Gue,
    /// Generic routing encapsulation.
    Gre,
    /// A kind that this version does not know.
    Other(u8),
}

impl TunnelKind {
    /// The kernel's number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Ipip => 0,
            Self::Gue => 1,
            Self::Gre => 2,
            Self::Other(number) => number,
        }
    }

    /// The kind with this number.
    #[must_use]
    pub const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Ipip,
            1 => Self::Gue,
            2 => Self::Gre,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for TunnelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipip => f.pad("ipip"),
            Self::Gue => f.pad("gue"),
            Self::Gre => f.pad("gre"),
            Self::Other(number) => f.pad(&format!("tunnel-{number}")),
        }
    }
}

/// Checksum options of a tunnel (`IPVS_DEST_ATTR_TUN_FLAGS`); unknown bits are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct TunnelFlags(pub u16);

impl TunnelFlags {
    /// No checksum (`nocsum`).
    pub const NO_CHECKSUM: Self = Self(0);
    /// Checksum (`csum`; GUE and GRE).
    pub const CHECKSUM: Self = Self(1);
    /// Remote checksum offload (`remcsum`; GUE).
    pub const REMOTE_CHECKSUM: Self = Self(2);

    /// Whether all flags of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// The tunnel to a destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Tunnel {
    /// Encapsulation.
    pub kind: TunnelKind,
    /// UDP port of the tunnel's far end; GUE only, else 0.
    pub port: u16,
    /// Checksum options.
    pub flags: TunnelFlags,
}

impl Tunnel {
    /// IP in IP.
    #[must_use]
    pub const fn ipip() -> Self {
        Self {
            kind: TunnelKind::Ipip,
            port: 0,
            flags: TunnelFlags::NO_CHECKSUM,
        }
    }

    /// Generic UDP encapsulation to this port.
    #[must_use]
    pub const fn gue(port: u16) -> Self {
        Self {
            kind: TunnelKind::Gue,
            port,
            flags: TunnelFlags::NO_CHECKSUM,
        }
    }

    /// Generic routing encapsulation.
    #[must_use]
    pub const fn gre() -> Self {
        Self {
            kind: TunnelKind::Gre,
            port: 0,
            flags: TunnelFlags::NO_CHECKSUM,
        }
    }

    /// The same with other checksum options.
    #[must_use]
    pub const fn with_flags(self, flags: TunnelFlags) -> Self {
        Self { flags, ..self }
    }
}

impl fmt::Display for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if self.port != 0 {
            write!(f, " port {}", self.port)?;
        }
        if self.flags.contains(TunnelFlags::CHECKSUM) {
            f.write_str(" csum")?;
        }
        if self.flags.contains(TunnelFlags::REMOTE_CHECKSUM) {
            f.write_str(" remcsum")?;
        }
        Ok(())
    }
}

/// A destination (real server) of a service as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Destination {
    /// Which server.
    pub id: DestinationId,
    /// How packets reach it.
    pub forwarding: Forwarding,
    /// 0 to `i32::MAX`; 0 gets no new connections.
    pub weight: u32,
    /// Connections above which it gets no new ones; 0 is no limit (`uthreshold`).
    pub upper_threshold: u32,
    /// Connections below which an overloaded server is used again; 0 is three quarters of the
    /// upper threshold (`lthreshold`). Not above `upper_threshold`.
    pub lower_threshold: u32,
}

impl Destination {
    /// A destination of weight 1 without thresholds.
    #[must_use]
    pub fn new(id: impl Into<DestinationId>, forwarding: Forwarding) -> Self {
        Self {
            id: id.into(),
            forwarding,
            weight: 1,
            upper_threshold: 0,
            lower_threshold: 0,
        }
    }

    /// The same with another weight.
    #[must_use]
    pub const fn with_weight(self, weight: u32) -> Self {
        Self { weight, ..self }
    }

    /// The same with connection limits.
    #[must_use]
    pub const fn with_thresholds(self, upper: u32, lower: u32) -> Self {
        Self {
            upper_threshold: upper,
            lower_threshold: lower,
            ..self
        }
    }
}

/// `172.16.1.4:80 route weight 1`, for messages.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} weight {}", self.id, self.forwarding, self.weight)?;
        if self.upper_threshold != 0 || self.lower_threshold != 0 {
            write!(
                f,
                " thresholds {} {}",
                self.upper_threshold, self.lower_threshold
            )?;
        }
        Ok(())
    }
}

/// A destination as the kernel reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DestinationEntry {
    /// Its settings.
    pub destination: Destination,
    /// Connections that are established.
    pub active_connections: u32,
    /// Connections in any other state.
    pub inactive_connections: u32,
    /// Persistence templates.
    pub persistent_connections: u32,
    /// Its counters.
    pub stats: Stats,
}
