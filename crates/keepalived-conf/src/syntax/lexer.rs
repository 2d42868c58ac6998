//! Words, braces and comments of one line.
//!
//! keepalived reads line by line. Outside double quotes `#` and `!` begin a comment anywhere,
//! `\#` and `\!` are literal, and braces stand alone wherever they are.

/// A piece of a line, with byte offsets into the line's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    /// A word; for a quoted one the range is inside the quotes.
    Word { start: u32, end: u32, quoted: bool },
    /// `{`
    Open { at: u32 },
    /// `}`
    Close { at: u32 },
}

/// White space that people paste in without seeing it.
pub(crate) const fn is_odd_space(character: char) -> bool {
    matches!(
        character,
        '\u{a0}' | '\u{3000}' | '\u{feff}' | '\u{2000}'..='\u{200b}' | '\u{202f}'
    )
}

/// White space between words.
pub(crate) const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c)
}

/// What the scan of a line found besides its tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Scan {
    /// Where the content ends: at the comment, or at the last byte that is not blank.
    pub(crate) end: u32,
    /// Where the comment begins.
    pub(crate) comment: Option<u32>,
    /// A `$` stands in the content.
    pub(crate) dollar: bool,
    /// `\#` or `\!` stands in the content, at this offset first.
    pub(crate) escape: Option<u32>,
    /// A quote without its partner begins here.
    pub(crate) open_quote: Option<u32>,
    /// First invisible character that is not plain white space.
    pub(crate) odd_space: Option<u32>,
    /// A NUL byte.
    pub(crate) nul: bool,
}

/// Bytes that are nothing but part of a word.
#[allow(clippy::indexing_slicing)] // checked while compiling
static PLAIN: [bool; 256] = {
    let mut plain = [true; 256];
    let mut byte = 0;
    while byte < 256 {
        plain[byte] = !matches!(
            byte as u8,
            b' ' | b'\t'
                | b'\r'
                | 0x0b
                | 0x0c
                | b'#'
                | b'!'
                | b'{'
                | b'}'
                | b'"'
                | b'\\'
                | b'$'
                | 0
                | 0x80..
        );
        byte += 1;
    }
    plain
};

fn is_plain(byte: u8) -> bool {
    PLAIN.get(usize::from(byte)).copied().unwrap_or(false)
}

/// Splits the text of one line (without its line end) into tokens.
pub(crate) fn scan(text: &str, tokens: &mut Vec<Token>) -> Scan {
    let bytes = text.as_bytes();
    let mut scan = Scan::default();
    let mut at = 0;
    let mut word: Option<usize> = None;
    let mut end = 0;
    let word_token = |start: usize, end: usize, quoted: bool| Token::Word {
        start: start as u32,
        end: end as u32,
        quoted,
    };
    while let Some(&byte) = bytes.get(at) {
        if is_plain(byte) {
            word.get_or_insert(at);
            at += 1;
            while bytes.get(at).is_some_and(|byte| is_plain(*byte)) {
                at += 1;
            }
            end = at;
            continue;
        }
        match byte {
            b' ' | b'\t' | b'\r' | 0x0b | 0x0c => {
                if let Some(start) = word.take() {
                    tokens.push(word_token(start, at, false));
                }
                at += 1;
                while bytes.get(at) == Some(&b' ') {
                    at += 1;
                }
                continue;
            }
            b'#' | b'!' => {
                scan.comment = Some(at as u32);
                break;
            }
            b'{' | b'}' => {
                // `${NAME}` belongs to its word; it is replaced before braces matter.
                if byte == b'{' && at > 0 && bytes.get(at - 1) == Some(&b'$') {
                    let close = bytes
                        .get(at..)
                        .and_then(|b| b.iter().position(|b| *b == b'}'));
                    if let Some(length) = close {
                        at += length + 1;
                        end = at;
                        continue;
                    }
                }
                if let Some(start) = word.take() {
                    tokens.push(word_token(start, at, false));
                }
                let place = at as u32;
                tokens.push(if byte == b'{' {
                    Token::Open { at: place }
                } else {
                    Token::Close { at: place }
                });
            }
            b'"' => {
                if let Some(start) = word.take() {
                    tokens.push(word_token(start, at, false));
                }
                let inside = at + 1;
                let rest = bytes.get(inside..).unwrap_or_default();
                let length = rest.iter().position(|b| *b == b'"');
                if rest
                    .get(..length.unwrap_or(rest.len()))
                    .is_some_and(|q| q.contains(&b'$'))
                {
                    scan.dollar = true;
                }
                match length {
                    Some(length) => {
                        tokens.push(word_token(inside, inside + length, true));
                        at = inside + length;
                    }
                    None => {
                        scan.open_quote = Some(at as u32);
                        let stop = text.trim_end().len().max(inside);
                        tokens.push(word_token(inside, stop, true));
                        end = stop;
                        break;
                    }
                }
            }
            b'\\' if matches!(bytes.get(at + 1), Some(b'#' | b'!')) => {
                scan.escape.get_or_insert(at as u32);
                word.get_or_insert(at);
                at += 1;
            }
            0 => {
                scan.nul = true;
                word.get_or_insert(at);
            }
            0x80.. => {
                let character = text.get(at..).and_then(|t| t.chars().next()).unwrap_or(' ');
                if is_odd_space(character) {
                    scan.odd_space.get_or_insert(at as u32);
                    if let Some(start) = word.take() {
                        tokens.push(word_token(start, at, false));
                    }
                    at += character.len_utf8();
                    continue;
                }
                word.get_or_insert(at);
                at += character.len_utf8() - 1;
            }
            _ => {
                if byte == b'$' {
                    scan.dollar = true;
                }
                word.get_or_insert(at);
            }
        }
        at += 1;
        end = at;
    }
    if let Some(start) = word {
        tokens.push(word_token(start, at.min(bytes.len()), false));
    }
    scan.end = end as u32;
    scan
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let mut tokens = Vec::new();
        scan(text, &mut tokens);
        tokens
            .iter()
            .map(|t| match t {
                Token::Word { start, end, quoted } => {
                    let word = &text[*start as usize..*end as usize];
                    if *quoted {
                        format!("\"{word}\"")
                    } else {
                        word.to_owned()
                    }
                }
                Token::Open { .. } => "{".into(),
                Token::Close { .. } => "}".into(),
            })
            .collect()
    }

    #[test]
    fn splits_words_braces_and_comments() {
        assert_eq!(
            words("virtual_ipaddress{10.0.0.1 dev eth0}"),
            ["virtual_ipaddress", "{", "10.0.0.1", "dev", "eth0", "}"]
        );
        assert_eq!(words("auth_pass ab!cd"), ["auth_pass", "ab"]);
        assert_eq!(words("auth_pass ab\\!cd"), ["auth_pass", "ab\\!cd"]);
        assert_eq!(
            words("script \"a # { b\" c"),
            ["script", "\"a # { b\"", "c"]
        );
        assert_eq!(words("x\"y\"z"), ["x", "\"y\"", "z"]);
        assert_eq!(words("a ${B} c"), ["a", "${B}", "c"]);
        assert_eq!(words("\u{a0}a\u{3000}b"), ["a", "b"]);
    }

    #[test]
    fn reports_an_open_quote() {
        let mut tokens = Vec::new();
        let found = scan("script \"abc", &mut tokens);
        assert_eq!(found.open_quote, Some(7));
        assert_eq!(words("script \"abc"), ["script", "\"abc\""]);
    }
}
