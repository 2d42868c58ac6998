//! Where text came from: files, expansions, and spans into them.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

/// A range of bytes in the concatenation of all sources of one load.
///
/// Eight bytes, so that every value of the model can carry one. Only the [`SourceMap`] that was
/// filled by the same load can interpret it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Span {
    /// Global offset of the first byte. Offsets start at 1, so that an optional span is as small.
    start: NonZeroU32,
    /// Length in bytes.
    length: u32,
}

impl Span {
    /// A span over `start..end` in global offsets.
    pub(crate) const fn new(start: u32, end: u32) -> Self {
        let length = end.saturating_sub(start);
        match NonZeroU32::new(start) {
            Some(start) => Self { start, length },
            None => Self {
                start: NonZeroU32::MIN,
                length,
            },
        }
    }

    /// Global offset of the first byte.
    #[must_use]
    pub const fn start(self) -> u32 {
        self.start.get()
    }

    /// Global offset just after the last byte.
    #[must_use]
    pub const fn end(self) -> u32 {
        self.start.get().saturating_add(self.length)
    }

    /// Length in bytes.
    #[must_use]
    pub const fn length(self) -> u32 {
        self.length
    }

    /// The smallest span that covers both.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self::new(self.start().min(other.start()), self.end().max(other.end()))
    }

    /// True when `other` lies inside `self`.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.start() <= other.start() && other.end() <= self.end()
    }

    /// An empty span just after this one.
    #[must_use]
    pub const fn after(self) -> Self {
        Self::new(self.end(), self.end())
    }
}

/// Identifies one source of a [`SourceMap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct FileId(pub(crate) u32);

/// A one-based position in a file, as editors count.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Location {
    /// Path of the file as it was named when it was read.
    pub path: PathBuf,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Line of the last character of the span.
    pub end_line: u32,
    /// Column just after the last character of the span.
    pub end_column: u32,
}

/// A step on the way from an expanded text back to the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Via {
    /// The name of the definition that produced the text (`$VIPS`), in a file.
    pub definition: Span,
}

/// Part of an expanded text and where it was copied from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment {
    /// Offset in the expanded text where this part begins.
    pub(crate) offset: u32,
    /// What the part was copied from; `None` for text made up (`${_PWD}`, a sequence number).
    pub(crate) origin: Option<Span>,
    /// What stood in the file: the reference to the definition, or the copied text itself.
    pub(crate) written: Span,
}

#[derive(Debug)]
pub(crate) enum Kind {
    File(PathBuf),
    /// A line after the replacement of definitions.
    Expansion {
        line: Span,
        segments: Vec<Segment>,
    },
}

#[derive(Debug)]
struct Source {
    base: u32,
    text: String,
    kind: Kind,
    /// Offsets of line starts, filled only for sources that diagnostics point into.
    lines: std::sync::OnceLock<Vec<u32>>,
}

/// The text of every file read and of every line expanded during one load.
#[derive(Debug, Default)]
pub struct SourceMap {
    sources: Vec<Source>,
    total: u32,
}

/// Total bytes that a [`SourceMap`] holds at most.
pub(crate) const MAX_TOTAL: usize = 1 << 30;

impl SourceMap {
    /// Adds a file. `None` when the map is full (1 GiB over all sources).
    pub fn add_file(&mut self, path: &Path, text: String) -> Option<FileId> {
        self.add(text, Kind::File(path.to_path_buf()))
    }

    pub(crate) fn add(&mut self, text: String, kind: Kind) -> Option<FileId> {
        let length = text.len();
        if length.saturating_add(self.total as usize) > MAX_TOTAL {
            return None;
        }
        let base = self.total + 1;
        let id = FileId(u32::try_from(self.sources.len()).ok()?);
        // One unused offset between two sources keeps end-of-file positions distinct.
        self.total = base + u32::try_from(length).ok()?;
        self.sources.push(Source {
            base,
            text,
            kind,
            lines: std::sync::OnceLock::new(),
        });
        Some(id)
    }

