//! Sockets that carry the adverts: one per interface, family and IP protocol, shared by all instances on it.

mod filter;

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsFd as _, AsRawFd, RawFd};
use std::time::Duration;

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockFilter, Socket, Type};
use vrrp_proto::{Family, Received};

use crate::sys::{Datagram, Inbox, Outgoing, PacketInformation};

/// Largest datagram read whole; an advert with 255 IPv6 addresses and all extensions is below 4200 bytes.
const LARGEST_DATAGRAM: usize = 4608;
/// Type of service of adverts: internetwork control.
const TYPE_OF_SERVICE: u32 = 0xc0;
/// Queueing priority of adverts (`TC_PRIO_CONTROL`).
const SOCKET_PRIORITY: u32 = 7;
/// Room for the adverts that wait in a quiet socket, many times as many as are expected.
const QUIET_BUFFER: usize = 2 * 1024 * 1024;
/// Room for the adverts of all virtual routers of an interface at once, in the kernel's accounting.
const SEND_BUFFER: usize = 1024 * 1024;

/// What distinguishes sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SocketKey {
    /// Index of the interface; 0 for all.
    pub(crate) index: u32,
    pub(crate) ipv6: bool,
    /// 112, or 51 for adverts behind an authentication header.
    pub(crate) protocol: u8,
}

/// One raw socket, bound to an interface.
#[derive(Debug)]
pub(crate) struct AdvertSocket {
    key: SocketKey,
    socket: Socket,
}

impl AdvertSocket {
    pub(crate) fn open(
        key: SocketKey,
        interface: &str,
        receive_buffer: Option<usize>,
    ) -> io::Result<Self> {
        let domain = if key.ipv6 { Domain::IPV6 } else { Domain::IPV4 };
        let socket = Socket::new(
            domain,
            Type::RAW,
            Some(Protocol::from(i32::from(key.protocol))),
        )?;
        socket.set_nonblocking(true)?;
        if key.index != 0 {
            socket.bind_device(Some(interface.as_bytes()))?;
        }
        if let Some(size) = receive_buffer {
            socket.set_recv_buffer_size(size)?;
        }
        // An advert in front of a full queue is worth more than a data packet; not every system allows it.
        let _ = socket.set_priority(SOCKET_PRIORITY);
        // Beyond the system's limit, which root may pass; else what there is must do.
        let _ = nix::sys::socket::setsockopt(
            &socket,
            nix::sys::socket::sockopt::SndBufForce,
            &SEND_BUFFER,
        );
        if key.ipv6 {
            socket.set_multicast_loop_v6(false)?;
            socket.set_multicast_if_v6(key.index)?;
            socket.set_multicast_hops_v6(255)?;
            socket.set_unicast_hops_v6(255)?;
            socket.set_recv_hoplimit_v6(true)?;
            socket.set_tclass_v6(TYPE_OF_SERVICE)?;
            // A virtual interface speaks with the link-local address of its base.
            socket.set_freebind_v6(true)?;
            nix::sys::socket::setsockopt(
                &socket,
                nix::sys::socket::sockopt::Ipv6RecvPacketInfo,
                &true,
            )?;
        } else {
            // The header is ours: any source address, TTL and type of service, and the digest of an authentication
            // header covers it. The device the socket is bound to is also where multicast goes out.
            socket.set_header_included_v4(true)?;
            socket.set_multicast_loop_v4(false)?;
            socket.set_multicast_all_v4(false)?;
        }
        Ok(Self { key, socket })
    }

    pub(crate) const fn key(&self) -> SocketKey {
        self.key
    }

    /// Room for what comes in; beyond the system's limit too, where that is allowed.
    pub(crate) fn set_receive_buffer(&self, bytes: usize) -> io::Result<()> {
        nix::sys::socket::setsockopt(&self.socket, nix::sys::socket::sockopt::RcvBufForce, &bytes)
            .or_else(|_| {
                self.socket
                    .set_recv_buffer_size(bytes)
                    .map_err(|_| nix::Error::EPERM)
            })?;
        Ok(())
    }

    /// Takes part in a multicast group.
    pub(crate) fn join(&self, group: IpAddr) -> io::Result<()> {
        match group {
            IpAddr::V4(group) => {
                let interface = InterfaceIndexOrAddress::Index(self.key.index);
                self.socket.join_multicast_v4_n(&group, &interface)
            }
            IpAddr::V6(group) => self.socket.join_multicast_v6(&group, self.key.index),
        }
    }

    /// Leaves a multicast group.
    pub(crate) fn leave(&self, group: IpAddr) -> io::Result<()> {
        match group {
            IpAddr::V4(group) => {
                let interface = InterfaceIndexOrAddress::Index(self.key.index);
                self.socket.leave_multicast_v4_n(&group, &interface)
            }
            IpAddr::V6(group) => self.socket.leave_multicast_v6(&group, self.key.index),
        }
    }

