//! Entries of `static_routes` and `virtual_routes`.

use std::net::IpAddr;

use super::Call;
use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::model::{
    Encapsulation, Family, Metric, NextHop, Origin, Prefix, Route, RouteOperation, RouteType,
    Spanned,
};
use crate::syntax::statement::Word;

const TYPES: &[(&str, RouteType)] = &[
    ("unicast", RouteType::Unicast),
    ("local", RouteType::Local),
    ("broadcast", RouteType::Broadcast),
    ("brd", RouteType::Broadcast),
    ("anycast", RouteType::Anycast),
    ("multicast", RouteType::Multicast),
    ("blackhole", RouteType::Blackhole),
    ("unreachable", RouteType::Unreachable),
    ("prohibit", RouteType::Prohibit),
    ("throw", RouteType::Throw),
    ("nat", RouteType::Nat),
    ("xresolve", RouteType::Xresolve),
];

const OPTIONS: &[&str] = &[
    "via",
    "or",
    "src",
    "from",
    "as",
    "tos",
    "dsfield",
    "table",
    "protocol",
    "scope",
    "metric",
    "priority",
    "preference",
    "dev",
    "oif",
    "onlink",
    "encap",
    "expires",
    "mtu",
    "advmss",
    "rtt",
    "rttvar",
    "reordering",
    "cwnd",
    "ssthresh",
    "rto_min",
    "hoplimit",
    "window",
    "initcwnd",
    "initrwnd",
    "realms",
    "features",
    "quickack",
    "fastopen_no_cookie",
    "congctl",
    "pref",
    "ttl-propagate",
    "add",
    "prepend",
    "append",
    "vrf",
    "no_track",
    "track_group",
    "nexthop",
];

/// Metrics that take `lock`.
const LOCKABLE: &[&str] = &[
    "mtu",
    "advmss",
    "rtt",
    "rttvar",
    "reordering",
    "cwnd",
    "ssthresh",
    "rto_min",
];
/// Metrics without `lock`, with their greatest value.
const PLAIN: &[(&str, i64)] = &[
    ("hoplimit", 255),
    ("window", u32::MAX as i64),
    ("initcwnd", u32::MAX as i64),
    ("initrwnd", u32::MAX as i64),
    ("quickack", 1),
    ("fastopen_no_cookie", 1),
];

fn empty(span: crate::Span) -> Route {
    Route {
        family: Family::Inet,
        kind: RouteType::Unicast,
        destination: None,
        via: None,
        or: None,
        src: None,
        from: None,
        tos: None,
        table: None,
        protocol: None,
        scope: None,
        metric: None,
        dev: None,
        onlink: false,
        encap: None,
        expires: None,
        metrics: Vec::new(),
        congctl: None,
        ecn: false,
        realms: None,
        pref: None,
        ttl_propagate: None,
        operation: RouteOperation::default(),
        vrf: None,
        no_track: false,
        track_group: None,
        nexthop: Vec::new(),
        span: Origin(span),
    }
}

/// The word after an option as text.
fn value(call: &mut Call<'_, '_>, option: Word) -> Option<String> {
    let word = call.option_value(option)?;
    Some(call.text(word.span).to_owned())
}

fn named(call: &mut Call<'_, '_>, option: Word) -> Option<Spanned<String>> {
    let word = call.option_value(option)?;
    Some(Spanned::new(call.text(word.span).to_owned(), word.span))
}

/// A gateway, with a family word before it allowed.
fn gateway(call: &mut Call<'_, '_>, option: Word) -> Option<Spanned<IpAddr>> {
    let mut word = call.option_value(option)?;
    if matches!(call.text(word.span), "inet" | "inet6") {
        word = call.option_value(option)?;
    }
    let address = call.address(word)?;
    Some(Spanned::new(address, word.span))
}

fn number(call: &mut Call<'_, '_>, option: Word, min: i64, max: i64) -> Option<u32> {
    let word = call.option_value(option)?;
    u32::try_from(call.integer(word, min, max, false)?).ok()
}