    fn source(&self, id: FileId) -> Option<&Source> {
        self.sources.get(id.0 as usize)
    }

    #[inline]
    fn index_at(&self, offset: u32) -> Option<usize> {
        // Mostly the text being read: the last one.
        if let Some(last) = self.sources.last()
            && last.base <= offset
        {
            return Some(self.sources.len() - 1);
        }
        self.sources
            .partition_point(|s| s.base <= offset)
            .checked_sub(1)
    }

    /// The source that `span` begins in.
    #[must_use]
    pub fn file_of(&self, span: Span) -> Option<FileId> {
        self.index_at(span.start())
            .and_then(|i| u32::try_from(i).ok())
            .map(FileId)
    }

    /// Whole text of a source.
    #[must_use]
    pub fn text_of(&self, id: FileId) -> &str {
        self.source(id).map_or("", |s| s.text.as_str())
    }

    /// Path of a source; `None` for an expanded line.
    #[must_use]
    pub fn path_of(&self, id: FileId) -> Option<&Path> {
        match &self.source(id)?.kind {
            Kind::File(path) => Some(path),
            Kind::Expansion { .. } => None,
        }
    }

    /// Global offset of the first byte of a source.
    pub(crate) fn base_of(&self, id: FileId) -> u32 {
        self.source(id).map_or(0, |s| s.base)
    }

    /// All files, in the order in which they were first read (an included file as often as it
    /// was included).
    pub fn files(&self) -> impl Iterator<Item = (FileId, &Path)> {
        self.sources
            .iter()
            .enumerate()
            .filter_map(|(i, s)| match &s.kind {
                Kind::File(path) => Some((FileId(u32::try_from(i).ok()?), path.as_path())),
                Kind::Expansion { .. } => None,
            })
    }

    /// The text under a span, as the parser saw it (after expansion); empty if the span is foreign.
    #[must_use]
    #[inline]
    pub fn text(&self, span: Span) -> &str {
        let Some(source) = self
            .index_at(span.start())
            .and_then(|i| self.sources.get(i))
        else {
            return "";
        };
        let start = (span.start() - source.base) as usize;
        source
            .text
            .get(start..start + span.length as usize)
            .unwrap_or("")
    }

    /// Maps a span to what stands in a file: a span inside an expanded line becomes the reference
    /// (`$VIPS`) or the copied text.
    #[must_use]
    pub fn in_file(&self, span: Span) -> Span {
        let mut span = span;
        // Expansions nest (a sequence inside a definition); each step leads to an older source.
        for _ in 0..64 {
            let Some(source) = self
                .index_at(span.start())
                .and_then(|i| self.sources.get(i))
            else {
                return span;
            };
            let Kind::Expansion { line, segments } = &source.kind else {
                return span;
            };
            let start = span.start() - source.base;
            let end = start + span.length;
            let first = segments.iter().rev().find(|s| s.offset <= start);
            let last = segments.iter().rev().find(|s| s.offset < end).or(first);
            span = match (first, last) {
                (Some(a), Some(b)) if a.offset == b.offset => self.narrow(a, start, end),
                (Some(a), Some(b)) => a.written.to(b.written),
                _ => *line,
            };
        }
        span
    }

    fn narrow(&self, segment: &Segment, start: u32, end: u32) -> Span {
        match segment.origin {
            // Text copied from the line itself keeps its exact place.
            Some(origin) if origin == segment.written => {
                let skip = (start - segment.offset).min(origin.length);
                let length = (end - start).min(origin.length - skip);
                Span::new(origin.start() + skip, origin.start() + skip + length)
            }
            _ => segment.written,
        }
    }

    /// The definitions that the text under `span` came from, nearest first.
    #[must_use]
    pub fn vias(&self, span: Span) -> Vec<Via> {
        let mut found = Vec::new();
        let mut span = span;
        for _ in 0..64 {
            let Some(source) = self
                .index_at(span.start())
                .and_then(|i| self.sources.get(i))
            else {
                break;
            };
            let Kind::Expansion { line, segments } = &source.kind else {
                break;
            };
            let start = span.start() - source.base;
            let Some(segment) = segments.iter().rev().find(|s| s.offset <= start) else {
                span = *line;
                continue;
            };
            match segment.origin {
                Some(origin) if origin != segment.written => {
                    found.push(Via { definition: origin });
                    span = segment.written;
                }
                _ => span = self.narrow(segment, start, start + span.length),
            }
        }
        found
    }

