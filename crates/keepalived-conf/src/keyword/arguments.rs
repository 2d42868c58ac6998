//! Argument grammars.

use super::Scope;

/// What follows a keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Arguments {
    /// Nothing; the keyword alone says it.
    Flag,
    /// `on`, `off`, `true`, `false`, `yes`, `no`, or nothing for true.
    Boolean,
    /// An integer in a range.
    Integer {
        /// Least value.
        min: i64,
        /// Greatest value.
        max: i64,
        /// Unit, empty for a plain number.
        unit: &'static str,
        /// 0 is accepted as "off" though keepalived rejects it.
        zero: bool,
    },
    /// A time in decimal seconds.
    Seconds {
        /// Least value in microseconds.
        min: u64,
        /// Greatest value in microseconds.
        max: u64,
        /// Digits after the point.
        places: u8,
        /// 0 is accepted as "off" though keepalived rejects it.
        zero: bool,
    },
    /// A time in decimal milliseconds with up to three places.
    Milliseconds {
        /// Least value in microseconds.
        min: u64,
        /// Greatest value in microseconds.
        max: u64,
    },
    /// A time in whole microseconds.
    Microseconds {
        /// Least value.
        min: u64,
        /// Greatest value.
        max: u64,
    },
    /// One word or quoted text.
    Text(&'static str),
    /// One word or quoted text, or nothing.
    OptionalText(&'static str),
    /// One of a few words.
    Choice {
        /// The words.
        words: &'static [&'static str],
        /// keepalived takes any letter case too.
        any_case: bool,
    },
    /// An IP address.
    Address,
    /// An IPv4 address.
    Address4,
    /// An IPv6 address.
    Address6,
    /// `"COMMAND ARGUMENTS" [USER [[:]GROUP]]`.
    Script {
        /// The command may be left out.
        optional: bool,
    },
    /// `USER [[:]GROUP]`.
    User,
    /// `N [reverse]`.
    Weight {
        /// Greatest absolute value.
        limit: i64,
    },
    /// A grammar of its own, as text.
    Grammar(&'static str),
    /// A block of keywords, with what stands between keyword and brace.
    Block {
        /// Header; empty for none.
        header: &'static str,
        /// The block.
        scope: Scope,
    },
    /// A block of entries.
    Entries {
        /// Grammar of an entry.
        entry: &'static str,
    },
    /// A block of entries with a name.
    NamedEntries {
        /// What stands between keyword and brace.
        header: &'static str,
        /// Grammar of an entry.
        entry: &'static str,
    },
}

impl Arguments {
    /// The scope of the block, if it is one.
    #[must_use]
    pub const fn block(self) -> Option<Scope> {
        match self {
            Self::Block { scope, .. } => Some(scope),
            Self::Entries { .. } | Self::NamedEntries { .. } => Some(Scope::Entries),
            _ => None,
        }
    }
}

impl std::fmt::Display for Arguments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag => Ok(()),
            Self::Boolean => f.write_str("[on|off|true|false|yes|no]"),
            Self::Integer { min, max, unit, .. } => {
                f.write_str(if unit.is_empty() { "N" } else { unit })?;
                write!(f, " ({min}..{})", Bound(*max))
            }
            Self::Seconds { min, max, .. } => {
                write!(f, "SECONDS ({}..{})", Decimal(*min), Decimal(*max))
            }
            Self::Milliseconds { min, max } => {
                write!(f, "MILLISECONDS ({}..{})", min / 1000, max / 1000)
            }
            Self::Microseconds { min, max } => {
                write!(
                    f,
                    "MICROSECONDS ({min}..{})",
                    Bound(i64::try_from(*max).unwrap_or(i64::MAX))
                )
            }
            Self::Text(name) => f.write_str(name),
            Self::OptionalText(name) => write!(f, "[{name}]"),
            Self::Choice { words, .. } => f.write_str(&words.join("|")),
            Self::Address => f.write_str("ADDRESS"),
            Self::Address4 => f.write_str("IPV4-ADDRESS"),
            Self::Address6 => f.write_str("IPV6-ADDRESS"),
            Self::Script { optional: false } => f.write_str("\"COMMAND\" [USER [[:]GROUP]]"),
            Self::Script { optional: true } => f.write_str("[\"COMMAND\" [USER [[:]GROUP]]]"),
            Self::User => f.write_str("USER [[:]GROUP]"),
            Self::Weight { limit } => write!(f, "N (-{limit}..{limit}) [reverse]"),
            Self::Grammar(text) => f.write_str(text),
            Self::Block { header: "", .. } => f.write_str("{ ... }"),
            Self::Block { header, .. } => write!(f, "{header} {{ ... }}"),
            Self::NamedEntries { header, entry } => write!(f, "{header} {{ {entry} ... }}"),
            Self::Entries { entry } => write!(f, "{{ {entry} ... }}"),
        }
    }
}

