//! Regular expressions on what servers say (`regex` and its relatives).

mod engine;

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use engine::Engine;
pub(crate) use engine::TooCostly;

/// Options of an expression (`regex_options`), by keepalived's words.
///
/// `no_auto_possess`, `no_dotstar_anchor`, `no_start_optimize`, `auto_callout` and
/// `use_offset_limit` only guide the engine of PCRE2, so they are known and change nothing here.
/// `never_utf`, `never_ucp` and `never_backslash_c` forbid what this engine does not do unasked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PatternOptions {
    /// Letters match in either case.
    pub caseless: bool,
    /// `$` matches only at the very end, not also before a last line feed.
    pub dollar_end_only: bool,
    /// `.` matches a line feed too.
    pub dot_all: bool,
    /// Blanks in the expression are ignored and `#` begins a comment.
    pub extended: bool,
    /// A match must start in the first line.
    pub first_line: bool,
    /// `^` and `$` match at every line.
    pub multi_line: bool,
    /// Repeats take as little as they can, and `?` after them makes them greedy.
    pub ungreedy: bool,
    /// Expression and body are UTF-8, and classes know all of Unicode (`utf`, `ucp`).
    pub utf: bool,
}

/// A word of `regex_options` is unknown, or needs an engine that we do not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnknownPatternOption {
    /// No engine knows it.
    #[error("unknown regex option `{0}`")]
    Unknown(String),
    /// PCRE2 knows it, this engine cannot do it.
    #[error("regex option `{0}` is not supported, write the expression without it")]
    NotSupported(String),
}

impl PatternOptions {
    /// Sets the option of that name.
    ///
    /// # Errors
    /// If the word is unknown or cannot be honoured.
    pub fn set(&mut self, word: &str) -> Result<(), UnknownPatternOption> {
        match word {
            "caseless" => self.caseless = true,
            "dollar_endonly" => self.dollar_end_only = true,
            "dotall" => self.dot_all = true,
            "extended" => self.extended = true,
            "firstline" => self.first_line = true,
            "multiline" => self.multi_line = true,
            "ungreedy" => self.ungreedy = true,
            "utf" | "ucp" => self.utf = true,
            "auto_callout" | "no_auto_capture" | "no_auto_possess" | "no_dotstar_anchor"
            | "no_start_optimize" | "use_offset_limit" | "never_utf" | "never_ucp"
            | "never_backslash_c" | "dupnames" | "alt_circumflex" | "alt_verbnames" => {}
            "allow_empty_class" | "alt_bsux" | "match_unset_backref" => {
                return Err(UnknownPatternOption::NotSupported(word.to_owned()));
            }
            _ => return Err(UnknownPatternOption::Unknown(word.to_owned())),
        }
        Ok(())
    }
}

impl FromStr for PatternOptions {
    type Err = UnknownPatternOption;

    /// Reads words with blanks between.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut options = Self::default();
        text.split_ascii_whitespace()
            .try_for_each(|word| options.set(word))?;
        Ok(options)
    }
}

/// An expression and how to use it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// The expression (`regex`), in the syntax of Perl. It takes linear time, unless it has
    /// look-around, back-references, or atomic or possessive groups: then the search gives up after
    /// a million steps, and the attempt fails. What only PCRE2 has, such as recursion, is refused.
    pub regex: String,
    /// A match is a failure (`regex_no_match`).
    pub must_not_match: bool,
    /// Options (`regex_options`).
    pub options: PatternOptions,
    /// First octet where a match may start (`regex_min_offset`). As in keepalived it is counted
    /// from the start of the whole answer, with its header.
    pub min_offset: usize,
    /// Last octet where a match may start (`regex_max_offset`), counted in the same way.
    pub max_offset: Option<usize>,
}

/// The expression cannot be compiled.
#[derive(Debug, thiserror::Error)]
#[error("cannot use regex \"{regex}\"; recursion and what else only PCRE2 has is not supported")]
pub struct InvalidPattern {
    /// The expression.
    pub regex: String,
    /// What is wrong.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl Pattern {
    /// An expression that the answer must match.
    #[must_use]
    pub fn new(regex: impl Into<String>) -> Self {
        Self {
            regex: regex.into(),
            must_not_match: false,
            options: PatternOptions::default(),
            min_offset: 0,
            max_offset: None,
        }
    }

    pub(crate) fn compile(&self) -> Result<Compiled, InvalidPattern> {
        let mut known = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(self).and_then(Weak::upgrade) {
            return Ok(Compiled(found));
        }
        known.retain(|_, compiled| compiled.strong_count() > 0);
        let engine = Engine::build(self).map_err(|source| InvalidPattern {
            regex: self.regex.clone(),
            source,
        })?;
        let compiled = Arc::new((engine, self.clone()));
        known.insert(self.clone(), Arc::downgrade(&compiled));
        Ok(Compiled(compiled))
    }
}

/// Expressions in use: thousands of checks may want the same text, and one that is compiled takes
/// thousands of octets.
static COMPILED: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

type Known = HashMap<Pattern, Weak<(Engine, Pattern)>>;

/// A compiled expression.
#[derive(Clone, Debug)]
pub(crate) struct Compiled(Arc<(Engine, Pattern)>);

impl Compiled {
    pub(crate) fn pattern(&self) -> &Pattern {
        &self.0.1
    }

    /// True if the answer is as wanted. As in keepalived 2.2.7 the header is searched too. Beyond
    /// that, `^` matches at the start of the body and `$` at its end.
    pub(crate) fn accepts(&self, header: &[u8], body: &[u8]) -> Result<bool, TooCostly> {
        let of_body = header.is_empty() || !self.pattern().options.first_line;
        let found = of_body && self.finds(body, header.len())?
            || !header.is_empty() && self.finds(&[header, body].concat(), 0)?;
        Ok(found != self.pattern().must_not_match)
    }

