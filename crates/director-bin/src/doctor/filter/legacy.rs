//! The rules of iptables' older kernel interface, as `iptables-legacy-save` prints them, put into the form of nftables.

use super::Chain;
use serde_json::{Value, json};

/// Chains of all tables, with their rules.
pub(super) fn chains(text: &str, v6: bool) -> Vec<Chain> {
    let (family, command) = if v6 {
        ("ip6", "ip6tables-legacy")
    } else {
        ("ip", "iptables-legacy")
    };
    let mut all: Vec<Chain> = Vec::new();
    let mut table = "";
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = name.trim();
        } else if let Some(rest) = line.strip_prefix(':') {
            let mut words = rest.split_whitespace();
            let name = words.next().unwrap_or_default();
            let drops = words.next() == Some("DROP");
            let base =
                priority(table, name).map(|priority| (name.to_ascii_lowercase(), priority, drops));
            all.push(Chain {
                family: family.to_owned(),
                table: table.to_owned(),
                name: name.to_owned(),
                legacy: Some(command),
                base,
                rules: Vec::new(),
            });
        } else if let Some(rest) = line.strip_prefix("-A ") {
            let words = words(rest);
            let Some((name, conditions)) = words.split_first() else {
                continue;
            };
            let chain = all
                .iter_mut()
                .find(|chain| chain.table == table && chain.name == *name);
            if let Some(chain) = chain {
                // iptables counts rules from 1.
                let number = i64::try_from(chain.rules.len())
                    .unwrap_or(i64::MAX)
                    .saturating_add(1);
                chain.rules.push((expressions(conditions, v6), number));
            }
        }
    }
    all
}

/// Where a built-in chain stands among those of nftables.
fn priority(table: &str, chain: &str) -> Option<i64> {
    if !["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"].contains(&chain) {
        return None;
    }
    Some(match (table, chain) {
        ("raw", _) => -300,
        ("mangle", _) => -150,
        ("nat", "PREROUTING" | "OUTPUT") => -100,
        ("nat", _) => 100,
        ("security", _) => 50,
        _ => 0,
    })
}