/// The great bounds by their names.
struct Bound(i64);

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            0x7fff_ffff => f.write_str("2^31-1"),
            0xffff_ffff => f.write_str("2^32-1"),
            i64::MAX => f.write_str("2^63-1"),
            other => write!(f, "{other}"),
        }
    }
}

/// Microseconds as decimal seconds.
pub(crate) struct Decimal(pub(crate) u64);

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (whole, rest) = (self.0 / 1_000_000, self.0 % 1_000_000);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{rest:06}");
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

const SECOND: u64 = 1_000_000;

pub(crate) const FLAG: Arguments = Arguments::Flag;
pub(crate) const BOOL: Arguments = Arguments::Boolean;
pub(crate) const SCRIPT: Arguments = Arguments::Script { optional: false };
pub(crate) const U32: Arguments = int(0, u32::MAX as i64);
/// `<TIMER>` without bounds.
pub(crate) const TIMER: Arguments = timer(0, u64::MAX / 2);
/// From one check to the next.
pub(crate) const PERIOD: Arguments = timer(1, u64::MAX / 2);
/// The bounds of connection timeouts.
pub(crate) const CONNECT_TIMEOUT: Arguments = timer(1, 4_294_967_295);

pub(crate) const fn int(min: i64, max: i64) -> Arguments {
    Arguments::Integer {
        min,
        max,
        unit: "",
        zero: false,
    }
}

pub(crate) const fn bytes() -> Arguments {
    Arguments::Integer {
        min: 0,
        max: u32::MAX as i64,
        unit: "BYTES",
        zero: false,
    }
}

/// Whole seconds.
pub(crate) const fn seconds(min: u64, max: u64) -> Arguments {
    Arguments::Seconds {
        min: min * SECOND,
        max: max * SECOND,
        places: 0,
        zero: false,
    }
}

/// Decimal seconds, bounds in microseconds.
pub(crate) const fn timer(min: u64, max: u64) -> Arguments {
    Arguments::Seconds {
        min,
        max,
        places: 6,
        zero: false,
    }
}

pub(crate) const fn timer_or_off(min: u64, max: u64) -> Arguments {
    Arguments::Seconds {
        min,
        max,
        places: 6,
        zero: true,
    }
}

/// Decimal seconds with three places, bounds in seconds.
pub(crate) const fn mstimer(min: u64, max: u64) -> Arguments {
    Arguments::Seconds {
        min: min * SECOND,
        max: max * SECOND,
        places: 3,
        zero: false,
    }
}

pub(crate) const fn text(name: &'static str) -> Arguments {
    Arguments::Text(name)
}

pub(crate) const fn choice(words: &'static [&'static str]) -> Arguments {
    Arguments::Choice {
        words,
        any_case: false,
    }
}

pub(crate) const fn block(header: &'static str, scope: Scope) -> Arguments {
    Arguments::Block { header, scope }
}

pub(crate) const fn entries(entry: &'static str) -> Arguments {
    Arguments::Entries { entry }
}

pub(crate) const fn grammar(text: &'static str) -> Arguments {
    Arguments::Grammar(text)
}
