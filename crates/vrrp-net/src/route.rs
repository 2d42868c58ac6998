//! Routes that an instance has while it is master, and routes that are always there.

use std::fmt;
use std::net::IpAddr;

use vrrp_proto::Family;

use crate::encapsulation::Encapsulation;

/// Number of the main routing table (`RT_TABLE_MAIN`).
pub const MAIN_TABLE: u32 = 254;

/// An address with the number of its bits that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    /// The address; bits beyond the length do not count.
    pub address: IpAddr,
    /// Number of bits, 0–32 for IPv4 and 0–128 for IPv6.
    pub length: u8,
}

impl Prefix {
    const fn is_ipv6(&self) -> bool {
        self.address.is_ipv6()
    }

    /// The same without the bits that do not count; the kernel refuses those in routes.
    pub(crate) fn network(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(address) => {
                let host = u32::MAX.checked_shr(self.length.into()).unwrap_or(0);
                IpAddr::V4((address.to_bits() & !host).into())
            }
            IpAddr::V6(address) => {
                let host = u128::MAX.checked_shr(self.length.into()).unwrap_or(0);
                IpAddr::V6((address.to_bits() & !host).into())
            }
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// One entry of `virtual_routes` or `static_routes`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// Family of the destination.
    pub family: Family,
    /// What happens to packets (`unicast`, `blackhole` and so on).
    pub kind: RouteKind,
    /// Where to; `None` is the default route.
    pub destination: Option<Prefix>,
    /// Next router (`via`). One of the other family is possible for IPv4.
    pub gateway: Option<IpAddr>,
    /// Interface (`dev`).
    pub device: Option<String>,
    /// Source address of own packets (`src`).
    pub preferred_source: Option<IpAddr>,
    /// Only packets from there (`from`, IPv6 only).
    pub from: Option<Prefix>,
    /// Routing table, 1–4294967295.
    pub table: u32,
    /// Smaller ones win (`metric`); `None` is 0 for IPv4 and 1024 for IPv6.
    pub metric: Option<u32>,
    /// Scope number of `rtnetlink.h`; `None` is what `ip route` takes for the kind of route (IPv4 only).
    pub scope: Option<u8>,
    /// Type of service that packets must have (`tos`).
    pub type_of_service: u8,
    /// The gateway is on the link, even if no address says so (`onlink`).
    pub on_link: bool,
    /// Who put it there (`protocol`); `None` is [`Settings::route_mark`](crate::Settings::route_mark). Only routes
    /// with `None` are watched.
    pub protocol: Option<u8>,
    /// Values for connections that use the route (`mtu`, `advmss` and so on), each kind once.
    pub metrics: Vec<RouteMetric>,
    /// Congestion control algorithm (`congctl`), and whether connections must keep it.
    pub congestion_control: Option<(String, bool)>,
    /// Explicit congestion notification (`features ecn`).
    pub explicit_congestion: bool,
    /// Realms of source and destination (`realms`, IPv4 only).
    pub realms: Option<(u16, u16)>,
    /// Router preference (`pref`, IPv6 only).
    pub preference: Option<RoutePreference>,
    /// Seconds until the kernel removes it (`expires`, IPv6 only).
    pub expires: Option<u32>,
    /// What is put around packets (`encap`).
    pub encapsulation: Option<Encapsulation>,
    /// Whether MPLS copies the time to live (`ttl-propagate`).
    pub ttl_propagate: Option<bool>,
    /// The interface of a virtual routing domain whose table is used, instead of [`table`](Self::table) (`vrf`).
    pub vrf: Option<String>,
    /// Several ways to go (`nexthop`), instead of [`gateway`](Self::gateway) and [`device`](Self::device).
    pub next_hops: Vec<NextHop>,
    /// Where among equal routes it goes.
    pub placement: RoutePlacement,
    /// Put it back when somebody else removes it while it is wished (off with `no_track`).
    pub restore: bool,
    /// Of a static route: instances that are at fault while it is not there (`track_group`).
    pub needed_by: Vec<String>,
}

impl Route {
    /// A route in the main table, without gateway and interface.
    #[must_use]
    pub const fn new(family: Family, destination: Option<Prefix>) -> Self {
        Self {
            family,
            kind: RouteKind::Unicast,
            destination,
            gateway: None,
            device: None,
            preferred_source: None,
            from: None,
            table: MAIN_TABLE,
            metric: None,
            scope: None,
            type_of_service: 0,
            on_link: false,
            protocol: None,
            metrics: Vec::new(),
            congestion_control: None,
            explicit_congestion: false,
            realms: None,
            preference: None,
            expires: None,
            encapsulation: None,
            ttl_propagate: None,
            vrf: None,
            next_hops: Vec::new(),
            placement: RoutePlacement::First,
            restore: true,
            needed_by: Vec::new(),
        }
    }

