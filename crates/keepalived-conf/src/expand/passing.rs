//! Virtual servers that are passed over because their text is known.

use super::{Frame, Reader};
use crate::known::{Blocks, PassedOver};
use crate::source::Span;

/// Passes over them, each once.
pub(crate) struct Passer<'a> {
    blocks: &'a Blocks,
    seen: Vec<bool>,
    pub(crate) passed: Vec<PassedOver>,
}

impl<'a> Passer<'a> {
    pub(crate) fn new(blocks: &'a Blocks) -> Self {
        Self {
            blocks,
            seen: vec![false; blocks.len()],
            passed: Vec::new(),
        }
    }

    /// The length of the known block that `text`, which begins at `start`, begins with.
    fn pass(&mut self, text: &str, start: u32) -> Option<usize> {
        let (index, length) = self.blocks.find(text)?;
        // A copy of it is read, to be found out.
        let seen = self.seen.get_mut(index as usize)?;
        if std::mem::replace(seen, true) {
            return None;
        }
        let end = start.saturating_add(u32::try_from(length).ok()?);
        self.passed.push((index, Span::new(start, end)));
        Some(length)
    }
}

impl Reader<'_> {
    /// Passes over all known virtual servers that follow one another here, between two statements of the top level.
    pub(super) fn pass_over_known(&mut self) {
        let Some(known) = &mut self.known else { return };
        if !self.pending_levels.is_empty() {
            return;
        }
        while let Some(Frame::File { id, at, .. }) = self.frames.last_mut() {
            let start = self.sources.base_of(*id) + *at as u32;
            let text = self.sources.text_of(*id).get(*at..).unwrap_or("");
            let Some(length) = known.pass(text, start) else {
                return;
            };
            *at += length;
        }
    }

    /// The lines of the virtual server on the tape, if it begins and ends with a line of one file.
    pub(crate) fn virtual_server_extent(&self) -> Option<Span> {
        let header = self.tape.get(0)?;
        let word = self.tape.words(header).first()?;
        let Some(Frame::File { id, at, .. }) = self.frames.last() else {
            return None;
        };
        let base = self.sources.base_of(*id);
        let end = base.saturating_add(u32::try_from(*at).ok()?);
        let whole = self.token_at >= self.tokens.len()
            && base <= header.span.start()
            && header.span.start() < end
            && self.sources.indent_before(header.span) == Some(0)
            && self.sources.text(word.span) == "virtual_server";
        whole.then(|| Span::new(header.span.start(), end))
    }
}
