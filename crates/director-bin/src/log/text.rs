//! Log lines for people: time, level, sentence.
//!
//! The sentence of a line with an `event` field says all that its fields say, so they are left to the JSON format. Other
//! lines show their fields.

use std::fmt::{self, Write};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Writes one line per event.
pub(super) struct TextLines;

impl<S, N> FormatEvent<S, N> for TextLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut parts = Parts::default();
        event.record(&mut parts);
        SystemTime.format_time(&mut writer)?;
        let level = *event.metadata().level();
        match colour(level).filter(|_| writer.has_ansi_escapes()) {
            Some(colour) => write!(writer, " {colour}{level:>5}\x1b[0m ")?,
            None => write!(writer, " {level:>5} ")?,
        }
        writer.write_str(&parts.message)?;
        if !parts.named {
            writer.write_str(&parts.fields)?;
        }
        writer.write_char('\n')
    }
}

const fn colour(level: Level) -> Option<&'static str> {
    match level {
        Level::ERROR => Some("\x1b[31m"),
        Level::WARN => Some("\x1b[33m"),
        Level::INFO => Some("\x1b[32m"),
        _ => None,
    }
}

#[derive(Default)]
struct Parts {
    message: String,
    fields: String,
    /// Has an `event` field.
    named: bool,
}

impl Visit for Parts {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(Printable(&mut self.message), "{value:?}"),
            "event" => {
                self.named = true;
                Ok(())
            }
            name => write!(self.fields, " {name}=")
                .and_then(|()| write!(Printable(&mut self.fields), "{value:?}")),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
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