    /// Says what the kernel would refuse or misunderstand, so that a mistake is found before anything is changed.
    ///
    /// # Errors
    /// Families mixed, prefix too long, table 0, weight 0, an option of the other family, next hops beside a gateway.
    pub fn validate(&self) -> Result<(), RoutingError> {
        let ipv6 = self.family == Family::V6;
        let entry = || self.to_string();
        let fail = |problem| {
            let entry = entry();
            Err(RoutingError { entry, problem })
        };
        for prefix in self.destination.iter().chain(&self.from) {
            if prefix.is_ipv6() != ipv6 {
                return fail("a prefix is of the other family");
            }
            if prefix.length > if ipv6 { 128 } else { 32 } {
                return fail("a prefix length is too long");
            }
        }
        if self
            .preferred_source
            .is_some_and(|source| source.is_ipv6() != ipv6)
        {
            return fail("`src` is of the other family");
        }
        let gateways = self.next_hops.iter().filter_map(|hop| hop.gateway);
        if ipv6
            && gateways
                .chain(self.gateway)
                .any(|gateway| gateway.is_ipv4())
        {
            return fail("an IPv6 route cannot go by an IPv4 gateway");
        }
        if self.table == 0 {
            return fail("table 0 is none, leave it out for the main table");
        }
        if !self.next_hops.is_empty() && (self.gateway.is_some() || self.device.is_some()) {
            return fail("give either `nexthop` parts or `via` and `dev`");
        }
        if self
            .next_hops
            .iter()
            .any(|hop| !(1..=256).contains(&hop.weight))
        {
            return fail("a weight must be 1 to 256");
        }
        if ipv6 && self.realms.is_some() {
            return fail("realms are for IPv4");
        }
        if !ipv6 && (self.from.is_some() || self.preference.is_some() || self.expires.is_some()) {
            return fail("`from`, `pref` and `expires` are for IPv6");
        }
        Ok(())
    }

    /// The interfaces it names.
    pub(crate) fn devices(&self) -> impl Iterator<Item = &String> {
        self.device
            .iter()
            .chain(&self.vrf)
            .chain(self.next_hops.iter().filter_map(|hop| hop.device.as_ref()))
    }
}

/// All that the kernel gets, so that two routes that differ read differently.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("route ")?;
        if self.kind != RouteKind::Unicast {
            write!(f, "{} ", self.kind.name())?;
        }
        match &self.destination {
            Some(destination) => write!(f, "{destination}")?,
            None if self.family == Family::V6 => f.write_str("inet6 default")?,
            None => f.write_str("default")?,
        }
        option(f, "from", self.from)?;
        option(f, "via", self.gateway)?;
        option(f, "dev", self.device.as_ref())?;
        option(f, "src", self.preferred_source)?;
        option(
            f,
            "table",
            Some(self.table).filter(|table| *table != MAIN_TABLE),
        )?;
        option(f, "vrf", self.vrf.as_ref())?;
        option(f, "metric", self.metric)?;
        if self.type_of_service != 0 {
            write!(f, " tos {:#x}", self.type_of_service)?;
        }
        option(f, "scope", self.scope)?;
        option(f, "protocol", self.protocol)?;
        if self.on_link {
            f.write_str(" onlink")?;
        }
        for metric in &self.metrics {
            let lock = if metric.lock { "lock " } else { "" };
            write!(f, " {} {lock}{}", metric.kind.keyword(), metric.value)?;
        }
        if let Some((algorithm, lock)) = &self.congestion_control {
            let lock = if *lock { "lock " } else { "" };
            write!(f, " congctl {lock}{algorithm}")?;
        }
        if self.explicit_congestion {
            f.write_str(" features ecn")?;
        }
        option(f, "realms", self.realms.map(RealmsText))?;
        option(f, "pref", self.preference.map(RoutePreference::keyword))?;
        option(f, "expires", self.expires)?;
        option(f, "encap", self.encapsulation.as_ref())?;
        let propagate = |yes| if yes { "enabled" } else { "disabled" };
        option(f, "ttl-propagate", self.ttl_propagate.map(propagate))?;
        for hop in &self.next_hops {
            f.write_str(" nexthop")?;
            option(f, "via", hop.gateway)?;
            option(f, "dev", hop.device.as_ref())?;
            option(f, "weight", Some(hop.weight).filter(|weight| *weight != 1))?;
            if hop.on_link {
                f.write_str(" onlink")?;
            }
            option(f, "realms", hop.realms.map(RealmsText))?;
            option(f, "encap", hop.encapsulation.as_ref())?;
        }
        Ok(())
    }
}

