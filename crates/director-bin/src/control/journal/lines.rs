//! The last events in memory, as lines of the file.

use director_control::Event;
use std::collections::VecDeque;

/// Bytes of the lines kept in memory: about a thousand events.
pub(super) const KEPT: usize = 256 << 10;

/// The lines of the last events, oldest first, one behind the other in one piece of memory. Most are never asked for.
pub(super) struct Lines {
    bytes: VecDeque<u8>,
    kept: VecDeque<Kept>,
    /// Bytes that have been let go of.
    gone: u64,
}

/// Where the line of an event lies.
pub(super) struct Kept {
    pub(super) sequence: u64,
    /// Counted from the first byte there ever was.
    begin: u64,
    length: usize,
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            bytes: VecDeque::with_capacity(KEPT),
            kept: VecDeque::new(),
            gone: 0,
        }
    }
}

impl Lines {
    /// What there is, oldest first.
    pub(super) const fn kept(&self) -> &VecDeque<Kept> {
        &self.kept
    }

    pub(super) fn push(&mut self, line: &Line) {
        let text = line.text.as_bytes();
        if text.len() > KEPT {
            return;
        }
        while self.bytes.len() + text.len() > KEPT
            && let Some(oldest) = self.kept.pop_front()
        {
            self.bytes.drain(..oldest.length.min(self.bytes.len()));
            self.gone = self.gone.saturating_add(oldest.length as u64);
        }
        self.kept.push_back(Kept {
            sequence: line.sequence,
            begin: self.gone.saturating_add(self.bytes.len() as u64),
            length: text.len(),
        });
        self.bytes.extend(text);
    }

    pub(super) fn bytes_of(&self, kept: &Kept) -> Vec<u8> {
        let begin = usize::try_from(kept.begin.saturating_sub(self.gone)).unwrap_or(usize::MAX);
        let end = begin.saturating_add(kept.length).min(self.bytes.len());
        self.bytes.range(begin.min(end)..end).copied().collect()
    }

    /// The event; `None` only for a line that this version does not understand.
    pub(super) fn event(&self, kept: &Kept) -> Option<Event> {
        serde_json::from_slice(&self.bytes_of(kept)).ok()
    }
}

/// An event as the file has it.
pub(super) struct Line {
    pub(super) sequence: u64,
    pub(super) text: Box<str>,
}

impl Line {
    pub(super) fn new(event: &Event) -> Self {
        Self {
            sequence: event.sequence,
            text: serde_json::to_string(event).unwrap_or_default().into(),
        }
    }
}
