//! Rules of policy routing that an instance has while it is master, and rules that are always there.

use std::fmt;

use vrrp_proto::Family;

use crate::route::{Prefix, RoutingError};

/// One entry of `virtual_rules` or `static_rules`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// Family of the packets.
    pub family: Family,
    /// Smaller ones come first (`preference`).
    pub preference: u32,
    /// The rule is for packets that do not match (`not`).
    pub invert: bool,
    /// Packets from there; `None` is from anywhere.
    pub from: Option<Prefix>,
    /// Packets to there; `None` is to anywhere.
    pub to: Option<Prefix>,
    /// Packets with this type of service (`tos`).
    pub type_of_service: u8,
    /// Packets with this mark, compared under this mask (`fwmark`).
    pub mark: Option<(u32, u32)>,
    /// Packets that came in here (`iif` or `dev`).
    pub input: Option<String>,
    /// Packets that are to go out here (`oif`).
    pub output: Option<String>,
    /// Packets of this tunnel (`tunnel-id`).
    pub tunnel: Option<u64>,
    /// Packets of these users, first and last (`uidrange`).
    pub users: Option<(u32, u32)>,
    /// Packets of this IP protocol (`ipproto`).
    pub ip_protocol: Option<u8>,
    /// Packets from these ports, first and last (`sport`).
    pub source_ports: Option<(u16, u16)>,
    /// Packets to these ports, first and last (`dport`).
    pub destination_ports: Option<(u16, u16)>,
    /// Realms of source and destination (IPv4 only).
    pub realms: Option<(u16, u16)>,
    /// Ignore routes with prefixes of at most this length (`suppress_prefixlength`).
    pub suppress_prefix_length: Option<u32>,
    /// Ignore routes over interfaces of this group (`suppress_ifgroup`).
    pub suppress_interface_group: Option<u32>,
    /// Who put it there (`protocol`); `None` is [`Settings::route_mark`](crate::Settings::route_mark). Only rules with
    /// `None` are watched.
    pub protocol: Option<u8>,
    /// What becomes of the packets.
    pub action: RuleAction,
    /// Put it back when somebody else removes it while it is wished (off with `no_track`).
    pub restore: bool,
    /// Of a static rule: instances that are at fault while it is not there (`track_group`).
    pub needed_by: Vec<String>,
}

/// What a rule does with packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RuleAction {
    /// Look in this table, 1–4294967295 (`table`).
    Table(u32),
    /// Look in the table of the packet's layer 3 master device (`l3mdev`).
    Layer3Master,
    /// Go on with the rule of this preference (`goto`).
    Goto(u32),
    /// Nothing: the next rule decides (`nop`).
    Nop,
    /// Drop without a word (`blackhole`).
    Blackhole,
    /// Refuse as unreachable (`unreachable`).
    Unreachable,
    /// Refuse as prohibited (`prohibit`).
    Prohibit,
}

impl Rule {
    /// A rule for all packets.
    #[must_use]
    pub const fn new(family: Family, preference: u32, action: RuleAction) -> Self {
        Self {
            family,
            preference,
            invert: false,
            from: None,
            to: None,
            type_of_service: 0,
            mark: None,
            input: None,
            output: None,
            tunnel: None,
            users: None,
            ip_protocol: None,
            source_ports: None,
            destination_ports: None,
            realms: None,
            suppress_prefix_length: None,
            suppress_interface_group: None,
            protocol: None,
            action,
            restore: true,
            needed_by: Vec::new(),
        }
    }

    /// Says what the kernel would refuse or misunderstand, so that a mistake is found before anything is changed.
    ///
    /// # Errors
    /// Families mixed, prefix too long, table 0, a `goto` that does not lead forward.
    pub fn validate(&self) -> Result<(), RoutingError> {
        let ipv6 = self.family == Family::V6;
        let fail = |problem| {
            let entry = self.to_string();
            Err(RoutingError { entry, problem })
        };
        for prefix in self.from.iter().chain(&self.to) {
            if prefix.address.is_ipv6() != ipv6 {
                return fail("a prefix is of the other family");
            }
            if prefix.length > if ipv6 { 128 } else { 32 } {
                return fail("a prefix length is too long");
            }
        }
        if ipv6 && self.realms.is_some() {
            return fail("realms are for IPv4");
        }
        match self.action {
            RuleAction::Table(0) => fail("table 0 is none, name one"),
            RuleAction::Goto(target) if target <= self.preference => {
                fail("`goto` must lead to a greater preference")
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {}:", self.preference)?;
        if self.invert {
            f.write_str(" not")?;
        }
        if let Some(from) = &self.from {
            write!(f, " from {from}")?;
        }
        if let Some(to) = &self.to {
            write!(f, " to {to}")?;
        }
        if let Some((mark, mask)) = &self.mark {
            write!(f, " fwmark {mark:#x}/{mask:#x}")?;
        }
        if let Some(input) = &self.input {
            write!(f, " iif {input}")?;
        }
        if let Some(output) = &self.output {
            write!(f, " oif {output}")?;
        }
        match self.action {
            RuleAction::Table(table) => write!(f, " table {table}"),
            RuleAction::Layer3Master => f.write_str(" l3mdev"),
            RuleAction::Goto(target) => write!(f, " goto {target}"),
            RuleAction::Nop => f.write_str(" nop"),
            RuleAction::Blackhole => f.write_str(" blackhole"),
            RuleAction::Unreachable => f.write_str(" unreachable"),
            RuleAction::Prohibit => f.write_str(" prohibit"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named() {
        let mut rule = Rule::new(Family::V4, 100, RuleAction::Table(7));
        rule.from = Some(Prefix {
            address: "10.0.0.0".parse().unwrap(),
            length: 8,
        });
        assert_eq!(rule.validate(), Ok(()));
        assert_eq!(rule.to_string(), "rule 100: from 10.0.0.0/8 table 7");
        rule.action = RuleAction::Goto(100);
        assert!(rule.validate().is_err());
        rule.action = RuleAction::Goto(101);
        assert_eq!(rule.validate(), Ok(()));
        rule.family = Family::V6;
        assert!(rule.validate().is_err());
    }
}
