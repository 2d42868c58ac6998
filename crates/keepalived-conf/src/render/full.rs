//! The rendering for people: excerpt, caret, notes, help.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Patch, Renderer, Snippet};

use super::Style;
use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::source::{FileId, SourceMap, Span, floor_boundary};

/// Every diagnostic with excerpt and caret.
#[must_use]
pub fn full(diagnostics: &Diagnostics, sources: &SourceMap, style: Style) -> String {
    let renderer = if style.colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let decor = if style.unicode {
        DecorStyle::Unicode
    } else {
        DecorStyle::Ascii
    };
    let renderer = renderer.decor_style(decor);
    let mut out = String::new();
    for diagnostic in diagnostics {
        out.push_str(&one(diagnostic, sources, &renderer));
        out.push_str("\n\n");
    }
    out
}

/// Part of a file that is shown, so that a huge file is not scanned for every diagnostic.
struct Window<'a> {
    file: FileId,
    path: String,
    text: &'a str,
    offset: usize,
    first_line: usize,
}

fn one(diagnostic: &Diagnostic, sources: &SourceMap, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let code = diagnostic.code.to_string();
    let title = level
        .primary_title(diagnostic.message.as_str())
        .id(code.as_str());
    let mut spans: Vec<(FileId, std::ops::Range<usize>, &str, bool)> = Vec::new();
    for (index, label) in diagnostic.labels.iter().enumerate() {
        let span = sources.in_file(label.span);
        if let Some((file, range)) = local(sources, span) {
            spans.push((file, range, label.message.as_str(), index == 0));
        }
    }
    if let Some(first) = diagnostic.labels.first() {
        for via in sources.vias(first.span) {
            if let Some((file, range)) = local(sources, sources.in_file(via.definition)) {
                spans.push((file, range, "defined here", false));
            }
        }
    }
    let mut windows: Vec<Window<'_>> = Vec::new();
    for (file, _, _, _) in &spans {
        if !windows.iter().any(|w| w.file == *file) {
            let ranges: Vec<_> = spans
                .iter()
                .filter(|s| s.0 == *file)
                .map(|s| &s.1)
                .collect();
            let start = ranges.iter().map(|r| r.start).min().unwrap_or(0);
            let end = ranges.iter().map(|r| r.end).max().unwrap_or(0);
            windows.push(window(sources, *file, start, end));
        }
    }
    let mut group = Group::with_title(title);
    for window in &windows {
        let snippet = Snippet::source(window.text)
            .path(window.path.as_str())
            .line_start(window.first_line)
            .annotations(spans.iter().filter(|s| s.0 == window.file).map(
                |(_, range, message, primary)| {
                    let kind = if *primary {
                        AnnotationKind::Primary
                    } else {
                        AnnotationKind::Context
                    };
                    let range = range.start.saturating_sub(window.offset)
                        ..range
                            .end
                            .saturating_sub(window.offset)
                            .min(window.text.len());
                    let annotation = kind.span(range);
                    if message.is_empty() {
                        annotation
                    } else {
                        annotation.label(*message)
                    }
                },
            ));
        group = group.element(snippet);
    }
    for note in &diagnostic.notes {
        group = group.element(Level::NOTE.message(note.as_str()));
    }
    let mut report = Vec::new();
    let mut patch_window = None;
    if let Some(help) = &diagnostic.help {
        match &help.replacement {
            None => group = group.element(Level::HELP.message(help.message.as_str())),
            Some((span, text)) => {
                if let Some((file, range)) = local(sources, sources.in_file(*span)) {
                    let window = window(sources, file, range.start, range.end);
                    patch_window = Some((window, range, help.message.as_str(), text.as_str()));
                }
            }
        }
    }
    report.push(group);
    if let Some((window, range, message, text)) = &patch_window {
        let range = range.start.saturating_sub(window.offset)
            ..range
                .end
                .saturating_sub(window.offset)
                .min(window.text.len());
        report.push(
            Group::with_title(Level::HELP.secondary_title(*message)).element(
                Snippet::source(window.text)
                    .path(window.path.as_str())
                    .line_start(window.first_line)
                    .patch(Patch::new(range, *text)),
            ),
        );
    }
    renderer.render(&report)
}

fn local(sources: &SourceMap, span: Span) -> Option<(FileId, std::ops::Range<usize>)> {
    let file = sources.file_of(span)?;
    sources.path_of(file)?;
    let base = sources.base_of(file);
    let text = sources.text_of(file);
    let start = (span.start().saturating_sub(base) as usize).min(text.len());
    let end = (span.end().saturating_sub(base) as usize).clamp(start, text.len());
    // A caret never splits a character.
    let mut end = end;
    while !text.is_char_boundary(end) {
        end += 1;
    }
    Some((file, floor_boundary(text, start)..end))
}

/// The lines around `start..end`, with two lines of context.
fn window(sources: &SourceMap, file: FileId, start: usize, end: usize) -> Window<'_> {
    let text = sources.text_of(file);
    let bytes = text.as_bytes();
    let mut begin = start;
    let mut breaks = 0;
    while begin > 0 {
        if bytes.get(begin - 1) == Some(&b'\n') {
            breaks += 1;
            if breaks > 2 {
                break;
            }
        }
        begin -= 1;
    }
    let mut finish = end;
    breaks = 0;
    while finish < bytes.len() {
        if bytes.get(finish) == Some(&b'\n') {
            breaks += 1;
            if breaks > 2 {
                break;
            }
        }
        finish += 1;
    }
    let first_line = sources.line_at(file, begin);
    let path = sources
        .path_of(file)
        .map_or_else(String::new, |p| p.display().to_string());
    Window {
        file,
        path,
        text: text.get(begin..finish).unwrap_or(""),
        offset: begin,
        first_line,
    }
}
