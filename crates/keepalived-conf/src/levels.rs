//! Severities chosen per code, on the command line or in comments.

use std::collections::{BTreeMap, HashMap};

use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::source::{SourceMap, Span};

/// What to make of a diagnostic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Do not report it. Errors of the language itself (KC00xx braces and quotes) stay.
    Allow,
    /// Report it as a warning.
    Warn,
    /// Report it as an error.
    Deny,
}

impl std::str::FromStr for Level {
    type Err = ParseLevelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "allow" => Ok(Self::Allow),
            "warn" => Ok(Self::Warn),
            "deny" => Ok(Self::Deny),
            _ => Err(ParseLevelError {
                text: text.to_owned(),
            }),
        }
    }
}

/// The text is not a level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a level; write allow, warn or deny")]
pub struct ParseLevelError {
    /// What was given.
    pub text: String,
}

/// Levels by code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Levels {
    by_code: BTreeMap<Code, Level>,
}

impl Levels {
    /// No choices: every code keeps its severity.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Chooses a level for a code.
    pub fn set(&mut self, code: Code, level: Level) {
        self.by_code.insert(code, level);
    }

    /// The level chosen for a code.
    #[must_use]
    pub fn of(&self, code: Code) -> Option<Level> {
        self.by_code.get(&code).copied()
    }
}

/// Everything chosen for one load: by the caller, and in comments of the files.
#[derive(Debug, Default)]
pub(crate) struct InForce {
    pub(crate) chosen: Levels,
    /// By the span of the whole line.
    pub(crate) comments: HashMap<(Span, Code), Level>,
}

impl InForce {
    /// True if a comment chooses anything.
    pub(crate) fn in_comments(&self) -> bool {
        !self.comments.is_empty()
    }

    /// The diagnostic with its severity after all choices; `None` if it is not to be reported.
    pub(crate) fn apply(
        &self,
        mut diagnostic: Diagnostic,
        sources: &SourceMap,
    ) -> Option<Diagnostic> {
        let comment = if self.comments.is_empty() {
            None
        } else {
            let line = diagnostic.span().map(|span| sources.line_of(span));
            line.and_then(|line| self.comments.get(&(line, diagnostic.code)).copied())
        };
        let level = comment.or_else(|| self.chosen.of(diagnostic.code));
        diagnostic.severity = apply(diagnostic.code, diagnostic.severity, level)?;
        crate::shorten::diagnostic(&mut diagnostic);
        Some(diagnostic)
    }
}

/// The severity after a choice; `None` if it is not to be reported.
fn apply(code: Code, severity: Severity, level: Option<Level>) -> Option<Severity> {
    match level {
        None => Some(severity),
        // Text whose structure is unknown cannot be allowed away.
        Some(Level::Allow | Level::Warn) if code.0 < 6 && severity == Severity::Error => {
            Some(severity)
        }
        Some(Level::Allow) => None,
        Some(Level::Warn) => Some(Severity::Warning),
        Some(Level::Deny) => Some(Severity::Error),
    }
}
