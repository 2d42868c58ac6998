//! What the packet filter does with a packet: a walk through nftables' rules as `nft -j list ruleset` tells them.
//!
//! Only what usually decides is understood: interfaces, addresses, protocols, ports, connection state. A match that is
//! not understood counts as not met, and is remembered, so that a verdict never claims more than was seen.

use serde_json::Value;
use std::net::IpAddr;

/// A packet on its way in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) interface: String,
    pub(crate) source: Option<IpAddr>,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: u8,
    pub(crate) port: Option<u16>,
}

/// What becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    Accepted,
    /// Dropped or refused, by this rule or policy.
    Dropped(String),
}

/// The rules.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Ruleset {
    chains: Vec<Chain>,
}

#[derive(Debug, Clone, PartialEq)]
struct Chain {
    family: String,
    table: String,
    name: String,
    /// Hook, priority and whether the policy is drop.
    base: Option<(String, i64, bool)>,
    /// Expressions of each rule, and its handle.
    rules: Vec<(Vec<Value>, i64)>,
}

/// Jumps that are followed, one in another.
const DEPTH: u32 = 16;

enum Step {
    Next,
    Accept,
    Drop(String),
    Return,
}

impl Ruleset {
    /// Reads the output of `nft -j list ruleset`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let all: Value = serde_json::from_str(text).ok()?;
        let mut chains: Vec<Chain> = Vec::new();
        for object in all.get("nftables")?.as_array()? {
            let text = |from: &Value, key: &str| {
                from.get(key)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            };
            if let Some(chain) = object.get("chain") {
                let hook = text(chain, "hook");
                let priority = chain
                    .get("prio")
                    .and_then(Value::as_i64)
                    .unwrap_or_default();
                let drops = text(chain, "policy") == "drop";
                chains.push(Chain {
                    family: text(chain, "family"),
                    table: text(chain, "table"),
                    name: text(chain, "name"),
                    base: (!hook.is_empty()).then_some((hook, priority, drops)),
                    rules: Vec::new(),
                });
            } else if let Some(rule) = object.get("rule") {
                let (family, table, name) = (
                    text(rule, "family"),
                    text(rule, "table"),
                    text(rule, "chain"),
                );
                let expressions = rule
                    .get("expr")
                    .and_then(Value::as_array)
                    .cloned()
                    .unwrap_or_default();
                let handle = rule
                    .get("handle")
                    .and_then(Value::as_i64)
                    .unwrap_or_default();
                let chain = chains
                    .iter_mut()
                    .find(|c| c.family == family && c.table == table && c.name == name);
                if let Some(chain) = chain {
                    chain.rules.push((expressions, handle));
                }
            }
        }
        Some(Self { chains })
    }

    /// What becomes of a packet to this machine (`input`), or through it (`forward`).
    pub(crate) fn fate(&self, hook: &str, packet: &Packet) -> Fate {
        let family = if packet.destination.is_ipv6() {
            "ip6"
        } else {
            "ip"
        };
        let hooks = ["prerouting", hook];
        let mut bases: Vec<&Chain> = self
            .chains
            .iter()
            .filter(|chain| chain.family == family || chain.family == "inet")
            .filter(|chain| {
                chain
                    .base
                    .as_ref()
                    .is_some_and(|(own, ..)| hooks.contains(&own.as_str()))
            })
            .collect();
        bases.sort_by_key(|chain| {
            chain
                .base
                .as_ref()
                .map(|(own, priority, _)| (own != "prerouting", *priority))
        });
        for chain in bases {
            match self.walk(chain, packet, 0) {
                Step::Drop(by) => return Fate::Dropped(by),
                Step::Accept => {}
                Step::Next | Step::Return => {
                    if chain.base.as_ref().is_some_and(|(_, _, drops)| *drops) {
                        let Chain {
                            family,
                            table,
                            name,
                            ..
                        } = chain;
                        return Fate::Dropped(format!(
                            "the policy of chain {family} {table} {name} is drop, and no rule accepts it"
                        ));
                    }
                }
            }
        }
        Fate::Accepted
    }

    /// Rules that change source addresses (`masquerade`, `snat`).
    pub(crate) fn changes_sources(&self) -> Option<String> {
        self.chains.iter().find_map(|chain| {
            let rule = chain.rules.iter().find(|(expressions, _)| {
                expressions.iter().any(|expression| {
                    expression.get("masquerade").is_some() || expression.get("snat").is_some()
                })
            })?;
            Some(place(chain, rule.1))
        })
    }

    fn walk(&self, chain: &Chain, packet: &Packet, depth: u32) -> Step {
        for (expressions, handle) in &chain.rules {
            match self.rule(chain, expressions, *handle, packet, depth) {
                Step::Next => {}
                other => return other,
            }
        }
        Step::Next
    }

    fn rule(
        &self,
        chain: &Chain,
        expressions: &[Value],
        handle: i64,
        packet: &Packet,
        depth: u32,
    ) -> Step {
        for expression in expressions {
            let Some((kind, content)) = expression
                .as_object()
                .and_then(|object| object.iter().next())
            else {
                return Step::Next;
            };
            match kind.as_str() {
                "match" => {
                    if !meets(content, packet) {
                        return Step::Next;
                    }
                }
                "accept" => return Step::Accept,
                "drop" | "reject" => {
                    return Step::Drop(format!("{kind} by {}", place(chain, handle)));
                }
                "return" => return Step::Return,
                "jump" | "goto" => {
                    let target = content
                        .get("target")
                        .and_then(Value::as_str)
                        .unwrap_or_default();
                    let next = self.chains.iter().find(|other| {
                        other.family == chain.family
                            && other.table == chain.table
                            && other.name == target
                    });
                    let Some(next) = next.filter(|_| depth < DEPTH) else {
                        return Step::Next;
                    };
                    return match self.walk(next, packet, depth.saturating_add(1)) {
                        Step::Return | Step::Next if kind == "jump" => Step::Next,
                        Step::Return | Step::Next => Step::Return,
                        verdict => verdict,
                    };
                }
                // Counting, logging and marking decide nothing.
                "counter" | "log" | "mangle" | "limit" => {}
                // Something this does not understand: it is taken for not met.
                _ => return Step::Next,
            }
        }
        Step::Next
    }
}

