//! The kernel's notices about links, addresses, routes and rules.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use rustix::net::RecvFlags;
use socket2::SockFilter;

use super::Notice;
use super::message::{self, Incoming};
use super::netlink::DATAGRAM;

/// Multicast groups of `rtnetlink.h`, as bits: links, then addresses, routes and rules of IPv4 and of IPv6.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400 | 0x4_0000;
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
    /// Listens; of the routes that go only those with this mark are told, and none that come.
    pub(crate) fn open(route_mark: u8) -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        // Before the socket joins its groups: a router with a full table has thousands of changes per second.
        socket2::SockRef::from(&socket).attach_filter(&filter(route_mark))?;
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
        // Most notices are short: what they leave of the room is never touched.
        let mut buffer = Vec::with_capacity(DATAGRAM);
        let mut notices = Vec::new();
        for _ in 0..BURST {
            buffer.clear();
            match rustix::net::recv(
                self.socket.as_fd(),
                rustix::buffer::spare_capacity(&mut buffer),
                RecvFlags::DONTWAIT,
            ) {
                Ok(_) => {
                    notices.extend(message::decode(&buffer).filter_map(|(incoming, _)| {
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

/// A classic BPF program over the netlink header and, for routes, the `rtm_protocol` behind it.
fn filter(route_mark: u8) -> [SockFilter; 9] {
    const LOAD_BYTE: u16 = 0x30;
    const JUMP_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const NEW_ROUTE: u32 = 24;
    const DELETE_ROUTE: u32 = 25;
    const NEW_RULE: u32 = 32;
    /// The lower byte of the message type; all types of this family are below 256.
    const TYPE: u32 = if cfg!(target_endian = "little") { 4 } else { 5 };
    const PROTOCOL: u32 = 21;
    [
        SockFilter::new(LOAD_BYTE, 0, 0, TYPE),
        SockFilter::new(JUMP_EQUAL, 6, 0, NEW_ROUTE),
        SockFilter::new(JUMP_EQUAL, 5, 0, NEW_RULE),
        SockFilter::new(JUMP_EQUAL, 1, 0, DELETE_ROUTE),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
        SockFilter::new(LOAD_BYTE, 0, 0, PROTOCOL),
        SockFilter::new(JUMP_EQUAL, 0, 1, route_mark.into()),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}

impl crate::sys::OwnsDescriptor for NoticeSocket {}

impl AsRawFd for NoticeSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}
