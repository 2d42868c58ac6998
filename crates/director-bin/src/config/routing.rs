//! Routes, rules and addresses that are always there, and routes and rules of instances.

use super::{Problems, UNSUPPORTED, UNUSABLE, vrrp};
use keepalived_conf::Span;
use keepalived_conf::model::{self, Config, RouteOperation, RouteScope, RouteType};
use vrrp_net::{
    Configuration, NextHop, Prefix, Route, RouteKind, RouteMetric, RouteMetricKind, RoutePlacement,
    RoutePreference, Rule, RuleAction,
};
use vrrp_proto::Family;

/// Rules without a preference get one from here downward.
const HIGHEST_ASSIGNED_PREFERENCE: u32 = 16384;

/// Turns entries of the file into those of the engine.
#[derive(Debug)]
pub(super) struct Routing {
    next_preference: u32,
}

impl Routing {
    pub(super) const fn new() -> Self {
        Self {
            next_preference: HIGHEST_ASSIGNED_PREFERENCE,
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
            let mut mapped = vrrp::virtual_address(address, problems);
            let default = &config.global_defs.default_interface;
            mapped.device.get_or_insert_with(|| (**default).clone());
            vrrp.static_addresses.push(mapped);
            untracked(address.track_group.as_ref(), *address.span, problems);
        }
        for route in &config.static_routes {
            untracked(route.track_group.as_ref(), *route.span, problems);
        }
        for rule in &config.static_rules {
            untracked(rule.track_group.as_ref(), *rule.span, problems);
        }
        vrrp.static_routes = routes(&config.static_routes, problems);
        vrrp.static_rules = self.rules(&config.static_rules, problems);
    }

    pub(super) fn rules(&mut self, rules: &[model::Rule], problems: &mut Problems) -> Vec<Rule> {
        let mapped = rules.iter().filter_map(|entry| {
            let preference = entry.preference.unwrap_or_else(|| {
                let assigned = self.next_preference;
                self.next_preference = assigned.saturating_sub(1);
                assigned
            });
            let rule = rule(entry, preference).and_then(|rule| {
                rule.validate().map_err(|error| error.to_string())?;
                Ok(rule)
            });
            rule.map_err(|message| problems.error(UNUSABLE, message, *entry.span))
                .ok()
        });
        mapped.collect()
    }
}

pub(super) fn routes(routes: &[model::Route], problems: &mut Problems) -> Vec<Route> {
    let mapped = routes.iter().filter_map(|entry| {
        if let Some(keyword) = unsupported(entry) {
            let message = format!("`{keyword}` in a route is not in this version");
            problems.error(UNSUPPORTED, message, *entry.span);
            return None;
        }
        let route = route(entry).and_then(|route| {
            route.validate().map_err(|error| error.to_string())?;
            Ok(route)
        });
        route
            .map_err(|message| problems.error(UNUSABLE, message, *entry.span))
            .ok()
    });
    mapped.collect()
}

/// Without it the instances would stay master although the entry is gone.
fn untracked(group: Option<&model::Spanned<String>>, span: Span, problems: &mut Problems) {
    if let Some(group) = group {
        let name = &group.value;
        let message = format!("`track_group {name}` is not in this version and tracks nothing");
        problems.error(UNSUPPORTED, message, span);
    }
}

fn unsupported(route: &model::Route) -> Option<&'static str> {
    let encapsulated = route.nexthop.iter().any(|hop| hop.encap.is_some());
    let used = [
        (route.encap.is_some() || encapsulated, "encap"),
        (route.or.is_some(), "or"),
        (route.ttl_propagate.is_some(), "ttl-propagate"),
        (route.vrf.is_some(), "vrf"),
    ];
    used.into_iter()
        .find_map(|(used, keyword)| used.then_some(keyword))
}

fn route(entry: &model::Route) -> Result<Route, String> {
    let mut route = Route::new(family(entry.family), entry.destination.map(prefix));
    route.kind = kind(entry.kind);
    route.gateway = entry.via.as_ref().map(|via| via.value);
    route.device = entry.dev.as_ref().map(|dev| dev.value.clone());
    route.preferred_source = entry.src.as_ref().map(|source| source.value);
    route.from = entry.from.map(prefix);
    if let Some(table) = &entry.table {
        route.table = self::table(table)?;
    }
    route.metric = entry.metric;
    route.scope = match &entry.scope {
        None => None,
        Some(RouteScope::Number(number)) => Some(*number),
        Some(RouteScope::Name(name)) => return Err(unknown("scope", name)),
    };
    if let Some(tos) = &entry.tos {
        route.type_of_service = number("tos", tos)?;
    }
    route.on_link = entry.onlink;
    // An entry that is watched has the engine's own number, so that it is known again.
    if let (Some(protocol), true) = (&entry.protocol, entry.no_track) {
        route.protocol = Some(number("protocol", protocol)?);
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
    route.realms = entry.realms.as_deref().map(realms).transpose()?;
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
            realms: hop.realms.as_deref().map(realms).transpose()?,
        });
    }
    Ok(route)
}

fn rule(entry: &model::Rule, preference: u32) -> Result<Rule, String> {
    let action = match &entry.action {
        model::RuleAction::Table(name) => RuleAction::Table(table(name)?),
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
        rule.type_of_service = number("tos", tos)?;
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
    rule.realms = entry.realms.as_deref().map(realms).transpose()?;
    rule.suppress_prefix_length = entry.suppress_prefixlength;
    let group = entry.suppress_ifgroup.as_deref();
    rule.suppress_interface_group = group
        .map(|group| number("suppress_ifgroup", group))
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

fn table(name: &str) -> Result<u32, String> {
    match name {
        "default" => Ok(253),
        "main" => Ok(254),
        "local" => Ok(255),
        other => number("table", other),
    }
}

fn ip_protocol(name: &str) -> Result<u8, String> {
    Ok(match name {
        "icmp" => 1,
        "tcp" => 6,
        "udp" => 17,
        "ipv6-icmp" | "icmpv6" => 58,
        "vrrp" => 112,
        "sctp" => 132,
        other => number("ipproto", other)?,
    })
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
fn realms(text: &str) -> Result<(u16, u16), String> {
    match text.split_once('/') {
        Some((source, destination)) => {
            Ok((number("realms", source)?, number("realms", destination)?))
        }
        None => Ok((0, number("realms", text)?)),
    }
}

/// A number, decimal or `0x` and hexadecimal.
fn number<T: TryFrom<u32>>(keyword: &str, text: &str) -> Result<T, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed
        .ok()
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| unknown(keyword, text))
}

fn unknown(keyword: &str, text: &str) -> String {
    format!("{keyword} `{text}` is not known; write its number")
}
