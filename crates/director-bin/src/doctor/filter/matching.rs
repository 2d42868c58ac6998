//! Whether a packet meets the conditions of a rule.

use super::Packet;
use serde_json::Value;
use std::net::IpAddr;

/// Elements of a named set.
pub(super) type Named<'a> = &'a dyn Fn(&str) -> Option<&'a Value>;

/// `sets` knows what `@name` stands for.
pub(super) fn meets(content: &Value, packet: &Packet, sets: Named<'_>) -> bool {
    let (Some(left), Some(right)) = (content.get("left"), content.get("right")) else {
        return false;
    };
    let named = right.as_str().and_then(|text| text.strip_prefix('@'));
    let right = match named {
        None => right,
        Some(name) => match sets(name) {
            Some(elements) => elements,
            None => return false,
        },
    };
    let not = content.get("op").and_then(Value::as_str) == Some("!=");
    let meta = left.pointer("/meta/key").and_then(Value::as_str);
    let field = |name: &str| {
        left.pointer(&format!("/payload/{name}"))
            .and_then(Value::as_str)
    };
    let known = match (meta, field("protocol"), field("field")) {
        (Some("iifname" | "iif"), ..) if packet.outgoing => return false,
        (Some("oifname" | "oif"), ..) if !packet.outgoing => return false,
        (Some("iifname" | "iif" | "oifname" | "oif"), ..) => one_of(right, &|value| {
            value
                .as_str()
                .is_some_and(|name| interface(name, &packet.interface))
        }),
        (Some("l4proto"), ..)
        | (_, Some("ip"), Some("protocol"))
        | (_, Some("ip6"), Some("nexthdr")) => {
            one_of(right, &|value| protocol(value) == Some(packet.protocol))
        }
        (_, Some("ip" | "ip6"), Some("daddr")) => {
            one_of(right, &|value| contains(value, packet.destination))
        }
        (_, Some("ip" | "ip6"), Some("saddr")) => packet
            .source
            .is_some_and(|source| one_of(right, &|value| contains(value, source))),
        (_, Some(name @ ("tcp" | "udp" | "th")), Some("dport")) => {
            let fits = match name {
                "tcp" => packet.protocol == 6,
                "udp" => packet.protocol == 17,
                _ => true,
            };
            fits && packet
                .port
                .is_some_and(|port| one_of(right, &|value| in_range(value, port)))
        }
        _ if left.pointer("/ct/key").and_then(Value::as_str) == Some("state") => {
            one_of(right, &|value| value.as_str() == Some("new"))
        }
        _ => return false,
    };
    known != not
}

/// A value, a list of values, or a set of them.
fn one_of(value: &Value, test: &dyn Fn(&Value) -> bool) -> bool {
    match value.get("set").or(Some(value)) {
        Some(Value::Array(all)) => all.iter().any(test),
        Some(one) => test(one),
        None => false,
    }
}

fn interface(pattern: &str, name: &str) -> bool {
    pattern
        .strip_suffix('*')
        .map_or(pattern == name, |prefix| name.starts_with(prefix))
}

fn protocol(value: &Value) -> Option<u8> {
    match value.as_str() {
        Some("tcp") => Some(6),
        Some("udp") => Some(17),
        Some("icmp") => Some(1),
        Some("vrrp" | "carp") => Some(112),
        Some("ah") => Some(51),
        Some("ipencap" | "ipip") => Some(4),
        Some(text) => text.parse().ok(),
        None => value.as_u64().and_then(|number| u8::try_from(number).ok()),
    }
}

fn contains(value: &Value, address: IpAddr) -> bool {
    if let Some(text) = value.as_str() {
        return text.parse() == Ok(address);
    }
    if let Some(prefix) = value.get("prefix") {
        let network = prefix
            .get("addr")
            .and_then(Value::as_str)
            .and_then(|text| text.parse::<IpAddr>().ok());
        let length = prefix
            .get("len")
            .and_then(Value::as_u64)
            .and_then(|length| u32::try_from(length).ok());
        return match (network, address, length) {
            (Some(IpAddr::V4(network)), IpAddr::V4(address), Some(length)) => {
                let shift = 32_u32.saturating_sub(length);
                u32::from(network).checked_shr(shift) == u32::from(address).checked_shr(shift)
            }
            (Some(IpAddr::V6(network)), IpAddr::V6(address), Some(length)) => {
                let shift = 128_u32.saturating_sub(length);
                u128::from(network).checked_shr(shift) == u128::from(address).checked_shr(shift)
            }
            _ => false,
        };
    }
    let bounds = value.get("range").and_then(Value::as_array);
    let parse = |at: usize| bounds?.get(at)?.as_str()?.parse::<IpAddr>().ok();
    parse(0)
        .zip(parse(1))
        .is_some_and(|(from, to)| from <= address && address <= to)
}

fn in_range(value: &Value, port: u16) -> bool {
    if let Some(number) = value.as_u64() {
        return number == u64::from(port);
    }
    let bounds = value.get("range").and_then(Value::as_array);
    let parse = |at: usize| bounds?.get(at)?.as_u64();
    parse(0)
        .zip(parse(1))
        .is_some_and(|(from, to)| (from..=to).contains(&u64::from(port)))
}
