//! Programs that the configuration names: how they are checked, started and ended, and the queue of notifications.
//!
//! They are started without a shell, in a process group of their own, as the configured user, with a deadline.

mod hooks;
mod ledger;
mod once;
mod program;
mod run;
mod security;
mod sys;

pub(crate) use hooks::{Hook, Hooks};
pub(crate) use ledger::HookLedger;
pub(crate) use once::Once;
pub(crate) use program::{Identity, Links, Program, ProgramError, Security};
pub(crate) use run::{Child, Ended, Given, run};
