//! What is not as it was.

use std::collections::BTreeSet;
use std::fmt;

/// How much a finding matters, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum Severity {
    /// Not needed any more, or worth knowing.
    Note,
    /// The file does not say it; a value was chosen.
    Assumed,
    /// Carried over in another form that does not behave exactly the same.
    Changed,
    /// Cannot be carried over.
    Lost,
    /// Not understood, or refused by the original program itself.
    Mistake,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Note => "note",
            Self::Assumed => "assumed",
            Self::Changed => "changed",
            Self::Lost => "lost",
            Self::Mistake => "mistake",
        })
    }
}

/// One thing that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Finding {
    /// The line, from 1; `None` for the file as a whole.
    pub line: Option<u32>,
    /// How much it matters.
    pub severity: Severity,
    /// The keyword or object.
    pub subject: String,
    /// What happened to it and why, and what can be done.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        write!(f, "{}: {}: {}", self.severity, self.subject, self.message)
    }
}

/// Collects findings; the same thing is said once.
#[derive(Debug, Default)]
pub(crate) struct Report {
    findings: Vec<Finding>,
    once: BTreeSet<&'static str>,
}

/// Findings at most; a file of rubbish must not become a report without end.
const MAX_FINDINGS: usize = 10_000;

/// Longest subject, in characters.
const MAX_SUBJECT: usize = 80;

impl Report {
    pub(crate) fn add(
        &mut self,
        line: Option<u32>,
        severity: Severity,
        subject: &str,
        message: impl Into<String>,
    ) {
        if self.findings.len() < MAX_FINDINGS {
            let shown = subject.chars().take(MAX_SUBJECT);
            let subject = shown
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect();
            let message = message
                .into()
                .chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect();
            self.findings.push(Finding {
                line,
                severity,
                subject,
                message,
            });
        }
    }

    /// For what is said of the first of many alike.
    pub(crate) fn once(
        &mut self,
        key: &'static str,
        line: Option<u32>,
        severity: Severity,
        message: impl Into<String>,
    ) {
        if self.once.insert(key) {
            self.add(line, severity, key, message);
        }
    }

    pub(crate) fn note(&mut self, line: u32, subject: &str, message: impl Into<String>) {
        self.add(Some(line), Severity::Note, subject, message);
    }

    pub(crate) fn changed(&mut self, line: u32, subject: &str, message: impl Into<String>) {
        self.add(Some(line), Severity::Changed, subject, message);
    }

    pub(crate) fn lost(&mut self, line: u32, subject: &str, message: impl Into<String>) {
        self.add(Some(line), Severity::Lost, subject, message);
    }

    pub(crate) fn mistake(&mut self, line: u32, subject: &str, message: impl Into<String>) {
        self.add(Some(line), Severity::Mistake, subject, message);
    }

    /// In the order of the lines.
    pub(crate) fn finish(mut self) -> Vec<Finding> {
        self.findings.sort_by_key(|finding| finding.line);
        self.findings.dedup();
        self.findings
    }
}
