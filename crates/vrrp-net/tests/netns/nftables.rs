//! Tables of our own in nf_tables, read back with the `nft` program.

use std::process::Command;

use vrrp_net::nftables::{
    Action, Chain, ChainKind, Element, ElementChange, Family, Field, Hook, Match, Nftables,
    NftablesError, Rule, Set, Table, Type, Value,
};

use crate::support::Node;

/// A namespace whose kernel has nf_tables, on a machine with `nft`.
pub(crate) fn node() -> Option<Node> {
    if Command::new("nft").arg("-v").output().is_err() {
        println!("skipped: the nft command is not installed");
        return None;
    }
    let node = Node::new()?;
    let usable = node
        .run(|| Nftables::open().and_then(|mut socket| socket.remove(&[(Family::Ip, "probe")])));
    if let Err(error) = usable {
        println!("skipped: {error}");
        return None;
    }
    Some(node)
}

pub(crate) fn ruleset(node: &Node) -> String {
    let output = node.run(|| {
        Command::new("nft")
            .args(["list", "ruleset"])
            .output()
            .unwrap()
    });
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// Some table with everything in it.
fn everything() -> Table {
    let address = |last| Value::from([10, 0, 0, last]);
    Table::new(Family::Inet, "example")
        .with_set(Set::new("vips", [Type::Ipv4Address]).with_element([address(1)]))
        .with_set(
            Set::new("links", [Type::Ipv6Address, Type::InterfaceName])
                .with_element([Value::Ipv6("fe80::1".parse().unwrap()), Value::from("eth0")]),
        )
        .with_set(
            Set::map(
                "marks",
                [Type::Ipv4Address, Type::Protocol, Type::Port],
                Type::Mark,
            )
            .with_entry([address(2), Value::U8(6), Value::U16(80)], Value::U32(1000))
            .with_entry(
                [address(2), Value::U8(17), Value::U16(53)],
                Value::U32(1001),
            ),
        )
        .with_chain(
            Chain::base("in", Hook::Input, -1)
                .with_rule(
                    Rule::new(Action::Accept)
                        .matching(Match::is(Field::Icmpv6Type, Value::U8(135))),
                )
                .with_rule(
                    Rule::new(Action::Goto("local".to_owned())).matching(Match::Prefix(
                        Field::Ipv6Destination,
                        Value::Ipv6("fe80::".parse().unwrap()),
                        10,
                    )),
                )
                .with_rule(
                    Rule::new(Action::Drop)
                        .matching(Match::in_set([Field::Ipv4Destination], "vips"))
                        .counted(),
                ),
        )
        .with_chain(
            Chain::new("local").with_rule(Rule::new(Action::Drop).matching(Match::in_set(
                [Field::Ipv6Destination, Field::InputName],
                "links",
            ))),
        )
        .with_chain(
            Chain::base("mark", Hook::Prerouting, -150)
                .with_rule(
                    Rule::new(Action::SetMark(7))
                        .matching(Match::is(Field::Ipv4Destination, address(3)))
                        .matching(Match::is(Field::Protocol, Value::U8(6)))
                        .matching(Match::is(Field::DestinationPort, Value::U16(443)))
                        .matching(Match::IsNot(Field::InputName, Value::from("lo"))),
                )
                .with_rule(Rule::new(Action::SetMarkFrom(
                    vec![
                        Field::Ipv4Destination,
                        Field::Protocol,
                        Field::DestinationPort,
                    ],
                    "marks".to_owned(),
                ))),
        )
        .with_chain(
            Chain::base("own", Hook::Output, -150)
                .of_kind(ChainKind::Route)
                .with_rule(
                    Rule::new(Action::Return)
                        .matching(Match::NotInSet(vec![Field::Ipv4Source], "vips".to_owned())),
                ),
        )
}

#[test]
fn a_table_stands_in_the_kernel_as_written() {
    let Some(node) = node() else { return };
    node.run(|| Nftables::open().unwrap().replace(&[everything()]))
        .unwrap();
    let listed = ruleset(&node);
    let wanted = [
        "table inet example {",
        "elements = { 10.0.0.1 }",
        "elements = { fe80::1 . \"eth0\" }",
        "10.0.0.2 . tcp . 80 : 0x000003e8",
        "10.0.0.2 . udp . 53 : 0x000003e9",
        "type filter hook input priority filter - 1; policy accept;",
        "icmpv6 type nd-neighbor-solicit accept",
        "ip6 daddr fe80::/10 goto local",
        "ip daddr @vips counter packets 0 bytes 0 drop",
        "ip6 daddr . iifname @links drop",
        "type filter hook prerouting priority mangle; policy accept;",
        "ip daddr 10.0.0.3 tcp dport 443 iifname != \"lo\" meta mark set 0x00000007",
        "meta mark set ip daddr . meta l4proto . th dport map @marks",
        "type route hook output priority mangle; policy accept;",
        "ip saddr != @vips return",
    ];
    for line in wanted {
        assert!(listed.contains(line), "no `{line}` in\n{listed}");
    }
}

#[test]
fn replacing_is_whole_and_leaves_other_tables_alone() {
    let Some(node) = node() else { return };
    let add = "add table inet other; add chain inet other kept";
    node.run(move || Command::new("nft").arg(add).status().unwrap());
    node.run(|| {
        let mut socket = Nftables::open().unwrap();
        socket.replace(&[everything()]).unwrap();
        // As a successor of a killed one would: by a socket of its own.
        let mut socket = Nftables::open().unwrap();
        let set = Set::new("vips", [Type::Ipv4Address]);
        let smaller = Table::new(Family::Inet, "example").with_set(set);
        socket.replace(std::slice::from_ref(&smaller)).unwrap();
        let change = ElementChange {
            set: "vips".to_owned(),
            add: vec![Element::new([Value::from([10, 0, 0, 9])])],
            remove: Vec::new(),
        };
        socket.change(&smaller, &[change]).unwrap();
    });
    let listed = ruleset(&node);
    assert!(
        listed.contains("10.0.0.9") && !listed.contains("marks"),
        "{listed}"
    );
    assert!(listed.contains("chain kept"), "{listed}");

    node.run(|| {
        let mut socket = Nftables::open().unwrap();
        assert!(socket.exists(Family::Inet, "example").unwrap());
        assert!(!socket.exists(Family::Ip, "example").unwrap());
        let gone = [(Family::Inet, "example"), (Family::Ip6, "never there")];
        socket.remove(&gone).unwrap();
        assert!(!socket.exists(Family::Inet, "example").unwrap());
    });
    assert_eq!(
        ruleset(&node),
        "table inet other {\n\tchain kept {\n\t}\n}\n"
    );
}

#[test]
fn what_the_kernel_refuses_is_named_and_changes_nothing() {
    let Some(node) = node() else { return };
    let error = node.run(|| {
        let table = Table::new(Family::Inet, "example").with_chain(
            Chain::base("in", Hook::Input, 0)
                .with_rule(Rule::new(Action::Goto("nowhere".to_owned()))),
        );
        Nftables::open().unwrap().replace(&[table]).unwrap_err()
    });
    assert!(matches!(error, NftablesError::Refused { .. }), "{error:?}");
    assert!(
        error
            .to_string()
            .contains("a rule of chain in in table inet example"),
        "{error}"
    );
    assert_eq!(ruleset(&node), "");
}

#[test]
fn ten_thousand_elements_go_in_one_transaction() {
    let Some(node) = node() else { return };
    let exists = node.run(|| {
        let mut set = Set::new("vips", [Type::Ipv4Address, Type::Port]);
        for number in 0..10_000_u16 {
            let [high, low] = number.to_be_bytes();
            set = set.with_element([Value::from([10, 1, high, low]), Value::U16(number)]);
        }
        let mut socket = Nftables::open().unwrap();
        let table = Table::new(Family::Inet, "example").with_set(set);
        socket.replace(&[table]).unwrap();
        socket.exists(Family::Inet, "example").unwrap()
    });
    assert!(exists);
    assert_eq!(ruleset(&node).matches("10.1.").count(), 10_000);
}
