//! Netlink messages for routes and rules.

use rtnetlink::packet_core::DefaultNla;
use rtnetlink::packet_core::{NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST};
use rtnetlink::packet_route::route::{
    RouteAttribute, RouteFlags, RouteLwEnCapType, RouteLwTunnelEncap, RouteMessage,
    RouteMetric as Metric, RouteMplsTtlPropagation, RouteNextHop, RouteNextHopFlags,
    RoutePreference as Preference, RouteProtocol, RouteRealm, RouteScope, RouteType, RouteVia,
};
use rtnetlink::packet_route::rule::{
    RuleAction as Action, RuleAttribute, RuleFlags, RuleMessage, RulePortRange, RuleUidRange,
};
use rtnetlink::packet_route::{AddressFamily, IpProtocol, RouteNetlinkMessage};
use vrrp_proto::Family;

use super::Link;
use crate::encapsulation::Encapsulation;
use crate::route::{
    Prefix, Route, RouteKind, RouteMetric, RouteMetricKind, RoutePlacement, RoutePreference,
};
use crate::rule::{Rule, RuleAction};

/// A route or a rule, with the indices of the interfaces that a route names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Entry {
    /// The route, the index of its interface, and those of its next hops.
    Route(Box<Route>, Option<u32>, Vec<Option<u32>>),
    Rule(Box<Rule>),
}

impl Entry {
    /// The route as it can be now; `None` while an interface it names is not there.
    pub(crate) fn route<'a>(
        route: &Route,
        by_name: impl Fn(&str) -> Option<&'a Link>,
    ) -> Option<Self> {
        let index = |device: &Option<String>| match device {
            None => Some(None),
            Some(name) => by_name(name).map(|link| Some(link.index)),
        };
        let hops: Option<Vec<_>> = route
            .next_hops
            .iter()
            .map(|hop| index(&hop.device))
            .collect();
        let device = index(&route.device)?;
        let mut route = Box::new(route.clone());
        if let Some(domain) = &route.vrf {
            route.table = by_name(domain)?.layer.table?;
        }
        Some(Self::Route(route, device, hops?))
    }

    pub(crate) fn rule(rule: &Rule) -> Self {
        Self::Rule(Box::new(rule.clone()))
    }

    pub(crate) const fn is_rule(&self) -> bool {
        matches!(self, Self::Rule(_))
    }

    pub(crate) fn restore(&self) -> bool {
        match self {
            Self::Route(route, ..) => route.restore,
            Self::Rule(rule) => rule.restore,
        }
    }

    /// Whether a notice of that kind may be about this entry.
    pub(crate) fn is_like(&self, gone: &Gone) -> bool {
        match (self, gone) {
            (Self::Route(route, ..), Gone::Route { table, destination }) => {
                let own = route
                    .destination
                    .filter(|prefix| prefix.length > 0)
                    .map(|prefix| Prefix {
                        address: prefix.network(),
                        ..prefix
                    });
                route.table == *table && own == *destination
            }
            (Self::Rule(rule), Gone::Rule { preference }) => rule.preference == *preference,
            _ => false,
        }
    }

    /// The request that adds it.
    pub(super) fn addition(&self, mark: u8) -> (RouteNetlinkMessage, u16) {
        let base = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE;
        match self {
            Self::Route(route, index, hops) => {
                let flags = match route.placement {
                    RoutePlacement::First => 0,
                    RoutePlacement::Last => NLM_F_APPEND,
                    RoutePlacement::Alone => NLM_F_EXCL,
                };
                let message = route_message(route, *index, hops, mark);
                (RouteNetlinkMessage::NewRoute(message), base | flags)
            }
            Self::Rule(rule) => (
                RouteNetlinkMessage::NewRule(rule_message(rule, mark)),
                base | NLM_F_EXCL,
            ),
        }
    }

    /// The request that removes it.
    pub(super) fn removal(&self, mark: u8) -> (RouteNetlinkMessage, u16) {
        let message = match self {
            Self::Route(route, index, hops) => {
                let mut message = route_message(route, *index, hops, mark);
                // What does not tell routes apart only gives the kernel reasons not to find it.
                message.attributes.retain(|attribute| {
                    !matches!(
                        attribute,
                        RouteAttribute::Metrics(_)
                            | RouteAttribute::Preference(_)
                            | RouteAttribute::Expires(_)
                    )
                });
                RouteNetlinkMessage::DelRoute(message)
            }
            Self::Rule(rule) => RouteNetlinkMessage::DelRule(rule_message(rule, mark)),
        };
        (message, NLM_F_REQUEST | NLM_F_ACK)
    }
}

