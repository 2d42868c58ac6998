//! Statements of one top-level block, as a flat tape.

use crate::source::Span;

/// A word of a statement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Word {
    pub(crate) span: Span,
    pub(crate) quoted: bool,
}

/// One statement: a keyword or an entry, its words, and its block if it has one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Statement {
    /// First word in [`Tape::words`].
    first_word: u32,
    words: u32,
    /// From the first word to the end of the text that belongs to it (quotes included).
    pub(crate) span: Span,
    /// The opening brace.
    pub(crate) open: Option<Span>,
    /// The closing brace; `None` while open and if it is missing.
    pub(crate) close: Option<Span>,
    /// Index of the statement after the block.
    next: u32,
}

/// Statements in the order of the text; the children of a block follow it directly.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    statements: Vec<Statement>,
    words: Vec<Word>,
    /// Indices of blocks that are open.
    open: Vec<u32>,
}

/// Deepest nesting of blocks. The language itself needs five levels.
pub(crate) const MAX_DEPTH: usize = 64;

impl Tape {
    pub(crate) fn clear(&mut self) {
        self.statements.clear();
        self.words.clear();
        self.open.clear();
    }

    pub(crate) fn depth(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.statements.len()
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Statement> {
        self.statements.get(index)
    }

    pub(crate) fn words(&self, statement: &Statement) -> &[Word] {
        let start = statement.first_word as usize;
        self.words
            .get(start..start + statement.words as usize)
            .unwrap_or_default()
    }

    /// The innermost open block.
    pub(crate) fn innermost(&self) -> Option<&Statement> {
        self.open
            .last()
            .and_then(|i| self.statements.get(*i as usize))
    }

    /// Open blocks from the outermost.
    pub(crate) fn open_blocks(&self) -> impl DoubleEndedIterator<Item = &Statement> {
        self.open
            .iter()
            .filter_map(|i| self.statements.get(*i as usize))
    }

    /// The last statement, if a `{` on the next line would belong to it.
    pub(crate) fn last_without_block(&self) -> Option<&Statement> {
        self.statements.last().filter(|s| s.open.is_none())
    }

    pub(crate) fn push(&mut self, words: &[Word], span: Span) {
        let first_word = self.words.len() as u32;
        self.words.extend_from_slice(words);
        let next = self.statements.len() as u32 + 1;
        self.statements.push(Statement {
            first_word,
            words: words.len() as u32,
            span,
            open: None,
            close: None,
            next,
        });
    }

    /// Opens a block under the last statement.
    pub(crate) fn open(&mut self, brace: Span) {
        let index = self.statements.len().saturating_sub(1);
        if let Some(last) = self.statements.last_mut() {
            last.open = Some(brace);
            self.open.push(index as u32);
        }
    }

    /// Opens the first block again, which was just closed.
    pub(crate) fn reopen_first(&mut self) {
        if let Some(first) = self.statements.first_mut() {
            first.close = None;
            self.open.push(0);
        }
    }

    /// Closes the innermost block; false if none is open.
    pub(crate) fn close(&mut self, brace: Option<Span>) -> bool {
        let Some(index) = self.open.pop() else {
            return false;
        };
        let next = self.statements.len() as u32;
        if let Some(block) = self.statements.get_mut(index as usize) {
            block.close = brace;
            block.next = next;
        }
        true
    }
}

impl Tape {
    /// Index of the statement after the one at `index` and its block.
    pub(crate) fn after(&self, index: usize) -> usize {
        self.statements
            .get(index)
            .map_or(usize::MAX, |s| s.next as usize)
    }

    /// First statement inside the block at `parent`.
    pub(crate) fn first_child(&self, parent: usize) -> Option<usize> {
        Some(parent + 1).filter(|child| *child < self.after(parent).min(self.statements.len()))
    }

    /// The statement after `child` inside the block at `parent`.
    pub(crate) fn next_sibling(&self, parent: usize, child: usize) -> Option<usize> {
        let next = self.after(child);
        Some(next).filter(|next| *next < self.after(parent).min(self.statements.len()))
    }
}
