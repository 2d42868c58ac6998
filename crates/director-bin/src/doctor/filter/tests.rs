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
        outgoing: false,
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
    assert!(by.text.contains("policy of chain inet f in"), "{by:?}");
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
    let Fate::Dropped(by) = filter.fate("input", &packet(6, Some(80))) else {
        panic!()
    };
    assert_eq!(by.text, "reject by rule 1 of chain inet f more");
    assert_eq!(
        by.accept("tcp dport 80", "-p tcp --dport 80"),
        "nft insert rule inet f more tcp dport 80 accept"
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

#[test]
fn verdict_maps_and_named_sets() {
    let states = json!([{"vmap": {"key": {"ct": {"key": "state"}}, "data": {"set": [["established", {"accept": null}], ["new", {"jump": {"target": "more"}}]]}}}]);
    let listed = json!({"more": [matching(json!({"payload": {"protocol": "tcp", "field": "dport"}}), json!("@closed")), {"drop": null}]});
    let mut filter = rules(&[states, listed], "accept");
    assert_eq!(
        filter.fate("input", &packet(6, Some(80))),
        Fate::Accepted,
        "the set is not known"
    );
    filter.sets.push((
        "inet".to_owned(),
        "f".to_owned(),
        "closed".to_owned(),
        json!([22, {"range": [80, 90]}]),
    ));
    assert!(matches!(
        filter.fate("input", &packet(6, Some(80))),
        Fate::Dropped(_)
    ));
    assert_eq!(filter.fate("input", &packet(6, Some(91))), Fate::Accepted);
}
