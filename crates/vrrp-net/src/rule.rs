//! Rules of policy routing that an instance has while it is master, and rules that are always there.

use std::fmt;

use vrrp_proto::Family;

use crate::route::{Prefix, RealmsText, RoutingError, option};

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

/// All that the kernel gets, so that two rules that differ read differently.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {}:", self.preference)?;
        if self.family == Family::V6 && self.from.or(self.to).is_none() {
            f.write_str(" inet6")?;
        }
        if self.invert {
            f.write_str(" not")?;
        }
        option(f, "from", self.from)?;
        option(f, "to", self.to)?;
        if self.type_of_service != 0 {
            write!(f, " tos {:#x}", self.type_of_service)?;
        }
        if let Some((mark, mask)) = &self.mark {
            write!(f, " fwmark {mark:#x}/{mask:#x}")?;
        }
        option(f, "iif", self.input.as_ref())?;
        option(f, "oif", self.output.as_ref())?;
        option(f, "tunnel-id", self.tunnel)?;
        if let Some((first, last)) = &self.users {
            write!(f, " uidrange {first}-{last}")?;
        }
        option(f, "ipproto", self.ip_protocol)?;
        for (word, ports) in [
            ("sport", self.source_ports),
            ("dport", self.destination_ports),
        ] {
            if let Some((first, last)) = ports {
                write!(f, " {word} {first}-{last}")?;
            }
        }
        option(f, "protocol", self.protocol)?;
        match self.action {
            RuleAction::Table(table) => write!(f, " table {table}"),
            RuleAction::Layer3Master => f.write_str(" l3mdev"),
            RuleAction::Goto(target) => write!(f, " goto {target}"),
            RuleAction::Nop => f.write_str(" nop"),
            RuleAction::Blackhole => f.write_str(" blackhole"),
            RuleAction::Unreachable => f.write_str(" unreachable"),
            RuleAction::Prohibit => f.write_str(" prohibit"),
        }?;
        option(f, "realms", self.realms.map(RealmsText))?;
        option(f, "suppress_prefixlength", self.suppress_prefix_length)?;
        option(f, "suppress_ifgroup", self.suppress_interface_group)
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
        rule.ip_protocol = Some(6);
        rule.destination_ports = Some((80, 80));
        rule.suppress_prefix_length = Some(0);
        assert_eq!(
            rule.to_string(),
            "rule 100: from 10.0.0.0/8 ipproto 6 dport 80-80 table 7 suppress_prefixlength 0"
        );
        rule.action = RuleAction::Goto(100);
        assert!(rule.validate().is_err());
        rule.action = RuleAction::Goto(101);
        assert_eq!(rule.validate(), Ok(()));
        rule.family = Family::V6;
        assert!(rule.validate().is_err());
    }
}
