//! A reload that is to be confirmed, over restarts too.
//!
//! The configuration in force is kept as text in the state directory. While a reload waits to be confirmed a second file there
//! says so: which configuration waits, until when, and what goes before it. A start that finds it goes on waiting or, when
//! the time is over, runs what was there before; whatever way the director came to its end, a file that nobody has confirmed
//! is not what the next one runs for good. Another file than the one that waits is somebody's new decision, and counts.

use super::running::Running;
use super::start;
use crate::cli::RunArguments;
use crate::config::{Kept, Loaded};
use crate::control::{Clock, Undo, digest};
use crate::output;
use crate::state::StateDirectory;
use director_control::Timestamp;
use keepalived_conf::SourceMap;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;

/// The configuration in force, as text.
const IN_FORCE: &str = "configuration";

/// The one that waits, and the one before it.
pub(super) const WAITING: &str = "unconfirmed";

/// What is written while a configuration waits to be confirmed, and after it was not.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Waiting {
    /// The configuration that waits.
    digest: String,
    /// Until when.
    until: Timestamp,
    /// What is in force again after that.
    before: Kept<'static>,
}

/// What a start does with the file because of an earlier reload.
#[derive(Default)]
pub(super) struct Unconfirmed {
    /// The file is in force, and goes back.
    pub(super) undo: Option<Undo>,
    /// What is in force in place of the file.
    pub(super) instead: Option<Loaded>,
    /// Why.
    pub(super) why: Option<String>,
    /// What was written has no meaning any more.
    pub(super) is_over: bool,
}

/// Looks whether the file that was read is one that nobody has confirmed.
pub(super) fn consider(arguments: &RunArguments, loaded: &Loaded) -> Unconfirmed {
    let nothing = Unconfirmed::default();
    let path = StateDirectory::file_in(&arguments.state_dir, WAITING);
    let Some(waiting): Option<Waiting> = read(&path) else {
        return nothing;
    };
    if digest(loaded) != waiting.digest {
        return Unconfirmed {
            is_over: true,
            ..nothing
        };
    }
    let before = start::load_again(arguments, &waiting.before);
    if before.diagnostics.has_errors() {
        let reason = before.summary();
        tracing::error!(
            event = "revert_failed",
            reason,
            "nobody has confirmed this configuration, but the one before it cannot be brought back: {reason}"
        );
        return nothing;
    }
    if Clock::now().wall < waiting.until {
        let digest = digest(&before);
        return Unconfirmed {
            undo: Some(Undo {
                plan: Arc::new(before.plan),
                digest,
                at: waiting.until,
            }),
            ..nothing
        };
    }
    let file = arguments.config.display();
    Unconfirmed {
        why: Some(not_confirmed(&file, waiting.until)),
        instead: Some(before),
        ..nothing
    }
}

/// Why the file is not in force.
pub(super) fn not_confirmed(file: &dyn std::fmt::Display, until: Timestamp) -> String {
    format!(
        "nobody had confirmed {file} by {until}, so the configuration before it is in force; `director reload` takes the file"
    )
}

/// Writes what is in force.
pub(super) fn keep(state: &StateDirectory, sources: &SourceMap) {
    let written = state.write(IN_FORCE, &Kept::of(sources));
    tell(written, "the configuration in force cannot be kept");
}

impl Running {
    /// Before a reload that waits to be confirmed: what a start is to go back to. False if that cannot be written.
    pub(super) fn begin_waiting(&self, digest: &str, until: Timestamp) -> bool {
        let earlier: Option<Waiting> = read(&self.state.file(WAITING));
        let before = match (earlier, &self.control.undo) {
            // Not confirmed either.
            (Some(earlier), Some(_)) => Some(earlier.before),
            _ => read(&self.state.file(IN_FORCE)),
        };
        let Some(before) = before else {
            return false;
        };
        let waiting = Waiting {
            digest: digest.to_owned(),
            until,
            before,
        };
        tell(
            self.state.write(WAITING, &waiting),
            "a restart would not know that the reload waits to be confirmed",
        )
    }

    /// Nothing waits any more: it was confirmed, or something else is in force.
    pub(super) fn end_waiting(&self) {
        self.state.forget(WAITING);
    }

    /// A reload that was refused leaves what was said of the one before it.
    pub(super) fn wait_as_before(&self, earlier: Option<Vec<u8>>) {
        match earlier {
            Some(octets) => {
                tell(
                    self.state.write_octets(WAITING, &octets),
                    "a restart would not know that the reload waits to be confirmed",
                );
            }
            None => self.end_waiting(),
        }
    }

    /// What is written of a reload that waits.
    pub(super) fn written_waiting(&self) -> Option<Vec<u8>> {
        std::fs::read(self.state.file(WAITING)).ok()
    }

    /// The configuration before is in force again. What waited stays written: a start must not run it.
    pub(super) fn keep_before(&self) {
        if let Some(waiting) = read::<Waiting>(&self.state.file(WAITING)) {
            let written = self.state.write(IN_FORCE, &waiting.before);
            tell(written, "the configuration in force cannot be kept");
        }
    }
}

fn read<T: serde::de::DeserializeOwned>(path: &PathBuf) -> Option<T> {
    let octets = std::fs::read(path).ok()?;
    match serde_json::from_slice(&octets) {
        Ok(read) => Some(read),
        Err(error) => {
            let path = path.display();
            tracing::warn!(event = "state_unreadable", %error, "{path} cannot be read and is left out: {error}");
            None
        }
    }
}

fn tell(written: std::io::Result<()>, what: &str) -> bool {
    if let Err(error) = &written {
        let reason = output::chain(error);
        tracing::warn!(event = "state_not_written", reason, "{what}: {reason}");
    }
    written.is_ok()
}
