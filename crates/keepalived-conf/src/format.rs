//! The formatter: one layout, comments kept, meaning unchanged.
//!
//! Four blanks for each block, one keyword or entry per line, the opening brace on the line of its
//! keyword, the closing brace alone, at most one empty line in a row. Definitions, conditions,
//! sequences and includes keep their text.

use std::path::Path;

use crate::loader::{InMemory, Loader};
use crate::meaning::{Place, broken};
use crate::tree::{Token, TokenKind, Tree};

const INDENT: &str = "    ";

/// Why a file is not formatted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// Braces or quotes do not match, so the layout would be a guess.
    #[error("line {line}: {message}; mend this first")]
    Structure {
        /// Line of the first such problem, from 1.
        line: u32,
        /// What is wrong there.
        message: String,
    },
    /// The result would mean something else.
    #[error("formatting would change the meaning of this file, so it is left as it is")]
    Meaning,
}

/// Formats the text of one file. Formatting again changes nothing, and the result means the same:
/// both texts are loaded, and their models and statements compared, for every configuration id that
/// the text names.
///
/// # Errors
///
/// [`FormatError::Structure`] if braces or quotes do not match.
///
/// ```
/// let text = "vrrp_instance A\n{\npriority   100 # high\n}\n";
/// let formatted = keepalived_conf::format(text)?;
/// assert_eq!(formatted, "vrrp_instance A {\n    priority 100  # high\n}\n");
/// # Ok::<(), keepalived_conf::FormatError>(())
/// ```
pub fn format(text: &str) -> Result<String, FormatError> {
    let path = Path::new("keepalived.conf");
    format_file(path, text, &mut InMemory::new())
}

/// Formats the text of a file that stands among others: definitions of the files that it includes
/// count when the meaning before and after is compared.
///
/// # Errors
///
/// As [`format`](fn@format).
pub fn format_file(
    path: &Path,
    text: &str,
    loader: &mut dyn Loader,
) -> Result<String, FormatError> {
    let mut place = Place { path, loader };
    let before = place.load(text, None);
    if let Some(diagnostic) = broken(&before) {
        let place = diagnostic
            .span()
            .and_then(|span| before.sources.locate(span));
        return Err(FormatError::Structure {
            line: place.map_or(1, |place| place.line),
            message: diagnostic.message.clone(),
        });
    }
    let formatted = lay_out(text);
    // A definition or condition in the middle of a line would get another meaning on its own line.
    if place.same(text, &formatted) && lay_out(&formatted) == formatted {
        Ok(formatted)
    } else {
        Err(FormatError::Meaning)
    }
}

fn lay_out(text: &str) -> String {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let tree = Tree::parse(text);
    let mut writer = Writer {
        out: String::with_capacity(text.len()),
        ..Writer::default()
    };
    let tokens = tree.tokens();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at = writer.token(&tree, tokens, at, *token);
    }
    writer.finish()
}

#[derive(Default)]
struct Writer {
    out: String,
    /// The line being written, without its indentation.
    line: String,
    comment: Option<String>,
    depth: usize,
    /// Line ends since the last thing written.
    breaks: usize,
    /// The last line written is a keyword that a `{` may still follow.
    open_ended: bool,
    /// Nothing was written yet, or the last line opened a block.
    fresh: bool,
    /// A definition goes on on the next line.
    continued: bool,
    started: bool,
}

impl Writer {
    fn token(&mut self, tree: &Tree<'_>, tokens: &[Token], at: usize, token: Token) -> usize {
        let text = tree.text_of(token);
        match token.kind {
            TokenKind::Space => {}
            TokenKind::LineEnd => {
                self.flush();
                self.breaks += 1;
            }
            TokenKind::Comment => self.comment(text),
            TokenKind::Directive => self.directive(text),
            TokenKind::Open => self.open(),
            TokenKind::Close => self.close(),
            TokenKind::Word | TokenKind::Quoted => {
                self.flush();
                let mut end = at;
                while let Some(next) = tokens.get(end) {
                    match next.kind {
                        TokenKind::Word | TokenKind::Quoted | TokenKind::Space => end += 1,
                        _ => break,
                    }
                }
                let first = token.start;
                let last = tokens.get(end - 1).map_or(token.end, |t| t.end);
                let whole = tree.text_of(Token {
                    kind: TokenKind::Word,
                    start: first,
                    end: last,
                });
                self.gap();
                self.line = squeeze(whole.trim_end());
                self.open_ended = true;
                return end;
            }
        }
        at + 1
    }

