//! Programs that the configuration names: tracking scripts and notifications.
//!
//! They are started without a shell, in a process group of their own, as the configured user, with a deadline.

mod hooks;
mod program;
mod run;
mod track;

pub(crate) use hooks::{Hook, Hooks};
pub(crate) use program::{Identity, Program, ProgramError, Security};
pub(crate) use run::{Ended, run};
pub(crate) use track::{Report, TrackScript, Trackers};