/// A word and its value, if there is one.
pub(crate) fn option(
    f: &mut fmt::Formatter<'_>,
    word: &str,
    value: Option<impl fmt::Display>,
) -> fmt::Result {
    match value {
        Some(value) => write!(f, " {word} {value}"),
        None => Ok(()),
    }
}

/// Realms as they are configured: `[SOURCE/]DESTINATION`.
pub(crate) struct RealmsText(pub(crate) (u16, u16));

impl fmt::Display for RealmsText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            (0, destination) => write!(f, "{destination}"),
            (source, destination) => write!(f, "{source}/{destination}"),
        }
    }
}

impl Route {
    /// The kernel's module without which it cannot be.
    pub(crate) fn module(&self) -> Option<&'static str> {
        let hops = self.next_hops.iter();
        let mut all = hops
            .filter_map(|hop| hop.encapsulation.as_ref())
            .chain(&self.encapsulation);
        all.find_map(Encapsulation::module)
    }
}

/// Kind of route, as numbered in the kernel's `rtnetlink.h` (`RTN_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteKind(pub u8);

#[allow(
    non_upper_case_globals,
    reason = "they read as the variants of an enum that has no end"
)]
impl RouteKind {
    /// To a gateway or over a link.
    pub const Unicast: Self = Self(1);
    /// To this host.
    pub const Local: Self = Self(2);
    /// To this host, as broadcast.
    pub const Broadcast: Self = Self(3);
    /// To this host, one of many.
    pub const Anycast: Self = Self(4);
    /// To a multicast group.
    pub const Multicast: Self = Self(5);
    /// Dropped without a word.
    pub const Blackhole: Self = Self(6);
    /// Refused as unreachable.
    pub const Unreachable: Self = Self(7);
    /// Refused as prohibited.
    pub const Prohibit: Self = Self(8);
    /// Not in this table: the next rule decides.
    pub const Throw: Self = Self(9);

    fn name(self) -> String {
        let known = match self.0 {
            1 => "unicast",
            2 => "local",
            3 => "broadcast",
            4 => "anycast",
            5 => "multicast",
            6 => "blackhole",
            7 => "unreachable",
            8 => "prohibit",
            9 => "throw",
            other => return format!("type {other}"),
        };
        known.to_owned()
    }
}

/// Where a route goes among routes of the same destination, metric and type of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum RoutePlacement {
    /// Before them (`prepend`): keepalived's default.
    #[default]
    First,
    /// After them (`append`).
    Last,
    /// Nowhere, if there is one already (`add`).
    Alone,
}

/// A value for connections that use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteMetric {
    /// Which.
    pub kind: RouteMetricKind,
    /// In the kernel's unit: bytes for `mtu` and `advmss`, 1/8 ms for `rtt`, 1/4 ms for `rttvar`, ms for `rto_min`.
    pub value: u32,
    /// The kernel must not change it (`lock`).
    pub lock: bool,
}

/// What a [`RouteMetric`] is about; numbered as `RTAX_*` in `rtnetlink.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(
    missing_docs,
    reason = "each is the keyword of `ip route` of the same name"
)]
#[repr(u8)]
pub enum RouteMetricKind {
    Mtu = 2,
    Window = 3,
    Rtt = 4,
    RttVar = 5,
    SsThresh = 6,
    Cwnd = 7,
    Advmss = 8,
    Reordering = 9,
    Hoplimit = 10,
    InitCwnd = 11,
    RtoMin = 13,
    InitRwnd = 14,
    QuickAck = 15,
    FastopenNoCookie = 17,
}

