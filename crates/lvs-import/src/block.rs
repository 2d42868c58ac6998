//! The layout of the result: blocks, lines, comments, and what is commented out.

use crate::report::{Finding, Severity};
use crate::{Options, Source};
use std::fmt::Write as _;

/// A block, or a part that stands commented out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Block {
    /// Comment above it.
    pub(crate) comment: Option<String>,
    /// What stands before the brace.
    pub(crate) head: String,
    /// Commented out.
    pub(crate) disabled: bool,
    pub(crate) items: Vec<Item>,
}

#[derive(Debug, Clone)]
pub(crate) enum Item {
    Line(String),
    Block(Block),
}

impl Block {
    pub(crate) fn new(head: impl Into<String>) -> Self {
        Self {
            head: head.into(),
            ..Self::default()
        }
    }

    pub(crate) fn line(&mut self, line: impl Into<String>) {
        self.items.push(Item::Line(line.into()));
    }

    pub(crate) fn block(&mut self, block: Self) {
        self.items.push(Item::Block(block));
    }

    fn write(&self, out: &mut String, depth: usize) {
        if self.disabled {
            let mut text = String::new();
            let enabled = Self {
                disabled: false,
                ..self.clone()
            };
            enabled.write(&mut text, 0);
            let pad = "    ".repeat(depth);
            for line in text.lines() {
                // A comment needs no second mark. Writing to a string does not fail.
                let _ = match line.strip_prefix("# ") {
                    Some(comment) => writeln!(out, "{pad}# {comment}"),
                    None => writeln!(out, "{pad}# {line}"),
                };
            }
            return;
        }
        let pad = "    ".repeat(depth);
        if let Some(comment) = &self.comment {
            let _ = writeln!(out, "{pad}# {}", one_line(comment));
        }
        let _ = writeln!(out, "{pad}{} {{", self.head);
        for item in &self.items {
            match item {
                Item::Line(line) => {
                    let _ = writeln!(out, "{pad}    {line}");
                }
                Item::Block(block) => block.write(out, depth.saturating_add(1)),
            }
        }
        let _ = writeln!(out, "{pad}}}");
    }
}

/// A whole configuration.
#[derive(Debug, Default)]
pub(crate) struct Configuration {
    pub(crate) global: Vec<Item>,
    pub(crate) instances: Vec<Block>,
    pub(crate) services: Vec<Block>,
}

impl Configuration {
    /// A line of `global_defs`.
    pub(crate) fn global(&mut self, line: impl Into<String>) {
        self.global.push(Item::Line(line.into()));
    }

    pub(crate) fn virtual_servers(&self) -> usize {
        self.services
            .iter()
            .filter(|service| !service.disabled)
            .count()
    }

    pub(crate) fn real_servers(&self) -> usize {
        let written = self.services.iter().filter(|service| !service.disabled);
        written
            .flat_map(|service| &service.items)
            .filter(|item| matches!(item, Item::Block(block) if !block.disabled && block.head.starts_with("real_server ")))
            .count()
    }

    pub(crate) fn write(&self, source: Source, options: &Options, findings: &[Finding]) -> String {
        let mut out = String::new();
        let name = options
            .file_name
            .as_deref()
            .map_or(String::new(), |name| format!(" ({})", one_line(name)));
        let _ = writeln!(
            out,
            "# Translated from {source}{name} by `director import`."
        );
        let lost: Vec<&Finding> = findings
            .iter()
            .filter(|finding| finding.severity >= Severity::Lost)
            .collect();
        if !lost.is_empty() {
            let _ = writeln!(out, "#\n# Not carried over:");
            for finding in lost {
                let text = one_line(&format!("{}: {}", finding.subject, finding.message));
                let line = finding
                    .line
                    .map_or(String::new(), |line| format!("line {line}: "));
                let _ = writeln!(out, "#   {line}{text}");
            }
        }
        if !self.global.is_empty() {
            let mut global = Block::new("global_defs");
            global.items.clone_from(&self.global);
            out.push('\n');
            global.write(&mut out, 0);
        }
        for block in self.instances.iter().chain(&self.services) {
            out.push('\n');
            block.write(&mut out, 0);
        }
        out
    }
}

/// A comment is one line, and the language reads at most 1023 bytes of a line.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(240)
        .collect()
}

/// `"TEXT"`; `None` if the language cannot say it.
pub(crate) fn quoted(text: &str) -> Option<String> {
    let sayable = !text.contains('"') && !text.chars().any(char::is_control) && text.len() < 900;
    sayable.then(|| format!("\"{text}\""))
}

/// One argument of a command or the pattern of `regex`, in double quotes, with escapes where a
/// character would mean something to the language: `\x22` for a quote and so on.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\'' | '#' | '!' | '{' | '}' | '$' | '~' | '\\' => {
                let _ = write!(out, "\\x{:02x}", u32::from(character));
            }
            c if c.is_ascii_control() => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_is_escaped() {
        assert_eq!(
            escaped("[ \"$(x)\" = 'y' ]"),
            r#""[ \x22\x24(x)\x22 = \x27y\x27 ]""#
        );
        assert_eq!(quoted("a b"), Some("\"a b\"".to_owned()));
        assert_eq!(quoted("a\"b"), None);
    }
}
