use std::io;
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::AsyncTransport;
use super::namespace::Namespace;
use super::socket::{self, Buffer};
use super::sys::{self, Socket};
use crate::error::ConnectError;

/// A netlink socket on a tokio runtime.
pub struct AsyncNetlinkSocket {
    socket: AsyncFd<Socket>,
    buffer: Buffer,
}

impl AsyncNetlinkSocket {
    /// Opens a socket in the network namespace of the calling thread; needs a runtime with I/O.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Socket`] with the step that failed.
    pub fn open() -> Result<Self, ConnectError> {
        Self::register(socket::open()?)
    }

    /// Opens a socket in another network namespace; the calling thread stays where it is.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Namespace`] if the namespace cannot be entered, else as
    /// [`AsyncNetlinkSocket::open`].
    pub fn open_in(namespace: &Namespace) -> Result<Self, ConnectError> {
        Self::register(namespace.run(socket::open)??)
    }

    fn register(socket: Socket) -> Result<Self, ConnectError> {
        let step = |doing| move |source| ConnectError::Socket { doing, source };
        socket
            .netlink()
            .nonblock()
            .map_err(step("making it non-blocking"))?;
        let socket = sys::register(socket).map_err(step("registering it"))?;
        Ok(Self {
            socket,
            buffer: Buffer::new(),
        })
    }
}

impl std::fmt::Debug for AsyncNetlinkSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AsyncNetlinkSocket").finish_non_exhaustive()
    }
}

impl AsyncTransport for AsyncNetlinkSocket {
    async fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        let send = |socket: &Socket| socket::send(socket, datagram);
        self.socket.async_io(Interest::WRITABLE, send).await
    }

    async fn receive(&mut self, datagram: &mut Vec<u8>, timeout: Duration) -> io::Result<()> {
        let buffer = &mut self.buffer;
        let receive = |socket: &Socket| socket::receive(socket, buffer, datagram);
        let receive = self.socket.async_io(Interest::READABLE, receive);
        match tokio::time::timeout(timeout, receive).await {
            Ok(result) => result,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}
