//! Values that somebody was meant to fill in.

use super::Call;
use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::syntax::statement::Word;

/// True for text that somebody was meant to fill in.
pub(crate) fn is_placeholder(text: &str) -> bool {
    let bracketed = |open: &str, close: &str| {
        text.find(open)
            .is_some_and(|at| text.get(at..).is_some_and(|rest| rest.contains(close)))
    };
    let bare = text.trim_matches(['<', '>', '[', ']']);
    let opened = text
        .strip_prefix('<')
        .is_some_and(|t| t.starts_with(char::is_alphabetic));
    bracketed("<", ">")
        || opened
        || text.contains("${")
        || text.contains("{{")
        || bracketed("%(", ")")
        || text.starts_with("__") && text.ends_with("__") && text.len() > 4
        || bare.len() >= 3
            && bare
                .bytes()
                .all(|b| matches!(b, b'x' | b'X' | b'.' | b'*' | b'/' | b'0'..=b'9'))
            && bare.bytes().any(|b| matches!(b, b'x' | b'X' | b'*'))
            && bare.contains('.')
}

impl Call<'_, '_> {
    /// Reports a name in capitals (`VIP`, `KEEPALIVE_ID`) where a value is wanted.
    pub(crate) fn fill_in_name(&mut self, word: Word) -> bool {
        let text = self.text(word.span);
        let capitals = text.bytes().filter(u8::is_ascii_uppercase).count() >= 2
            && text.starts_with(|c: char| c.is_ascii_uppercase())
            && text
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        if !capitals || word.quoted {
            return false;
        }
        let message = format!("`{text}` looks like a placeholder that was never filled in");
        let diagnostic = Diagnostic::new(codes::PLACEHOLDER, Severity::Error, message, word.span)
            .help(format!("put the value for `{}` here", self.keyword.name));
        self.report(diagnostic);
        true
    }

    /// Reports an unfilled placeholder; false if the word is none.
    pub(crate) fn fill_in(&mut self, word: Word) -> bool {
        self.placeholder(word, Severity::Error)
    }

    pub(super) fn placeholder(&mut self, word: Word, severity: Severity) -> bool {
        let text = self.text(word.span);
        if word.quoted || !is_placeholder(text) {
            return false;
        }
        // An undefined `${NAME}` was reported when the line was read.
        if text.contains("${") && !text.contains("${ ") {
            return true;
        }
        let message = format!("`{text}` looks like a placeholder that was never filled in");
        let diagnostic = Diagnostic::new(codes::PLACEHOLDER, severity, message, word.span)
            .help(format!("put the value for `{}` here", self.keyword.name));
        self.report(diagnostic);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders() {
        for text in [
            "<interface>",
            "x.x.x.x",
            "192.168.x.x",
            "${VIP}",
            "{{vip}}",
            "__VIP__",
        ] {
            assert!(is_placeholder(text), "{text}");
        }
        for text in ["eth0", "10.0.0.1", "xxx", "1.2.3.4/24", "*"] {
            assert!(!is_placeholder(text), "{text}");
        }
    }
}
