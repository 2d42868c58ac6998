//! Commands: two levels of quoting.

use super::Call;
use super::placeholder::is_placeholder;
use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::model::{Origin, Script, ScriptUser, Setting};
use crate::source::Span;

/// Which escapes a tokenisation resolves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quoting {
    /// First level: quotes only.
    Quotes,
    /// Second level and `regex`: quotes and backslash escapes.
    Escapes,
}

/// Splits like a shell: `'` and `"` quote, adjacent parts join to one word.
/// Gives words with their byte range in `text`; false if a quote is open at the end.
pub(crate) fn tokenise(text: &str, quoting: Quoting) -> (Vec<(String, usize, usize)>, bool) {
    let mut words = Vec::new();
    let mut word: Option<(String, usize)> = None;
    let mut quote: Option<char> = None;
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        if quoting == Quoting::Escapes && character == '\\' && quote != Some('\'') {
            let (text, _) = word.get_or_insert_with(|| (String::new(), at));
            escape(&mut characters, text);
            continue;
        }
        match quote {
            Some(open) if character == open => quote = None,
            Some(_) => {
                word.get_or_insert_with(|| (String::new(), at))
                    .0
                    .push(character);
            }
            None if character == '"' || character == '\'' => {
                quote = Some(character);
                word.get_or_insert_with(|| (String::new(), at));
            }
            None if character.is_ascii_whitespace()
                || crate::syntax::lexer::is_odd_space(character) =>
            {
                if let Some((text, start)) = word.take() {
                    words.push((text, start, at));
                }
            }
            None => word
                .get_or_insert_with(|| (String::new(), at))
                .0
                .push(character),
        }
    }
    if let Some((word, start)) = word {
        words.push((word, start, text.len()));
    }
    (words, quote.is_none())
}

/// Resolves what follows a backslash.
fn escape(characters: &mut std::iter::Peekable<std::str::CharIndices<'_>>, out: &mut String) {
    let Some((_, character)) = characters.next() else {
        out.push('\\');
        return;
    };
    let mut digits = |first: Option<char>, radix: u32, most: usize| {
        let mut value = first.and_then(|c| c.to_digit(radix)).unwrap_or(0);
        let mut count = usize::from(first.is_some());
        while count < most
            && let Some(digit) = characters.peek().and_then(|(_, c)| c.to_digit(radix))
        {
            value = value * radix + digit;
            count += 1;
            characters.next();
        }
        char::from_u32(value).unwrap_or('\u{fffd}')
    };
    match character {
        'a' => out.push('\u{7}'),
        'b' => out.push('\u{8}'),
        'E' => out.push('\u{1b}'),
        'f' => out.push('\u{c}'),
        'n' => out.push('\n'),
        'r' => out.push('\r'),
        't' => out.push('\t'),
        'v' => out.push('\u{b}'),
        'x' => out.push(digits(None, 16, 2)),
        '0'..='7' => out.push(digits(Some(character), 8, 3)),
        'c' => {
            let control = characters.next().map_or('@', |(_, c)| c);
            let code = u32::from(control.to_ascii_uppercase()) & 0x1f;
            out.push(char::from_u32(code).unwrap_or('\u{fffd}'));
        }
        other => out.push(other),
    }
}

impl Call<'_, '_> {
    /// Reads `"COMMAND" [USER [[:]GROUP]]`.
    pub(super) fn script(&mut self, optional: bool) -> Option<Script> {
        let Some(first) = self.word(1) else {
            if !optional {
                self.required();
            }
            return None;
        };
        let whole = self.span();
        let quote = u32::from(first.quoted);
        let start = first.span.start() - quote;
        let raw = self.text(Span::new(start, whole.end())).to_owned();
        let (words, closed) = tokenise(&raw, Quoting::Quotes);
        self.used = usize::MAX;
        // An open `"` was reported when the line was read.
        let said = raw.bytes().filter(|byte| *byte == b'"').count() % 2 == 1;
        if !closed && !said {
            self.error(
                codes::OPEN_QUOTE,
                "a quote in this command is not closed",
                whole,
            );
        }
        if raw.contains(['\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}']) {
            let plain = raw
                .replace(['\u{201c}', '\u{201d}'], "\"")
                .replace(['\u{2018}', '\u{2019}'], "'");
            let diagnostic = Diagnostic::new(
                codes::BAD_VALUE,
                Severity::Error,
                "typographic quotes do not quote; they become part of the command",
                Span::new(start, whole.end()),
            )
            .note("keepalived takes them for a part of the path and finds no such file")
            .fix("write plain quotes", Span::new(start, whole.end()), plain);
            self.report(diagnostic);
            return None;
        }
        let mut words = words.into_iter();
        let (command, from, to) = words.next()?;
        let place = Span::new(start + from as u32, start + to as u32);
        if is_placeholder(&command) && command.split_whitespace().count() == 1 {
            let message = format!("`{command}` looks like a placeholder that was never filled in");
            self.error(codes::PLACEHOLDER, message, place);
            return None;
        }
        let command: Vec<String> = tokenise(&command, Quoting::Escapes)
            .0
            .into_iter()
            .map(|(word, _, _)| word)
            .collect();
        if command.first().is_none_or(String::is_empty) {
            let keyword = self.keyword.name;
            self.error(
                codes::MISSING_ARGUMENT,
                format!("`{keyword}` has an empty command"),
                place,
            );
            return None;
        }
        let mut user = Setting::default_of(None);
        if let Some((name, from, to)) = words.next() {
            let span = Span::new(start + from as u32, start + to as u32);
            let group = words.next().map(|(group, _, _)| group);
            user.set(Some(identity(name, group)), span);
        }
        if let Some((word, from, to)) = words.next() {
            let span = Span::new(start + from as u32, start + to as u32);
            let keyword = self.keyword.name;
            let message = format!("`{keyword}` takes a command, a user and a group, not `{word}`");
            let diagnostic =
                Diagnostic::new(codes::EXTRA_ARGUMENT, Severity::Warning, message, span)
                    .help("put the command and its parameters into one pair of quotes");
            self.report(diagnostic);
        }
        Some(Script {
            command,
            user,
            span: Origin(place),
        })
    }

    /// Reads `USER [[:]GROUP]`.
    pub(crate) fn user(&mut self) -> Option<ScriptUser> {
        let user = self.next_text()?.value;
        let group = self.next_text().map(|group| group.value);
        Some(identity(user, group))
    }
}

fn identity(user: String, group: Option<String>) -> ScriptUser {
    let (group, supplementary_groups) = match group {
        None => (None, false),
        Some(group) => match group.strip_prefix(':') {
            Some("") => (None, true),
            Some(group) => (Some(group.to_owned()), true),
            None => (Some(group), false),
        },
    };
    ScriptUser {
        user,
        group,
        supplementary_groups,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str, quoting: Quoting) -> Vec<String> {
        tokenise(text, quoting)
            .0
            .into_iter()
            .map(|(word, _, _)| word)
            .collect()
    }

    #[test]
    fn joins_adjacent_quotes() {
        assert_eq!(words("a'b c'\"d\" e", Quoting::Quotes), ["ab cd", "e"]);
        assert_eq!(
            words("\"/bin/x 'a b'\" user", Quoting::Quotes),
            ["/bin/x 'a b'", "user"]
        );
    }

    #[test]
    fn resolves_escapes() {
        assert_eq!(words(r"a\x41\101\n\q", Quoting::Escapes), ["aAA\nq"]);
        assert_eq!(words(r"\", Quoting::Escapes), ["\\"]);
        assert_eq!(words(r"\cA", Quoting::Escapes), ["\u{1}"]);
    }
}
