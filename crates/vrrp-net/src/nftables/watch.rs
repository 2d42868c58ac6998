//! Notices of what others do to a table.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd, RawFd};

use rtnetlink::sys::Socket;
use rustix::net::RecvFlags;

use super::socket::{DATAGRAM, PROTOCOL};
use super::table::Family;
use super::wire;

/// `NFNLGRP_NFTABLES`.
const GROUP: u32 = 7;
/// Datagrams read in one go before the timers are looked at again.
const BURST: usize = 64;

/// A socket that only listens.
#[derive(Debug)]
pub(crate) struct TableWatch {
    socket: Socket,
}

/// What the notices read in one go say of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct TableNotices {
    /// Somebody else has changed or removed it.
    pub(crate) changed: bool,
    /// Some notices were lost.
    pub(crate) overrun: bool,
    /// There may be more to read.
    pub(crate) more: bool,
}

impl TableWatch {
    pub(crate) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(PROTOCOL)?;
        socket.bind_auto()?;
        socket.set_non_blocking(true)?;
        socket.add_membership(GROUP)?;
        Ok(Self { socket })
    }

    /// Reads what is there about this table; what the socket `own` did to it does not count.
    pub(crate) fn read(&self, family: Family, table: &str, own: u32) -> io::Result<TableNotices> {
        let mut buffer = vec![0; DATAGRAM];
        let mut seen = TableNotices::default();
        for _ in 0..BURST {
            let received = rustix::net::recv(
                self.socket.as_fd(),
                buffer.as_mut_slice(),
                RecvFlags::DONTWAIT,
            );
            match received {
                Ok((length, _)) => {
                    let datagram = buffer.get(..length).unwrap_or_default();
                    seen.changed |= wire::changes(datagram).any(|change| {
                        change.by != own
                            && change.family == family.number()
                            && change.table == table.as_bytes()
                    });
                }
                Err(rustix::io::Errno::AGAIN) => return Ok(seen),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::NOBUFS) => seen.overrun = true,
                Err(error) => return Err(error.into()),
            }
        }
        seen.more = true;
        Ok(seen)
    }
}

impl crate::sys::OwnsDescriptor for TableWatch {}

impl AsRawFd for TableWatch {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}
