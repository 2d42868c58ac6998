//! Packet sockets, interface MTUs and the state of the clock: system calls that the compiler cannot check.
#![allow(unsafe_code)]

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// Sends and receives whole Ethernet frames on one interface.
#[derive(Debug)]
pub(super) struct PacketSocket {
    socket: OwnedFd,
}

impl PacketSocket {
    /// Takes frames of every protocol from the interface with this index. Needs CAP_NET_RAW.
    pub(super) fn open(index: u32) -> io::Result<Self> {
        let every = (libc::ETH_P_ALL as u16).to_be();
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: a plain call with numbers.
        let number = unsafe { libc::socket(libc::AF_PACKET, kind, i32::from(every)) };
        if number < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the number was just made by the kernel and belongs to nobody else.
        let socket = unsafe { OwnedFd::from_raw_fd(number) };
        // SAFETY: all zeroes is a value of this structure of numbers.
        let mut address: libc::sockaddr_ll = unsafe { zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = every;
        address.sll_ifindex = i32::try_from(index).map_err(|_| io::ErrorKind::InvalidInput)?;
        let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        // SAFETY: the pointer is to a whole address of that length, which the kernel only reads.
        let result = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
        if result < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(Self { socket })
        }
    }

    /// Sends a frame.
    pub(super) fn send(&self, frame: &[u8]) -> io::Result<()> {
        // SAFETY: pointer and length are those of a slice, which the kernel only reads.
        let sent = unsafe {
            libc::send(
                self.socket.as_raw_fd(),
                frame.as_ptr().cast(),
                frame.len(),
                0,
            )
        };
        if sent < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }

    /// The next frame, if one comes before the deadline.
    pub(super) fn receive(&self, deadline: Instant) -> Option<Vec<u8>> {
        let mut buffer = vec![0_u8; 2048];
        loop {
            // SAFETY: pointer and length are those of a slice that lives through the call.
            let length = unsafe {
                libc::recv(
                    self.socket.as_raw_fd(),
                    buffer.as_mut_ptr().cast(),
                    buffer.len(),
                    0,
                )
            };
            if let Ok(length) = usize::try_from(length) {
                buffer.truncate(length);
                return Some(buffer);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let mut wait = libc::pollfd {
                fd: self.socket.as_raw_fd(),
                events: libc::POLLIN,
                revents: 0,
            };
            let milliseconds =
                i32::try_from(left.min(Duration::from_secs(60)).as_millis()).unwrap_or(60_000);
            // SAFETY: one entry, as the count says.
            unsafe { libc::poll(&raw mut wait, 1, milliseconds.max(1)) };
        }
    }
}

/// The MTU of an interface.
pub(super) fn mtu(name: &str) -> io::Result<u32> {
    // SAFETY: a plain call with numbers.
    let number = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if number < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the number was just made by the kernel and belongs to nobody else.
    let socket = unsafe { OwnedFd::from_raw_fd(number) };
    // SAFETY: all zeroes is a value of this structure of numbers.
    let mut request: libc::ifreq = unsafe { zeroed() };
    for (to, from) in request
        .ifr_name
        .iter_mut()
        .zip(name.bytes().take(libc::IFNAMSIZ - 1))
    {
        *to = from as libc::c_char;
    }
    // SAFETY: the request is a whole ifreq, whose name ends with a zero; the kernel fills in the MTU.
    let mtu = unsafe {
        if libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFMTU, &raw mut request) < 0 {
            return Err(io::Error::last_os_error());
        }
        request.ifr_ifru.ifru_mtu
    };
    u32::try_from(mtu).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Whether something keeps the clock right (NTP): the kernel's own record.
pub(super) fn clock_steered() -> Option<bool> {
    // SAFETY: all zeroes is a value of this structure of numbers, and asks for nothing to be changed.
    let mut times: libc::timex = unsafe { zeroed() };
    // SAFETY: the pointer is to a whole structure, which the kernel fills in.
    let state = unsafe { libc::adjtimex(&raw mut times) };
    (state >= 0).then_some(times.status & libc::STA_UNSYNC == 0)
}
