//! The lossless syntax tree of one file: every byte belongs to a token, every token to an element.
//!
//! The tree shows a file as it is written, before definitions are replaced and files included.
//! Printing it gives the text back, byte for byte.

use std::ops::Range;

use crate::syntax::lexer::{self, Token as Piece};

/// What a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum TokenKind {
    /// Blanks, tabs and other white space within a line.
    Space,
    /// The end of a line, with a CR before it.
    LineEnd,
    /// A comment from its `#` or `!` to the end of the line.
    Comment,
    /// A word without quotes.
    Word,
    /// A word with its double quotes.
    Quoted,
    /// `{`
    Open,
    /// `}`
    Close,
    /// A whole line that the language reads before words: a definition with its continuation, a
    /// condition, a sequence, an include.
    Directive,
}

/// A piece of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Offset of its first byte.
    pub start: u32,
    /// Offset after its last byte.
    pub end: u32,
}

/// A part of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Element {
    /// White space, line ends and comments.
    Trivia(Range<usize>),
    /// A definition, condition, sequence or include line.
    Directive(Range<usize>),
    /// The words of a keyword or entry.
    Statement(Range<usize>),
    /// A brace that stands alone: too many, or missing its keyword.
    Stray(Range<usize>),
    /// A statement with its block.
    Block {
        /// From the first word up to and with the opening brace.
        header: Range<usize>,
        /// What is inside.
        children: Vec<Self>,
        /// The closing brace; empty if it is missing.
        close: Range<usize>,
    },
}

/// A parsed file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    elements: Vec<Element>,
}

/// Deepest nesting of blocks in the tree; deeper ones stay flat.
const MAX_DEPTH: usize = 64;

impl<'t> Tree<'t> {
    /// Parses a file. Never fails: what does not fit is kept as it is.
    ///
    /// ```
    /// use keepalived_conf::tree::Tree;
    ///
    /// let text = "vrrp_instance A { # first\n  priority 100 }\n";
    /// assert_eq!(Tree::parse(text).print(), text);
    /// ```
    #[must_use]
    pub fn parse(text: &'t str) -> Self {
        let tokens = tokens(text);
        let elements = Builder {
            tokens: &tokens,
            at: 0,
        }
        .elements(0);
        Self {
            text,
            tokens,
            elements,
        }
    }

    /// The text of the tree: what was parsed.
    #[must_use]
    pub fn print(&self) -> String {
        let mut out = String::with_capacity(self.text.len());
        self.print_elements(&self.elements, &mut out);
        out
    }

    fn print_elements(&self, elements: &[Element], out: &mut String) {
        for element in elements {
            match element {
                Element::Trivia(range)
                | Element::Directive(range)
                | Element::Statement(range)
                | Element::Stray(range) => self.print_tokens(range, out),
                Element::Block {
                    header,
                    children,
                    close,
                } => {
                    self.print_tokens(header, out);
                    self.print_elements(children, out);
                    self.print_tokens(close, out);
                }
            }
        }
    }

    fn print_tokens(&self, range: &Range<usize>, out: &mut String) {
        for token in self.tokens.get(range.clone()).unwrap_or_default() {
            out.push_str(self.text_of(*token));
        }
    }

    /// The tokens, in order and without gaps.
    #[must_use]
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The elements of the top level.
    #[must_use]
    pub fn elements(&self) -> &[Element] {
        &self.elements
    }

    /// The text of a token.
    #[must_use]
    pub fn text_of(&self, token: Token) -> &'t str {
        self.text
            .get(token.start as usize..token.end as usize)
            .unwrap_or("")
    }
}

/// True for lines that are read as a whole.
fn is_directive(content: &str) -> bool {
    if content.starts_with('@') || content.starts_with("~SEQ") || content.starts_with("~LST") {
        return true;
    }
    if let Some(rest) = content.strip_prefix('$') {
        let name = rest
            .bytes()
            .take_while(|b| b.is_ascii_alphanumeric() || *b == b'_')
            .count();
        return name > 0 && rest.as_bytes().get(name) == Some(&b'=');
    }
    let word = content.split([' ', '\t']).next().unwrap_or("");
    matches!(
        word,
        "include" | "includer" | "includem" | "includew" | "includeb" | "includea"
    )
}

fn tokens(text: &str) -> Vec<Token> {
    let mut out = Vec::with_capacity(text.len() / 8);
    let mut pieces = Vec::new();
    let mut at = 0;
    let mut continued = false;
    while at < text.len() {
        let rest = text.get(at..).unwrap_or("");
        let length = rest.find('\n').unwrap_or(rest.len());
        let line = rest.get(..length).unwrap_or("");
        let carriage = usize::from(length < rest.len() && line.ends_with('\r'));
        let body = line.get(..length - carriage).unwrap_or("");
        pieces.clear();
        let scan = lexer::scan(body, &mut pieces);
        let blank = body.len() - body.trim_start_matches([' ', '\t']).len();
        let content = body.get(blank..scan.end as usize).unwrap_or("").trim_end();
        let whole = continued || is_directive(content) || scan.nul;
        let mut push = |kind, start: usize, end: usize| {
            if start < end {
                out.push(Token {
                    kind,
                    start: (at + start) as u32,
                    end: (at + end) as u32,
                });
            }
        };
        if whole {
            continued = content.ends_with('\\')
                && (continued || content.contains('=') || content.starts_with('~'));
            push(TokenKind::Space, 0, blank);
            push(TokenKind::Directive, blank, body.len());
        } else {
            line_tokens(body, &pieces, scan, &mut push);
        }
        let end = length + usize::from(length < rest.len());
        push(TokenKind::LineEnd, body.len(), end);
        at += end.max(1);
    }
    out
}

