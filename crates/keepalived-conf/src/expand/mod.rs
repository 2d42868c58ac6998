//! The stream of statements: includes, conditions, definitions, sequences, braces.
//!
//! [`Reader`] goes through the files line by line as keepalived does, and hands out one top-level
//! statement at a time, so that memory does not grow with the number of blocks.

mod blocks;
mod definition;
mod include;
mod passing;
mod sequence;

pub(crate) use passing::Passer;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::loader::Loader;
use crate::model::IncludeChecks;
use crate::source::{FileId, Kind, Segment, SourceMap, Span};
use crate::syntax::lexer::{self, Scan, Token};
use crate::syntax::statement::{Tape, Word};
use crate::{Options, codes};

/// Deepest nesting of expansions (definitions in definitions, sequences, includes).
const MAX_EXPANSION_DEPTH: u32 = 32;
/// Lines made by definitions and sequences in one load.
const MAX_EXPANDED_LINES: u32 = 250_000;
/// Bytes made by definitions and sequences in one load.
const MAX_EXPANDED_BYTES: usize = 64 << 20;
/// Longest line after replacement of definitions.
const MAX_EXPANDED_LINE: usize = 64 << 10;
/// keepalived drops longer lines.
const KEEPALIVED_LINE: usize = 1023;
/// Most diagnostics that one load keeps.
const MAX_DIAGNOSTICS: usize = 10_000;

/// Where the next line comes from.
enum Frame {
    File {
        id: FileId,
        at: usize,
        path: PathBuf,
        /// A line that ends in CR LF was reported.
        returns_seen: bool,
        /// `include_check` in force outside this file.
        outer_checks: IncludeChecks,
    },
    /// Lines of an expansion, last first.
    Lines {
        lines: Vec<Span>,
        depth: u32,
    },
    Sequence(sequence::Sequence),
}

/// A level set in a comment: `# director: allow KC0410`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CommentLevel {
    /// The line it applies to, as the span of that line.
    pub(crate) line: Span,
    pub(crate) code: Code,
    pub(crate) level: crate::Level,
}

