//! Exit statuses. They are part of the public interface and are listed in the README.

use std::process::ExitCode;

/// What the process says with its exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done; nothing to report.
    Success,
    /// The configuration has errors, a precondition is missing, or the command failed.
    Failure,
    /// `check`: a file cannot be read. `plan`: changes are pending. Every command: wrong usage.
    Other,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::Failure => 1,
            Exit::Other => 2,
        })
    }
}