fn line_tokens(
    body: &str,
    pieces: &[Piece],
    scan: lexer::Scan,
    push: &mut impl FnMut(TokenKind, usize, usize),
) {
    let mut last = 0;
    for piece in pieces {
        let (kind, start, end) = match *piece {
            Piece::Word {
                start,
                end,
                quoted: false,
            } => (TokenKind::Word, start as usize, end as usize),
            Piece::Word {
                start,
                end,
                quoted: true,
            } => {
                let close = usize::from(body.as_bytes().get(end as usize) == Some(&b'"'));
                (TokenKind::Quoted, start as usize - 1, end as usize + close)
            }
            Piece::Open { at } => (TokenKind::Open, at as usize, at as usize + 1),
            Piece::Close { at } => (TokenKind::Close, at as usize, at as usize + 1),
        };
        push(TokenKind::Space, last, start);
        push(kind, start, end);
        last = end;
    }
    let comment = scan.comment.map_or(body.len(), |at| at as usize).max(last);
    push(TokenKind::Space, last, comment);
    push(TokenKind::Comment, comment, body.len());
}

struct Builder<'k> {
    tokens: &'k [Token],
    at: usize,
}

impl Builder<'_> {
    fn kind(&self) -> Option<TokenKind> {
        self.tokens.get(self.at).map(|token| token.kind)
    }

    fn take(&mut self, wanted: impl Fn(TokenKind) -> bool) -> Range<usize> {
        let start = self.at;
        while self.kind().is_some_and(&wanted) {
            self.at += 1;
        }
        start..self.at
    }

    fn elements(&mut self, depth: usize) -> Vec<Element> {
        let trivia = |kind| {
            matches!(
                kind,
                TokenKind::Space | TokenKind::LineEnd | TokenKind::Comment
            )
        };
        let mut out = Vec::new();
        while let Some(kind) = self.kind() {
            match kind {
                TokenKind::Space | TokenKind::LineEnd | TokenKind::Comment => {
                    out.push(Element::Trivia(self.take(trivia)));
                }
                TokenKind::Directive => {
                    self.at += 1;
                    out.push(Element::Directive(self.at - 1..self.at));
                }
                TokenKind::Close if depth > 0 => return out,
                TokenKind::Close | TokenKind::Open => {
                    self.at += 1;
                    out.push(Element::Stray(self.at - 1..self.at));
                }
                TokenKind::Word | TokenKind::Quoted => {
                    let words = self.words();
                    let mark = self.at;
                    self.take(trivia);
                    if self.kind() == Some(TokenKind::Open) && depth < MAX_DEPTH {
                        self.at += 1;
                        let header = words.start..self.at;
                        let children = self.elements(depth + 1);
                        let start = self.at;
                        if self.kind() == Some(TokenKind::Close) {
                            self.at += 1;
                        }
                        out.push(Element::Block {
                            header,
                            children,
                            close: start..self.at,
                        });
                    } else {
                        self.at = mark;
                        out.push(Element::Statement(words));
                    }
                }
            }
        }
        out
    }

    /// Words of one line with the space between them, not after them.
    fn words(&mut self) -> Range<usize> {
        let start = self.at;
        let mut end = start;
        while let Some(kind) = self.kind() {
            match kind {
                TokenKind::Word | TokenKind::Quoted => {
                    self.at += 1;
                    end = self.at;
                }
                TokenKind::Space => self.at += 1,
                _ => break,
            }
        }
        self.at = end;
        start..end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn blocks_nest() {
        let tree = Tree::parse("a b\n{\n c { d } # e\n}\n$X=1\n}\n");
        let kinds: Vec<&str> = tree
            .elements()
            .iter()
            .filter_map(|element| match element {
                Element::Trivia(_) => None,
                Element::Directive(_) => Some("directive"),
                Element::Statement(_) => Some("statement"),
                Element::Stray(_) => Some("stray"),
                Element::Block { .. } => Some("block"),
            })
            .collect();
        assert_eq!(kinds, ["block", "directive", "stray"]);
    }

    proptest! {
        #[test]
        fn printing_gives_the_text_back(text in "[a-z{}\"#!\\\\$@~=\\r\\n \t\u{a0}é0-9./]{0,200}") {
            prop_assert_eq!(Tree::parse(&text).print(), text.clone());
            let length: u32 = Tree::parse(&text).tokens().iter().map(|t| t.end - t.start).sum();
            prop_assert_eq!(length as usize, text.len());
        }
    }
}
