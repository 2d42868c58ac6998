//! Text from the file in messages: one line, no control characters, no word without end.

use std::borrow::Cow;

use crate::diagnostic::Diagnostic;

/// Longest word that is shown whole, in bytes.
const LONGEST: usize = 160;
/// How much of a longer one is shown from its begin and its end.
const HEAD: usize = 80;
const TAIL: usize = 24;
/// Longest correction that is offered.
const LONGEST_FIX: usize = 1024;

/// Brings all texts of a diagnostic into that form.
pub(crate) fn diagnostic(diagnostic: &mut Diagnostic) {
    in_place(&mut diagnostic.message);
    for label in &mut diagnostic.labels {
        in_place(&mut label.message);
    }
    for note in &mut diagnostic.notes {
        in_place(note);
    }
    if let Some(help) = &mut diagnostic.help {
        in_place(&mut help.message);
        let fits = |(_, text): &(_, String)| {
            text.len() <= LONGEST_FIX && !text.contains(|c: char| c.is_control() && c != '\n')
        };
        help.replacement = help.replacement.take().filter(fits);
    }
}

fn in_place(text: &mut String) {
    if text.len() > LONGEST || text.bytes().any(|byte| byte.is_ascii_control()) {
        *text = shortened(text);
    }
}

/// Text of the file as a program is to see it: as it is, unless it has no end.
pub(crate) fn excerpt(text: &str) -> Cow<'_, str> {
    if text.len() > LONGEST_FIX {
        Cow::Owned(shortened(text))
    } else {
        Cow::Borrowed(text)
    }
}

/// The text in that form.
pub(crate) fn shortened(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(1024));
    for word in text.split_ascii_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        if word.len() <= LONGEST {
            escaped(word, &mut out);
            continue;
        }
        let head = crate::source::floor_boundary(word, HEAD);
        let tail = crate::source::floor_boundary(word, word.len() - TAIL);
        escaped(word.get(..head).unwrap_or(""), &mut out);
        out.push_str("...");
        escaped(word.get(tail..).unwrap_or(""), &mut out);
    }
    out
}

/// Control characters would act on the terminal.
fn escaped(word: &str, out: &mut String) {
    for character in word.chars() {
        if character.is_control() {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_words_are_cut_in_the_middle() {
        let long = format!("`{}` is unknown", "x".repeat(200_000));
        let short = shortened(&long);
        assert!(short.len() < 140, "{short}");
        assert!(short.starts_with("`xxx") && short.ends_with("xxx` is unknown"));
        let wide = "\u{3042}".repeat(200_000);
        assert!(shortened(&wide).contains("..."));
    }

    #[test]
    fn control_characters_and_line_ends_are_not_printed() {
        assert_eq!(
            shortened("a\u{1b}[31mb\n   c\u{9b}"),
            "a\\u{1b}[31mb c\\u{9b}"
        );
    }
}
