//! Routes, rules and addresses that are always there, and routes and rules of instances.

use super::names::{Kind, Names};
use super::{Problems, UNUSABLE, vrrp};
use keepalived_conf::model::{self, Config, RouteOperation, RouteScope, RouteType};
use std::collections::BTreeMap;
use vrrp_net::{
    Configuration, Encapsulation, NextHop, OuterHeader, Prefix, Route, RouteKind, RouteMetric,
    RouteMetricKind, RoutePlacement, RoutePreference, Rule, RuleAction,
};
use vrrp_proto::Family;

/// Rules without a preference get one from here downward.
const HIGHEST_ASSIGNED_PREFERENCE: u32 = 16384;

/// Turns entries of the file into those of the engine.
#[derive(Debug)]
pub(super) struct Routing {
    next_preference: u32,
    names: Names,
    /// Members of each `track_group`.
    groups: BTreeMap<String, Vec<String>>,
}

impl Routing {
    pub(super) fn new(config: &Config) -> Self {
        let groups = config.track_group.iter().map(|group| {
            let members = group.group.iter().map(|member| member.value.clone());
            (group.name.value.clone(), members.collect())
        });
        Self {
            next_preference: HIGHEST_ASSIGNED_PREFERENCE,
            names: Names::new(&config.global_defs),
            groups: groups.collect(),
        }
    }

    /// What is always there.
    pub(super) fn statics(
        &mut self,
        config: &Config,
        vrrp: &mut Configuration,
        problems: &mut Problems,
    ) {
        for address in &config.static_ipaddress {
            let mut mapped = vrrp::virtual_address(address, &self.names, problems);
            let default = &config.global_defs.default_interface;
            mapped.device.get_or_insert_with(|| (**default).clone());
            mapped.needed_by = self.needed_by(address.track_group.as_ref());
            vrrp.static_addresses.push(mapped);
        }
        vrrp.static_routes = self.routes(&config.static_routes, problems);
        vrrp.static_rules = self.rules(&config.static_rules, problems);
    }

    pub(super) const fn names(&self) -> &Names {
        &self.names
    }

    /// The instances that fault with an entry; a group that is not defined has been reported.
    fn needed_by(&self, group: Option<&model::Spanned<String>>) -> Vec<String> {
        let members = group.and_then(|group| self.groups.get(&group.value));
        members.cloned().unwrap_or_default()
    }

    pub(super) fn routes(&self, routes: &[model::Route], problems: &mut Problems) -> Vec<Route> {
        let mapped = routes.iter().filter_map(|entry| {
            let route = route(entry, &self.names).and_then(|mut route| {
                route.needed_by = self.needed_by(entry.track_group.as_ref());
                route.validate().map_err(|error| error.to_string())?;
                let taken = match family(entry.family) {
                    Family::V4 => 0xfc,
                    Family::V6 => 0,
                };
                foresee_tos(route.type_of_service, taken, *entry.span, problems);
                Ok(route)
            });
            route
                .map_err(|message| problems.error(UNUSABLE, message, *entry.span))
                .ok()
        });
        mapped.collect()
    }

    pub(super) fn rules(&mut self, rules: &[model::Rule], problems: &mut Problems) -> Vec<Rule> {
        let mapped = rules.iter().filter_map(|entry| {
            let preference = entry.preference.unwrap_or_else(|| {
                let assigned = self.next_preference;
                self.next_preference = assigned.saturating_sub(1);
                assigned
            });
            let rule = rule(entry, preference, &self.names).and_then(|mut rule| {
                rule.needed_by = self.needed_by(entry.track_group.as_ref());
                rule.validate().map_err(|error| error.to_string())?;
                let taken = match rule.family {
                    Family::V4 => 0x1c,
                    Family::V6 => 0xfc,
                };
                foresee_tos(rule.type_of_service, taken, *entry.span, problems);
                Ok(rule)
            });
            rule.map_err(|message| problems.error(UNUSABLE, message, *entry.span))
                .ok()
        });
        mapped.collect()
    }
}

/// Warns of a `tos` that the kernel will refuse. Since Linux 5.18 the two bits of ECN are none of it; a rule for IPv4 may have
/// none of the upper three bits, which it may for IPv6, and a route for IPv6 has none at all.
fn foresee_tos(tos: u8, taken: u8, span: keepalived_conf::Span, problems: &mut Problems) {
    if tos & !taken != 0 {
        let message = match taken {
            0 => format!("the kernel refuses tos {tos:#04x}: routes for IPv6 have none"),
            _ => format!(
                "the kernel refuses tos {tos:#04x}: here it takes multiples of 4 up to {taken:#04x}"
            ),
        };
        problems.warning(UNUSABLE, message, span);
    }
}