/// Words of a line; those in double quotes (comments) are one.
fn words(line: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut word = String::new();
    let (mut quoted, mut escaped) = (false, false);
    for character in line.chars() {
        match character {
            _ if escaped => {
                word.push(character);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            ' ' if !quoted => {
                if !word.is_empty() {
                    all.push(std::mem::take(&mut word));
                }
            }
            _ => word.push(character),
        }
    }
    if !word.is_empty() {
        all.push(word);
    }
    all
}

/// The conditions and the target of a rule. What is not understood becomes a condition that is never met.
fn expressions(words: &[String], v6: bool) -> Vec<Value> {
    let mut all = Vec::new();
    let mut words = words.iter().map(String::as_str);
    let mut not = false;
    let protocol = if v6 { "ip6" } else { "ip" };
    while let Some(word) = words.next() {
        let mut condition = |left: Value, right: Value| {
            let operator = if not { "!=" } else { "==" };
            all.push(json!({"match": {"op": operator, "left": left, "right": right}}));
        };
        let field = |name: &str| json!({"payload": {"protocol": protocol, "field": name}});
        let port = |name: &str| json!({"payload": {"protocol": "th", "field": name}});
        match word {
            "!" => {
                not = true;
                continue;
            }
            // What a match module adds is told by its own options.
            "-m" | "--comment" => {
                words.next();
            }
            "-i" | "-o" => {
                let key = if word == "-i" { "iifname" } else { "oifname" };
                let name = words.next().unwrap_or_default();
                let name = name
                    .strip_suffix('+')
                    .map_or_else(|| name.to_owned(), |prefix| format!("{prefix}*"));
                condition(json!({"meta": {"key": key}}), json!(name));
            }
            "-s" => condition(field("saddr"), network(words.next())),
            "-d" => condition(field("daddr"), network(words.next())),
            "-p" => {
                let name = words.next().unwrap_or_default();
                condition(json!({"meta": {"key": "l4proto"}}), json!(name));
            }
            "--dport" | "--dports" | "--destination-ports" => {
                let list: Vec<Value> = words
                    .next()
                    .unwrap_or_default()
                    .split(',')
                    .map(range)
                    .collect();
                condition(port("dport"), json!({"set": list}));
            }
            "--ctstate" | "--state" => {
                let list: Vec<Value> = words
                    .next()
                    .unwrap_or_default()
                    .split(',')
                    .map(|state| json!(state.to_ascii_lowercase()))
                    .collect();
                condition(json!({"ct": {"key": "state"}}), json!({"set": list}));
            }
            "-j" | "-g" => {
                let target = words.next().unwrap_or_default();
                all.push(match target {
                    "ACCEPT" => json!({"accept": null}),
                    "DROP" => json!({"drop": null}),
                    "REJECT" => json!({"reject": null}),
                    "RETURN" => json!({"return": null}),
                    "MASQUERADE" => json!({"masquerade": null}),
                    "SNAT" => json!({"snat": null}),
                    // They change or record the packet, and it goes on.
                    "LOG" | "NFLOG" | "MARK" | "CONNMARK" | "CT" | "NOTRACK" | "TCPMSS" | "TOS"
                    | "DSCP" | "TTL" | "DNAT" | "REDIRECT" => json!({"counter": null}),
                    own => {
                        let kind = if word == "-j" { "jump" } else { "goto" };
                        json!({kind: {"target": own}})
                    }
                });
                // Options of the target do not matter.
                return all;
            }
            _ => {
                all.push(json!({"xt": word}));
                words.next();
            }
        }
        not = false;
    }
    all
}

/// `10.0.0.0/8`
fn network(text: Option<&str>) -> Value {
    let text = text.unwrap_or_default();
    match text.split_once('/') {
        None => json!(text),
        Some((address, length)) => {
            json!({"prefix": {"addr": address, "len": length.parse::<u64>().ok()}})
        }
    }
}

/// `80` or `8000:8080`
fn range(text: &str) -> Value {
    let number = |text: &str, otherwise: u64| text.parse::<u64>().unwrap_or(otherwise);
    match text.split_once(':') {
        None => json!(text.parse::<u64>().ok()),
        Some((from, to)) => json!({"range": [number(from, 0), number(to, 65_535)]}),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Fate, Packet, Ruleset};

    fn packet(protocol: u8, port: Option<u16>, outgoing: bool) -> Packet {
        Packet {
            outgoing,
            interface: "eth0".to_owned(),
            source: Some("10.0.0.9".parse().unwrap()),
            destination: "172.16.1.8".parse().unwrap(),
            protocol,
            port,
        }
    }

    const SAVED: &str = "# Generated by iptables-save\n*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n\
        -A POSTROUTING -o eth1 -j MASQUERADE\nCOMMIT\n*filter\n:INPUT DROP [3:180]\n:OUTPUT ACCEPT [0:0]\n:IN - [0:0]\n\
        -A INPUT -i lo -j ACCEPT\n\
        -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
        -A INPUT ! -i eth1 -m comment --comment \"the way in, -j DROP\" -j IN\n\
        -A IN -d 172.16.1.0/24 -p tcp -m multiport --dports 22,8000:8080 -j ACCEPT\n\
        -A IN -p tcp -m tcp --dport 80 -m recent --rcheck --seconds 60 --name x -j DROP\n\
        -A IN -p tcp -m tcp --dport 80 -j REJECT --reject-with tcp-reset\n\
        -A OUTPUT -o eth0 -p vrrp -j DROP\nCOMMIT\n";

    #[test]
    fn rules_are_followed() {
        let mut rules = Ruleset::default();
        rules.add_legacy(SAVED, false);
        for port in [22, 8000, 8080] {
            assert_eq!(
                rules.fate("input", &packet(6, Some(port), false)),
                Fate::Accepted,
                "{port}"
            );
        }
        let Fate::Dropped(by) = rules.fate("input", &packet(6, Some(80), false)) else {
            panic!()
        };
        assert_eq!(
            by.text,
            "reject by rule 3 of chain IN of table filter (iptables-legacy)"
        );
        assert_eq!(
            by.accept("tcp dport 80", "-p tcp --dport 80"),
            "iptables-legacy -t filter -I IN -p tcp --dport 80 -j ACCEPT"
        );
        let Fate::Dropped(by) = rules.fate("input", &packet(112, None, false)) else {
            panic!()
        };
        assert!(
            by.text
                .starts_with("the policy of chain INPUT of table filter"),
            "{by:?}"
        );
        let Fate::Dropped(by) = rules.fate("output", &packet(112, None, true)) else {
            panic!()
        };
        assert!(
            by.text.starts_with("drop by rule 1 of chain OUTPUT"),
            "{by:?}"
        );
        assert!(
            rules
                .changes_sources()
                .unwrap()
                .contains("POSTROUTING of table nat")
        );
    }
}