    /// White space before `span` if nothing else stands before it on its line; a tab counts 8.
    pub(crate) fn indent_before(&self, span: Span) -> Option<u32> {
        let span = self.in_file(span);
        let source = self.sources.get(self.index_at(span.start())?)?;
        let at = (span.start() - source.base) as usize;
        let mut width = 0;
        for byte in source.text.as_bytes().get(..at)?.iter().rev() {
            match byte {
                b'\n' => break,
                b' ' => width += 1,
                b'\t' => width += 8,
                _ => return None,
            }
        }
        Some(width)
    }

    /// Where a span stands in its file, in lines and columns.
    #[must_use]
    pub fn locate(&self, span: Span) -> Option<Location> {
        let span = self.in_file(span);
        let source = self.sources.get(self.index_at(span.start())?)?;
        let Kind::File(path) = &source.kind else {
            return None;
        };
        let lines = source.lines.get_or_init(|| line_starts(&source.text));
        let place = |offset: u32| {
            let line = lines.partition_point(|s| *s <= offset).saturating_sub(1);
            let begin = lines.get(line).copied().unwrap_or(0) as usize;
            let end = floor_boundary(&source.text, offset as usize);
            let column = source.text.get(begin..end).map_or(0, |t| t.chars().count());
            (line as u32 + 1, column as u32 + 1)
        };
        let start = span.start() - source.base;
        let end = (start + span.length).min(source.text.len() as u32);
        let ((line, column), (end_line, end_column)) = (place(start), place(end));
        Some(Location {
            path: path.clone(),
            line,
            column,
            end_line,
            end_column,
        })
    }

    /// Line of a byte offset within one source, from 1.
    #[cfg(feature = "render")]
    pub(crate) fn line_at(&self, id: FileId, offset: usize) -> usize {
        let Some(source) = self.source(id) else {
            return 1;
        };
        let lines = source.lines.get_or_init(|| line_starts(&source.text));
        lines
            .partition_point(|start| *start as usize <= offset)
            .max(1)
    }

    /// The span of the whole line (without its line end) that `span` begins in.
    #[must_use]
    pub fn line_of(&self, span: Span) -> Span {
        let span = self.in_file(span);
        let Some(source) = self
            .index_at(span.start())
            .and_then(|i| self.sources.get(i))
        else {
            return span;
        };
        let at = ((span.start() - source.base) as usize).min(source.text.len());
        let begin = source
            .text
            .get(..at)
            .and_then(|t| t.rfind('\n'))
            .map_or(0, |i| i + 1);
        let end = source
            .text
            .get(at..)
            .and_then(|t| t.find('\n'))
            .map_or(source.text.len(), |i| at + i);
        Span::new(source.base + begin as u32, source.base + end as u32)
    }
}

/// The nearest boundary of characters at or before `at`.
pub(crate) fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn line_starts(text: &str) -> Vec<u32> {
    let mut starts = vec![0];
    for (index, byte) in text.bytes().enumerate() {
        if byte == b'\n' {
            starts.push(index as u32 + 1);
        }
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locates_lines_and_columns() {
        let mut map = SourceMap::default();
        let a = map.add_file(Path::new("a"), "one\ntwö x\n".into()).unwrap();
        let b = map.add_file(Path::new("b"), "three".into()).unwrap();
        let base = map.base_of(a);
        let x = map.locate(Span::new(base + 9, base + 10)).unwrap();
        assert_eq!((x.line, x.column), (2, 5));
        assert_eq!(map.text(Span::new(base + 9, base + 10)), "x");
        let end = map.base_of(b) + 5;
        assert_eq!(map.locate(Span::new(end, end)).unwrap().column, 6);
    }
}
