//! Log lines for people: time, level, sentence.
//!
//! The sentence of a line with an `event` field says all that its fields say, so they are left to the other formats. Other
//! lines show their fields.

use super::record::Record;
use std::fmt::{self, Write};
use std::time::SystemTime;
use tracing::Level;

/// The line without its end, coloured for a terminal.
pub(super) fn line(record: &Record, colour: bool) -> String {
    let mut out = time(record);
    let level = record.level;
    // Writing to a string does not fail.
    let _ = match self::colour(level).filter(|_| colour) {
        Some(colour) => write!(out, " {colour}{level:>5}\x1b[0m "),
        None => write!(out, " {level:>5} "),
    };
    out.push_str(&sentence(record));
    out
}

/// What it says, on one line.
pub(super) fn sentence(record: &Record) -> String {
    let mut out = String::with_capacity(record.message.len());
    let mut printable = Printable(&mut out);
    let _ = printable.write_str(&record.message);
    if record.event.is_none() {
        for (name, value) in &record.fields {
            let _ = match value.as_str() {
                Some(text) => write!(printable, " {name}={text}"),
                None => write!(printable, " {name}={value}"),
            };
        }
    }
    out
}

/// RFC 3339, UTC.
pub(super) fn time(record: &Record) -> String {
    let mut out = String::with_capacity(160);
    let elapsed = record
        .time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    // Writing to a string does not fail.
    let _ = super::time::rfc3339(elapsed, &mut out);
    out
}

const fn colour(level: Level) -> Option<&'static str> {
    match level {
        Level::ERROR => Some("\x1b[31m"),
        Level::WARN => Some("\x1b[33m"),
        Level::INFO => Some("\x1b[32m"),
        _ => None,
    }
}

/// Replaces control characters, which could otherwise forge lines: some text comes from the network.
struct Printable<'a>(&'a mut String);

impl Write for Printable<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if character.is_control() {
                self.0.extend(character.escape_default());
            } else {
                self.0.push(character);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_cannot_forge_a_line() {
        let mut text = String::new();
        write!(Printable(&mut text), "up\n2026 ERROR \x1b[31mforged\u{85}é").unwrap();
        assert_eq!(text, "up\\n2026 ERROR \\u{1b}[31mforged\\u{85}é");
    }
}
