//! Into the background, as init scripts want it: the program that was called ends when everything runs, or with the exit
//! status of what stands in the way.

use super::sys::fork_single_threaded;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, chdir, dup2_stderr, dup2_stdin, dup2_stdout, pipe, setsid};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::sync::Mutex;

/// Which of the two processes this is.
#[derive(Debug)]
pub(crate) enum Side {
    /// The one that was called; it ends with this status.
    Caller(ExitCode),
    /// The one that stays.
    Daemon,
}

/// The process cannot be doubled.
#[derive(Debug, thiserror::Error)]
#[error("cannot go into the background; give --dont-fork to stay in the foreground")]
pub(crate) struct DaemoniseError(#[from] nix::Error);

/// The end of the pipe through which the caller is told.
static CALLER: Mutex<Option<OwnedFd>> = Mutex::new(None);

/// Doubles the process. The daemon keeps standard error until [`started`], so that the caller's user sees what is wrong.
pub(crate) fn daemonise() -> Result<Side, DaemoniseError> {
    let (reader, writer) = pipe()?;
    match fork_single_threaded()? {
        ForkResult::Parent { child } => {
            drop(writer);
            let mut told = [0; 1];
            if File::from(reader).read(&mut told).unwrap_or(0) == 1 {
                return Ok(Side::Caller(ExitCode::SUCCESS));
            }
            // It ended before it ran.
            let status = match waitpid(child, None) {
                Ok(WaitStatus::Exited(_, status)) => u8::try_from(status).unwrap_or(1),
                _ => 1,
            };
            Ok(Side::Caller(ExitCode::from(status)))
        }
        ForkResult::Child => {
            drop(reader);
            setsid()?;
            chdir("/")?;
            *CALLER
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(writer);
            Ok(Side::Daemon)
        }
    }
}

/// Everything runs: the caller may end, and its terminal is let go. Without a caller nothing happens.
pub(crate) fn started() {
    let caller = CALLER
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .take();
    let Some(caller) = caller else { return };
    if let Ok(null) = OpenOptions::new().read(true).write(true).open("/dev/null") {
        // What cannot be let go stays as it is.
        let _ = dup2_stdin(&null);
        let _ = dup2_stdout(&null);
        let _ = dup2_stderr(&null);
    }
    let _ = File::from(caller).write_all(&[1]);
}
