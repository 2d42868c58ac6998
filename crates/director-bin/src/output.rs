//! Writing to standard output and standard error without a panic when the reader has gone away.

use std::fmt::Display;
use std::io::{self, Write};

/// Writes a result to standard output. A closed pipe is not an error: the reader has seen enough.
pub(crate) fn print(text: impl Display) {
    let mut out = io::stdout().lock();
    drop(write!(out, "{text}").and_then(|()| out.flush()));
}

/// Writes a line to standard output.
pub(crate) fn print_line(text: impl Display) {
    print(format_args!("{text}\n"));
}

/// Writes text for the user to standard error, as it stands.
pub(crate) fn print_error(text: impl Display) {
    let mut out = io::stderr().lock();
    drop(write!(out, "{text}"));
}

/// Reports why the command failed: `director: error: ...` on standard error, with the chain of causes.
pub(crate) fn report(error: &dyn std::error::Error) {
    print_error(format_args!("director: error: {}\n", chain(error)));
}

/// An error and its sources on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some libraries repeat the source in their own text.
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// `1 check`, `2 checks`.
pub(crate) fn count(number: usize, one: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {one}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_no_plural() {
        let texts = [0, 1, 2].map(|number| count(number, "virtual server"));
        assert_eq!(
            texts,
            ["0 virtual servers", "1 virtual server", "2 virtual servers"]
        );
    }
}
