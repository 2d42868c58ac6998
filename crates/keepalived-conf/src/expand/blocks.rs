//! From tokens to blocks, with recovery from braces that are missing or too many.

use super::Reader;
use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::keyword::{self, Scope};
use crate::source::Span;
use crate::syntax::lexer::Token;
use crate::syntax::statement::{MAX_DEPTH, Word};

impl Reader<'_> {
    /// Puts the next top-level statement with its block on the tape; false at the end.
    pub(crate) fn next_block(&mut self) -> bool {
        self.suspect = None;
        self.open_columns.clear();
        loop {
            if self.token_at >= self.tokens.len() && !self.fetch_line() {
                self.close_at_end();
                return !self.tape.is_empty();
            }
            let Some(&token) = self.tokens.get(self.token_at) else {
                continue;
            };
            match token {
                Token::Open { at } => {
                    self.token_at += 1;
                    self.open_block(self.place(at));
                }
                Token::Close { at } => {
                    if self.tape.depth() == 0 {
                        if !self.tape.is_empty() {
                            return true;
                        }
                        self.token_at += 1;
                        self.extra_close(self.place(at));
                        continue;
                    }
                    self.missing_open();
                    self.token_at += 1;
                    let brace = self.place(at);
                    self.close_block(brace);
                    if self.tape.depth() == 0 && !self.closed_too_early(brace) {
                        return true;
                    }
                }
                Token::Word { .. } => {
                    self.missing_open();
                    if self.tape.depth() == 0 && !self.tape.is_empty() {
                        return true;
                    }
                    if self.swallowed_block() {
                        return true;
                    }
                    self.swallowed_statement();
                    self.push_statement();
                }
            }
        }
    }

    fn place(&self, at: u32) -> Span {
        Span::new(self.line.start() + at, self.line.start() + at + 1)
    }

    fn push_statement(&mut self) {
        self.words.clear();
        self.column = match self.tokens.first() {
            Some(Token::Word { start, .. }) if self.token_at == 0 => Some(*start),
            _ => None,
        };
        let mut end = self.line.start();
        let mut first = None;
        while let Some(&Token::Word {
            start,
            end: stop,
            quoted,
        }) = self.tokens.get(self.token_at)
        {
            self.token_at += 1;
            let quote = u32::from(quoted);
            let span = Span::new(self.line.start() + start, self.line.start() + stop);
            first = first.or_else(|| span.start().checked_sub(quote));
            end = (span.end() + quote).min(self.line.end());
            let word = Word { span, quoted };
            let word = if quoted || !self.escaped {
                word
            } else {
                self.unescaped(word)
            };
            self.words.push(word);
        }
        let span = Span::new(first.unwrap_or(end), end);
        self.tape.push(&self.words, span);
    }

    /// A word with `\#` or `\!` stands for a text without the backslash.
    fn unescaped(&mut self, word: Word) -> Word {
        let text = self.sources.text(word.span);
        if !text.contains("\\#") && !text.contains("\\!") {
            return word;
        }
        let text = text.replace("\\#", "#").replace("\\!", "!");
        let whole = crate::source::Segment {
            offset: 0,
            origin: None,
            written: word.span,
        };
        let span = self
            .add_expansion(text, word.span, vec![whole])
            .unwrap_or(word.span);
        Word {
            span,
            quoted: word.quoted,
        }
    }

    fn open_block(&mut self, brace: Span) {
        if self.tape.last_without_block().is_none() {
            let diagnostic = self
                .error(codes::UNEXPECTED_OPEN, "this `{` follows no keyword", brace)
                .note("keepalived ignores the brace and reads what follows as part of the enclosing block");
            self.report(diagnostic);
            // The block is kept without a keyword, so that braces stay balanced.
            self.tape.push(&[], brace);
            self.column = None;
        }
        if self.tape.depth() >= MAX_DEPTH {
            if self.tape.depth() == MAX_DEPTH {
                let message = format!("blocks are nested deeper than {MAX_DEPTH} levels");
                let diagnostic = self.error(codes::TOO_DEEP, message, brace);
                self.report(diagnostic);
            }
            self.too_deep();
            return;
        }
        self.tape.open(brace);
        self.open_columns.push(self.column);
    }

    /// Skips a block that is nested too deeply, up to its closing brace.
    fn too_deep(&mut self) {
        let mut depth = 1_u32;
        loop {
            if self.token_at >= self.tokens.len() && !self.fetch_line() {
                return;
            }
            match self.tokens.get(self.token_at) {
                Some(Token::Open { .. }) => depth = depth.saturating_add(1),
                Some(Token::Close { .. }) => depth -= 1,
                _ => {}
            }
            self.token_at += 1;
            if depth == 0 {
                return;
            }
        }
    }

    fn close_block(&mut self, brace: Span) {
        if self.suspect.is_none()
            && let Some(block) = self.tape.innermost()
        {
            let header = block.span;
            // A brace that begins its line is not on the line of its opener.
            if let Some(closing) = self.sources.indent_before(brace)
                && let Some(opening) = self.sources.indent_before(header)
                && opening != closing
            {
                self.suspect = Some((header, brace));
            }
        }
        self.tape.close(Some(brace));
        self.open_columns.pop();
    }

    fn extra_close(&mut self, brace: Span) {
        let mut diagnostic = self
            .error(codes::EXTRA_CLOSE, "this `}` closes nothing", brace)
            .note("keepalived reports an extra `}` and goes on");
        if let Some((header, close)) = self.suspect {
            diagnostic = diagnostic
                .label(header, "this block")
                .label(close, "was closed here, at another indentation");
        }
        let diagnostic = diagnostic.fix("remove it, or open the block it belongs to", brace, "");
        self.report(diagnostic);
    }

    /// The scope of the innermost open block; `None` inside unknown blocks.
    fn scope_here(&self) -> Option<Scope> {
        let mut scope = Scope::Root;
        for block in self.tape.open_blocks() {
            let name = self.tape.words(block).first()?;
            scope = keyword::block_scope(scope, self.sources.text(name.span))?;
        }
        Some(scope)
    }

    /// Opens the block of the last statement if its keyword needs one and no `{` came.
    fn missing_open(&mut self) {
        let Some(last) = self.tape.last_without_block() else {
            return;
        };
        let span = last.span;
        let Some(name) = self.tape.words(last).first().map(|w| w.span) else {
            return;
        };
        if !keyword::may_open_block(self.sources.text(name)) {
            return;
        }
        let opens = self
            .scope_here()
            .and_then(|scope| keyword::block_scope(scope, self.sources.text(name)))
            .is_some();
        if !opens {
            return;
        }
        let keyword = self.sources.text(name).to_owned();
        let diagnostic = self
            .error(
                codes::MISSING_OPEN,
                format!("`{keyword}` is not followed by `{{`"),
                span,
            )
            .note("keepalived goes on as if the `{` were there; so does this reading")
            .fix("add the brace", span.after(), " {");
        self.report(diagnostic);
        self.tape.open(span.after());
        self.open_columns.push(self.column);
    }

    /// A keyword of the root level inside a block means that a `}` is missing before it.
    fn swallowed_block(&mut self) -> bool {
        let Some(&Token::Word {
            start,
            end,
            quoted: false,
        }) = self.tokens.get(self.token_at)
        else {
            return false;
        };
        if self.tape.depth() == 0 {
            return false;
        }
        let span = Span::new(self.line.start() + start, self.line.start() + end);
        let word = self.sources.text(span);
        if !keyword::is_root_only(word) {
            return false;
        }
        let opens = self
            .tokens
            .get(self.token_at..)
            .unwrap_or_default()
            .iter()
            .any(|token| matches!(token, Token::Open { .. }));
        let indent = self.sources.indent_before(span);
        let outermost = self.tape.open_blocks().next().map(|block| block.span);
        let header = outermost.and_then(|header| self.sources.indent_before(header));
        // Deeper than the block around it: somebody put it inside on purpose.
        let inside = indent.zip(header).is_some_and(|(own, outer)| own > outer);
        if !opens && indent != Some(0) || opens && inside {
            return false;
        }
        let message = format!("`{word}` stands inside a block that is never closed");
        self.unclosed(message, Some(span));
        while self.tape.close(None) {}
        true
    }

    /// A word that the open block does not know, that a block around it knows, and that is indented no deeper than the open
    /// block itself, stands behind a block whose `}` is missing. The blocks are closed before it.
    fn swallowed_statement(&mut self) {
        let Some(&Token::Word {
            start,
            end,
            quoted: false,
        }) = self.tokens.first()
        else {
            return;
        };
        // A glance at the columns tells nearly always that all is well.
        let shallow = self
            .open_columns
            .last()
            .is_some_and(|column| column.is_some_and(|column| start <= column));
        if self.token_at > 0 || !shallow {
            return;
        }
        let span = Span::new(self.line.start() + start, self.line.start() + end);
        let Some((closed, opener)) = self.blocks_left_open(span) else {
            return;
        };
        let word = self.sources.text(span).to_owned();
        let name = self.sources.text(opener).to_owned();
        let diagnostic = self
            .error(
                codes::UNCLOSED,
                format!("block `{name}` is never closed"),
                opener,
            )
            .saying("a `}` is missing for this block")
            .label(span, format!("`{word}` belongs to the block around it"))
            .note("keepalived says only that one `}` is missing, without a line")
            .help(format!("add a `}}` before `{word}`"));
        self.report(diagnostic);
        for _ in 0..closed {
            self.tape.close(None);
            self.open_columns.pop();
        }
    }

    /// How many of the innermost blocks should have ended before `word`, and the name of the innermost; `None` if all is well.
    fn blocks_left_open(&self, word: Span) -> Option<(usize, Span)> {
        let text = self.sources.text(word);
        let mut scope = Some(Scope::Root);
        let mut blocks = Vec::new();
        for block in self.tape.open_blocks() {
            let name = self.tape.words(block).first()?;
            scope = scope.and_then(|s| keyword::block_scope(s, self.sources.text(name.span)));
            blocks.push((scope, name.span));
        }
        let indent = self.sources.indent_before(word)?;
        let mut inner = u32::MAX;
        for (closed, &(scope, name)) in blocks.iter().rev().enumerate() {
            let opener = self.sources.indent_before(name);
            if scope.is_some_and(|scope| keyword::find(scope, text).is_some()) {
                // In a text without indentation a glance tells nothing.
                let indented = opener.is_some_and(|outer| outer < inner);
                let (_, innermost) = blocks.last()?;
                return (closed > 0 && indented).then_some((closed, *innermost));
            }
            inner = opener.filter(|opener| indent <= *opener)?;
        }
        None
    }

    /// A `}` that is indented deeper than the top-level block it closes, before a deeper word that only this block knows, is
    /// one too many: the block goes on.
    fn closed_too_early(&mut self, brace: Span) -> bool {
        let Some(header) = self.tape.get(0).map(|header| header.span) else {
            return false;
        };
        let indents = |reader: &Self, span| {
            let outer = reader.sources.indent_before(header);
            let inner = reader.sources.indent_before(span);
            inner.zip(outer).is_some_and(|(inner, outer)| inner > outer)
        };
        if !indents(self, brace) || self.token_at >= self.tokens.len() && !self.fetch_line() {
            return false;
        }
        let Some(&Token::Word {
            start,
            end,
            quoted: false,
        }) = self.tokens.get(self.token_at)
        else {
            return false;
        };
        let word = Span::new(self.line.start() + start, self.line.start() + end);
        let text = self.sources.text(word);
        let name = self.tape.get(0).and_then(|h| self.tape.words(h).first());
        let scope =
            name.and_then(|name| keyword::block_scope(Scope::Root, self.sources.text(name.span)));
        let knows = |scope| keyword::find(scope, text).is_some();
        if !indents(self, word) || knows(Scope::Root) || !scope.is_some_and(knows) {
            return false;
        }
        let message = format!("this `}}` ends the block around `{text}` too early");
        let diagnostic = self
            .error(codes::EXTRA_CLOSE, message, brace)
            .label(header, "this block")
            .note("keepalived reads what follows outside the block, as unknown keywords")
            .fix("remove it", brace, "");
        self.report(diagnostic);
        self.suspect = None;
        self.tape.reopen_first();
        self.open_columns.push(None);
        true
    }

    fn close_at_end(&mut self) {
        self.missing_open();
        if self.tape.depth() > 0 {
            self.unclosed(String::from("a block is never closed"), None);
        }
        while self.tape.close(None) {}
    }

    fn unclosed(&mut self, message: String, found: Option<Span>) {
        // The block whose closing brace is indented unlike its opener is the likely culprit.
        let culprit = self.suspect.map(|(header, _)| header);
        let Some(opener) =
            culprit.or_else(|| self.tape.open_blocks().next().map(|block| block.span))
        else {
            return;
        };
        let depth = self.tape.depth();
        let mut diagnostic = Diagnostic::new(codes::UNCLOSED, Severity::Error, message, opener)
            .saying("a `}` is missing for this block");
        if let Some((_, brace)) = self.suspect {
            diagnostic =
                diagnostic.label(brace, "this `}` closed it, though it is indented otherwise");
        }
        if let Some(found) = found {
            diagnostic = diagnostic.label(found, "a keyword of the top level");
        }
        diagnostic = diagnostic.note(if depth == 1 {
            String::from("keepalived says only that one `}` is missing, without a line")
        } else {
            format!("{depth} blocks are open here; keepalived gives no line")
        });
        self.report(diagnostic.help("add a `}` where the block ends"));
    }
}
