//! Rows and their index.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::OnceLock;

use super::{Arguments, Keyword, OldSpelling, Repeat, Scope};
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

/// FNV-1a: keywords are short.
#[derive(Debug)]
pub(crate) struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// Which spelling was found.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Spelling {
    Current,
    Old(&'static OldSpelling),
}

type Index<T> = HashMap<&'static str, (u16, &'static Row<T>, Spelling), BuildHasherDefault<Fnv>>;

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

    pub(crate) fn find(&self, name: &str) -> Option<(u16, &'static Row<T>, Spelling)> {
        let index = self.index.get_or_init(|| {
            let mut index = Index::default();
            for (number, row) in self.rows().enumerate() {
                let number = number as u16;
                index.insert(row.keyword.name, (number, row, Spelling::Current));
                for alias in row.keyword.aliases {
                    index.insert(alias, (number, row, Spelling::Current));
                }
                for old in row.keyword.old {
                    index.insert(old.name, (number, row, Spelling::Old(old)));
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
