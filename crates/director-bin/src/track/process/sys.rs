//! Waiting for the socket of process events.

#![allow(unsafe_code)]

use socket2::Socket;
use std::io;
use tokio::io::{Interest, unix::AsyncFd};

/// Registers the socket with the runtime, for reading.
pub(super) fn register(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    // SAFETY: the socket owns its descriptor, always gives the same one, and stays inside the `AsyncFd` until both go.
    let registered = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) };
    Ok(registered?)
}
