//! Virtual and static addresses (entries of `virtual_ipaddress` and its relatives).

use std::net::{IpAddr, Ipv4Addr};

use super::{Family, Origin, Prefix, Spanned};

/// One address to configure on an interface.
///
/// `ADDR[/PLEN] [dev IF] [scope S] [broadcast ADDR|+|-] [label L] [peer ADDR[/PLEN]] [home]
/// [-nodad] [mngtmpaddr] [noprefixroute] [autojoin] [preferred_lft N|forever] [no_track]
/// [use_vmac] [track_group G]`
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct VirtualAddress {
    /// The address.
    pub address: IpAddr,
    /// Effective prefix length: written, else 32 or 128; with `peer`, the peer's.
    pub prefix_length: u8,
    /// True if the prefix length was written.
    pub prefix_written: bool,
    /// Interface; `None` means the instance's interface, or `default_interface` if static.
    pub dev: Option<Spanned<String>>,
    /// Address scope (IPv4).
    pub scope: Option<RouteScope>,
    /// Broadcast address (IPv4).
    pub broadcast: Option<Broadcast>,
    /// Interface label (IPv4, at most 15 bytes).
    pub label: Option<Spanned<String>>,
    /// Point-to-point peer.
    pub peer: Option<PeerAddress>,
    /// Flag `home` (IPv6 home address).
    pub home: bool,
    /// Duplicate address detection is off; true unless `-nodad` is written.
    pub nodad: bool,
    /// Flag `mngtmpaddr`.
    pub mngtmpaddr: bool,
    /// Flag `noprefixroute`.
    pub noprefixroute: bool,
    /// Flag `autojoin`.
    pub autojoin: bool,
    /// Preferred lifetime: written, else forever, or zero for an IPv6 /128.
    pub preferred_lft: Lifetime,
    /// Do not leave MASTER when the address disappears.
    pub no_track: bool,
    /// Put the address on a virtual MAC interface over `dev`.
    pub use_vmac: bool,
    /// Instances that fault with this static address.
    pub track_group: Option<Spanned<String>>,
    /// Where the entry stands.
    pub span: Origin,
}

impl VirtualAddress {
    /// Family of the address.
    #[must_use]
    pub const fn family(&self) -> Family {
        Family::of(&self.address)
    }

    /// Address and prefix length.
    #[must_use]
    pub const fn prefix(&self) -> Prefix {
        Prefix {
            address: self.address,
            length: self.prefix_length,
        }
    }

    /// The broadcast address to set, computed for `+` and `-`; `None` if there is none or with a
    /// peer.
    #[must_use]
    pub fn broadcast_address(&self) -> Option<Ipv4Addr> {
        let IpAddr::V4(address) = self.address else {
            return None;
        };
        if self.peer.is_some() {
            return None;
        }
        let hosts = u32::MAX
            .checked_shr(u32::from(self.prefix_length))
            .unwrap_or(0);
        match self.broadcast? {
            Broadcast::Address(broadcast) => Some(broadcast),
            Broadcast::HostBitsSet => Some(Ipv4Addr::from_bits(address.to_bits() | hosts)),
            Broadcast::HostBitsClear => Some(Ipv4Addr::from_bits(address.to_bits() & !hosts)),
        }
    }
}

/// Peer of a point-to-point address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PeerAddress {
    /// The peer.
    pub address: IpAddr,
    /// Its prefix length.
    pub prefix_length: u8,
}

/// `broadcast ADDR | + | -`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Broadcast {
    /// A written address.
    Address(Ipv4Addr),
    /// `+`: all host bits one.
    HostBitsSet,
    /// `-`: all host bits zero.
    HostBitsClear,
}

/// `preferred_lft`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Lifetime {
    /// No limit.
    Forever,
    /// Seconds; zero makes the address deprecated.
    Seconds(u32),
}

/// A scope: one of iproute2's names, a number, or a name from the site's `rt_scopes`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum RouteScope {
    /// `global` (0), `site` (200), `link` (253), `host` (254), `nowhere` (255), or a number.
    Number(u8),
    /// A name that only the site's iproute2 files know.
    Name(String),
}