fn route(entry: &model::Route, names: &Names) -> Result<Route, String> {
    let mut route = Route::new(family(entry.family), entry.destination.map(prefix));
    route.kind = kind(entry.kind);
    route.gateway = entry.via.as_ref().map(|via| via.value);
    route.device = entry.dev.as_ref().map(|dev| dev.value.clone());
    route.preferred_source = entry.src.as_ref().map(|source| source.value);
    route.from = entry.from.map(prefix);
    if let Some(table) = &entry.table {
        route.table = number(names, Kind::Table, "table", table)?;
    }
    route.vrf = entry.vrf.as_ref().map(|domain| domain.value.clone());
    route.encapsulation = entry.encap.as_ref().map(encapsulation).transpose()?;
    route.ttl_propagate = entry.ttl_propagate;
    route.metric = entry.metric;
    route.scope = match &entry.scope {
        None => None,
        Some(RouteScope::Number(number)) => Some(*number),
        Some(RouteScope::Name(name)) => Some(number(names, Kind::Scope, "scope", name)?),
    };
    if let Some(tos) = &entry.tos {
        route.type_of_service = number(names, Kind::TypeOfService, "tos", tos)?;
    }
    route.on_link = entry.onlink;
    // An entry that is watched has the engine's own number, so that it is known again.
    if let (Some(protocol), true) = (&entry.protocol, entry.no_track) {
        route.protocol = Some(number(names, Kind::Protocol, "protocol", protocol)?);
    }
    for metric in &entry.metrics {
        let name = metric.name;
        route.metrics.push(RouteMetric {
            kind: RouteMetricKind::from_keyword(name).ok_or_else(|| unknown("metric", name))?,
            value: metric.value,
            lock: metric.lock,
        });
    }
    route.congestion_control.clone_from(&entry.congctl);
    route.explicit_congestion = entry.ecn;
    route.realms = realms(entry.realms.as_deref(), names)?;
    route.preference = entry.pref.as_deref().map(preference).transpose()?;
    route.expires = entry.expires;
    route.placement = match entry.operation {
        RouteOperation::Add => RoutePlacement::Alone,
        RouteOperation::Prepend => RoutePlacement::First,
        RouteOperation::Append => RoutePlacement::Last,
    };
    route.restore = !entry.no_track;
    for hop in &entry.nexthop {
        route.next_hops.push(NextHop {
            gateway: hop.via.as_ref().map(|via| via.value),
            device: hop.dev.as_ref().map(|dev| dev.value.clone()),
            weight: hop.weight.unwrap_or(1),
            on_link: hop.onlink,
            realms: realms(hop.realms.as_deref(), names)?,
            encapsulation: hop.encap.as_ref().map(encapsulation).transpose()?,
        });
    }
    if let Some(second) = &entry.or {
        // Two gateways are two ways of equal weight.
        let device = route.device.take();
        let first = route.gateway.take();
        for gateway in first.into_iter().chain([second.value]) {
            route.next_hops.push(NextHop {
                gateway: Some(gateway),
                device: device.clone(),
                weight: 1,
                on_link: entry.onlink,
                realms: None,
                encapsulation: None,
            });
        }
    }
    Ok(route)
}

fn rule(entry: &model::Rule, preference: u32, names: &Names) -> Result<Rule, String> {
    let action = match &entry.action {
        model::RuleAction::Table(name) => {
            RuleAction::Table(number(names, Kind::Table, "table", name)?)
        }
        model::RuleAction::L3mdev => RuleAction::Layer3Master,
        model::RuleAction::Goto(target) => RuleAction::Goto(*target),
        model::RuleAction::Nop => RuleAction::Nop,
        model::RuleAction::Blackhole => RuleAction::Blackhole,
        model::RuleAction::Unreachable => RuleAction::Unreachable,
        model::RuleAction::Prohibit => RuleAction::Prohibit,
    };
    let mut rule = Rule::new(family(entry.family), preference, action);
    rule.invert = entry.not;
    rule.from = entry.from.map(prefix);
    rule.to = entry.to.map(prefix);
    if let Some(tos) = &entry.tos {
        rule.type_of_service = number(names, Kind::TypeOfService, "tos", tos)?;
    }
    rule.mark = entry.fwmark;
    rule.input = entry.iif.as_ref().map(|name| name.value.clone());
    rule.output = entry.oif.as_ref().map(|name| name.value.clone());
    rule.tunnel = entry.tunnel_id;
    rule.users = entry.uidrange;
    rule.ip_protocol = entry.ipproto.as_deref().map(ip_protocol).transpose()?;
    let ports = |range: model::PortRange| (range.first, range.last);
    rule.source_ports = entry.sport.map(ports);
    rule.destination_ports = entry.dport.map(ports);
    rule.realms = realms(entry.realms.as_deref(), names)?;
    rule.suppress_prefix_length = entry.suppress_prefixlength;
    let group = entry.suppress_ifgroup.as_deref();
    rule.suppress_interface_group = group
        .map(|group| number(names, Kind::Group, "suppress_ifgroup", group))
        .transpose()?;
    rule.protocol = entry.protocol.filter(|_| entry.no_track);
    rule.restore = !entry.no_track;
    Ok(rule)
}

const fn family(family: model::Family) -> Family {
    match family {
        model::Family::Inet => Family::V4,
        model::Family::Inet6 => Family::V6,
    }
}

