//! The calls that no safe wrapper in our dependencies offers.
#![allow(unsafe_code)]

use std::io;

/// Gives the calling thread the real-time scheduler `SCHED_RR` with `priority` (1–99), and not its children.
pub(crate) fn schedule_realtime(priority: u8) -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: libc::c_int::from(priority.clamp(1, 99)) };
    let policy = libc::SCHED_RR | libc::SCHED_RESET_ON_FORK;
    // SAFETY: 0 names the calling thread; the parameters live through the call, which only reads them.
    let result = unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Keeps all present and future pages of the process in memory.
pub(crate) fn lock_memory() -> io::Result<()> {
    // SAFETY: takes flags only and touches no memory of ours.
    let result = unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
