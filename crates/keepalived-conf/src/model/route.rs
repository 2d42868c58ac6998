//! Entries of `static_routes` and `virtual_routes`.

use std::net::IpAddr;

use super::{Family, Origin, Prefix, RouteScope, Spanned};

/// A name or number from an iproute2 table (`table`, `protocol`, `tos`).
pub(crate) type NameOrNumber = String;

/// `[inet|inet6] [to] [TYPE] DST [options] [nexthop ...]...`
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Route {
    /// Family: written, else that of an address in the entry, else IPv4.
    pub family: Family,
    /// Kind of route.
    pub kind: RouteType,
    /// Destination; `None` is the default route.
    pub destination: Option<Prefix>,
    /// `via`.
    pub via: Option<Spanned<IpAddr>>,
    /// `or`: a second gateway (deprecated).
    pub or: Option<Spanned<IpAddr>>,
    /// `src`: preferred source.
    pub src: Option<Spanned<IpAddr>>,
    /// `from` (IPv6).
    pub from: Option<Prefix>,
    /// `tos` or `dsfield`: name or number.
    pub tos: Option<NameOrNumber>,
    /// `table`: name or number; `None` is main.
    pub table: Option<NameOrNumber>,
    /// `protocol`: name or number; `None` is keepalived (18).
    pub protocol: Option<NameOrNumber>,
    /// `scope`.
    pub scope: Option<RouteScope>,
    /// `metric`, `priority` or `preference`.
    pub metric: Option<u32>,
    /// `dev` or `oif`.
    pub dev: Option<Spanned<String>>,
    /// `onlink`.
    pub onlink: bool,
    /// `encap`.
    pub encap: Option<Encapsulation>,
    /// `expires`, seconds (IPv6).
    pub expires: Option<u32>,
    /// `mtu`, `advmss`, `rtt` and the other kernel metrics.
    pub metrics: Vec<Metric>,
    /// `congctl`: algorithm, and whether it is locked.
    pub congctl: Option<(String, bool)>,
    /// `features ecn`.
    pub ecn: bool,
    /// `realms`: source (0 if absent) and destination, names or numbers.
    pub realms: Option<NameOrNumber>,
    /// `pref`: low, medium, high or a number (IPv6).
    pub pref: Option<String>,
    /// `ttl-propagate`.
    pub ttl_propagate: Option<bool>,
    /// `add`, `prepend` or `append`.
    pub operation: RouteOperation,
    /// `vrf`.
    pub vrf: Option<Spanned<String>>,
    /// Do not leave MASTER when the route disappears.
    pub no_track: bool,
    /// Instances that fault with this static route.
    pub track_group: Option<Spanned<String>>,
    /// `nexthop` parts.
    pub nexthop: Vec<NextHop>,
    /// Where the entry stands.
    pub span: Origin,
}

/// Kind of route, as in `ip route`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[allow(missing_docs)]
pub enum RouteType {
    Unicast,
    Local,
    Broadcast,
    Anycast,
    Multicast,
    Blackhole,
    Unreachable,
    Prohibit,
    Throw,
    Nat,
    Xresolve,
    /// A number.
    Number(u8),
}

/// How the route is put into the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum RouteOperation {
    /// `add`: fail if there is one.
    Add,
    /// `prepend`: before existing ones.
    #[default]
    Prepend,
    /// `append`: after existing ones.
    Append,
}

/// A numeric kernel metric of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Metric {
    /// `mtu`, `advmss`, `rtt`, `rttvar`, `reordering`, `cwnd`, `ssthresh`, `rto_min`, `hoplimit`,
    /// `window`, `initcwnd`, `initrwnd`, `quickack` or `fastopen_no_cookie`.
    pub name: &'static str,
    /// The value as the kernel takes it (`rtt` in 1/8 ms, `rttvar` in 1/4 ms, `rto_min` in ms).
    pub value: u32,
    /// `lock`: the kernel must not change it.
    pub lock: bool,
}

/// `encap`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Encapsulation {
    /// `ip` or `ip6` with options as name and value, in order.
    Ip {
        /// Family of the outer header.
        family: Family,
        /// `id`, `dst`, `src`, `tos`/`tc`, `ttl`/`hoplimit`, `flags`.
        options: Vec<(&'static str, String)>,
    },
    /// `mpls L[/L...]`.
    Mpls(Vec<u32>),
    /// `ila LOCATOR`.
    Ila(u64),
}

/// `nexthop [via ADDR] [dev IF] [weight 1..256] [onlink] [encap ...] [realms R]`.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct NextHop {
    /// `via`.
    pub via: Option<Spanned<IpAddr>>,
    /// `dev`.
    pub dev: Option<Spanned<String>>,
    /// `weight`, 1 to 256; 1 if absent.
    pub weight: Option<u16>,
    /// `onlink`.
    pub onlink: bool,
    /// `encap`.
    pub encap: Option<Encapsulation>,
    /// `realms`.
    pub realms: Option<NameOrNumber>,
}
