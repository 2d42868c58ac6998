//! What needs `unsafe`: lending the descriptor of neli's socket, registering it with tokio, and an
//! option that no safe crate sets.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use neli::consts::socket::NlFamily;
use neli::socket::NlSocket;
use neli::utils::Groups;
use nix::libc;

/// A bound generic-netlink socket.
pub(super) struct Socket(NlSocket);

impl Socket {
    pub(super) fn open() -> io::Result<Self> {
        NlSocket::connect(NlFamily::Generic, None, Groups::empty()).map(Self)
    }

    pub(super) const fn netlink(&self) -> &NlSocket {
        &self.0
    }

    /// Asks the kernel not to repeat the request in acknowledgements.
    pub(super) fn cap_acknowledgements(&self) -> io::Result<()> {
        let on: libc::c_int = 1;
        // SAFETY: the descriptor is open as long as `self` lives; the pointer and the length are
        // those of a live `c_int`, which the kernel only reads.
        let result = unsafe {
            libc::setsockopt(
                self.0.as_raw_fd(),
                libc::SOL_NETLINK,
                libc::NETLINK_CAP_ACK,
                (&raw const on).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        };
        if result == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }
}

/// Registers the socket with the tokio runtime of the calling task.
#[cfg(feature = "tokio")]
pub(super) fn register(socket: Socket) -> io::Result<tokio::io::unix::AsyncFd<Socket>> {
    use tokio::io::{Interest, unix::AsyncFd};
    let interest = Interest::READABLE | Interest::WRITABLE;
    // SAFETY: `Socket` gives the same descriptor each time, owns it, and closes it only when the
    // registration drops it; nothing in this crate takes the socket out again.
    let registered = unsafe { AsyncFd::register_with_interest(socket, interest) };
    registered.map_err(io::Error::from)
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: neli's socket owns the descriptor and closes it only when dropped, and the
        // borrow cannot outlive `self`.
        unsafe { BorrowedFd::borrow_raw(self.0.as_raw_fd()) }
    }
}
