//! `$NAME=value`, `$NAME`, `${NAME}` and the predefined names.

use super::{Frame, MAX_EXPANDED_LINE, MAX_EXPANSION_DEPTH, Reader};
use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::source::{Segment, Span};
use crate::syntax::lexer::{Scan, is_blank};

/// What a name stands for.
#[derive(Debug, Clone)]
pub(super) struct Definition {
    /// The name where it was defined.
    pub(super) name: Option<Span>,
    /// Lines of the value.
    pub(super) lines: Vec<String>,
}

/// Lines of one definition at most.
const MAX_DEFINITION_LINES: usize = 100_000;

pub(super) fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A reference to a definition inside a text.
struct Reference<'t> {
    start: usize,
    end: usize,
    /// What stands between the braces, or the bare name.
    inner: &'t str,
    braced: bool,
}

impl Reader<'_> {
    /// Takes `$NAME=value`; false if the line is none.
    pub(super) fn define(&mut self, line: Span, start: u32, scan: Scan) -> bool {
        let text = self
            .sources
            .text(line)
            .get(..scan.end as usize)
            .unwrap_or("");
        let rest = text.get(start as usize + 1..).unwrap_or("");
        let Some((name, value)) = rest.split_once('=') else {
            return false;
        };
        if !is_name(name) {
            return false;
        }
        let name = name.to_owned();
        let name_start = line.start() + start;
        let name_span = Span::new(name_start, name_start + 1 + name.len() as u32);
        let mut value = value.trim_start_matches([' ', '\t']).to_owned();
        let mut lines = Vec::new();
        loop {
            let more = value.ends_with('\\');
            if more {
                value.pop();
                value.truncate(value.trim_end_matches([' ', '\t']).len());
            }
            if !value.is_empty() {
                lines.push(value);
            }
            if !more || lines.len() >= MAX_DEFINITION_LINES {
                break;
            }
            let Some(next) = self.raw_line() else { break };
            let mut scratch = std::mem::take(&mut self.tokens);
            scratch.clear();
            let text = self.sources.text(next);
            let scan = crate::syntax::lexer::scan(text, &mut scratch);
            self.tokens = scratch;
            let text = text.get(..scan.end as usize).unwrap_or("");
            value = text.trim_matches([' ', '\t', '\r']).to_owned();
        }
        self.definitions.insert(
            name,
            Definition {
                name: Some(name_span),
                lines,
            },
        );
        true
    }

    /// The next line of the innermost frame, unprocessed.
    fn raw_line(&mut self) -> Option<Span> {
        match self.frames.last_mut()? {
            Frame::File { id, at, .. } => {
                let rest = self
                    .sources
                    .text_of(*id)
                    .get(*at..)
                    .filter(|rest| !rest.is_empty())?;
                let length = rest.find('\n').unwrap_or(rest.len());
                let start = self.sources.base_of(*id) + *at as u32;
                *at += length + 1;
                Some(Span::new(start, start + length as u32))
            }
            Frame::Lines { lines, .. } => lines.pop(),
            Frame::Sequence(_) => None,
        }
    }

    /// Skips the lines that continue a definition whose condition does not hold.
    pub(super) fn skip_continuation(&mut self) {
        while let Some(line) = self.raw_line() {
            if !self.sources.text(line).trim_end().ends_with('\\') {
                break;
            }
        }
    }

    /// Replaces definitions in a line. True if the line was used up: its replacement waits in a
    /// frame of its own.
    pub(super) fn substitute(&mut self, line: Span, scan: Scan, depth: u32) -> bool {
        // After the bound was reported, nothing is replaced any more.
        if self.limit_reported {
            return true;
        }
        let text = self
            .sources
            .text(line)
            .get(..scan.end as usize)
            .unwrap_or("")
            .to_owned();
        let mut out = String::with_capacity(text.len() + 32);
        let mut segments = Vec::new();
        let mut copied = 0;
        let mut from = 0;
        let mut more_lines: Vec<(String, Span, Span)> = Vec::new();
        let mut replaced = false;
        let span = |start: usize, end: usize| {
            Span::new(line.start() + start as u32, line.start() + end as u32)
        };
        let copy = |out: &mut String, segments: &mut Vec<Segment>, start: usize, end: usize| {
            if start < end {
                let place = span(start, end);
                segments.push(Segment {
                    offset: out.len() as u32,
                    origin: Some(place),
                    written: place,
                });
                out.push_str(text.get(start..end).unwrap_or(""));
            }
        };
        while let Some(reference) = next_reference(&text, from) {
            from = reference.end;
            let place = span(reference.start, reference.end);
            let Some(definition) = self.value_of(&reference, place) else {
                self.undefined(&reference, place, &text);
                continue;
            };
            copy(&mut out, &mut segments, copied, reference.start);
            copied = reference.end;
            replaced = true;
            let mut lines = definition.lines.iter();
            if let Some(first) = lines.next() {
                segments.push(Segment {
                    offset: out.len() as u32,
                    origin: definition.name,
                    written: place,
                });
                out.push_str(first);
            }
            for line in lines {
                let origin = definition.name.unwrap_or(place);
                more_lines.push((line.clone(), origin, place));
            }
            if out.len() > MAX_EXPANDED_LINE {
                break;
            }
        }
        if !replaced {
            return false;
        }
        copy(&mut out, &mut segments, copied, text.len());
        if depth >= MAX_EXPANSION_DEPTH || out.len() > MAX_EXPANDED_LINE {
            let diagnostic = self
                .error(
                    codes::EXPANSION_LIMIT,
                    "the definitions in this line refer to each other without end",
                    span(0, text.len()),
                )
                .note(format!(
                    "at most {MAX_EXPANSION_DEPTH} levels and {MAX_EXPANDED_LINE} bytes are replaced"
                ));
            self.report(diagnostic);
            return true;
        }
        let mut lines = Vec::with_capacity(1 + more_lines.len());
        lines.extend(self.add_expansion(out, line, segments));
        for (text, definition, written) in more_lines {
            let whole = Segment {
                offset: 0,
                origin: Some(definition),
                written,
            };
            match self.add_expansion(text, line, vec![whole]) {
                Some(span) => lines.push(span),
                None => break,
            }
        }
        lines.reverse();
        self.frames.push(Frame::Lines {
            lines,
            depth: depth + 1,
        });
        true
    }

    fn value_of(&mut self, reference: &Reference<'_>, place: Span) -> Option<Definition> {
        if let Some(found) = self.definitions.get(reference.inner) {
            return Some(found.clone());
        }
        if !reference.braced {
            return None;
        }
        let made = |text: String| {
            Some(Definition {
                name: None,
                lines: vec![text],
            })
        };
        let mut words = reference.inner.split_ascii_whitespace();
        match (words.next()?, words.next(), words.next()) {
            ("_PWD", None, _) => made(self.directory().display().to_string()),
            ("_INSTANCE", None, _) => made(self.options.config_id.clone().unwrap_or_default()),
            ("_HASH", None, _) => made(String::from("\\#")),
            ("_BANG", None, _) => made(String::from("\\!")),
            ("_ENV", Some(name), None) => made(self.loader.environment(name).unwrap_or_default()),
            ("_RANDOM", low, high) => {
                let low: u32 = low.map_or(Some(0), |l| l.parse().ok())?;
                let high: u32 = high.map_or(Some(32767), |h| h.parse().ok())?;
                if low > high {
                    let diagnostic = Diagnostic::new(
                        codes::BAD_SEQUENCE,
                        Severity::Warning,
                        "the lower bound is above the upper one",
                        place,
                    )
                    .note("the lower bound is used, as by keepalived");
                    self.report(diagnostic);
                    return made(low.to_string());
                }
                made(self.random(low, high).to_string())
            }
            _ => None,
        }
    }

    /// splitmix64: small, and the same for the same seed.
    fn random(&mut self, low: u32, high: u32) -> u32 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        let range = u64::from(high - low) + 1;
        low + u32::try_from(z % range).unwrap_or(0)
    }

    fn undefined(&mut self, reference: &Reference<'_>, place: Span, text: &str) {
        // Inside quotes a `$` belongs to a command line or an expression.
        let before = text.get(..reference.start).unwrap_or("");
        let quoted = before.bytes().filter(|b| *b == b'"').count() % 2 == 1;
        if quoted || !reference.braced {
            return;
        }
        let mut diagnostic = self
            .error(
                codes::UNDEFINED,
                format!("`${{{}}}` is not defined before this line", reference.inner),
                place,
            )
            .note("keepalived leaves the text as it is; its braces then open and close blocks");
        let names = self.definitions.keys().map(String::as_str);
        if let Some(name) = crate::suggest::nearest(reference.inner, names) {
            let name = name.to_owned();
            diagnostic = diagnostic.fix(
                format!("did you mean `${{{name}}}`?"),
                place,
                format!("${{{name}}}"),
            );
        } else {
            diagnostic = diagnostic.help(format!(
                "define it with `${}=VALUE`, or fill in the placeholder",
                reference.inner
            ));
        }
        self.report(diagnostic);
    }
}

fn next_reference(text: &str, from: usize) -> Option<Reference<'_>> {
    let mut at = from;
    loop {
        at += text.get(at..)?.find('$')?;
        let rest = text.get(at + 1..)?;
        if let Some(body) = rest.strip_prefix('{') {
            if let Some(length) = body.find('}') {
                let inner = body.get(..length)?;
                let head = inner.split_ascii_whitespace().next().unwrap_or("");
                if is_name(head) {
                    return Some(Reference {
                        start: at,
                        end: at + length + 3,
                        inner,
                        braced: true,
                    });
                }
            }
        } else {
            let length = rest
                .bytes()
                .take_while(|b| b.is_ascii_alphanumeric() || *b == b'_')
                .count();
            let name = rest.get(..length)?;
            let ends = rest
                .as_bytes()
                .get(length)
                .is_none_or(|b| is_blank(*b) || matches!(b, b',' | b')'));
            if ends && is_name(name) {
                return Some(Reference {
                    start: at,
                    end: at + 1 + length,
                    inner: name,
                    braced: false,
                });
            }
        }
        at += 1;
    }
}
