//! Loading a file again of which most is as it was.
//!
//! A file with very many virtual servers is read again because of one of them. Those whose text is the same mean the same as
//! long as nothing outside of them changes what they mean, so they need not be understood once more.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::path::Path;

use crate::check::Target;
use crate::codes;
use crate::loader::Loader;
use crate::lower::{self, Knowledge};
use crate::model::{GlobalDefs, VirtualServer};
use crate::source::{SourceMap, Span};
use crate::{Options, Parsed};

/// Virtual servers of an earlier load by their text, each with what the caller knows it by.
///
/// Kept are a hash of the text and the address, not the text. Left out is every virtual server about which there was
/// something to report, or that refers to anything outside of its block: those are always read.
#[derive(Debug)]
pub struct Known<T> {
    blocks: Blocks,
    names: Vec<T>,
}

/// The blocks, for the reader.
#[derive(Debug)]
pub(crate) struct Blocks {
    hasher: RandomState,
    /// What gives blocks values that they do not name.
    global_defs: GlobalDefs,
    /// Positions in the list by the hash of the first line.
    by_header: HashMap<u64, u32>,
    list: Vec<Block>,
}

#[derive(Debug, Clone)]
struct Block {
    length: usize,
    hash: u64,
    target: Target,
    /// Where in the text the address stands.
    offset: u32,
}

impl Blocks {
    /// The block that `text` begins with, and its length in bytes.
    pub(crate) fn find(&self, text: &str) -> Option<(u32, usize)> {
        let header = text
            .starts_with("virtual_server ")
            .then(|| first_line(text))?;
        let index = *self.by_header.get(&self.hasher.hash_one(header))?;
        let block = self.list.get(index as usize)?;
        let same = self.hasher.hash_one(text.get(..block.length)?) == block.hash;
        same.then_some((index, block.length))
    }

    /// What is compared of this block, which begins at `start` now.
    pub(crate) fn target(&self, index: u32, start: u32) -> Option<Target> {
        let block = self.list.get(index as usize)?;
        Some(block.target.clone().at(start.saturating_add(block.offset)))
    }

    /// How many there are.
    pub(crate) const fn len(&self) -> usize {
        self.list.len()
    }

    fn add(&mut self, text: &str, target: Target, offset: u32) {
        let header = self.hasher.hash_one(first_line(text));
        let index = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        self.by_header.insert(header, index);
        self.list.push(Block {
            length: text.len(),
            hash: self.hasher.hash_one(text),
            target,
            offset,
        });
    }
}

impl<T: Clone> Known<T> {
    /// What a load has read. `name` says what a virtual server is known by; those without a name are not kept.
    #[must_use]
    pub fn new(parsed: &Parsed, name: impl FnMut(&VirtualServer) -> Option<T>) -> Self {
        let mut known = Self {
            blocks: Blocks {
                hasher: RandomState::new(),
                global_defs: parsed.config.global_defs.clone(),
                by_header: HashMap::new(),
                list: Vec::new(),
            },
            names: Vec::new(),
        };
        known.learn(parsed, name);
        known
    }

    /// What a load that went by this knowledge has read or passed over.
    #[must_use]
    pub fn renewed(&self, parsed: &Parsed, name: impl FnMut(&VirtualServer) -> Option<T>) -> Self {
        let mut known = Self::new(parsed, name);
        for (index, span) in &parsed.passed_over {
            let at = *index as usize;
            let (Some(block), Some(name)) = (self.blocks.list.get(at), self.names.get(at)) else {
                continue;
            };
            let text = parsed.sources.text(*span);
            let target = block.target.clone();
            known.blocks.add(text, target, block.offset);
            known.names.push(name.clone());
        }
        known
    }

    fn learn(&mut self, parsed: &Parsed, mut name: impl FnMut(&VirtualServer) -> Option<T>) {
        if parsed.levels.in_comments() || parsed.extents.is_empty() {
            return;
        }
        let sources = &parsed.sources;
        let mut extents = parsed.extents.clone();
        extents.sort_unstable();
        let mut reported: Vec<u32> = parsed
            .diagnostics
            .iter()
            // It is found again by the addresses alone.
            .filter(|diagnostic| diagnostic.code != codes::ADDRESS_NOT_HELD)
            .filter_map(|diagnostic| Some(sources.in_file(diagnostic.span()?).start()))
            .collect();
        reported.sort_unstable();
        for server in &parsed.config.virtual_server {
            let start = server.span.start();
            let before = extents.partition_point(|extent| extent.start() <= start);
            let Some(extent) = before.checked_sub(1).and_then(|at| extents.get(at)) else {
                continue;
            };
            let first = reported.partition_point(|place| *place < extent.start());
            let is_reported = reported
                .get(first)
                .is_some_and(|place| *place < extent.end());
            let text = sources.text(*extent);
            let means_itself = start < extent.end() && !is_reported && is_plain(text);
            if !means_itself || !lower::stands_alone(server) {
                continue;
            }
            if let Some(name) = name(server) {
                let offset = server.target.span.start().saturating_sub(extent.start());
                self.blocks.add(text, Target::of(server), offset);
                self.names.push(name);
            }
        }
    }
}

/// Loads a configuration as [`load`](crate::load) does, but passes over virtual servers whose text is known. The result has
/// the others only; the names of those that were passed over come with it, in the order of the text.
///
/// `None` if what is known does not hold any more, because `global_defs` are others or comments choose severities: the whole
/// has to be loaded.
#[must_use]
pub fn load_again<T: Clone>(
    path: &Path,
    loader: &mut dyn Loader,
    options: &Options,
    known: &Known<T>,
) -> Option<(Parsed, Vec<T>)> {
    if known.blocks.list.is_empty() {
        return None;
    }
    let knowledge = Knowledge::Blocks(&known.blocks);
    let parsed = lower::read(path, loader, options, SourceMap::default(), knowledge);
    if parsed.config.global_defs != known.blocks.global_defs || parsed.levels.in_comments() {
        return None;
    }
    let passed = parsed.passed_over.iter();
    let names = passed.filter_map(|(index, _)| known.names.get(*index as usize).cloned());
    let names = names.collect();
    Some((parsed, names))
}

/// Where a virtual server stands that was passed over: its number and its text.
pub(crate) type PassedOver = (u32, Span);

fn first_line(text: &str) -> &str {
    text.split_once('\n').map_or(text, |(line, _)| line)
}

/// True for a text that means the same wherever it stands: whole lines without definitions, conditions, sequences, includes
/// and anything that is reported once for each file.
fn is_plain(text: &str) -> bool {
    text.ends_with('\n')
        && text.bytes().all(|byte| {
            matches!(byte, b' '..=b'}' | b'\t' | b'\n') && !matches!(byte, b'$' | b'@' | b'\\')
        })
        && memchr::memmem::find(text.as_bytes(), b"include").is_none()
        && memchr::memmem::find(text.as_bytes(), b"director:").is_none()
}

#[cfg(test)]
mod tests;
