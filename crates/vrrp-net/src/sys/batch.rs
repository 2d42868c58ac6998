//! Many datagrams in one call: `sendmmsg` and `recvmmsg`, with the control messages of IPv6.

use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;
use std::time::Duration;

use super::Pages;

/// Datagrams sent or received by one call at most.
pub(crate) const BATCH: usize = 64;

/// Room for `IPV6_PKTINFO`, `IPV6_HOPLIMIT` and `SCM_TIMESTAMPNS`, aligned as `cmsghdr` wants it.
const CONTROL_WORDS: usize = 12;
type Control = [u64; CONTROL_WORDS];

// SAFETY: `CMSG_SPACE` only computes.
const _: () = assert!(
    unsafe {
        libc::CMSG_SPACE(size_of::<libc::in6_pktinfo>() as u32)
            + libc::CMSG_SPACE(size_of::<libc::c_int>() as u32)
            + libc::CMSG_SPACE(size_of::<libc::timespec>() as u32)
    } as usize
        <= size_of::<Control>()
);

/// A datagram to be sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outgoing<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) destination: IpAddr,
    /// `None` where the bytes bring their IP header.
    pub(crate) information: Option<PacketInformation>,
}

/// What IPv6 keeps outside of the bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PacketInformation {
    /// Our own address.
    pub(crate) address: Ipv6Addr,
    pub(crate) index: u32,
    pub(crate) hop_limit: u8,
}

/// Where a datagram goes, as the kernel reads it.
#[derive(Clone, Copy)]
union Name {
    ipv4: libc::sockaddr_in,
    ipv6: libc::sockaddr_in6,
}

/// The name and its length.
fn name_of(message: &Outgoing<'_>) -> (Name, usize) {
    match message.destination {
        IpAddr::V4(destination) => {
            let ipv4 = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: 0,
                sin_addr: libc::in_addr {
                    s_addr: u32::from_ne_bytes(destination.octets()),
                },
                sin_zero: [0; 8],
            };
            (Name { ipv4 }, size_of_val(&ipv4))
        }
        IpAddr::V6(destination) => {
            let ipv6 = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: 0,
                sin6_flowinfo: 0,
                sin6_addr: libc::in6_addr {
                    s6_addr: destination.octets(),
                },
                sin6_scope_id: message
                    .information
                    .map_or(0, |information| information.index),
            };
            (Name { ipv6 }, size_of_val(&ipv6))
        }
    }
}

/// Sends the first [`BATCH`] messages. `Ok` tells how many left; an error concerns the first one, and none left.
pub(crate) fn send_many(
    socket: BorrowedFd<'_>,
    messages: &[Outgoing<'_>],
    flags: libc::c_int,
) -> io::Result<usize> {
    let messages = messages.get(..BATCH).unwrap_or(messages);
    let mut names: Vec<(Name, usize)> = messages.iter().map(name_of).collect();
    let informed = messages.iter().filter(|one| one.information.is_some());
    let mut controls: Vec<Control> = vec![[0; CONTROL_WORDS]; informed.count()];
    let mut vectors: Vec<libc::iovec> = messages
        .iter()
        .map(|message| libc::iovec {
            iov_base: message.bytes.as_ptr().cast_mut().cast(),
            iov_len: message.bytes.len(),
        })
        .collect();
    let mut headers = Vec::with_capacity(messages.len());
    let mut unused = controls.iter_mut();
    for ((message, (name, length)), vector) in messages.iter().zip(&mut names).zip(&mut vectors) {
        let mut header = empty_header();
        header.msg_hdr.msg_name = ptr::from_mut(name).cast();
        header.msg_hdr.msg_namelen = *length as _;
        header.msg_hdr.msg_iov = ptr::from_mut(vector);
        header.msg_hdr.msg_iovlen = 1;
        if let Some(information) = &message.information
            && let Some(control) = unused.next()
        {
            write_control(&mut header.msg_hdr, control, information);
        }
        headers.push(header);
    }
    let count = libc::c_uint::try_from(headers.len()).unwrap_or(0);
    // SAFETY: every pointer in `headers` points into `names`, `vectors`, `controls` or the bytes of `messages`, which
    // all live until the call returns and are not touched meanwhile; the kernel reads names, vectors, bytes and
    // control, and writes `msg_len` of the headers only.
    let sent =
        unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count, flags as _) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

fn empty_header() -> libc::mmsghdr {
    // SAFETY: a structure of integers and raw pointers, for all of which zero is a value.
    unsafe { std::mem::zeroed() }
}

/// Writes the two control messages into `control` and tells `header` of them.
fn write_control(
    header: &mut libc::msghdr,
    control: &mut Control,
    information: &PacketInformation,
) {
    let packet = libc::in6_pktinfo {
        ipi6_addr: libc::in6_addr {
            s6_addr: information.address.octets(),
        },
        ipi6_ifindex: information.index as _,
    };
    let hop_limit = libc::c_int::from(information.hop_limit);
    header.msg_control = control.as_mut_ptr().cast();
    // SAFETY: the assertion above says that both messages fit into `control`, which is zeroed and aligned; the
    // length is set first, so that `CMSG_FIRSTHDR` and `CMSG_NXTHDR` stay inside it and give no null; the data is
    // written unaligned.
    unsafe {
        let (first, second) = (
            libc::CMSG_SPACE(size_of_val(&packet) as u32),
            libc::CMSG_SPACE(size_of_val(&hop_limit) as u32),
        );
        header.msg_controllen = (first + second) as _;
        let entry = libc::CMSG_FIRSTHDR(header);
        (*entry).cmsg_level = libc::IPPROTO_IPV6;
        (*entry).cmsg_type = libc::IPV6_PKTINFO;
        (*entry).cmsg_len = libc::CMSG_LEN(size_of_val(&packet) as u32) as _;
        libc::CMSG_DATA(entry)
            .cast::<libc::in6_pktinfo>()
            .write_unaligned(packet);
        let entry = libc::CMSG_NXTHDR(header, entry);
        (*entry).cmsg_level = libc::IPPROTO_IPV6;
        (*entry).cmsg_type = libc::IPV6_HOPLIMIT;
        (*entry).cmsg_len = libc::CMSG_LEN(size_of_val(&hop_limit) as u32) as _;
        libc::CMSG_DATA(entry)
            .cast::<libc::c_int>()
            .write_unaligned(hop_limit);
    }
}

/// Takes up to [`BATCH`] datagrams per call; one serves all sockets of a thread.
pub(crate) struct Inbox {
    bytes: Pages,
    slot: usize,
    names: Box<[libc::sockaddr_in6]>,
    // Only the kernel uses these two, through `headers`.
    _controls: Box<[Control]>,
    _vectors: Box<[libc::iovec]>,
    /// Point at distinct places of the others, which never move.
    headers: Box<[libc::mmsghdr]>,
    /// Whether the headers ask for the sender.
    named: bool,
    filled: usize,
}

/// A datagram received.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Datagram<'a> {
    pub(crate) bytes: &'a [u8],
    /// The sender, of an IPv6 socket.
    pub(crate) source: Option<Ipv6Addr>,
    /// Where it was sent to, if the socket asks for `IPV6_RECVPKTINFO`.
    pub(crate) destination: Option<Ipv6Addr>,
    /// If the socket asks for `IPV6_RECVHOPLIMIT`.
    pub(crate) hop_limit: Option<u8>,
    /// When the kernel took it in, on the clock of the wall, if the socket asks for `SO_TIMESTAMPNS`.
    pub(crate) arrived: Option<Duration>,
}

