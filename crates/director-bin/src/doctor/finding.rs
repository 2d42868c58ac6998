//! What the doctor has to say.

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// It may hurt, or hurts something that is rarely needed.
    Warning,
    /// Traffic is lost, or takeover does not work.
    Error,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// Stable name of the check that found it.
    pub(crate) check: &'static str,
    pub(crate) severity: Severity,
    /// What is wrong and what follows from it.
    pub(crate) problem: String,
    /// What was seen.
    pub(crate) evidence: Vec<String>,
    /// What to do: commands, or lines of the configuration.
    pub(crate) remedy: Vec<String>,
}

/// What has become of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Examined {
    pub(crate) check: &'static str,
    /// What it is about, in a few words.
    pub(crate) title: &'static str,
    /// Why it could not be made, or does not apply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) skipped: Option<String>,
}

/// The whole answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Report {
    /// Version of this form.
    pub(crate) schema: u32,
    pub(crate) findings: Vec<Finding>,
    pub(crate) examined: Vec<Examined>,
}

impl Report {
    pub(super) fn new() -> Self {
        Self {
            schema: 1,
            ..Self::default()
        }
    }

    /// Notes that a check was made, with what it found.
    pub(super) fn made(&mut self, check: &'static str, title: &'static str, found: Vec<Finding>) {
        self.examined.push(Examined {
            check,
            title,
            skipped: None,
        });
        self.findings.extend(found);
    }

    /// Notes that a check was not made.
    pub(super) fn skipped(
        &mut self,
        check: &'static str,
        title: &'static str,
        why: impl Into<String>,
    ) {
        self.examined.push(Examined {
            check,
            title,
            skipped: Some(why.into()),
        });
    }
}
