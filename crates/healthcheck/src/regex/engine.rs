//! The engines: one in linear time, and one for what that cannot do.

use std::error::Error;

use ::regex::bytes::{Regex, RegexBuilder};

use super::Pattern;

/// Memory that a compiled expression may take.
const COMPILED_LIMIT: usize = 10 << 20;

/// Steps that a search may go back. A million take some hundredths of a second.
const STEP_LIMIT: usize = 1_000_000;

/// The search was given up after that many steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooCostly;

#[derive(Debug)]
pub(super) enum Engine {
    /// Takes linear time.
    Linear(Regex),
    /// Looks around and refers back, for at most [`STEP_LIMIT`] steps.
    Backtracking {
        regex: Box<fancy_regex::Regex>,
        /// The text is UTF-8; otherwise each octet is a character of its own.
        utf: bool,
    },
}

impl Engine {
    pub(super) fn build(pattern: &Pattern) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let options = pattern.options;
        let linear = RegexBuilder::new(&pattern.regex)
            .case_insensitive(options.caseless)
            .dot_matches_new_line(options.dot_all)
            .ignore_whitespace(options.extended)
            .multi_line(options.multi_line)
            .swap_greed(options.ungreedy)
            .unicode(options.utf)
            .size_limit(COMPILED_LIMIT)
            .build();
        match linear {
            Ok(regex) if !has_possessive(&pattern.regex) => return Ok(Self::Linear(regex)),
            Err(refused @ ::regex::Error::CompiledTooBig(_)) => return Err(refused.into()),
            _ => {}
        }
        if options.ungreedy {
            let text =
                "option `ungreedy` does not go with look-around, back-references and atomic groups";
            return Err(text.into());
        }
        let text = if options.utf {
            pattern.regex.clone()
        } else {
            characters(pattern.regex.as_bytes())
        };
        let backtracking = fancy_regex::RegexBuilder::new(&text)
            .case_insensitive(options.caseless)
            .dot_matches_new_line(options.dot_all)
            .verbose_mode(options.extended)
            .multi_line(options.multi_line)
            .delegate_size_limit(COMPILED_LIMIT)
            .backtrack_limit(STEP_LIMIT)
            .build()?;
        Ok(Self::Backtracking {
            regex: Box::new(backtracking),
            utf: options.utf,
        })
    }

    /// Where the first match at or after `from` begins.
    pub(super) fn find(&self, text: &[u8], from: usize) -> Result<Option<usize>, TooCostly> {
        match self {
            Self::Linear(regex) => Ok(regex.find_at(text, from).map(|found| found.start())),
            Self::Backtracking { regex, utf: true } => match std::str::from_utf8(text) {
                Ok(text) if text.is_char_boundary(from) => find_from(regex, text, from),
                _ => Ok(None),
            },
            Self::Backtracking { regex, utf: false } => {
                let before = characters(text.get(..from).unwrap_or_default()).len();
                let text = characters(text);
                let found = find_from(regex, &text, before)?;
                Ok(found.map(|at| text.get(..at).unwrap_or_default().chars().count()))
            }
        }
    }
}

fn find_from(
    regex: &fancy_regex::Regex,
    text: &str,
    from: usize,
) -> Result<Option<usize>, TooCostly> {
    match regex.find_from_pos(text, from) {
        Ok(found) => Ok(found.map(|found| found.start())),
        Err(_) => Err(TooCostly),
    }
}

/// True if a repeat gives nothing back (`a++`), which the linear engine takes for a repeat of a repeat.
fn has_possessive(regex: &str) -> bool {
    let mut octets = regex.bytes();
    let (mut in_class, mut after_repeat) = (false, false);
    while let Some(octet) = octets.next() {
        match octet {
            b'\\' => {
                octets.next();
                after_repeat = false;
            }
            b']' => in_class = false,
            b'[' => in_class = true,
            _ if in_class => {}
            b'+' if after_repeat => return true,
            b'*' | b'+' | b'?' | b'}' => after_repeat = !after_repeat || octet == b'}',
            _ => after_repeat = false,
        }
    }
    false
}

/// Each octet as the character of that number.
fn characters(octets: &[u8]) -> String {
    octets.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(regex: &str, text: &[u8]) -> Option<usize> {
        let engine = Engine::build(&Pattern::new(regex)).unwrap();
        assert!(matches!(engine, Engine::Backtracking { .. }), "{regex}");
        engine.find(text, 0).unwrap()
    }

    #[test]
    fn looks_around_and_refers_back() {
        assert_eq!(at("well(?= done)", b"well, well done"), Some(6));
        assert_eq!(at("well(?! done)", b"well done, well"), Some(11));
        assert_eq!(at("(?<=is )well", b"all is well"), Some(7));
        assert_eq!(at("(?<!is )well", b"all is well"), None);
        assert_eq!(at(r"(\w)\1", b"abba"), Some(1));
        assert_eq!(at("(?>a+)b", b"caab"), Some(1));
        assert_eq!(at("a++b", b"caab"), Some(1));
        assert_eq!(at("a++ab", b"caab"), None);
        assert_eq!(at(".*+x", b"xx"), None);
    }

    #[test]
    fn possessive_repeats_are_known() {
        for regex in ["a++", "(a|b)*+c", "x?+", "x{2}+", "[+]++"] {
            assert!(has_possessive(regex), "{regex}");
        }
        for regex in ["a+", r"a+\+", r"\++", "[*+]+", "a+?", "a*|+", "a+b+"] {
            assert!(!has_possessive(regex), "{regex}");
        }
    }

    #[test]
    fn octets_are_characters_of_their_own() {
        // Offsets are those of the octets, whatever stands before.
        assert_eq!(at(r"\xff(?=k)", b"\x80\x80\xc3\xff\xffk"), Some(4));
        assert_eq!(at("\u{e9}(?=!)", b"caf\xc3\xa9!"), Some(3));
        let engine = Engine::build(&Pattern::new("o(?=k)")).unwrap();
        assert_eq!(engine.find(b"\xffok ok", 2), Ok(Some(4)));
        let mut utf = Pattern::new("\u{e9}(?=!)");
        utf.options.utf = true;
        let engine = Engine::build(&utf).unwrap();
        assert_eq!(engine.find(b"caf\xc3\xa9!", 0), Ok(Some(3)));
        assert_eq!(engine.find(b"caf\xe9!", 0), Ok(None), "not UTF-8");
    }

    #[test]
    fn gives_up_in_the_end() {
        let engine = Engine::build(&Pattern::new(r"(?=(a+)+b)(a+)+b\1")).unwrap();
        assert_eq!(engine.find(&b"a".repeat(5000), 0), Err(TooCostly));
    }
}