impl Inbox {
    /// An inbox for datagrams of up to `slot` bytes; of longer ones the rest is cut off.
    pub(crate) fn new(slot: usize) -> io::Result<Self> {
        // SAFETY: a structure of integers and arrays of them, for all of which zero is a value.
        let name: libc::sockaddr_in6 = unsafe { std::mem::zeroed() };
        let mut bytes = Pages::new(slot * BATCH)?;
        let mut names = vec![name; BATCH].into_boxed_slice();
        let mut controls = vec![[0; CONTROL_WORDS]; BATCH].into_boxed_slice();
        let mut vectors: Box<[libc::iovec]> = bytes
            .chunks_exact_mut(slot)
            .map(|chunk| libc::iovec {
                iov_base: chunk.as_mut_ptr().cast(),
                iov_len: chunk.len(),
            })
            .collect();
        let parts = vectors.iter_mut().zip(&mut names).zip(&mut controls);
        let headers = parts
            .map(|((vector, name), control)| {
                let mut header = empty_header();
                header.msg_hdr.msg_name = ptr::from_mut(name).cast();
                header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in6>() as _;
                header.msg_hdr.msg_iov = ptr::from_mut(vector);
                header.msg_hdr.msg_iovlen = 1;
                header.msg_hdr.msg_control = control.as_mut_ptr().cast();
                header.msg_hdr.msg_controllen = size_of::<Control>() as _;
                header
            })
            .collect();
        Ok(Self {
            bytes,
            slot,
            names,
            _controls: controls,
            _vectors: vectors,
            headers,
            named: true,
            filled: 0,
        })
    }