impl std::fmt::Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Route(route, ..) => route.fmt(f),
            Self::Rule(rule) => rule.fmt(f),
        }
    }
}

/// A route or rule with our mark that is no more; enough to find whose it may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Gone {
    Route {
        table: u32,
        /// `None` is the default route.
        destination: Option<Prefix>,
    },
    Rule {
        preference: u32,
    },
}

impl std::fmt::Display for Gone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Route { table, destination } => {
                match destination {
                    Some(prefix) => write!(f, "route {prefix}")?,
                    None => f.write_str("route default")?,
                }
                if *table == crate::route::MAIN_TABLE {
                    return Ok(());
                }
                write!(f, " table {table}")
            }
            Self::Rule { preference } => write!(f, "rule with preference {preference}"),
        }
    }
}

const fn address_family(family: Family) -> AddressFamily {
    match family {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    }
}

/// The short field takes 8 bits; a longer number goes into the attribute alone.
fn short_table(table: u32) -> u8 {
    const IN_ATTRIBUTE: u8 = 252;
    u8::try_from(table).unwrap_or(IN_ATTRIBUTE)
}

fn route_message(
    route: &Route,
    index: Option<u32>,
    hops: &[Option<u32>],
    mark: u8,
) -> RouteMessage {
    let mut message = RouteMessage::default();
    let header = &mut message.header;
    header.address_family = address_family(route.family);
    header.destination_prefix_length = route.destination.map_or(0, |prefix| prefix.length);
    header.source_prefix_length = route.from.map_or(0, |prefix| prefix.length);
    header.tos = route.type_of_service;
    header.table = short_table(route.table);
    header.protocol = RouteProtocol::from(route.protocol.unwrap_or(mark));
    header.scope = RouteScope::from(scope(route));
    header.kind = RouteType::from(route.kind.0);
    header.flags.set(RouteFlags::Onlink, route.on_link);
    let ipv6 = route.family == Family::V6;
    let attributes = &mut message.attributes;
    if let Some(destination) = &route.destination {
        attributes.push(RouteAttribute::Destination(destination.network().into()));
    }
    if let Some(from) = &route.from {
        attributes.push(RouteAttribute::Source(from.network().into()));
    }
    attributes.push(RouteAttribute::Table(route.table));
    attributes.extend(route.gateway.map(|gateway| via(gateway, ipv6)));
    attributes.extend(index.map(RouteAttribute::Oif));
    let source = route.preferred_source;
    attributes.extend(source.map(|source| RouteAttribute::PrefSource(source.into())));
    attributes.extend(route.metric.map(RouteAttribute::Priority));
    attributes.extend(route.realms.map(realms).map(RouteAttribute::Realm));
    attributes.extend(route.expires.map(RouteAttribute::Expires));
    attributes.extend(route.preference.map(|preference| {
        RouteAttribute::Preference(match preference {
            RoutePreference::Low => Preference::Low,
            RoutePreference::Medium => Preference::Medium,
            RoutePreference::High => Preference::High,
        })
    }));
    if let Some(encapsulation) = &route.encapsulation {
        attributes.extend(encapsulated(encapsulation));
    }
    attributes.extend(route.ttl_propagate.map(|on| {
        RouteAttribute::TtlPropagate(if on {
            RouteMplsTtlPropagation::Enabled
        } else {
            RouteMplsTtlPropagation::Disabled
        })
    }));
    let metrics = metrics(route);
    if !metrics.is_empty() {
        attributes.push(RouteAttribute::Metrics(metrics));
    }
    if !route.next_hops.is_empty() {
        let hops = route.next_hops.iter().zip(hops).map(|(hop, index)| {
            let mut next = RouteNextHop::default();
            next.flags.set(RouteNextHopFlags::Onlink, hop.on_link);
            next.hops = u8::try_from(hop.weight.saturating_sub(1)).unwrap_or(u8::MAX);
            next.interface_index = index.unwrap_or(0);
            next.attributes
                .extend(hop.gateway.map(|gateway| via(gateway, ipv6)));
            next.attributes
                .extend(hop.realms.map(realms).map(RouteAttribute::Realm));
            if let Some(encapsulation) = &hop.encapsulation {
                next.attributes.extend(encapsulated(encapsulation));
            }
            next
        });
        attributes.push(RouteAttribute::MultiPath(hops.collect()));
    }
    message
}

fn encapsulated(encapsulation: &Encapsulation) -> [RouteAttribute; 2] {
    let (kind, attributes) = encapsulation.attributes();
    let attributes = attributes.into_iter();
    let encap = attributes.map(|(kind, value)| DefaultNla::new(kind, value));
    [
        RouteAttribute::EncapType(RouteLwEnCapType::from(kind)),
        RouteAttribute::Encap(encap.map(RouteLwTunnelEncap::Other).collect()),
    ]
}

