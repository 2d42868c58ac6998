//! The kernel's notices about links and addresses.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use rustix::net::RecvFlags;

use super::Notice;
use super::message::{self, Incoming};
use super::netlink::DATAGRAM;

/// Multicast groups of `rtnetlink.h`, as bits: links, IPv4 addresses, IPv6 addresses.
const GROUPS: u32 = 0x1 | 0x10 | 0x100;
/// Room for the notices of a few thousand addresses that change together.
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;
/// Datagrams read in one go before the timers are looked at again.
const BURST: usize = 64;

/// A routing socket that only listens.
#[derive(Debug)]
pub(crate) struct NoticeSocket {
    socket: Socket,
}

impl NoticeSocket {
    pub(crate) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind(&SocketAddr::new(0, GROUPS))?;
        socket.set_non_blocking(true)?;
        let reference = socket2::SockRef::from(&socket);
        // Beyond the system's limit, which root may pass; else as much as it gives.
        if nix::sys::socket::setsockopt(
            &socket,
            nix::sys::socket::sockopt::RcvBufForce,
            &RECEIVE_BUFFER,
        )
        .is_err()
        {
            reference.set_recv_buffer_size(RECEIVE_BUFFER)?;
        }
        Ok(Self { socket })
    }

    /// Reads what is there. The second value says whether there may be more.
    pub(crate) fn read(&self) -> io::Result<(Vec<Notice>, bool)> {
        let mut buffer = vec![0; DATAGRAM];
        let mut notices = Vec::new();
        for _ in 0..BURST {
            match rustix::net::recv(
                self.socket.as_fd(),
                buffer.as_mut_slice(),
                RecvFlags::DONTWAIT,
            ) {
                Ok((length, _)) => {
                    let datagram = buffer.get(..length).unwrap_or_default();
                    notices.extend(message::decode(datagram).filter_map(|(incoming, _)| {
                        match incoming {
                            Incoming::Notice(notice) => Some(notice),
                            _ => None,
                        }
                    }));
                }
                Err(rustix::io::Errno::AGAIN) => return Ok((notices, false)),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::NOBUFS) => notices.push(Notice::Overrun),
                Err(error) => return Err(error.into()),
            }
        }
        Ok((notices, true))
    }
}

impl crate::sys::OwnsDescriptor for NoticeSocket {}

impl AsRawFd for NoticeSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}