    /// An empty line before what follows, if there was one and it makes sense here.
    fn gap(&mut self) {
        if self.breaks > 1 && !self.fresh && self.started {
            self.out.push('\n');
        }
        self.breaks = 0;
        self.fresh = false;
        self.started = true;
    }

    fn indent(&mut self, depth: usize) {
        for _ in 0..depth {
            self.out.push_str(INDENT);
        }
    }

    /// Writes the line that was collected.
    fn flush(&mut self) {
        let line = std::mem::take(&mut self.line);
        let comment = self.comment.take();
        if line.is_empty() && comment.is_none() {
            return;
        }
        self.indent(self.depth);
        self.out.push_str(&line);
        if let Some(comment) = comment {
            if !line.is_empty() {
                self.out.push_str("  ");
            }
            self.out.push_str(&comment);
        }
        self.out.push('\n');
    }

    fn comment(&mut self, text: &str) {
        let text = text.trim_end().to_owned();
        if self.line.is_empty() {
            if self.breaks == 0 && self.started && self.out.ends_with('\n') {
                // Behind a brace on its line.
                self.out.pop();
                self.out.push_str("  ");
                self.out.push_str(&text);
                self.out.push('\n');
                return;
            }
            let fresh = self.fresh;
            let open_ended = self.open_ended;
            self.gap();
            self.open_ended = open_ended;
            self.fresh = fresh && self.out.is_empty();
            self.fresh = false;
        }
        self.comment = Some(text);
        if self.line.is_empty() {
            self.flush();
            self.breaks = 0;
        }
    }

    fn directive(&mut self, text: &str) {
        self.flush();
        self.open_ended = false;
        let text = text.trim_end_matches([' ', '\t', '\r']);
        if self.continued {
            self.breaks = 0;
            self.out.push_str(INDENT);
            self.indent(self.depth);
            self.out.push_str(text);
        } else {
            self.gap();
            self.indent(self.depth);
            self.out.push_str(text);
        }
        self.out.push('\n');
        self.continued = text.ends_with('\\');
        if !text.starts_with('$') && !self.continued {
            self.braces_of(text);
        }
    }

    /// Braces in a conditional line open and close blocks as well.
    fn braces_of(&mut self, text: &str) {
        let mut pieces = Vec::new();
        if !text.starts_with("include") {
            crate::syntax::lexer::scan(text, &mut pieces);
        }
        for piece in pieces {
            match piece {
                crate::syntax::lexer::Token::Open { .. } => {
                    self.depth += 1;
                    self.fresh = true;
                }
                crate::syntax::lexer::Token::Close { .. } => {
                    self.depth = self.depth.saturating_sub(1);
                }
                crate::syntax::lexer::Token::Word { .. } => {}
            }
        }
    }

    fn open(&mut self) {
        if !self.line.is_empty() {
            self.line.push_str(" {");
            self.flush();
        } else if self.open_ended {
            self.join_brace();
        } else {
            self.gap();
            self.line.push('{');
            self.flush();
        }
        self.open_ended = false;
        self.depth += 1;
        self.breaks = 0;
        self.fresh = true;
    }

    /// Puts the brace on the line of its keyword, before a comment there and before comments
    /// between the two.
    fn join_brace(&mut self) {
        let keyword = self.last_statement_end();
        self.out.insert_str(keyword, " {");
        // Comments between keyword and brace are inside the block now.
        let line_end = self
            .out
            .get(keyword..)
            .and_then(|t| t.find('\n'))
            .map(|i| keyword + i + 1);
        if let Some(from) = line_end {
            let after = self.out.split_off(from);
            for line in after.lines() {
                if line.is_empty() {
                    self.out.push('\n');
                    continue;
                }
                self.out.push_str(INDENT);
                self.out.push_str(line);
                self.out.push('\n');
            }
        }
    }

