//! Tables, sets and chains as one wishes them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::rule::Rule;

/// Which packets a table sees (`NFPROTO_*` of `linux/netfilter.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4 and IPv6.
    Inet,
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// All frames of one interface, as they come in or go out.
    Netdev,
    /// Frames that pass a bridge: those of its ports, and what this machine sends through it.
    Bridge,
}

impl Family {
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Inet => 1,
            Self::Ip => 2,
            Self::Ip6 => 10,
            Self::Netdev => 5,
            Self::Bridge => 7,
        }
    }

    /// The word `nft` has for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inet => "inet",
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
            Self::Netdev => "netdev",
            Self::Bridge => "bridge",
        }
    }
}

impl std::fmt::Display for Family {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A table with all that is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// What packets it sees.
    pub family: Family,
    /// Its name, unique within the family.
    pub name: String,
    /// Its sets and maps.
    pub sets: Vec<Set>,
    /// Its chains. One that others go to may stand anywhere.
    pub chains: Vec<Chain>,
}

impl Table {
    /// An empty table.
    #[must_use]
    pub fn new(family: Family, name: impl Into<String>) -> Self {
        Self {
            family,
            name: name.into(),
            sets: Vec::new(),
            chains: Vec::new(),
        }
    }

    /// The same with another set.
    #[must_use]
    pub fn with_set(mut self, set: Set) -> Self {
        self.sets.push(set);
        self
    }

    /// The same with another chain.
    #[must_use]
    pub fn with_chain(mut self, chain: Chain) -> Self {
        self.chains.push(chain);
        self
    }
}

/// A set of keys, or a map from keys to values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// Its name, unique within the table.
    pub name: String,
    /// What a key is; several types make one key of several parts.
    pub key: Vec<Type>,
    /// What the values of a map are; `None` is a set.
    pub value: Option<Type>,
    /// The elements it begins with.
    pub elements: Vec<Element>,
}

impl Set {
    /// An empty set.
    #[must_use]
    pub fn new(name: impl Into<String>, key: impl Into<Vec<Type>>) -> Self {
        Self {
            name: name.into(),
            key: key.into(),
            value: None,
            elements: Vec::new(),
        }
    }

    /// An empty map.
    #[must_use]
    pub fn map(name: impl Into<String>, key: impl Into<Vec<Type>>, value: Type) -> Self {
        Self {
            value: Some(value),
            ..Self::new(name, key)
        }
    }

    /// The same with another key.
    #[must_use]
    pub fn with_element(mut self, key: impl Into<Vec<Value>>) -> Self {
        self.elements.push(Element::new(key));
        self
    }

    /// The same map with another key and its value.
    #[must_use]
    pub fn with_entry(mut self, key: impl Into<Vec<Value>>, value: Value) -> Self {
        self.elements.push(Element::entry(key, value));
        self
    }
}

/// One element of a set or map.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Element {
    /// The parts of its key.
    pub key: Vec<Value>,
    /// What a map leads it to.
    pub value: Option<Value>,
}

impl Element {
    /// A key of a set.
    #[must_use]
    pub fn new(key: impl Into<Vec<Value>>) -> Self {
        Self {
            key: key.into(),
            value: None,
        }
    }

    /// A key of a map with its value.
    #[must_use]
    pub fn entry(key: impl Into<Vec<Value>>, value: Value) -> Self {
        Self {
            key: key.into(),
            value: Some(value),
        }
    }
}

/// What a part of a key or a value is. The kernel only knows the length; `nft list` shows it accordingly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Type {
    /// [`Value::Ipv4`].
    Ipv4Address,
    /// [`Value::Ipv6`].
    Ipv6Address,
    /// Protocol above IP, [`Value::U8`].
    Protocol,
    /// Port, [`Value::U16`].
    Port,
    /// Type of an ICMPv6 message, [`Value::U8`].
    Icmpv6Type,
    /// Firewall mark, [`Value::U32`].
    Mark,
    /// Index of an interface, [`Value::U32`].
    InterfaceIndex,
    /// Name of an interface, [`Value::Name`].
    InterfaceName,
}

impl Type {
    /// Bytes it takes; a part of a key is filled up to whole words.
    pub(super) const fn length(self) -> usize {
        match self {
            Self::Ipv4Address | Self::Mark | Self::InterfaceIndex => 4,
            Self::Ipv6Address | Self::InterfaceName => 16,
            Self::Protocol | Self::Icmpv6Type => 1,
            Self::Port => 2,
        }
    }

