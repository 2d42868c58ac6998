//! Rows and their index.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::OnceLock;

use super::{Arguments, Keyword, OldSpelling, Repeat, Scope, Status};
use crate::lower::Call;

/// A keyword and how it enters the model.
pub(crate) struct Row<T: 'static> {
    pub(crate) keyword: Keyword,
    pub(crate) set: fn(&mut T, &mut Call<'_, '_>),
}

/// In place of a version: keywords that keepalived has never known.
pub(crate) const OURS: &str = "director";

/// A row without aliases, last use counts, known to keepalived 2.2.7.
pub(crate) const fn row<T>(
    name: &'static str,
    arguments: Arguments,
    default: &'static str,
    summary: &'static str,
    set: fn(&mut T, &mut Call<'_, '_>),
) -> Row<T> {
    let keyword = Keyword {
        name,
        aliases: &[],
        old: &[],
        arguments,
        default,
        repeat: Repeat::Last,
        since: "2.2.7",
        summary,
    };
    Row { keyword, set }
}

impl<T> Row<T> {
    pub(crate) const fn alias(mut self, aliases: &'static [&'static str]) -> Self {
        self.keyword.aliases = aliases;
        self
    }

    pub(crate) const fn old(mut self, old: &'static [OldSpelling]) -> Self {
        self.keyword.old = old;
        self
    }

    pub(crate) const fn first(mut self) -> Self {
        self.keyword.repeat = Repeat::First;
        self
    }

    pub(crate) const fn adds(mut self) -> Self {
        self.keyword.repeat = Repeat::Adds;
        self
    }

    pub(crate) const fn since(mut self, version: &'static str) -> Self {
        self.keyword.since = version;
        self
    }
}

/// An old spelling that keepalived 2.4.3 still knows.
pub(crate) const fn deprecated(name: &'static str) -> OldSpelling {
    OldSpelling { name, known: true }
}

/// An old or foreign spelling that keepalived 2.4.3 does not know.
pub(crate) const fn forgotten(name: &'static str) -> OldSpelling {
    OldSpelling { name, known: false }
}

/// Quick for short words; only keywords are stored.
#[derive(Debug, Default)]
pub(crate) struct KeywordHasher(u64);

impl KeywordHasher {
    const fn mix(&mut self, value: u64) {
        let product = (self.0.rotate_left(23) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = product ^ (product >> 32);
    }
}

impl Hasher for KeywordHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        // Both ends and the length: what lies between seldom tells keywords apart.
        let long = bytes.first_chunk().zip(bytes.last_chunk());
        let (first, last) = match long {
            Some((first, last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
            None => match bytes.first_chunk().zip(bytes.last_chunk()) {
                Some((first, last)) => (
                    u64::from(u32::from_le_bytes(*first)),
                    u64::from(u32::from_le_bytes(*last)),
                ),
                None => {
                    let byte = |byte: Option<&u8>| u64::from(byte.copied().unwrap_or(0));
                    (
                        byte(bytes.first()),
                        byte(bytes.get(1)) << 8 | byte(bytes.last()),
                    )
                }
            },
        };
        self.mix(first);
        self.mix(last ^ ((bytes.len() as u64) << 56));
    }

    fn write_u8(&mut self, _: u8) {
        // The end of a string; its length is in the hash.
    }
}

/// Which spelling was found.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Spelling {
    Current,
    Old(&'static OldSpelling),
}

/// A row that was found.
pub(crate) struct Found<T: 'static> {
    /// Number of the row in its table.
    pub(crate) number: u16,
    pub(crate) row: &'static Row<T>,
    pub(crate) spelling: Spelling,
    pub(crate) status: Status,
}

impl<T> Clone for Found<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Found<T> {}

type Index<T> = HashMap<&'static str, Found<T>, BuildHasherDefault<KeywordHasher>>;

/// All rows of a block.
pub(crate) struct Table<T: 'static> {
    pub(crate) scope: Scope,
    groups: &'static [&'static [Row<T>]],
    index: OnceLock<Index<T>>,
}

impl<T> Table<T> {
    pub(crate) const fn new(scope: Scope, groups: &'static [&'static [Row<T>]]) -> Self {
        Self {
            scope,
            groups,
            index: OnceLock::new(),
        }
    }

    fn rows(&self) -> impl Iterator<Item = &'static Row<T>> {
        self.groups.iter().flat_map(|group| group.iter())
    }

    pub(crate) fn find(&self, name: &str) -> Option<Found<T>> {
        let index = self.index.get_or_init(|| {
            let mut index = Index::default();
            for (number, row) in self.rows().enumerate() {
                let current = Found {
                    number: number as u16,
                    row,
                    spelling: Spelling::Current,
                    status: row.keyword.status(self.scope),
                };
                index.insert(row.keyword.name, current);
                for alias in row.keyword.aliases {
                    index.insert(alias, current);
                }
                for old in row.keyword.old {
                    let spelling = Spelling::Old(old);
                    index.insert(
                        old.name,
                        Found {
                            spelling,
                            ..current
                        },
                    );
                }
            }
            index
        });
        index.get(name).copied()
    }

    pub(crate) fn keywords(&self) -> Vec<&'static Keyword> {
        self.rows().map(|row| &row.keyword).collect()
    }
}

/// `put!(field)`: the value of the grammar goes to that field.
macro_rules! put {
    ($($field:ident).+) => {
        |target, call| call.put(&mut target.$($field).+)
    };
}
pub(crate) use put;