/// Reads the statements of a configuration.
pub(crate) struct Reader<'a> {
    pub(crate) sources: SourceMap,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) tape: Tape,
    pub(crate) loader: &'a mut dyn Loader,
    pub(crate) include_checks: IncludeChecks,
    pub(crate) comment_levels: Vec<CommentLevel>,
    options: &'a Options,
    frames: Vec<Frame>,
    definitions: HashMap<String, definition::Definition>,
    tokens: Vec<Token>,
    token_at: usize,
    /// The line whose tokens are in `tokens`.
    line: Span,
    words: Vec<Word>,
    /// `\\#` or `\\!` stands in the line.
    escaped: bool,
    files_read: usize,
    /// Files whose invisible characters were reported.
    odd_files: HashSet<Option<FileId>>,
    expanded_lines: u32,
    expanded_bytes: usize,
    limit_reported: bool,
    random: u64,
    /// First closing brace in this top-level block that is indented unlike its opener.
    suspect: Option<(Span, Span)>,
    /// Where on its line the last statement begins, if it is the first there.
    column: Option<u32>,
    /// The same for each open block.
    open_columns: Vec<Option<u32>>,
    /// Passes over what is known, if anything is.
    pub(crate) known: Option<Passer<'a>>,
    /// A comment level waits for the next line.
    pending_levels: Vec<(Code, crate::Level)>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(
        loader: &'a mut dyn Loader,
        options: &'a Options,
        sources: SourceMap,
    ) -> Self {
        Self {
            sources,
            diagnostics: Vec::new(),
            tape: Tape::default(),
            loader,
            include_checks: options.include_checks,
            comment_levels: Vec::new(),
            options,
            frames: Vec::new(),
            definitions: HashMap::new(),
            tokens: Vec::new(),
            token_at: 0,
            line: Span::new(0, 0),
            words: Vec::new(),
            escaped: false,
            files_read: 0,
            odd_files: HashSet::new(),
            expanded_lines: 0,
            expanded_bytes: 0,
            limit_reported: false,
            random: options.random_seed,
            suspect: None,
            column: None,
            open_columns: Vec::new(),
            known: None,
            pending_levels: Vec::new(),
        }
    }

    pub(crate) fn report(&mut self, diagnostic: Diagnostic) {
        if diagnostic.severity == Severity::Note && self.leaves_out_notes() {
            return;
        }
        // What says that the reading itself went wrong is kept in any case; there is little of it.
        let structural = diagnostic.code <= codes::BAD_SEQUENCE
            && self.diagnostics.len() < MAX_DIAGNOSTICS + 1000;
        if structural || !self.is_full() {
            self.diagnostics.push(diagnostic);
        }
    }

    /// True when a note would be thrown away.
    pub(crate) const fn leaves_out_notes(&self) -> bool {
        self.options.without_notes
            && self.comment_levels.is_empty()
            && self.pending_levels.is_empty()
    }

    /// True when no more diagnostics are kept.
    pub(crate) fn is_full(&self) -> bool {
        self.diagnostics.len() >= MAX_DIAGNOSTICS
    }

    fn error(&self, code: Code, message: impl Into<String>, span: Span) -> Diagnostic {
        Diagnostic::new(code, Severity::Error, message, span)
    }

    /// Fills `tokens` with the next line that has any; false at the end of everything.
    fn fetch_line(&mut self) -> bool {
        self.tokens.clear();
        self.token_at = 0;
        loop {
            if self.known.is_some() && self.tape.is_empty() {
                self.pass_over_known();
            }
            let Some(frame) = self.frames.last_mut() else {
                return false;
            };
            let (line, depth) = match frame {
                Frame::File {
                    id,
                    at,
                    returns_seen,
                    ..
                } => {
                    let text = self.sources.text_of(*id);
                    let Some(rest) = text.get(*at..).filter(|rest| !rest.is_empty()) else {
                        if let Some(Frame::File { outer_checks, .. }) = self.frames.pop() {
                            self.include_checks = outer_checks;
                        }
                        continue;
                    };
                    let length = memchr::memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len());
                    let carriage_return =
                        rest.as_bytes().get(length.wrapping_sub(1)) == Some(&b'\r');
                    let start = self.sources.base_of(*id) + *at as u32;
                    *at += length + 1;
                    let line = Span::new(start, start + length as u32);
                    if carriage_return && !*returns_seen {
                        *returns_seen = true;
                        include::carriage_return(&mut self.diagnostics, line);
                    }
                    (line, 0)
                }
                Frame::Lines { lines, depth } => match lines.pop() {
                    Some(line) => (line, *depth),
                    None => {
                        self.frames.pop();
                        continue;
                    }
                },
                Frame::Sequence(sequence) => match sequence.next() {
                    Some((names, values)) => {
                        let (line, depth) = (sequence.text, sequence.depth);
                        for (name, value) in names.into_iter().zip(values) {
                            self.definitions.insert(name, value);
                        }
                        if !self.charge(line, line.length() as usize) {
                            self.frames.pop();
                            continue;
                        }
                        (line, depth)
                    }
                    None => {
                        self.frames.pop();
                        continue;
                    }
                },
            };
            if self.prepare(line, depth) {
                return true;
            }
            self.tokens.clear();
        }
    }

    /// Counts work done by expansions; false when the bound is reached.
    fn charge(&mut self, span: Span, bytes: usize) -> bool {
        self.expanded_lines += 1;
        self.expanded_bytes += bytes;
        if self.expanded_lines <= MAX_EXPANDED_LINES && self.expanded_bytes <= MAX_EXPANDED_BYTES {
            return true;
        }
        if !self.limit_reported {
            self.limit_reported = true;
            let diagnostic = self
                .error(
                    codes::EXPANSION_LIMIT,
                    "definitions and sequences produce too much text",
                    span,
                )
                .note(format!(
                    "the limit is {MAX_EXPANDED_LINES} lines or {} MiB in one load",
                    MAX_EXPANDED_BYTES >> 20
                ));
            self.report(diagnostic);
        }
        false
    }

    /// Understands one line; true if it left tokens to be read as statements.
    fn prepare(&mut self, line: Span, depth: u32) -> bool {
        let mut line = line;
        // Each turn strips one prefix (`@ID`), so this ends.
        loop {
            self.tokens.clear();
            let text = self.sources.text(line);
            let scan = lexer::scan(text, &mut self.tokens);
            if scan.comment.is_some() || !self.pending_levels.is_empty() {
                self.comment(line, scan);
            }
            let Some(&first) = self.tokens.first() else {
                return false;
            };
            self.escaped = scan.escape.is_some();
            let odd = scan.odd_space.is_some() || scan.open_quote.is_some() || scan.nul;
            if odd && !self.oddities(line, scan) {
                return false;
            }
            let Token::Word {
                start,
                end,
                quoted: false,
            } = first
            else {
                if scan.dollar && self.substitute(line, scan, depth) {
                    return false;
                }
                self.line = line;
                return true;
            };
            let text = self.sources.text(line);
            let word = text.get(start as usize..end as usize).unwrap_or("");
            let is_include = include::is_include(word);
            match word.as_bytes().first().copied() {
                Some(b'@') if word.len() > 1 => {
                    let rest = Span::new(line.start() + end, line.start() + scan.end.max(end));
                    if !self.condition_holds(word) {
                        // A definition that spans lines is skipped as a whole.
                        if self.sources.text(rest).ends_with('\\') {
                            self.skip_continuation();
                        }
                        return false;
                    }
                    line = rest;
                    continue;
                }
                Some(b'$') if self.define(line, start, scan) => return false,
                Some(b'~') if self.sequence(line, start, scan, depth) => return false,
                Some(b'i') if is_include => {
                    if !(scan.dollar && self.substitute(line, scan, depth)) {
                        let pattern = Span::new(line.start() + end, line.start() + scan.end);
                        let keyword = Span::new(line.start() + start, line.start() + end);
                        self.include(keyword, pattern);
                    }
                    return false;
                }
                _ => {}
            }
            if scan.dollar && self.substitute(line, scan, depth) {
                return false;
            }
            if text_too_long(line, scan) {
                let diagnostic = Diagnostic::new(
                    codes::LONG_LINE,
                    Severity::Warning,
                    format!("the line has more than {KEEPALIVED_LINE} bytes"),
                    Span::new(line.start(), line.start() + 1),
                )
                .note("keepalived drops such a line");
                self.report(diagnostic);
            }
            self.line = line;
            return true;
        }
    }

    /// Reads `# director: allow|warn|deny CODE...` out of a comment.
    fn comment(&mut self, line: Span, scan: Scan) {
        let content = !self.tokens.is_empty();
        if content {
            for (code, level) in std::mem::take(&mut self.pending_levels) {
                self.comment_levels.push(CommentLevel {
                    line: self.sources.line_of(line),
                    code,
                    level,
                });
            }
        }
        let Some(at) = scan.comment else { return };
        let text = self.sources.text(line).get(at as usize..).unwrap_or("");
        let body = text.trim_start_matches(['#', '!', ' ', '\t']);
        let Some(body) = body.strip_prefix("director:") else {
            return;
        };
        let mut words = body
            .split([' ', '\t', ',', '\r'])
            .filter(|word| !word.is_empty());
        let level = words
            .next()
            .and_then(|word| word.parse::<crate::Level>().ok());
        let codes: Vec<Code> = words.map_while(|word| word.parse().ok()).collect();
        let (Some(level), false) = (level, codes.is_empty()) else {
            let span = Span::new(
                line.start() + at,
                line.start() + at + text.trim_end().len() as u32,
            );
            let diagnostic = Diagnostic::new(
                codes::BAD_COMMENT_LEVEL,
                Severity::Warning,
                "this comment is not understood",
                span,
            )
            .help("write `# director: allow KC0410`; `warn` and `deny` are the other levels");
            self.report(diagnostic);
            return;
        };
        for code in codes {
            if content {
                let line = self.sources.line_of(line);
                self.comment_levels.push(CommentLevel { line, code, level });
            } else {
                self.pending_levels.push((code, level));
            }
        }
    }

    /// Reports what is odd about a line; false if the line cannot be used.
    fn oddities(&mut self, line: Span, scan: Scan) -> bool {
        let at = |offset: u32| Span::new(line.start() + offset, line.start() + offset + 1);
        if scan.nul {
            let diagnostic = self
                .error(codes::NUL_BYTE, "the line holds a NUL byte", at(0))
                .note("keepalived drops such a line");
            self.report(diagnostic);
            return false;
        }
        if let Some(offset) = scan.open_quote {
            let diagnostic = self
                .error(
                    codes::OPEN_QUOTE,
                    "the quote is not closed on this line",
                    at(offset),
                )
                .help("put a `\"` at the end of the text");
            self.report(diagnostic);
        }
        if let Some(offset) = scan.odd_space {
            let text = self.sources.text(line).get(offset as usize..).unwrap_or("");
            if let Some(character) = text.chars().next() {
                let code_point = u32::from(character);
                let span = Span::new(
                    line.start() + offset,
                    line.start() + offset + character.len_utf8() as u32,
                );
                let file = self.sources.file_of(span);
                if self.odd_files.insert(file) {
                    let diagnostic = Diagnostic::new(
                        codes::ODD_SPACE,
                        Severity::Note,
                        format!("U+{code_point:04X} stands here; it is taken as white space"),
                        span,
                    )
                    .note("keepalived takes it as part of a word; reported once per file");
                    self.report(diagnostic);
                }
            }
        }
        true
    }

    fn condition_holds(&self, word: &str) -> bool {
        let id = word.get(1..).unwrap_or("");
        let own = self.options.config_id.as_deref();
        match id.strip_prefix('^') {
            Some(id) => own != Some(id),
            None => own == Some(id),
        }
    }

    /// Adds a line made by an expansion.
    fn add_expansion(&mut self, text: String, line: Span, segments: Vec<Segment>) -> Option<Span> {
        if !self.charge(line, text.len()) {
            return None;
        }
        let length = text.len() as u32;
        let id = self.sources.add(text, Kind::Expansion { line, segments })?;
        let base = self.sources.base_of(id);
        Some(Span::new(base, base + length))
    }
}

fn text_too_long(line: Span, scan: Scan) -> bool {
    line.length() as usize > KEEPALIVED_LINE && scan.end as usize > KEEPALIVED_LINE
}