    /// The number by which `nft` knows it.
    pub(super) const fn number(self) -> u32 {
        match self {
            Self::Ipv4Address => 7,
            Self::Ipv6Address => 8,
            Self::Protocol => 12,
            Self::Port => 13,
            Self::Mark => 19,
            Self::InterfaceIndex => 20,
            Self::Icmpv6Type => 29,
            Self::InterfaceName => 41,
        }
    }

    /// Whether its bytes are in the order of this machine.
    pub(super) const fn in_host_order(self) -> bool {
        matches!(
            self,
            Self::Mark | Self::InterfaceIndex | Self::InterfaceName
        )
    }
}

/// A value to compare with, or a part of a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// An IPv4 address.
    Ipv4(Ipv4Addr),
    /// An IPv6 address.
    Ipv6(Ipv6Addr),
    /// A protocol or message type.
    U8(u8),
    /// A port.
    U16(u16),
    /// A mark or the index of an interface.
    U32(u32),
    /// The name of an interface, at most 15 bytes.
    Name(String),
}

impl Value {
    /// As it stands in a packet, or in the kernel for what is in none.
    pub(super) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Ipv4(address) => address.octets().to_vec(),
            Self::Ipv6(address) => address.octets().to_vec(),
            Self::U8(number) => vec![*number],
            Self::U16(number) => number.to_be_bytes().to_vec(),
            Self::U32(number) => number.to_ne_bytes().to_vec(),
            Self::Name(name) => {
                let mut bytes: Vec<u8> = name.bytes().take(15).collect();
                bytes.resize(16, 0);
                bytes
            }
        }
    }
}

impl From<[u8; 4]> for Value {
    fn from(octets: [u8; 4]) -> Self {
        Self::Ipv4(octets.into())
    }
}

impl From<IpAddr> for Value {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::Ipv4(address),
            IpAddr::V6(address) => Self::Ipv6(address),
        }
    }
}

impl From<&str> for Value {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

/// A chain of rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Its name, unique within the table.
    pub name: String,
    /// Where packets come in and with which priority; `None` for a chain that others go to.
    pub hook: Option<(Hook, i32)>,
    /// Of which kind a base chain is.
    pub kind: ChainKind,
    /// The interface of a chain in a [`Family::Netdev`] table.
    pub device: Option<String>,
    /// Its rules, in order. What none decides is accepted.
    pub rules: Vec<Rule>,
}

impl Chain {
    /// A chain that others go to.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            hook: None,
            kind: ChainKind::Filter,
            device: None,
            rules: Vec::new(),
        }
    }

    /// A chain that packets enter at a hook; a smaller priority comes first, 0 is that of `filter`.
    #[must_use]
    pub fn base(name: impl Into<String>, hook: Hook, priority: i32) -> Self {
        Self {
            hook: Some((hook, priority)),
            ..Self::new(name)
        }
    }

    /// The same as a chain of another kind.
    #[must_use]
    pub const fn of_kind(mut self, kind: ChainKind) -> Self {
        self.kind = kind;
        self
    }

    /// The same with another rule at its end.
    #[must_use]
    pub fn with_rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }
}

/// What a base chain may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChainKind {
    /// Any.
    Filter,
    /// At [`Hook::Output`]: look for the route again if the mark has changed.
    Route,
}

/// Where a base chain gets its packets (`NF_INET_*`, `NF_NETDEV_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hook {
    /// All incoming packets, before a route is looked for.
    Prerouting,
    /// Packets for this machine.
    Input,
    /// Packets for others.
    Forward,
    /// Packets of this machine.
    Output,
    /// All outgoing packets.
    Postrouting,
    /// Incoming frames of an interface ([`Family::Netdev`]).
    Ingress,
    /// Outgoing frames of an interface ([`Family::Netdev`], kernel 5.16).
    Egress,
}

impl Hook {
    pub(super) const fn number(self) -> u32 {
        match self {
            Self::Prerouting | Self::Ingress => 0,
            Self::Input | Self::Egress => 1,
            Self::Forward => 2,
            Self::Output => 3,
            Self::Postrouting => 4,
        }
    }
}
