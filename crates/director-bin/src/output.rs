//! Writing to standard output and standard error without a panic when the reader has gone away.

use keepalived_conf::render::Style;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

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

/// Whether that stream wants colours: a terminal does, unless `NO_COLOR` is set (<https://no-color.org>).
pub(crate) fn colours(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && set("NO_COLOR").is_none()
}

fn set(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// How diagnostics look on that stream: colours on a terminal unless `NO_COLOR` is set, box drawing there if the locale's
/// characters are UTF-8.
pub(crate) fn style(stream: &impl IsTerminal) -> Style {
    let colour = colours(stream);
    let locale = set("LC_ALL")
        .or_else(|| set("LC_CTYPE"))
        .or_else(|| set("LANG"));
    Style::new(colour, stream.is_terminal() && has_utf8(locale.as_deref()))
}

/// Whether a locale such as `de_DE.UTF-8` writes UTF-8.
fn has_utf8(locale: Option<&str>) -> bool {
    let name = locale.unwrap_or_default().to_ascii_lowercase();
    name.contains("utf-8") || name.contains("utf8")
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
    fn locales_tell_their_characters() {
        let named = ["C.UTF-8", "de_DE.utf8", "C", "de_DE", ""].map(|name| has_utf8(Some(name)));
        assert_eq!(named, [true, true, false, false, false]);
        assert!(!has_utf8(None));
    }

    #[test]
    fn one_has_no_plural() {
        let texts = [0, 1, 2].map(|number| count(number, "virtual server"));
        assert_eq!(
            texts,
            ["0 virtual servers", "1 virtual server", "2 virtual servers"]
        );
    }
}