fn via(gateway: std::net::IpAddr, ipv6: bool) -> RouteAttribute {
    match gateway {
        std::net::IpAddr::V6(gateway) if !ipv6 => RouteAttribute::Via(RouteVia::Inet6(gateway)),
        gateway => RouteAttribute::Gateway(gateway.into()),
    }
}

const fn realms((source, destination): (u16, u16)) -> RouteRealm {
    RouteRealm {
        source,
        destination,
    }
}

/// As `ip route` chooses where nothing is written.
fn scope(route: &Route) -> u8 {
    const LINK: u8 = 253;
    const HOST: u8 = 254;
    if let Some(scope) = route.scope {
        return scope;
    }
    if route.family == Family::V6 {
        return 0;
    }
    let by_gateway =
        route.gateway.is_some() || route.next_hops.iter().any(|hop| hop.gateway.is_some());
    match route.kind {
        RouteKind::Local => HOST,
        RouteKind::Broadcast | RouteKind::Multicast | RouteKind::Anycast => LINK,
        RouteKind::Unicast if !by_gateway => LINK,
        _ => 0,
    }
}

fn metrics(route: &Route) -> Vec<Metric> {
    const CONGESTION_CONTROL: u32 = 16;
    const FEATURE_ECN: u32 = 1;
    let mut locked = route
        .metrics
        .iter()
        .filter(|metric| metric.lock)
        .fold(0_u32, |mask, metric| mask | 1 << (metric.kind as u8));
    let mut metrics: Vec<Metric> = route.metrics.iter().map(metric).collect();
    if let Some((algorithm, lock)) = &route.congestion_control {
        metrics.push(Metric::CcAlgo(algorithm.clone()));
        locked |= u32::from(*lock) << CONGESTION_CONTROL;
    }
    if route.explicit_congestion {
        metrics.push(Metric::Features(FEATURE_ECN));
    }
    if locked != 0 {
        metrics.insert(0, Metric::Lock(locked));
    }
    metrics
}

fn metric(metric: &RouteMetric) -> Metric {
    let value = metric.value;
    match metric.kind {
        RouteMetricKind::Mtu => Metric::Mtu(value),
        RouteMetricKind::Window => Metric::Window(value),
        RouteMetricKind::Rtt => Metric::Rtt(value),
        RouteMetricKind::RttVar => Metric::RttVar(value),
        RouteMetricKind::SsThresh => Metric::SsThresh(value),
        RouteMetricKind::Cwnd => Metric::Cwnd(value),
        RouteMetricKind::Advmss => Metric::Advmss(value),
        RouteMetricKind::Reordering => Metric::Reordering(value),
        RouteMetricKind::Hoplimit => Metric::Hoplimit(value),
        RouteMetricKind::InitCwnd => Metric::InitCwnd(value),
        RouteMetricKind::RtoMin => Metric::RtoMin(value),
        RouteMetricKind::InitRwnd => Metric::InitRwnd(value),
        RouteMetricKind::QuickAck => Metric::QuickAck(value),
        RouteMetricKind::FastopenNoCookie => Metric::FastopenNoCookie(value),
    }
}