    fn finds(&self, text: &[u8], before: usize) -> Result<bool, TooCostly> {
        if self.finds_in(text, before)? {
            return Ok(true);
        }
        // In Perl's language `$` also matches before a line feed that ends the text.
        match text.strip_suffix(b"\n") {
            Some(text) if !self.pattern().options.dollar_end_only => self.finds_in(text, before),
            _ => Ok(false),
        }
    }

    fn finds_in(&self, body: &[u8], before: usize) -> Result<bool, TooCostly> {
        let earliest = self.pattern().min_offset.saturating_sub(before);
        if earliest > body.len() {
            return Ok(false);
        }
        let Some(found) = self.0.0.find(body, earliest)? else {
            return Ok(false);
        };
        let in_first_line = || {
            let end = body.iter().position(|octet| *octet == b'\n');
            found <= end.unwrap_or(body.len())
        };
        let latest = self.pattern().max_offset;
        Ok(
            latest.is_none_or(|latest| found.saturating_add(before) <= latest)
                && (!self.pattern().options.first_line || in_first_line()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(pattern: &Pattern, body: &[u8]) -> bool {
        pattern.compile().unwrap().accepts(b"", body).unwrap()
    }

    #[test]
    fn finds_text_in_octets_that_are_not_utf_8() {
        assert!(finds(
            &Pattern::new("all (good|well)"),
            b"\xff\xfe all well \x80"
        ));
        assert!(!finds(&Pattern::new("^good"), b"all good"));
    }

    #[test]
    fn dollar_matches_before_a_last_line_feed_as_in_perl() {
        let mut pattern = Pattern::new("</html>$");
        assert!(finds(&pattern, b"<html></html>\n"));
        assert!(!finds(&pattern, b"<html></html>\n\n"));
        pattern.options.dollar_end_only = true;
        assert!(!finds(&pattern, b"<html></html>\n"));
    }

    #[test]
    fn offsets_bound_the_start_of_a_match() {
        let mut pattern = Pattern::new("ok");
        pattern.min_offset = 1;
        assert!(!finds(&pattern, b"ok"));
        pattern.max_offset = Some(3);
        assert!(finds(&pattern, b"...ok"));
        assert!(!finds(&pattern, b"....ok"));
        pattern.min_offset = 100;
        assert!(!finds(&pattern, b"ok"));
    }

    /// What keepalived 2.2.7 says of the body `</html>` after a header of 38 octets.
    #[test]
    fn offsets_count_from_the_start_of_the_header() {
        let accepts = |min_offset, max_offset| {
            let pattern = Pattern {
                min_offset,
                max_offset,
                ..Pattern::new("tml")
            };
            let header = b"HTTP/1.0 200 OK\r\nContent-Length: 8\r\n\r\n".as_slice();
            assert_eq!(header.len(), 38);
            pattern
                .compile()
                .unwrap()
                .accepts(header, b"</html>\n")
                .unwrap()
        };
        assert!(accepts(4, None));
        assert!(accepts(40, None));
        assert!(!accepts(42, None));
        assert!(!accepts(0, Some(40)));
        assert!(!accepts(0, Some(3)));
        assert!(accepts(0, Some(42)));
    }

    /// What keepalived 2.2.7 finds in the header counts, for better or worse.
    #[test]
    fn the_header_is_searched_too() {
        let header = b"HTTP/1.0 200 OK\r\nServer: nginx\r\n\r\n".as_slice();
        let accepts = |regex: &str| {
            Pattern::new(regex)
                .compile()
                .unwrap()
                .accepts(header, b"all is well\n")
                .unwrap()
        };
        assert!(accepts("nginx") && accepts("OK") && accepts("^HTTP/1.. 200"));
        assert!(accepts("^all is well$"));
        assert!(!accepts("apache"));
        let mut pattern = Pattern::new("OK");
        pattern.must_not_match = true;
        let compiled = pattern.compile().unwrap();
        assert_eq!(compiled.accepts(header, b"all is well\n"), Ok(false));
    }

    #[test]
    fn options_are_honoured_and_unknown_ones_refused() {
        let mut pattern = Pattern::new("A.b # comment");
        pattern.options = "caseless dotall extended".parse().unwrap();
        assert!(finds(&pattern, b"a\nB"));
        let mut pattern = Pattern::new(r"^\p{Lu}\w+$");
        pattern.options = "utf ucp".parse().unwrap();
        assert!(finds(&pattern, "Él".as_bytes()) && !finds(&pattern, "él".as_bytes()));
        pattern.options = "utf caseless".parse().unwrap();
        assert!(finds(&pattern, "él".as_bytes()));
        let mut pattern = Pattern::new("two");
        pattern.options.set("firstline").unwrap();
        assert!(!finds(&pattern, b"one\ntwo"));
        assert!("caseles".parse::<PatternOptions>().is_err());
        pattern.must_not_match = true;
        assert!(finds(&pattern, b"one\ntwo"));
    }

    #[test]
    fn refuses_what_no_engine_can_do() {
        let compiles = |regex: &&str| Pattern::new(*regex).compile().is_ok();
        let bad: [&str; 5] = ["(", "a(?R)?b", "a(?&b)", "(?C1)x", "(*VERB)x"];
        assert_eq!(
            bad.iter().copied().filter(compiles).collect::<Vec<_>>(),
            [""; 0]
        );
    }
}