const fn prefix(prefix: model::Prefix) -> Prefix {
    Prefix {
        address: prefix.address,
        length: prefix.length,
    }
}

const fn kind(kind: RouteType) -> RouteKind {
    match kind {
        RouteType::Unicast => RouteKind::Unicast,
        RouteType::Local => RouteKind::Local,
        RouteType::Broadcast => RouteKind::Broadcast,
        RouteType::Anycast => RouteKind::Anycast,
        RouteType::Multicast => RouteKind::Multicast,
        RouteType::Blackhole => RouteKind::Blackhole,
        RouteType::Unreachable => RouteKind::Unreachable,
        RouteType::Prohibit => RouteKind::Prohibit,
        RouteType::Throw => RouteKind::Throw,
        RouteType::Nat => RouteKind(10),
        RouteType::Xresolve => RouteKind(11),
        RouteType::Number(number) => RouteKind(number),
    }
}

/// A number, or a name of the IANA's list as `/etc/protocols` has them, in capitals too.
fn ip_protocol(name: &str) -> Result<u8, String> {
    const NAMES: [(&str, u8); 30] = [
        ("icmp", 1),
        ("igmp", 2),
        ("ipencap", 4),
        ("tcp", 6),
        ("egp", 8),
        ("igp", 9),
        ("udp", 17),
        ("dccp", 33),
        ("ipv6", 41),
        ("ipv6-route", 43),
        ("ipv6-frag", 44),
        ("rsvp", 46),
        ("gre", 47),
        ("esp", 50),
        ("ah", 51),
        ("ipv6-icmp", 58),
        ("icmpv6", 58),
        ("ipv6-opts", 60),
        ("eigrp", 88),
        ("ospf", 89),
        ("ipip", 94),
        ("etherip", 97),
        ("encap", 98),
        ("pim", 103),
        ("ipcomp", 108),
        ("vrrp", 112),
        ("l2tp", 115),
        ("sctp", 132),
        ("udplite", 136),
        ("mpls-in-ip", 137),
    ];
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let mut known = NAMES.iter();
    known
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, number)| *number)
        .ok_or_else(|| unknown("ipproto", name))
}

fn preference(name: &str) -> Result<RoutePreference, String> {
    match name {
        "low" | "3" => Ok(RoutePreference::Low),
        "medium" | "0" => Ok(RoutePreference::Medium),
        "high" | "1" => Ok(RoutePreference::High),
        other => Err(unknown("pref", other)),
    }
}

/// `[SOURCE/]DESTINATION`.
fn realms(text: Option<&str>, names: &Names) -> Result<Option<(u16, u16)>, String> {
    let realm = |text| number(names, Kind::Realm, "realms", text);
    Ok(match text.map(|text| text.split_once('/').ok_or(text)) {
        None => None,
        Some(Ok((source, destination))) => Some((realm(source)?, realm(destination)?)),
        Some(Err(destination)) => Some((0, realm(destination)?)),
    })
}

/// A number, or a name of iproute2.
fn number<T: TryFrom<u32>>(
    names: &Names,
    kind: Kind,
    keyword: &str,
    text: &str,
) -> Result<T, String> {
    names
        .number(kind, text)
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| unknown(keyword, text))
}

/// What is put around packets.
fn encapsulation(entry: &model::Encapsulation) -> Result<Encapsulation, String> {
    Ok(match entry {
        model::Encapsulation::Mpls(labels) => {
            if labels.is_empty() || labels.iter().any(|label| *label >= 1 << 20) {
                return Err("an MPLS label is below 1048576".to_owned());
            }
            Encapsulation::Mpls(labels.clone())
        }
        model::Encapsulation::Ila(locator) => Encapsulation::Ila(*locator),
        model::Encapsulation::Ip { family, options } => match family {
            model::Family::Inet => Encapsulation::Ip(outer_header(options)?),
            model::Family::Inet6 => Encapsulation::Ip6(outer_header(options)?),
        },
        other => return Err(format!("cannot encapsulate by {other:?}")),
    })
}

fn outer_header<A: std::str::FromStr>(
    options: &[(&'static str, String)],
) -> Result<OuterHeader<A>, String> {
    fn value<T: std::str::FromStr>(name: &str, text: &str) -> Result<Option<T>, String> {
        let parsed = text.parse().map(Some);
        parsed.map_err(|_| format!("`{text}` is no value for `{name}` of `encap`"))
    }
    let mut header = OuterHeader {
        id: None,
        destination: None,
        source: None,
        hop_limit: None,
        traffic_class: None,
        flags: None,
    };
    for (name, text) in options {
        match *name {
            "id" => header.id = value(name, text)?,
            "dst" => header.destination = value(name, text)?,
            "src" => header.source = value(name, text)?,
            "ttl" | "hoplimit" => header.hop_limit = value(name, text)?,
            "tos" | "tc" => header.traffic_class = value(name, text)?,
            "flags" => header.flags = value(name, text)?,
            other => return Err(unknown("encap", other)),
        }
    }
    Ok(header)
}

fn unknown(keyword: &str, text: &str) -> String {
    format!("{keyword} `{text}` is not known; write its number")
}