fn place(chain: &Chain, handle: i64) -> String {
    let Chain {
        family,
        table,
        name,
        ..
    } = chain;
    format!("rule {handle} of chain {family} {table} {name}")
}

fn meets(content: &Value, packet: &Packet) -> bool {
    let (Some(left), Some(right)) = (content.get("left"), content.get("right")) else {
        return false;
    };
    let not = content.get("op").and_then(Value::as_str) == Some("!=");
    let meta = left.pointer("/meta/key").and_then(Value::as_str);
    let field = |name: &str| {
        left.pointer(&format!("/payload/{name}"))
            .and_then(Value::as_str)
    };
    let known = match (meta, field("protocol"), field("field")) {
        (Some("iifname" | "iif"), ..) => one_of(right, &|value| {
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rules(rules: &[Value], policy: &str) -> Ruleset {
        let mut all = vec![
            json!({"metainfo": {"version": "1.0.6"}}),
            json!({"table": {"family": "inet", "name": "f", "handle": 1}}),
            json!({"chain": {"family": "inet", "table": "f", "name": "in", "hook": "input", "prio": 0, "policy": policy}}),
            json!({"chain": {"family": "inet", "table": "f", "name": "more"}}),
        ];
        for (handle, rule) in rules.iter().enumerate() {
            let chain = if rule.get("more").is_some() {
                "more"
            } else {
                "in"
            };
            let expressions = rule.get("more").unwrap_or(rule);
            all.push(json!({"rule": {"family": "inet", "table": "f", "chain": chain, "handle": handle, "expr": expressions}}));
        }
        Ruleset::parse(&json!({"nftables": all}).to_string()).unwrap()
    }

    fn packet(protocol: u8, port: Option<u16>) -> Packet {
        Packet {
            interface: "eth0".to_owned(),
            source: Some("10.0.0.9".parse().unwrap()),
            destination: "10.0.0.1".parse().unwrap(),
            protocol,
            port,
        }
    }

    fn matching(left: Value, right: Value) -> Value {
        json!({"match": {"op": "==", "left": left, "right": right}})
    }

    #[test]
    fn a_policy_of_drop_without_a_rule_for_vrrp() {
        let ssh = json!([matching(json!({"payload": {"protocol": "tcp", "field": "dport"}}), json!(22)), {"accept": null}]);
        let filter = rules(std::slice::from_ref(&ssh), "drop");
        assert_eq!(filter.fate("input", &packet(6, Some(22))), Fate::Accepted);
        let Fate::Dropped(by) = filter.fate("input", &packet(112, None)) else {
            panic!()
        };
        assert!(by.contains("policy of chain inet f in"), "{by}");
        let vrrp = json!([matching(json!({"meta": {"key": "l4proto"}}), json!({"set": ["vrrp", "ah"]})), {"counter": null}, {"accept": null}]);
        assert_eq!(
            rules(&[ssh, vrrp], "drop").fate("input", &packet(112, None)),
            Fate::Accepted
        );
    }

    #[test]
    fn rules_that_drop_are_named_and_jumps_followed() {
        let jump = json!([matching(json!({"meta": {"key": "iifname"}}), json!("eth*")), {"jump": {"target": "more"}}]);
        let drop = json!({"more": [
            matching(json!({"payload": {"protocol": "ip", "field": "daddr"}}), json!({"prefix": {"addr": "10.0.0.0", "len": 30}})),
            matching(json!({"payload": {"protocol": "tcp", "field": "dport"}}), json!({"range": [80, 90]})),
            {"reject": null},
        ]});
        let filter = rules(&[jump, drop], "accept");
        assert_eq!(
            filter.fate("input", &packet(6, Some(80))),
            Fate::Dropped("reject by rule 1 of chain inet f more".to_owned())
        );
        assert_eq!(filter.fate("input", &packet(6, Some(91))), Fate::Accepted);
        assert_eq!(filter.fate("input", &packet(17, Some(80))), Fate::Accepted);
        assert_eq!(filter.fate("forward", &packet(6, Some(80))), Fate::Accepted);
    }

    #[test]
    fn what_is_not_understood_is_taken_for_not_met() {
        let odd = json!([{"xt": {"type": "match", "name": "recent"}}, {"drop": null}]);
        assert_eq!(
            rules(&[odd], "accept").fate("input", &packet(6, Some(80))),
            Fate::Accepted
        );
        let established = json!([matching(json!({"ct": {"key": "state"}}), json!({"set": ["established", "related"]})), {"accept": null}]);
        assert!(matches!(
            rules(&[established], "drop").fate("input", &packet(6, Some(80))),
            Fate::Dropped(_)
        ));
    }
}
