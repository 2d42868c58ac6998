//! Rules: what they look at and what they do.

use super::table::Value;

/// A rule: when all of its conditions hold, its action is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The conditions, looked at in this order.
    pub matches: Vec<Match>,
    /// Count the packets that fulfil all conditions.
    pub counted: bool,
    /// What is done with them.
    pub action: Action,
}

impl Rule {
    /// A rule for all packets.
    #[must_use]
    pub const fn new(action: Action) -> Self {
        Self {
            matches: Vec::new(),
            counted: false,
            action,
        }
    }

    /// The same with another condition.
    #[must_use]
    pub fn matching(mut self, condition: Match) -> Self {
        self.matches.push(condition);
        self
    }

    /// The same with a counter.
    #[must_use]
    pub const fn counted(mut self) -> Self {
        self.counted = true;
        self
    }
}

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Match {
    /// The field has the value.
    Is(Field, Value),
    /// The field has another value.
    IsNot(Field, Value),
    /// The first bits of the field, as many as the number says, are those of the value.
    Prefix(Field, Value, u8),
    /// The fields, one after the other, are a key of a set of this table.
    InSet(Vec<Field>, String),
    /// They are not.
    NotInSet(Vec<Field>, String),
}

impl Match {
    /// [`Match::Is`].
    #[must_use]
    pub fn is(field: Field, value: impl Into<Value>) -> Self {
        Self::Is(field, value.into())
    }

    /// [`Match::InSet`].
    #[must_use]
    pub fn in_set(fields: impl Into<Vec<Field>>, set: impl Into<String>) -> Self {
        Self::InSet(fields.into(), set.into())
    }
}

/// What is done with a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// It passes this hook; chains of greater priority still see it.
    Accept,
    /// It is gone.
    Drop,
    /// Back to the chain that led here; in a base chain, accept.
    Return,
    /// Go on with the next rule; of use with a counter.
    Continue,
    /// Go on in another chain and do not come back.
    Goto(String),
    /// Go on in another chain, then here.
    Jump(String),
    /// Give it a firewall mark and go on with the next rule.
    SetMark(u32),
    /// Give it the mark to which a map of this table leads the fields, and go on; without one, as if a condition did
    /// not hold.
    SetMarkFrom(Vec<Field>, String),
}

/// What can be looked at.
///
/// In tables for several protocols a rule that looks at a field of IPv4 is for IPv4 only, and so on. A port is that of
/// TCP, UDP, SCTP and the like: say which with [`Field::Protocol`] before or beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// Source address of an IPv4 packet.
    Ipv4Source,
    /// Destination address of an IPv4 packet.
    Ipv4Destination,
    /// Source address of an IPv6 packet.
    Ipv6Source,
    /// Destination address of an IPv6 packet.
    Ipv6Destination,
    /// Protocol above IP, behind any IPv6 extension headers.
    Protocol,
    /// Source port.
    SourcePort,
    /// Destination port.
    DestinationPort,
    /// Type of an ICMPv6 message.
    Icmpv6Type,
    /// Firewall mark.
    Mark,
    /// Index of the interface it came in on.
    InputIndex,
    /// Name of the interface it came in on.
    InputName,
    /// Index of the interface it goes out on.
    OutputIndex,
    /// Name of the interface it goes out on.
    OutputName,
}