    /// Lets packets of other virtual routers than these wake nobody, unless the first address they list ends in one of
    /// these words: then somebody uses our address under another id.
    ///
    /// Of those whose ordinary adverts go to a quiet socket only resignations pass.
    pub(crate) fn admit(
        &self,
        vrids: &BTreeSet<u8>,
        ordinary: &BTreeSet<u8>,
        addresses: &BTreeSet<u32>,
    ) -> io::Result<()> {
        self.attach(filter::program(self.key, vrids, ordinary, addresses))
            // The kernel may want to spend less memory on it.
            .or_else(|_| {
                let program = filter::program(self.key, vrids, ordinary, &BTreeSet::new());
                self.attach(program)
            })
    }

    /// Makes it a quiet socket: it takes ordinary adverts of these virtual routers, and nobody waits for it.
    pub(crate) fn admit_ordinary(&self, vrids: &BTreeSet<u8>) -> io::Result<()> {
        self.attach(filter::ordinary(self.key, vrids))
    }

    /// Has room for all adverts between two readings, and notes when each came.
    pub(crate) fn make_quiet(&self) -> io::Result<()> {
        let stamps = nix::sys::socket::sockopt::ReceiveTimestampns;
        nix::sys::socket::setsockopt(&self.socket, stamps, &true)?;
        self.set_receive_buffer(QUIET_BUFFER)
    }

    fn attach(&self, program: Vec<filter::Instruction>) -> io::Result<()> {
        let program: Vec<SockFilter> = program
            .into_iter()
            .map(|one| SockFilter::new(one.code, one.yes, one.no, one.value))
            .collect();
        self.socket.attach_filter(&program)
    }

    /// Sends IPv4 datagrams that bring their headers, or IPv6 payloads; tells of each what became of it.
    pub(crate) fn send(&self, packets: &[Packet<'_>], mut tell: impl FnMut(usize, io::Result<()>)) {
        let mut first = 0;
        while let Some(rest) = packets.get(first..).filter(|rest| !rest.is_empty()) {
            // One call has one set of flags.
            let flags = rest.first().map_or(0, |packet| self.flags(packet));
            let batch: Vec<Outgoing<'_>> = rest
                .iter()
                .take(crate::sys::BATCH)
                .take_while(|packet| self.flags(packet) == flags)
                .map(|packet| packet.outgoing(self.key.index))
                .collect();
            match crate::sys::send_many(self.socket.as_fd(), &batch, flags) {
                Ok(sent) => {
                    // None sent and no error does not happen; it must not keep us here either.
                    let sent = sent.max(1);
                    for position in first..first + sent {
                        tell(position, Ok(()));
                    }
                    first += sent;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    tell(first, Err(error));
                    first += 1;
                }
            }
        }
    }

    fn flags(&self, packet: &Packet<'_>) -> libc::c_int {
        if !self.key.ipv6 && packet.destination.is_multicast() {
            libc::MSG_DONTROUTE
        } else {
            0
        }
    }

    /// Takes a batch of datagrams and hands each on taken apart, with its time if the socket is quiet; `None` for one
    /// whose IP header makes no sense. Says whether there may be more.
    pub(crate) fn receive(
        &self,
        inbox: &mut Inbox,
        mut handle: impl FnMut(Option<&Received<'_>>, Option<Duration>),
    ) -> io::Result<bool> {
        let count = inbox.receive(self.socket.as_fd(), self.key.ipv6)?;
        for datagram in inbox.datagrams() {
            handle(self.take_apart(&datagram).as_ref(), datagram.arrived);
        }
        Ok(count == crate::sys::BATCH)
    }

    fn take_apart<'a>(&self, datagram: &Datagram<'a>) -> Option<Received<'a>> {
        if !self.key.ipv6 {
            return Received::from_ipv4(datagram.bytes).ok();
        }
        // Without the control messages the packet fails the checks of the protocol, which is as it should be.
        let known = |address: Option<Ipv6Addr>| address.unwrap_or(Ipv6Addr::UNSPECIFIED).into();
        let mut received = Received::new(
            known(datagram.source),
            known(datagram.destination),
            datagram.hop_limit.unwrap_or(0),
            datagram.bytes,
        );
        received.protocol = self.key.protocol;
        Some(received)
    }
}

/// What a thread receives adverts with.
pub(crate) fn inbox() -> io::Result<Inbox> {
    Inbox::new(LARGEST_DATAGRAM)
}

/// An IPv4 datagram that brings its header, or an IPv6 payload, ready to go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packet<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) hop_limit: u8,
}

impl<'a> Packet<'a> {
    fn outgoing(&self, index: u32) -> Outgoing<'a> {
        let information = match self.source {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => Some(PacketInformation {
                address,
                index,
                hop_limit: self.hop_limit,
            }),
        };
        Outgoing {
            bytes: self.bytes,
            destination: self.destination,
            information,
        }
    }
}

impl crate::sys::OwnsDescriptor for AdvertSocket {}

impl AsRawFd for AdvertSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// The last four bytes of an address: what the filter compares.
pub(crate) const fn last_word(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(address) => address.to_bits(),
        #[expect(clippy::cast_possible_truncation, reason = "the last word is meant")]
        IpAddr::V6(address) => address.to_bits() as u32,
    }
}

/// Whether an instance of this family uses the socket.
pub(crate) const fn is_ipv6(family: Family) -> bool {
    matches!(family, Family::V6)
}