    /// Takes what is there without waiting. Fewer than [`BATCH`] mean that there was no more. Without `named` the senders
    /// are not asked for: IPv4 datagrams bring them in their headers.
    pub(crate) fn receive(&mut self, socket: BorrowedFd<'_>, named: bool) -> io::Result<usize> {
        // What the last call has overwritten.
        let used = std::mem::take(&mut self.filled);
        for header in self.headers.iter_mut().take(used) {
            header.msg_hdr.msg_controllen = size_of::<Control>() as _;
            header.msg_hdr.msg_flags = 0;
        }
        if named || self.named {
            for (header, name) in self.headers.iter_mut().zip(&mut self.names) {
                (header.msg_hdr.msg_name, header.msg_hdr.msg_namelen) = if named {
                    (ptr::from_mut(name).cast(), size_of_val(name) as _)
                } else {
                    (ptr::null_mut(), 0)
                };
            }
            self.named = named;
        }
        let count = libc::c_uint::try_from(self.headers.len()).unwrap_or(0);
        // SAFETY: the headers point, each with its length, at distinct places of `bytes`, `names`, `controls` and
        // `vectors`: allocations that live and stay where they are as long as `self` does, and that nobody looks at
        // until this function returns. A null timeout is none.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                count,
                libc::MSG_DONTWAIT as _,
                ptr::null_mut(),
            )
        };
        self.filled = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        Ok(self.filled)
    }

    /// What the last call brought.
    pub(crate) fn datagrams(&self) -> impl Iterator<Item = Datagram<'_>> {
        self.headers
            .iter()
            .take(self.filled)
            .zip(self.bytes.chunks_exact(self.slot))
            .zip(self.names.iter())
            .map(|((header, bytes), name)| {
                let length = usize::try_from(header.msg_len).unwrap_or(0);
                let is_ipv6 = header.msg_hdr.msg_namelen as usize >= size_of_val(name)
                    && libc::c_int::from(name.sin6_family) == libc::AF_INET6;
                let mut datagram = Datagram {
                    bytes: bytes.get(..length).unwrap_or(bytes),
                    source: is_ipv6.then(|| Ipv6Addr::from(name.sin6_addr.s6_addr)),
                    destination: None,
                    hop_limit: None,
                    arrived: None,
                };
                read_control(&header.msg_hdr, &mut datagram);
                datagram
            })
    }
}

fn read_control(header: &libc::msghdr, datagram: &mut Datagram<'_>) {
    // SAFETY: the kernel has set `msg_controllen` to what it wrote into the control buffer, which lives in the same
    // `Inbox` as the header; the macros stay inside that, each entry's length is compared with what is read from it,
    // and reads are unaligned.
    unsafe {
        let mut entry = libc::CMSG_FIRSTHDR(header);
        while let Some(head) = entry.as_ref() {
            let fits = |size: usize| head.cmsg_len >= libc::CMSG_LEN(size as u32) as _;
            match (head.cmsg_level, head.cmsg_type) {
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) if fits(size_of::<libc::in6_pktinfo>()) => {
                    let packet = libc::CMSG_DATA(entry)
                        .cast::<libc::in6_pktinfo>()
                        .read_unaligned();
                    datagram.destination = Some(Ipv6Addr::from(packet.ipi6_addr.s6_addr));
                }
                (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) if fits(size_of::<libc::c_int>()) => {
                    let limit = libc::CMSG_DATA(entry)
                        .cast::<libc::c_int>()
                        .read_unaligned();
                    datagram.hop_limit = u8::try_from(limit).ok();
                }
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) if fits(size_of::<libc::timespec>()) => {
                    let time = libc::CMSG_DATA(entry)
                        .cast::<libc::timespec>()
                        .read_unaligned();
                    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
                    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or(0);
                    datagram.arrived = Some(Duration::new(seconds, nanoseconds));
                }
                _ => {}
            }
            entry = libc::CMSG_NXTHDR(header, entry);
        }
    }
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox")
            .field("slot", &self.slot)
            .field("filled", &self.filled)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd as _;

    use super::*;

    #[test]
    fn a_batch_arrives_in_order_and_whole() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.connect(receiver.local_addr().unwrap()).unwrap();
        // More than one batch, each of another length.
        let sent: Vec<Vec<u8>> = (0..BATCH + 6).map(|n| vec![7; n + 1]).collect();
        for bytes in &sent {
            sender.send(bytes).unwrap();
        }
        let mut inbox = Inbox::new(128).unwrap();
        let mut seen = Vec::new();
        for expected in [BATCH, 6] {
            assert_eq!(inbox.receive(receiver.as_fd(), false).unwrap(), expected);
            seen.extend(inbox.datagrams().map(|datagram| datagram.bytes.to_vec()));
        }
        assert_eq!(seen, sent);
        let error = inbox.receive(receiver.as_fd(), true).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert_eq!(inbox.datagrams().count(), 0);
    }

    #[test]
    fn too_long_a_datagram_is_cut_off() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        sender
            .send_to(&[1; 40], receiver.local_addr().unwrap())
            .unwrap();
        let mut inbox = Inbox::new(16).unwrap();
        assert_eq!(inbox.receive(receiver.as_fd(), false).unwrap(), 1);
        assert_eq!(inbox.datagrams().next().unwrap().bytes, [1; 16]);
    }

    #[test]
    fn what_is_written_as_control_is_read_back() {
        let information = PacketInformation {
            address: "fd00::7".parse().unwrap(),
            index: 3,
            hop_limit: 255,
        };
        let mut control = [0; CONTROL_WORDS];
        let mut header = empty_header();
        write_control(&mut header.msg_hdr, &mut control, &information);
        let mut datagram = Datagram {
            bytes: &[],
            source: None,
            destination: None,
            hop_limit: None,
            arrived: None,
        };
        read_control(&header.msg_hdr, &mut datagram);
        assert_eq!(datagram.destination, Some(information.address));
        assert_eq!(datagram.hop_limit, Some(255));
    }
}
