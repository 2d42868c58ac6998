//! Diagnostics as text: concise and JSON always, full with the feature `render`.

use std::fmt::Write as _;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::source::{SourceMap, Span};

/// How the full rendering looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Style {
    /// Escape sequences for colours.
    pub colour: bool,
    /// Box-drawing characters rather than ASCII.
    pub unicode: bool,
}

impl Style {
    /// ASCII without colours.
    #[must_use]
    pub const fn plain() -> Self {
        Self {
            colour: false,
            unicode: false,
        }
    }

    /// With the choices given.
    #[must_use]
    pub const fn new(colour: bool, unicode: bool) -> Self {
        Self { colour, unicode }
    }
}

/// One line each: `file:line:col: severity[CODE]: message; help`.
#[must_use]
pub fn concise(diagnostics: &Diagnostics, sources: &SourceMap) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        out.push_str(&concise_line(diagnostic, sources));
        out.push('\n');
    }
    out
}

/// One diagnostic in the form of [`concise`], without line end.
#[must_use]
pub fn concise_line(diagnostic: &Diagnostic, sources: &SourceMap) -> String {
    let mut out = String::new();
    if let Some(location) = diagnostic.span().and_then(|span| sources.locate(span)) {
        let path = location.path.display();
        let _ = write!(out, "{path}:{}:{}: ", location.line, location.column);
    }
    let _ = write!(
        out,
        "{}[{}]: {}",
        diagnostic.severity, diagnostic.code, diagnostic.message
    );
    if let Some(help) = &diagnostic.help {
        let _ = write!(out, "; {}", help.message);
        // "write" alone says nothing without the text to write.
        if let Some((_, text)) = &help.replacement
            && !text.trim().is_empty()
            && !help.message.contains(text.as_str())
        {
            let _ = write!(out, " `{}`", text.trim());
        }
    }
    out
}

/// A JSON array with one object per diagnostic: `code`, `severity`, `message`, `labels` (each with
/// `path`, `line`, `column`, `end_line`, `end_column`, `message`, `text`), `notes`, `help`
/// (`message` and, if there is one, `replacement` with its place and `text`).
#[must_use]
pub fn json(diagnostics: &Diagnostics, sources: &SourceMap) -> String {
    let mut out = String::from("[");
    for (index, diagnostic) in diagnostics.iter().enumerate() {
        out.push_str(if index == 0 { "\n  " } else { ",\n  " });
        json_one(&mut out, diagnostic, sources);
    }
    out.push_str(if diagnostics.is_empty() {
        "]\n"
    } else {
        "\n]\n"
    });
    out
}

fn json_one(out: &mut String, diagnostic: &Diagnostic, sources: &SourceMap) {
    let _ = write!(
        out,
        "{{\"code\":\"{}\",\"severity\":\"{}\",\"message\":{},\"labels\":[",
        diagnostic.code,
        diagnostic.severity,
        quoted(&diagnostic.message)
    );
    for (index, label) in diagnostic.labels.iter().enumerate() {
        out.push_str(if index == 0 { "{" } else { ",{" });
        json_place(out, label.span, sources);
        let text = crate::shorten::excerpt(sources.text(sources.in_file(label.span)));
        let _ = write!(
            out,
            "\"message\":{},\"text\":{}}}",
            quoted(&label.message),
            quoted(&text)
        );
    }
    out.push_str("],\"notes\":[");
    for (index, note) in diagnostic.notes.iter().enumerate() {
        out.push_str(if index == 0 { "" } else { "," });
        out.push_str(&quoted(note));
    }
    out.push_str("],\"help\":");
    match &diagnostic.help {
        None => out.push_str("null"),
        Some(help) => {
            let _ = write!(out, "{{\"message\":{}", quoted(&help.message));
            if let Some((span, text)) = &help.replacement {
                out.push_str(",\"replacement\":{");
                json_place(out, *span, sources);
                let _ = write!(out, "\"text\":{}}}", quoted(text));
            }
            out.push('}');
        }
    }
    out.push('}');
}

fn json_place(out: &mut String, span: Span, sources: &SourceMap) {
    if let Some(place) = sources.locate(span) {
        let _ = write!(
            out,
            "\"path\":{},\"line\":{},\"column\":{},\"end_line\":{},\"end_column\":{},",
            quoted(&place.path.to_string_lossy()),
            place.line,
            place.column,
            place.end_line,
            place.end_column
        );
    }
}

/// A JSON string.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

mod sarif;
pub use sarif::{sarif, sarif_with};

#[cfg(feature = "render")]
mod full;
#[cfg(feature = "render")]
pub use full::full;
