//! `~SEQ(VAR, START, STEP, STOP) text` and `~LST(VAR, v1, v2) text`.

use super::definition::{Definition, is_name};
use super::{Frame, MAX_EXPANSION_DEPTH, Reader};
use crate::codes;
use crate::source::Span;
use crate::syntax::lexer::Scan;

/// A loop that feeds its text once for each value.
pub(super) struct Sequence {
    names: Vec<(String, Span)>,
    values: Values,
    pub(super) text: Span,
    pub(super) depth: u32,
}

enum Values {
    Numbers {
        next: i64,
        step: i64,
        left: u64,
        hexadecimal: bool,
    },
    Lists(std::vec::IntoIter<Vec<String>>),
}

/// Values of one sequence at most.
const MAX_VALUES: u64 = 1_000_000;

impl Sequence {
    pub(super) fn next(&mut self) -> Option<(Vec<String>, Vec<Definition>)> {
        let values = match &mut self.values {
            Values::Numbers {
                next,
                step,
                left,
                hexadecimal,
            } => {
                *left = left.checked_sub(1)?;
                let value = *next;
                *next = next.wrapping_add(*step);
                vec![if *hexadecimal {
                    format!("{value:x}")
                } else {
                    value.to_string()
                }]
            }
            Values::Lists(lists) => lists.next()?,
        };
        let names = self.names.iter().map(|(name, _)| name.clone()).collect();
        let values = self
            .names
            .iter()
            .zip(values)
            .map(|((_, place), text)| Definition {
                name: Some(*place),
                lines: vec![text],
            })
            .collect();
        Some((names, values))
    }
}

impl Reader<'_> {
    /// Takes `~SEQ` and `~LST`; false if the line is neither.
    pub(super) fn sequence(&mut self, line: Span, start: u32, scan: Scan, depth: u32) -> bool {
        let text = self
            .sources
            .text(line)
            .get(..scan.end as usize)
            .unwrap_or("");
        let rest = text.get(start as usize..).unwrap_or("");
        let (kind, body) = if let Some(body) = rest.strip_prefix("~SEQx(") {
            (2, body)
        } else if let Some(body) = rest.strip_prefix("~SEQ(") {
            (1, body)
        } else if let Some(body) = rest.strip_prefix("~LST(") {
            (0, body)
        } else {
            return false;
        };
        let whole = Span::new(line.start() + start, line.start() + scan.end);
        let Some(close) = body.find(')') else {
            let diagnostic = self.error(
                codes::BAD_SEQUENCE,
                "the `)` of the sequence is missing",
                whole,
            );
            self.report(diagnostic);
            return true;
        };
        // The bounds may be definitions; the text after the parenthesis keeps its own for later.
        let body_start = text.len() - body.len();
        let arguments = body.get(..close).unwrap_or("").to_owned();
        let text_span = Span::new(
            line.start() + (body_start + close + 1) as u32,
            line.start() + scan.end,
        );
        let place = Span::new(
            line.start() + body_start as u32,
            line.start() + (body_start + close) as u32,
        );
        if depth >= MAX_EXPANSION_DEPTH {
            let diagnostic = self.error(
                codes::EXPANSION_LIMIT,
                "sequences are nested too deeply",
                whole,
            );
            self.report(diagnostic);
            return true;
        }
        let arguments = self.replace_in(&arguments);
        let parsed = if kind == 0 {
            lists(&arguments)
        } else {
            numbers(&arguments, kind == 2)
        };
        match parsed {
            Ok((names, values)) => {
                let names = names.into_iter().map(|name| (name, place)).collect();
                let sequence = Sequence {
                    names,
                    values,
                    text: text_span,
                    depth: depth + 1,
                };
                self.frames.push(Frame::Sequence(sequence));
            }
            Err(message) => {
                let diagnostic = self.error(codes::BAD_SEQUENCE, message, place).help(
                    "write `~SEQ(NAME, START, STEP, STOP) text` or `~LST(NAME, VALUE, VALUE) text`",
                );
                self.report(diagnostic);
            }
        }
        true
    }

    /// Replaces single-line definitions in the arguments of a sequence.
    fn replace_in(&self, text: &str) -> String {
        let mut out = text.to_owned();
        if !out.contains('$') {
            return out;
        }
        for _ in 0..MAX_EXPANSION_DEPTH {
            let mut changed = false;
            for (name, definition) in sorted(&self.definitions) {
                let Some(value) = definition.lines.first() else {
                    continue;
                };
                for form in [format!("${{{name}}}"), format!("${name}")] {
                    let found = out.match_indices(&form).map(|(i, _)| i).find(|i| {
                        let after = out.as_bytes().get(i + form.len());
                        form.ends_with('}')
                            || after.is_none_or(|b| matches!(b, b' ' | b'\t' | b',' | b')'))
                    });
                    if let Some(index) = found
                        && out.len() < 4096
                    {
                        out.replace_range(index..index + form.len(), value);
                        changed = true;
                    }
                }
            }
            if !changed {
                break;
            }
        }
        out
    }
}

