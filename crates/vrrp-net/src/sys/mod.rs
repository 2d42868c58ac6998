//! The calls that no safe wrapper in our dependencies offers.
#![allow(unsafe_code)]

mod batch;
mod pages;

pub(crate) use batch::{BATCH, Datagram, Inbox, Outgoing, PacketInformation, send_many};
pub(crate) use pages::Pages;

use std::io;
use std::os::fd::AsRawFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A type that owns its descriptor: `as_raw_fd` gives the same open descriptor as long as the value lives.
pub(crate) trait OwnsDescriptor: AsRawFd {}

/// Waits for `inner` to become readable, from inside the runtime.
pub(crate) fn watch<T: OwnsDescriptor>(inner: T) -> io::Result<AsyncFd<T>> {
    // SAFETY: `OwnsDescriptor` promises that the descriptor stays open and the same while `inner` lives, and nothing
    // hands out `&mut T` of a watched value.
    Ok(unsafe { AsyncFd::register_with_interest(inner, Interest::READABLE)? })
}

/// Gives the calling thread the real-time scheduler `SCHED_RR` with `priority` (1–99), and not its children.
pub(crate) fn schedule_realtime(priority: u8) -> io::Result<()> {
    let parameters = libc::sched_param {
        sched_priority: libc::c_int::from(priority.clamp(1, 99)),
    };
    let policy = libc::SCHED_RR | libc::SCHED_RESET_ON_FORK;
    // SAFETY: 0 names the calling thread; the parameters live through the call, which only reads them.
    let result = unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// `struct sched_attr` of `linux/sched/types.h`, in its first form.
#[repr(C)]
#[derive(Debug, Default)]
struct SchedulingAttributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    /// Under the ordinary scheduler: how long its turns are, in nanoseconds (Linux 6.12).
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// Asks the ordinary scheduler for turns of `length` (0.1 to 100 ms) for the calling thread: whoever asks for short ones
/// is let in before a thread that is in the middle of a long one. Needs no privilege and takes nothing from others. An
/// older kernel takes no notice.
pub(crate) fn take_short_turns(length: std::time::Duration) -> io::Result<()> {
    let mut attributes = SchedulingAttributes::default();
    let size = size_of::<SchedulingAttributes>();
    // SAFETY: 0 names the calling thread; the kernel writes at most `size` bytes, which is what the structure has.
    let got = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
    if got < 0 {
        return Err(io::Error::last_os_error());
    }
    if attributes.policy != libc::SCHED_OTHER as u32 {
        return Ok(());
    }
    attributes.runtime = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
    // SAFETY: as above; the kernel reads only, and finds the size in the first field.
    let set = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    if set < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Keeps all present and future pages of the process in memory.
pub(crate) fn lock_memory() -> io::Result<()> {
    // SAFETY: takes flags only and touches no memory of ours.
    let result = unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The address of an interface for frames that bring their own Ethernet header (`sockaddr_ll`).
pub(crate) fn link_address(index: u32) -> io::Result<socket2::SockAddr> {
    let index = libc::c_int::try_from(index).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: `sockaddr_storage` is at least as large and as aligned as `sockaddr_ll`, and is zeroed; the length
    // told is that of the structure written.
    let ((), address) = unsafe {
        socket2::SockAddr::try_init(|storage, length| {
            let address = storage.cast::<libc::sockaddr_ll>();
            (*address).sll_family = libc::AF_PACKET as libc::sa_family_t;
            (*address).sll_ifindex = index;
            *length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
            Ok(())
        })?
    };
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_turns_leave_the_rest_of_the_scheduling_alone() {
        let read = || {
            let mut attributes = SchedulingAttributes::default();
            let size = size_of::<SchedulingAttributes>();
            // SAFETY: as in `take_short_turns`.
            let got =
                unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
            assert_eq!(got, 0);
            attributes
        };
        // A thread of its own: the test's other threads keep what they have.
        std::thread::spawn(move || {
            let before = read();
            take_short_turns(std::time::Duration::from_micros(200)).unwrap();
            let after = read();
            assert_eq!(
                (after.policy, after.nice, after.priority),
                (before.policy, before.nice, before.priority)
            );
            // An older kernel tells no length of turns.
            if before.runtime != 0 {
                assert_eq!(after.runtime, 200_000);
            }
        })
        .join()
        .unwrap();
    }
}