impl RouteMetricKind {
    const KEYWORDS: [(&'static str, Self); 14] = [
        ("mtu", Self::Mtu),
        ("window", Self::Window),
        ("rtt", Self::Rtt),
        ("rttvar", Self::RttVar),
        ("ssthresh", Self::SsThresh),
        ("cwnd", Self::Cwnd),
        ("advmss", Self::Advmss),
        ("reordering", Self::Reordering),
        ("hoplimit", Self::Hoplimit),
        ("initcwnd", Self::InitCwnd),
        ("rto_min", Self::RtoMin),
        ("initrwnd", Self::InitRwnd),
        ("quickack", Self::QuickAck),
        ("fastopen_no_cookie", Self::FastopenNoCookie),
    ];

    /// The kind with this keyword of `ip route`, such as `mtu` or `rto_min`.
    #[must_use]
    pub fn from_keyword(keyword: &str) -> Option<Self> {
        let mut all = Self::KEYWORDS.iter();
        all.find(|(known, _)| *known == keyword)
            .map(|(_, kind)| *kind)
    }

    fn keyword(self) -> &'static str {
        let mut all = Self::KEYWORDS.iter();
        all.find(|(_, kind)| *kind == self)
            .map_or("metric", |(keyword, _)| keyword)
    }
}

/// Preference of an IPv6 route among routers (RFC 4191).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum RoutePreference {
    Low,
    Medium,
    High,
}

impl RoutePreference {
    const fn keyword(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// One way among several (`nexthop`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NextHop {
    /// `via`.
    pub gateway: Option<IpAddr>,
    /// `dev`.
    pub device: Option<String>,
    /// Share of the traffic, 1–256.
    pub weight: u16,
    /// `onlink`.
    pub on_link: bool,
    /// Realms of source and destination (IPv4 only).
    pub realms: Option<(u16, u16)>,
    /// What is put around packets that go this way (`encap`).
    pub encapsulation: Option<Encapsulation>,
}

/// Why a route or rule cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{entry}: {problem}")]
pub struct RoutingError {
    /// The route or rule.
    pub entry: String,
    /// What is wrong, and what to do.
    pub problem: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(address: &str, length: u8) -> Prefix {
        Prefix {
            address: address.parse().unwrap(),
            length,
        }
    }

    #[test]
    fn a_network_has_no_host_bits() {
        assert_eq!(prefix("10.1.2.3", 8).network().to_string(), "10.0.0.0");
        assert_eq!(prefix("10.1.2.3", 32).network().to_string(), "10.1.2.3");
        assert_eq!(prefix("10.1.2.3", 0).network().to_string(), "0.0.0.0");
        assert_eq!(prefix("fd00::1:2", 112).network().to_string(), "fd00::1:0");
        assert_eq!(prefix("fd00::1", 128).network().to_string(), "fd00::1");
    }

    #[test]
    fn mistakes_are_named() {
        let good = Route {
            gateway: Some("10.0.0.1".parse().unwrap()),
            ..Route::new(Family::V4, Some(prefix("10.7.0.0", 16)))
        };
        assert_eq!(good.validate(), Ok(()));
        assert_eq!(good.to_string(), "route 10.7.0.0/16 via 10.0.0.1");
        let mut much = good.clone();
        much.type_of_service = 16;
        much.metrics.push(RouteMetric {
            kind: RouteMetricKind::Mtu,
            value: 1400,
            lock: true,
        });
        much.realms = Some((0, 7));
        much.on_link = true;
        assert_eq!(
            much.to_string(),
            "route 10.7.0.0/16 via 10.0.0.1 tos 0x10 onlink mtu lock 1400 realms 7"
        );
        let wrong = |change: fn(&mut Route)| {
            let mut route = good.clone();
            change(&mut route);
            route.validate().unwrap_err().to_string()
        };
        assert!(wrong(|route| route.family = Family::V6).contains("other family"));
        assert!(wrong(|route| route.table = 0).contains("table 0"));
        assert!(wrong(|route| route.expires = Some(9)).contains("IPv6"));
        let hop = NextHop {
            gateway: None,
            device: None,
            weight: 1,
            on_link: false,
            realms: None,
            encapsulation: None,
        };
        let mut both = good.clone();
        both.next_hops.push(hop);
        assert!(both.validate().is_err());
    }
}
