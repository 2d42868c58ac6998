use std::io;
use std::time::Duration;

use neli::consts::socket::Msg;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::SockRef;

use super::Transport;
use super::namespace::Namespace;
use super::sys::Socket;
use crate::error::ConnectError;

/// Receive buffer to ask for: room for the answers to a full batch, many times over.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Room for the longest datagram: the kernel fills dumps to the buffer it is offered, but to no
/// more than 32 KiB.
pub(super) struct Buffer(Box<[u8]>);

impl Buffer {
    pub(super) fn new() -> Self {
        Self(vec![0; 32 << 10].into_boxed_slice())
    }
}

/// A blocking netlink socket.
pub struct NetlinkSocket {
    socket: Socket,
    buffer: Buffer,
    timeout: Option<Duration>,
}

impl NetlinkSocket {
    /// Opens a socket in the network namespace of the calling thread.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Socket`] with the step that failed.
    pub fn open() -> Result<Self, ConnectError> {
        Ok(Self {
            socket: open()?,
            buffer: Buffer::new(),
            timeout: None,
        })
    }

    /// Opens a socket in another network namespace; the calling thread stays where it is.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Namespace`] if the namespace cannot be entered, else as
    /// [`NetlinkSocket::open`].
    pub fn open_in(namespace: &Namespace) -> Result<Self, ConnectError> {
        namespace.run(Self::open)?
    }
}

impl std::fmt::Debug for NetlinkSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NetlinkSocket").finish_non_exhaustive()
    }
}

/// Opens and prepares a socket; it is blocking.
pub(super) fn open() -> Result<Socket, ConnectError> {
    let step = |doing| move |source| ConnectError::Socket { doing, source };
    let socket = Socket::open().map_err(step("opening"))?;
    // Without the right to force it, the system's limit must do.
    if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
        SockRef::from(&socket)
            .set_recv_buffer_size(RECEIVE_BUFFER)
            .map_err(step("setting its receive buffer"))?;
    }
    // Kernels before 4.12 and 4.3 have these not; then acknowledgements are longer and say less.
    let _ = socket.netlink().enable_ext_ack(true);
    let _ = socket.cap_acknowledgements();
    Ok(socket)
}

/// Receives once, through a buffer that is made once; a datagram longer than it is an error, not
/// a short read.
pub(super) fn receive(
    socket: &Socket,
    buffer: &mut Buffer,
    datagram: &mut Vec<u8>,
) -> io::Result<()> {
    let (len, _) = socket.netlink().recv(&mut buffer.0[..], Msg::TRUNC)?;
    let too_long = || {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "datagram longer than the buffer",
        )
    };
    let received = buffer.0.get(..len).ok_or_else(too_long)?;
    datagram.clear();
    datagram.extend_from_slice(received);
    Ok(())
}

pub(super) fn send(socket: &Socket, datagram: &[u8]) -> io::Result<()> {
    let sent = socket.netlink().send(datagram, Msg::empty())?;
    if sent < datagram.len() {
        return Err(io::Error::new(
            io::ErrorKind::WriteZero,
            "datagram sent in part",
        ));
    }
    Ok(())
}

impl Transport for NetlinkSocket {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        loop {
            match send(&self.socket, datagram) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    fn receive(&mut self, datagram: &mut Vec<u8>, timeout: Duration) -> io::Result<()> {
        if self.timeout != Some(timeout) {
            // Zero would mean to wait for ever.
            let at_least = timeout.max(Duration::from_millis(1));
            SockRef::from(&self.socket).set_read_timeout(Some(at_least))?;
            self.timeout = Some(timeout);
        }
        loop {
            match receive(&self.socket, &mut self.buffer, datagram) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}
