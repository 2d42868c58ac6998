//! Entries of `static_rules` and `virtual_rules`.

use super::{Family, Origin, Prefix, Spanned};

/// One policy routing rule.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Rule {
    /// Family: written, else that of an address in the entry, else IPv4.
    pub family: Family,
    /// `not`.
    pub not: bool,
    /// `from`; `None` is all.
    pub from: Option<Prefix>,
    /// `to`; `None` is all.
    pub to: Option<Prefix>,
    /// `preference`, `order` or `priority`; assigned downward from 16384 if absent.
    pub preference: Option<u32>,
    /// `tos` or `dsfield`: name or number.
    pub tos: Option<String>,
    /// `fwmark V[/MASK]`.
    pub fwmark: Option<(u32, u32)>,
    /// `realms`.
    pub realms: Option<String>,
    /// `suppress_prefixlength`.
    pub suppress_prefixlength: Option<u32>,
    /// `suppress_ifgroup`: name or number.
    pub suppress_ifgroup: Option<String>,
    /// `dev` or `iif`.
    pub iif: Option<Spanned<String>>,
    /// `oif`.
    pub oif: Option<Spanned<String>>,
    /// `tunnel-id`.
    pub tunnel_id: Option<u64>,
    /// `uidrange A-B`.
    pub uidrange: Option<(u32, u32)>,
    /// `protocol`.
    pub protocol: Option<u8>,
    /// `ipproto`: name or number.
    pub ipproto: Option<String>,
    /// `sport`.
    pub sport: Option<PortRange>,
    /// `dport`.
    pub dport: Option<PortRange>,
    /// Do not leave MASTER when the rule disappears.
    pub no_track: bool,
    /// Instances that fault with this static rule.
    pub track_group: Option<Spanned<String>>,
    /// What the rule does.
    pub action: RuleAction,
    /// Where the entry stands.
    pub span: Origin,
}

/// `A-B`, or `A` for a single port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PortRange {
    /// First port.
    pub first: u16,
    /// Last port.
    pub last: u16,
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum RuleAction {
    /// `table T` or `lookup T`: name or number.
    Table(String),
    /// `l3mdev`.
    L3mdev,
    /// `goto N`.
    Goto(u32),
    /// `nop`.
    Nop,
    /// `blackhole`.
    Blackhole,
    /// `unreachable`.
    Unreachable,
    /// `prohibit`.
    Prohibit,
}
