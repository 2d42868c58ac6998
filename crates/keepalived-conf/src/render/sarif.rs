//! SARIF 2.1.0, which CI systems understand.

use std::fmt::Write as _;

use super::quoted;
use crate::codes;
use crate::diagnostic::{Code, Diagnostics, Severity};
use crate::source::SourceMap;

/// All diagnostics as one SARIF log with one run.
#[must_use]
pub fn sarif(diagnostics: &Diagnostics, sources: &SourceMap) -> String {
    sarif_with(diagnostics, sources, |_| None)
}

/// The same with titles for codes that are the caller's own.
#[must_use]
pub fn sarif_with(
    diagnostics: &Diagnostics,
    sources: &SourceMap,
    own_title: impl Fn(Code) -> Option<&'static str>,
) -> String {
    let mut used: Vec<Code> = diagnostics.iter().map(|d| d.code).collect();
    used.sort_unstable();
    used.dedup();
    let rules: Vec<String> = used
        .iter()
        .map(|code| {
            let title = codes::title(*code).or_else(|| own_title(*code));
            let title = title.unwrap_or("a finding without a title");
            format!(
                "{{\"id\":\"{code}\",\"shortDescription\":{{\"text\":{}}}}}",
                quoted(title)
            )
        })
        .collect();
    let mut out = String::from(
        "{\"$schema\":\"https://json.schemastore.org/sarif-2.1.0.json\",\"version\":\"2.1.0\",\
         \"runs\":[{\"tool\":{\"driver\":{\"name\":\"director\",\"version\":",
    );
    let _ = write!(out, "{},\"rules\":[", quoted(env!("CARGO_PKG_VERSION")));
    out.push_str(&rules.join(","));
    out.push_str("]}},\"results\":[");
    for (index, diagnostic) in diagnostics.iter().enumerate() {
        let level = match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        let mut text = diagnostic.message.clone();
        for note in &diagnostic.notes {
            let _ = write!(text, "\n{note}");
        }
        if let Some(help) = &diagnostic.help {
            let _ = write!(text, "\n{}", help.message);
        }
        let separator = if index == 0 { "\n" } else { ",\n" };
        let _ = write!(
            out,
            "{separator}{{\"ruleId\":\"{}\",\"level\":\"{level}\",\"message\":{{\"text\":{}}}",
            diagnostic.code,
            quoted(&text)
        );
        if let Some(place) = diagnostic.span().and_then(|span| sources.locate(span)) {
            let _ = write!(
                out,
                ",\"locations\":[{{\"physicalLocation\":{{\"artifactLocation\":{{\"uri\":{}}},\
                 \"region\":{{\"startLine\":{},\"startColumn\":{},\"endLine\":{},\"endColumn\":{}\
                 }}}}}}]",
                quoted(&place.path.to_string_lossy()),
                place.line,
                place.column,
                place.end_line,
                place.end_column
            );
        }
        out.push('}');
    }
    out.push_str("\n]}]}\n");
    out
}