/// Reads one route; `None` after a report.
pub(crate) fn route_entry(call: &mut Call<'_, '_>) -> Option<Route> {
    let mut route = empty(call.span());
    let mut family = None;
    let mut has_destination = false;
    while let Some(option) = call.next() {
        let text = call.text(option.span).to_owned();
        match text.as_str() {
            "inet" => family = Some(Family::Inet),
            "inet6" => family = Some(Family::Inet6),
            "to" => {}
            "via" | "gw" => {
                if text == "gw" {
                    deprecated(call, option, "via");
                }
                route.via = Some(gateway(call, option)?);
            }
            "or" => {
                deprecated(call, option, "nexthop");
                route.or = Some(gateway(call, option)?);
            }
            "src" => route.src = Some(gateway(call, option)?),
            "from" => {
                let word = call.option_value(option)?;
                route.from = Some(call.prefix(word)?);
            }
            "as" => {
                let mut word = call.option_value(option)?;
                if call.text(word.span) == "to" {
                    word = call.option_value(option)?;
                }
                call.warning(codes::INEFFECTIVE, "`as` has no effect", word.span);
            }
            "tos" | "dsfield" => route.tos = Some(value(call, option)?),
            "table" => route.table = Some(value(call, option)?),
            "protocol" => route.protocol = Some(value(call, option)?),
            "scope" => {
                let word = call.option_value(option)?;
                route.scope = Some(call.scope_value(word));
            }
            "metric" | "priority" | "preference" => {
                route.metric = Some(number(call, option, 0, i64::from(u32::MAX))?);
            }
            "dev" | "oif" => route.dev = Some(call.interface_value(option)?),
            "onlink" => route.onlink = true,
            "encap" => route.encap = Some(encap(call, option)?),
            "expires" => route.expires = Some(number(call, option, 0, i64::from(u32::MAX))?),
            "realms" => route.realms = Some(value(call, option)?),
            "features" => {
                let word = call.option_value(option)?;
                route.ecn = call.one_of(word, &["ecn"], false).is_some();
            }
            "congctl" => {
                let mut algorithm = value(call, option)?;
                let lock = algorithm == "lock";
                if lock {
                    algorithm = value(call, option)?;
                }
                route.congctl = Some((algorithm, lock));
            }
            "pref" => route.pref = Some(value(call, option)?),
            "ttl-propagate" => {
                let word = call.option_value(option)?;
                let index = call.one_of(word, &["enabled", "disabled"], false)?;
                route.ttl_propagate = Some(index == 0);
            }
            "add" => route.operation = RouteOperation::Add,
            "prepend" => route.operation = RouteOperation::Prepend,
            "append" => route.operation = RouteOperation::Append,
            "vrf" => route.vrf = Some(named(call, option)?),
            "no_track" => route.no_track = true,
            "track_group" => route.track_group = Some(named(call, option)?),
            "nexthop" => {
                nexthops(call, &mut route)?;
                break;
            }
            "default" | "any" | "all" | "default6" if !has_destination => {
                has_destination = true;
                if text == "default6" {
                    family = Some(Family::Inet6);
                    deprecated(call, option, "inet6 default");
                }
            }
            _ if metric(call, &text, option, &mut route) => {}
            _ if !has_destination => {
                if let Some((_, kind)) = TYPES.iter().find(|(name, _)| *name == text) {
                    route.kind = *kind;
                } else if let Ok(number) = text.parse() {
                    route.kind = RouteType::Number(number);
                } else if looks_like_address(&text) {
                    route.destination = Some(call.prefix(option)?);
                    has_destination = true;
                } else {
                    call.unknown_option(option, OPTIONS);
                    return None;
                }
            }
            _ => {
                call.unknown_option(option, OPTIONS);
                return None;
            }
        }
    }
    if !has_destination {
        let span = route.span.0;
        call.error(
            codes::MISSING_ARGUMENT,
            "the route has no destination",
            span,
        );
        return None;
    }
    settle_family(call, &mut route, family)?;
    Some(route)
}

fn looks_like_address(text: &str) -> bool {
    text.contains(['.', ':', '/'])
}

fn settle_family(
    call: &mut Call<'_, '_>,
    route: &mut Route,
    written: Option<Family>,
) -> Option<()> {
    let destination = route
        .destination
        .as_ref()
        .map(|p: &Prefix| Family::of(&p.address));
    let via = route.via.as_ref().map(|v| Family::of(&v.value));
    let found = [written, destination, via];
    route.family = found.into_iter().flatten().next().unwrap_or(Family::Inet);
    // A gateway may be of the other family; destination and the written family may not.
    if destination.is_some_and(|d| d != route.family) {
        let span = route.span.0;
        call.error(
            codes::MIXED_FAMILIES,
            "the destination is of the other family",
            span,
        );
        return None;
    }
    Some(())
}

fn deprecated(call: &mut Call<'_, '_>, word: Word, present: &str) {
    let text = call.text(word.span).to_owned();
    let message = format!("`{text}` is an old form of `{present}`");
    call.report(Diagnostic::new(
        codes::OLD_SPELLING,
        Severity::Warning,
        message,
        word.span,
    ));
}

/// Numeric metrics; false if the word is none.
fn metric(call: &mut Call<'_, '_>, text: &str, option: Word, route: &mut Route) -> bool {
    if let Some(name) = LOCKABLE.iter().find(|name| **name == text) {
        let lock = call.peek() == Some("lock");
        if lock {
            call.used += 1;
        }
        let Some(word) = call.option_value(option) else {
            return true;
        };
        if let Some(value) = metric_value(call, name, word) {
            route.metrics.push(Metric { name, value, lock });
        }
        return true;
    }
    if let Some((name, max)) = PLAIN.iter().find(|(name, _)| *name == text) {
        if let Some(value) = number(call, option, 0, *max) {
            route.metrics.push(Metric {
                name,
                value,
                lock: false,
            });
        }
        return true;
    }
    false
}

