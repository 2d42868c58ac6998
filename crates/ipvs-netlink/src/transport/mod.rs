//! How datagrams reach the kernel.

mod namespace;
#[cfg(feature = "tokio")]
mod nonblocking;
mod socket;
mod sys;

use std::io;
use std::time::Duration;

pub use namespace::Namespace;
#[cfg(feature = "tokio")]
pub use nonblocking::AsyncNetlinkSocket;
pub use socket::NetlinkSocket;

/// Carries netlink datagrams to a kernel and back, one at a time.
///
/// [`NetlinkSocket`] is the real one; the `fake` feature has one that answers from memory.
pub trait Transport {
    /// Sends a datagram of whole messages.
    ///
    /// # Errors
    ///
    /// The operating system's.
    fn send(&mut self, datagram: &[u8]) -> io::Result<()>;

    /// Puts the next datagram into `datagram`, in place of what it held.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] or [`io::ErrorKind::TimedOut`] if none came within
    /// `timeout`; `ENOBUFS` if some were lost; else the operating system's.
    fn receive(&mut self, datagram: &mut Vec<u8>, timeout: Duration) -> io::Result<()>;
}

/// As [`Transport`], for tasks.
///
/// Both futures may be dropped at any time; a datagram is never lost by that.
#[cfg(feature = "tokio")]
pub trait AsyncTransport: Send {
    /// As [`Transport::send`].
    fn send(&mut self, datagram: &[u8]) -> impl Future<Output = io::Result<()>> + Send;

    /// As [`Transport::receive`].
    fn receive(
        &mut self,
        datagram: &mut Vec<u8>,
        timeout: Duration,
    ) -> impl Future<Output = io::Result<()>> + Send;
}