    /// Where the last statement ends in what was written: before a comment behind it.
    fn last_statement_end(&self) -> usize {
        let mut end = self.out.len();
        loop {
            let text = self.out.get(..end).unwrap_or("");
            let body = text.strip_suffix('\n').unwrap_or(text);
            let start = body.rfind('\n').map_or(0, |i| i + 1);
            let line = body.get(start..).unwrap_or("");
            let mut pieces = Vec::new();
            let scan = crate::syntax::lexer::scan(line, &mut pieces);
            if !pieces.is_empty() || start == 0 {
                return start + scan.end as usize;
            }
            end = start;
        }
    }

    fn close(&mut self) {
        self.flush();
        self.open_ended = false;
        self.depth = self.depth.saturating_sub(1);
        self.indent(self.depth);
        self.out.push_str("}\n");
        self.breaks = 0;
        self.fresh = false;
        self.started = true;
    }

    fn finish(mut self) -> String {
        self.flush();
        self.out
    }
}

/// One blank between words; what is inside quotes keeps its blanks.
fn squeeze(text: &str) -> String {
    let quotes = text.bytes().filter(|b| *b == b'\'').count();
    if quotes % 2 == 1 || text.bytes().filter(|b| *b == b'"').count() % 2 == 1 {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut quote: Option<char> = None;
    let mut blank = false;
    for character in text.chars() {
        let space = matches!(character, ' ' | '\t' | '\r' | '\u{b}' | '\u{c}')
            || crate::syntax::lexer::is_odd_space(character);
        if quote.is_none() && space {
            blank = true;
            continue;
        }
        if blank {
            out.push(' ');
            blank = false;
        }
        match quote {
            Some(open) if open == character => quote = None,
            None if matches!(character, '"' | '\'') => quote = Some(character),
            _ => {}
        }
        out.push(character);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, wanted: &str) {
        assert_eq!(format(text).as_deref(), Ok(wanted));
        assert_eq!(format(wanted).as_deref(), Ok(wanted), "not idempotent");
    }

    #[test]
    fn lays_out_blocks() {
        check(
            "! top\n\n\n\nvrrp_instance  VI_1   {\n state MASTER\n\n\n virtual_ipaddress{10.0.0.1 dev eth0}\n}\nglobal_defs\n{\n}\n",
            "! top\n\nvrrp_instance VI_1 {\n    state MASTER\n\n    virtual_ipaddress {\n        10.0.0.1 dev eth0\n    }\n}\nglobal_defs {\n}\n",
        );
    }

    #[test]
    fn keeps_comments_and_quotes() {
        check(
            "a {   # one\n# two\nscript \"x   y\"   # three\n}  # four\n",
            "a {  # one\n    # two\n    script \"x   y\"  # three\n}  # four\n",
        );
    }

    #[test]
    fn moves_a_brace_over_comments() {
        check(
            "a b # one\n# two\n{\nc\n}\n",
            "a b {  # one\n    # two\n    c\n}\n",
        );
    }

    #[test]
    fn keeps_definitions() {
        check(
            "$A=b { \\\n  c   d \\\n}\n@main   priority 1\n  $A\n",
            "$A=b { \\\n    c   d \\\n    }\n@main   priority 1\n$A\n",
        );
    }

    #[test]
    fn what_the_model_does_not_hold_is_kept_too() {
        // A part of another file: here nothing of it is understood.
        check(
            "real_server 10.0.0.1   80 {\nweight 1\n  zzyzx   {a b}\n}\n",
            "real_server 10.0.0.1 80 {\n    weight 1\n    zzyzx {\n        a b\n    }\n}\n",
        );
    }
}