fn sorted(
    definitions: &std::collections::HashMap<String, Definition>,
) -> Vec<(&String, &Definition)> {
    let mut all: Vec<_> = definitions.iter().collect();
    all.sort_unstable_by_key(|(name, _)| name.as_str());
    all
}

type Loop = (Vec<String>, Values);

fn numbers(arguments: &str, hexadecimal: bool) -> Result<Loop, String> {
    let mut parts = arguments.split(',').map(str::trim);
    let name = parts.next().unwrap_or("");
    if !is_name(name) {
        return Err(format!("`{name}` is not a name"));
    }
    let mut values = Vec::new();
    for part in parts {
        values.push(number(part).ok_or_else(|| format!("`{part}` is not a number"))?);
    }
    let (first, step, last) = match values.as_slice() {
        [stop] => (
            if *stop >= 0 { 1 } else { -1 },
            if *stop < 1 { -1 } else { 1 },
            *stop,
        ),
        [start, stop] => (*start, if stop < start { -1 } else { 1 }, *stop),
        [start, step, stop] => (*start, *step, *stop),
        _ => return Err(String::from("a sequence takes one, two or three numbers")),
    };
    if step == 0 {
        return Err(String::from("the step is 0"));
    }
    let distance = i128::from(last) - i128::from(first);
    let count = distance / i128::from(step) + 1;
    if count <= 0 {
        return Err(format!(
            "{last} cannot be reached from {first} in steps of {step}"
        ));
    }
    let left = u64::try_from(count).unwrap_or(u64::MAX);
    if left > MAX_VALUES {
        return Err(format!(
            "the sequence has {left} values; the limit is {MAX_VALUES}"
        ));
    }
    if hexadecimal && (first < 0 || last < 0) {
        return Err(String::from(
            "a hexadecimal sequence takes no negative numbers",
        ));
    }
    Ok((
        vec![name.to_owned()],
        Values::Numbers {
            next: first,
            step,
            left,
            hexadecimal,
        },
    ))
}

/// Decimal, hexadecimal (`0x`) or octal (`0`) with sign.
fn number(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let value = if let Some(hexadecimal) = digits.strip_prefix("0x") {
        i64::from_str_radix(hexadecimal, 16).ok()?
    } else if digits.len() > 1 && digits.starts_with('0') {
        i64::from_str_radix(digits, 8).ok()?
    } else {
        digits.parse().ok()?
    };
    Some(if negative { -value } else { value })
}

fn lists(arguments: &str) -> Result<Loop, String> {
    let parts = split_braced(arguments);
    let mut parts = parts.into_iter();
    let head = parts.next().unwrap_or_default();
    let names: Vec<String> = members(&head);
    if names.is_empty() || !names.iter().all(|name| is_name(name)) {
        return Err(format!("`{}` is not a name", head.trim()));
    }
    let mut values = Vec::new();
    for part in parts {
        let mut row = if names.len() == 1 {
            vec![part.trim().to_owned()]
        } else {
            members(&part)
        };
        if row.len() > names.len() {
            return Err(format!(
                "`{}` has more members than there are names",
                part.trim()
            ));
        }
        row.resize(names.len(), String::new());
        values.push(row);
    }
    Ok((names, Values::Lists(values.into_iter())))
}

/// `{a, b}` or a single word.
fn members(text: &str) -> Vec<String> {
    let text = text.trim();
    match text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
        Some(inner) => inner.split(',').map(|m| m.trim().to_owned()).collect(),
        None => vec![text.to_owned()],
    }
}

/// Splits at commas outside braces.
fn split_braced(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0_u32;
    for character in text.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = parts.last_mut() {
            last.push(character);
        }
    }
    parts
}