fn rule_message(rule: &Rule, mark: u8) -> RuleMessage {
    let mut message = RuleMessage::default();
    let header = &mut message.header;
    header.family = address_family(rule.family);
    header.src_len = rule.from.map_or(0, |prefix| prefix.length);
    header.dst_len = rule.to.map_or(0, |prefix| prefix.length);
    header.tos = rule.type_of_service;
    header.flags.set(RuleFlags::Invert, rule.invert);
    let mut table = None;
    header.action = match rule.action {
        RuleAction::Table(number) => {
            table = Some(number);
            Action::ToTable
        }
        RuleAction::Layer3Master => Action::ToTable,
        RuleAction::Goto(_) => Action::Goto,
        RuleAction::Nop => Action::Nop,
        RuleAction::Blackhole => Action::Blackhole,
        RuleAction::Unreachable => Action::Unreachable,
        RuleAction::Prohibit => Action::Prohibit,
    };
    header.table = table.map_or(0, short_table);
    let attributes = &mut message.attributes;
    attributes.push(RuleAttribute::Priority(rule.preference));
    attributes.extend(table.map(RuleAttribute::Table));
    match rule.action {
        RuleAction::Goto(target) => attributes.push(RuleAttribute::Goto(target)),
        RuleAction::Layer3Master => attributes.push(RuleAttribute::L3MDev(true)),
        _ => {}
    }
    attributes.extend(
        rule.from
            .map(|prefix| RuleAttribute::Source(prefix.network())),
    );
    attributes.extend(
        rule.to
            .map(|prefix| RuleAttribute::Destination(prefix.network())),
    );
    if let Some((value, mask)) = rule.mark {
        attributes.push(RuleAttribute::FwMark(value));
        attributes.push(RuleAttribute::FwMask(mask));
    }
    attributes.extend(rule.input.clone().map(RuleAttribute::Iifname));
    attributes.extend(rule.output.clone().map(RuleAttribute::Oifname));
    attributes.extend(rule.tunnel.map(RuleAttribute::TunId));
    let users = rule.users.map(|(start, end)| RuleUidRange { start, end });
    attributes.extend(users.map(RuleAttribute::UidRange));
    let protocol = rule.ip_protocol.map(IpProtocol::from);
    attributes.extend(protocol.map(RuleAttribute::IpProtocol));
    let range = |(start, end)| RulePortRange { start, end };
    attributes.extend(
        rule.source_ports
            .map(range)
            .map(RuleAttribute::SourcePortRange),
    );
    let ports = rule.destination_ports.map(range);
    attributes.extend(ports.map(RuleAttribute::DestinationPortRange));
    attributes.extend(rule.realms.map(realms).map(RuleAttribute::Realm));
    let prefix_length = rule.suppress_prefix_length;
    attributes.extend(prefix_length.map(RuleAttribute::SuppressPrefixLen));
    let group = rule.suppress_interface_group;
    attributes.extend(group.map(RuleAttribute::SuppressIfGroup));
    let owner = RouteProtocol::from(rule.protocol.unwrap_or(mark));
    attributes.push(RuleAttribute::Protocol(owner));
    message
}

/// What a removed route was.
pub(super) fn route_gone(message: &RouteMessage) -> Option<Gone> {
    let header = &message.header;
    let mut gone = (u32::from(header.table), None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Table(table) => gone.0 = *table,
            RouteAttribute::Destination(destination) => {
                let address = match destination {
                    rtnetlink::packet_route::route::RouteAddress::Inet(address) => {
                        (*address).into()
                    }
                    rtnetlink::packet_route::route::RouteAddress::Inet6(address) => {
                        (*address).into()
                    }
                    _ => return None,
                };
                gone.1 = Some(Prefix {
                    address,
                    length: header.destination_prefix_length,
                });
            }
            _ => {}
        }
    }
    let (table, destination) = gone;
    let destination = destination.filter(|prefix| prefix.length > 0);
    Some(Gone::Route { table, destination })
}

/// What a removed rule was.
pub(super) fn rule_gone(message: &RuleMessage) -> Gone {
    let preference = message
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            RuleAttribute::Priority(preference) => Some(*preference),
            _ => None,
        });
    Gone::Rule {
        preference: preference.unwrap_or(0),
    }
}

/// Dumps of rules and routes of both families. Rules come first, as they are removed first.
pub(super) fn dump_requests(mark: u8) -> Vec<RouteNetlinkMessage> {
    let families = [AddressFamily::Inet, AddressFamily::Inet6];
    let rules = families.map(|family| {
        let mut message = RuleMessage::default();
        message.header.family = family;
        RouteNetlinkMessage::GetRule(message)
    });
    let routes = families.map(|family| {
        let mut message = RouteMessage::default();
        message.header.address_family = family;
        // A kernel that checks strictly answers with these alone.
        message.header.protocol = RouteProtocol::from(mark);
        RouteNetlinkMessage::GetRoute(message)
    });
    rules.into_iter().chain(routes).collect()
}

/// What a route or rule of a dump is.
pub(crate) fn marked_entry(message: &RouteNetlinkMessage) -> Option<Gone> {
    match message {
        RouteNetlinkMessage::DelRoute(route) => route_gone(route),
        RouteNetlinkMessage::DelRule(rule) => Some(rule_gone(rule)),
        _ => None,
    }
}

/// The request that removes a route or rule of a dump, if it carries the mark.
pub(super) fn marked_removal(
    message: RouteNetlinkMessage,
    mark: u8,
) -> Option<RouteNetlinkMessage> {
    match message {
        RouteNetlinkMessage::NewRoute(route) if u8::from(route.header.protocol) == mark => {
            Some(RouteNetlinkMessage::DelRoute(route))
        }
        RouteNetlinkMessage::NewRule(rule) => {
            let marked = rule.attributes.iter().any(|attribute| {
                matches!(attribute, RuleAttribute::Protocol(protocol) if u8::from(*protocol) == mark)
            });
            marked.then_some(RouteNetlinkMessage::DelRule(rule))
        }
        _ => None,
    }
}
