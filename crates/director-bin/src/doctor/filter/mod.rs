//! What the packet filter does with a packet: a walk through nftables' rules as `nft -j list ruleset` tells them, and
//! through those of the older iptables (its "legacy" kernel interface, which nftables does not show).
//!
//! Only what usually decides is understood: interfaces, addresses, protocols, ports, connection state. A match that is
//! not understood counts as not met, and is remembered, so that a verdict never claims more than was seen.

mod legacy;
mod matching;

use matching::meets;
use serde_json::Value;
use std::net::IpAddr;

/// A packet on its way in or out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    /// It leaves this machine.
    pub(crate) outgoing: bool,
    /// Where it comes in, or leaves.
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
    Dropped(Culprit),
}

/// The rule or policy that drops a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Culprit {
    /// What it is and where it stands.
    pub(crate) text: String,
    /// The command that puts a rule in front of it, but for the rule.
    insert: String,
    legacy: bool,
}

impl Culprit {
    fn new(chain: &Chain, text: String) -> Self {
        let Chain {
            family,
            table,
            name,
            legacy,
            ..
        } = chain;
        let insert = match legacy {
            Some(command) => format!("{command} -t {table} -I {name}"),
            None => format!("nft insert rule {family} {table} {name}"),
        };
        Self {
            text,
            insert,
            legacy: legacy.is_some(),
        }
    }

    /// The command that accepts the packet in front of it, given the rule in the words of nftables and of iptables.
    pub(crate) fn accept(&self, nft: &str, iptables: &str) -> String {
        if self.legacy {
            format!("{} {iptables} -j ACCEPT", self.insert)
        } else {
            format!("{} {nft} accept", self.insert)
        }
    }
}

/// The rules.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Ruleset {
    chains: Vec<Chain>,
    /// Family, table, name and elements.
    sets: Vec<(String, String, String, Value)>,
}

#[derive(Debug, Clone, PartialEq)]
struct Chain {
    family: String,
    table: String,
    name: String,
    /// Of iptables: the command that changes it.
    legacy: Option<&'static str>,
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
    Drop(Culprit),
    Return,
}

impl Ruleset {
    /// Reads the output of `nft -j list ruleset`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let all: Value = serde_json::from_str(text).ok()?;
        let mut chains: Vec<Chain> = Vec::new();
        let mut sets = Vec::new();
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
                    legacy: None,
                    base: (!hook.is_empty()).then_some((hook, priority, drops)),
                    rules: Vec::new(),
                });
            } else if let Some(set) = object.get("set").or_else(|| object.get("map")) {
                let elements = set.get("elem").cloned().unwrap_or(Value::Array(Vec::new()));
                sets.push((
                    text(set, "family"),
                    text(set, "table"),
                    text(set, "name"),
                    elements,
                ));
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
        Some(Self { chains, sets })
    }

    /// Adds the rules of iptables' legacy interface, as `iptables-legacy-save` prints them, or `ip6tables-legacy-save`.
    pub(crate) fn add_legacy(&mut self, text: &str, v6: bool) {
        self.chains.extend(legacy::chains(text, v6));
    }

    /// What becomes of a packet to this machine (`input`), through it (`forward`), or from it (`output`).
    pub(crate) fn fate(&self, hook: &str, packet: &Packet) -> Fate {
        let family = if packet.destination.is_ipv6() {
            "ip6"
        } else {
            "ip"
        };
        let hooks = match hook {
            "output" => ["output", "postrouting"],
            _ => ["prerouting", hook],
        };
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
                .map(|(own, priority, _)| (own != hooks[0], *priority))
        });
        for chain in bases {
            match self.walk(chain, packet, 0) {
                Step::Drop(by) => return Fate::Dropped(by),
                Step::Accept => {}
                Step::Next | Step::Return => {
                    if chain.base.as_ref().is_some_and(|(_, _, drops)| *drops) {
                        let text = format!(
                            "the policy of chain {} is drop, and no rule accepts it",
                            name_of(chain)
                        );
                        return Fate::Dropped(Culprit::new(chain, text));
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
        let sets = |name: &str| self.set(chain, name);
        for expression in expressions {
            let Some((kind, content)) = expression
                .as_object()
                .and_then(|object| object.iter().next())
            else {
                return Step::Next;
            };
            match kind.as_str() {
                "match" => {
                    if !meets(content, packet, &sets) {
                        return Step::Next;
                    }
                }
                "vmap" => {
                    let Some(verdict) = self.choose(chain, content, packet) else {
                        return Step::Next;
                    };
                    return self.rule(
                        chain,
                        std::slice::from_ref(verdict),
                        handle,
                        packet,
                        depth.saturating_add(1),
                    );
                }
                "accept" => return Step::Accept,
                "drop" | "reject" => {
                    let text = format!("{kind} by {}", place(chain, handle));
                    return Step::Drop(Culprit::new(chain, text));
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
                            && other.legacy == chain.legacy
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

    /// What a verdict map says of a packet.
    fn choose<'a>(&'a self, chain: &Chain, map: &'a Value, packet: &Packet) -> Option<&'a Value> {
        let key = map.get("key")?;
        let data = map.get("data")?;
        let entries = match data.as_str().and_then(|text| text.strip_prefix('@')) {
            Some(name) => self.set(chain, name)?,
            None => data.get("set")?,
        };
        let sets = |name: &str| self.set(chain, name);
        let entry = entries.as_array()?.iter().find(|entry| {
            let one = serde_json::json!({"left": key, "right": entry.get(0)});
            meets(&one, packet, &sets)
        })?;
        entry.get(1)
    }

    /// The elements of a named set of a chain's table.
    fn set(&self, chain: &Chain, name: &str) -> Option<&Value> {
        let found = self.sets.iter().find(|(family, table, own, _)| {
            (family, table) == (&chain.family, &chain.table) && own == name
        })?;
        Some(&found.3)
    }
}

/// `inet filter input`
fn name_of(chain: &Chain) -> String {
    let Chain {
        family,
        table,
        name,
        legacy,
        ..
    } = chain;
    match legacy {
        None => format!("{family} {table} {name}"),
        Some(command) => format!("{name} of table {table} ({command})"),
    }
}

fn place(chain: &Chain, handle: i64) -> String {
    format!("rule {handle} of chain {}", name_of(chain))
}

#[cfg(test)]
mod tests;
