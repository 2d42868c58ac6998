//! Process 1 of a container: the kernel gives it every orphan, and kills everything when it ends. So it stays small: it
//! starts the director as a child, hands on signals, and buries the dead.

use super::sys::fork_single_threaded;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

/// This process is, or was started by, process 1.
static CONTAINER: AtomicBool = AtomicBool::new(false);

/// True in a container whose first process is this program.
pub(crate) fn in_container() -> bool {
    CONTAINER.load(Ordering::Relaxed)
}

/// As process 1 becomes its caretaker, and returns an exit status when the director has ended; the director itself, and any
/// other process, goes on with `None`.
pub(crate) fn adopt_container() -> Option<ExitCode> {
    if std::process::id() != 1 {
        return None;
    }
    CONTAINER.store(true, Ordering::Relaxed);
    let mut before = SigSet::empty();
    let all = SigSet::all();
    // Blocked before the fork, so that none is lost between.
    if sigprocmask(SigmaskHow::SIG_SETMASK, Some(&all), Some(&mut before)).is_err() {
        return None;
    }
    match fork_single_threaded() {
        Ok(ForkResult::Parent { child }) => Some(care(child, &all)),
        // Without a caretaker the director is process 1 itself; orphans then stay until the container ends.
        Ok(ForkResult::Child) | Err(_) => {
            let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None);
            None
        }
    }
}

/// Until the director ends.
fn care(director: Pid, signals: &SigSet) -> ExitCode {
    loop {
        match signals.wait() {
            Ok(Signal::SIGCHLD) => {
                if let Some(status) = bury(director) {
                    return ExitCode::from(status);
                }
            }
            Ok(signal) => {
                // It may have ended just now; that is told by SIGCHLD.
                let _ = kill(director, signal);
            }
            // A real-time signal, which has no name.
            Err(_) => {}
        }
    }
}

/// Takes the status of every process that has ended; that of the director is the exit status.
fn bury(director: Pid) -> Option<u8> {
    let mut own = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, status)) if pid == director => {
                own = Some(u8::try_from(status).unwrap_or(u8::MAX));
            }
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == director => {
                own = Some(u8::try_from(128 + signal as i32).unwrap_or(u8::MAX));
            }
            Ok(WaitStatus::StillAlive) | Err(nix::Error::ECHILD) => return own,
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(_) => return own,
        }
    }
}
