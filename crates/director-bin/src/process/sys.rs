//! The one call that the compiler cannot check.
#![allow(unsafe_code)]

use nix::unistd::{ForkResult, fork};

/// Makes a second process of this one.
///
/// Refused once there is a second thread, since the child would have only this one.
pub(super) fn fork_single_threaded() -> nix::Result<ForkResult> {
    let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads != 1 {
        return Err(nix::Error::EBUSY);
    }
    // SAFETY: this process has a single thread, so no lock is held by another one, and memory is consistent in the child.
    unsafe { fork() }
}