/// Times take `s` or `ms`; the kernel wants 1/8 ms for `rtt` and 1/4 ms for `rttvar`.
fn metric_value(call: &mut Call<'_, '_>, name: &str, word: Word) -> Option<u32> {
    let text = call.text(word.span).to_owned();
    let factor = match name {
        "rtt" => 8.0,
        "rttvar" => 4.0,
        "rto_min" => 1.0,
        _ => {
            return u32::try_from(call.integer(word, 0, i64::from(u32::MAX), false)?).ok();
        }
    };
    let (number, unit) = if let Some(number) = text.strip_suffix("ms") {
        (number, 1.0)
    } else if let Some(number) = text.strip_suffix('s') {
        (number, 1000.0)
    } else if name == "rto_min" {
        (text.as_str(), 1.0)
    } else {
        return u32::try_from(call.integer(word, 0, i64::from(u32::MAX), false)?).ok();
    };
    match super::value::decimal(number) {
        Some(decimal) => {
            let value = decimal.micro as f64 / 1e6 * unit * factor;
            Some(value.min(f64::from(u32::MAX)) as u32)
        }
        None => {
            call.error(codes::BAD_NUMBER, format!("`{text}` is no time"), word.span);
            None
        }
    }
}

/// Options of `encap ip` and `encap ip6`.
const IP_OPTIONS: &[&str] = &["id", "dst", "src", "tos", "tc", "ttl", "hoplimit", "flags"];

fn encap(call: &mut Call<'_, '_>, option: Word) -> Option<Encapsulation> {
    let kind = call.option_value(option)?;
    match call.text(kind.span) {
        "mpls" => {
            let word = call.option_value(option)?;
            let labels: Option<Vec<u32>> = call
                .text(word.span)
                .split('/')
                .map(|l| l.parse().ok())
                .collect();
            if labels.is_none() {
                call.error(
                    codes::BAD_NUMBER,
                    "MPLS labels are numbers with `/`",
                    word.span,
                );
            }
            labels.map(Encapsulation::Mpls)
        }
        "ila" => {
            let word = call.option_value(option)?;
            // Four groups of up to four digits each.
            let mut groups = call.text(word.span).split(':').map(|group| {
                let fits = (1..=4).contains(&group.len());
                fits.then(|| u64::from_str_radix(group, 16).ok()).flatten()
            });
            let locator = groups.try_fold((0, 0_u8), |(value, count), group| {
                Some((value << 16 | group?, count.checked_add(1)?))
            });
            let locator = locator.and_then(|(value, count)| (count == 4).then_some(value));
            if locator.is_none() {
                call.error(
                    codes::BAD_NUMBER,
                    "an ILA locator is hexadecimal",
                    word.span,
                );
            }
            locator.map(Encapsulation::Ila)
        }
        text @ ("ip" | "ip6") => {
            let family = if text == "ip" {
                Family::Inet
            } else {
                Family::Inet6
            };
            let mut options = Vec::new();
            while let Some(word) = call.peek() {
                let Some(name) = IP_OPTIONS.iter().copied().find(|o| *o == word) else {
                    break;
                };
                let option = call.next()?;
                options.push((name, value(call, option)?));
            }
            if !options
                .iter()
                .any(|(name, _)| matches!(*name, "dst" | "id"))
            {
                let message = "`encap ip` needs `dst` or `id`";
                call.error(codes::MISSING_ARGUMENT, message, kind.span);
                return None;
            }
            Some(Encapsulation::Ip { family, options })
        }
        _ => {
            call.unknown_option(kind, &["ip", "ip6", "mpls", "ila"]);
            None
        }
    }
}

fn nexthops(call: &mut Call<'_, '_>, route: &mut Route) -> Option<()> {
    let mut hop = NextHop::default();
    while let Some(option) = call.next() {
        match call.text(option.span) {
            "nexthop" => route.nexthop.push(std::mem::take(&mut hop)),
            "via" => hop.via = Some(gateway(call, option)?),
            "dev" | "oif" => hop.dev = Some(call.interface_value(option)?),
            "weight" => {
                let weight = number(call, option, 1, 256)?;
                hop.weight = u16::try_from(weight).ok();
            }
            "onlink" => hop.onlink = true,
            "encap" => hop.encap = Some(encap(call, option)?),
            "realms" => hop.realms = Some(value(call, option)?),
            _ => {
                let known = &[
                    "via", "dev", "weight", "onlink", "encap", "realms", "nexthop",
                ];
                call.unknown_option(option, known);
                return None;
            }
        }
    }
    route.nexthop.push(hop);
    Some(())
}
