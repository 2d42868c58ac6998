//! Sockets that carry the adverts: one per interface, family and IP protocol, shared by all instances on it.

mod ipv6;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockAddr, Socket, Type};
use vrrp_proto::{Family, Received};

/// Largest datagram read; an advert with 255 IPv6 addresses and all extensions is below 4200 bytes.
pub(crate) const LARGEST_DATAGRAM: usize = 9216;
/// Type of service of adverts: internetwork control.
const TYPE_OF_SERVICE: u32 = 0xc0;
/// Queueing priority of adverts (`TC_PRIO_CONTROL`).
const SOCKET_PRIORITY: u32 = 7;

/// What distinguishes sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SocketKey {
    /// Index of the interface.
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
        socket.bind_device(Some(interface.as_bytes()))?;
        if let Some(size) = receive_buffer {
            socket.set_recv_buffer_size(size)?;
        }
        // An advert in front of a full queue is worth more than a data packet; not every system allows it.
        let _ = socket.set_priority(SOCKET_PRIORITY);
        if key.ipv6 {
            socket.set_multicast_loop_v6(false)?;
            socket.set_multicast_if_v6(key.index)?;
            socket.set_multicast_hops_v6(255)?;
            socket.set_unicast_hops_v6(255)?;
            socket.set_recv_hoplimit_v6(true)?;
            socket.set_tclass_v6(TYPE_OF_SERVICE)?;
            ipv6::want_packet_information(&socket)?;
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

    /// Sends an IPv4 datagram that brings its header, or an IPv6 payload.
    pub(crate) fn send(
        &self,
        bytes: &[u8],
        source: IpAddr,
        destination: IpAddr,
        hop_limit: u8,
    ) -> io::Result<()> {
        match (source, destination) {
            (IpAddr::V6(source), IpAddr::V6(destination)) => ipv6::send(
                &self.socket,
                bytes,
                source,
                destination,
                hop_limit,
                self.key.index,
            ),
            _ => {
                let target = SockAddr::from(SocketAddr::new(destination, 0));
                let flags = if destination.is_multicast() {
                    libc::MSG_DONTROUTE
                } else {
                    0
                };
                self.socket
                    .send_to_with_flags(bytes, &target, flags)
                    .map(drop)
            }
        }
    }

    /// Reads one datagram and hands it on taken apart; `None` for one whose IP header makes no sense.
    pub(crate) fn receive<T>(
        &self,
        buffer: &mut [u8],
        handle: impl FnOnce(Option<&Received<'_>>) -> T,
    ) -> io::Result<T> {
        if self.key.ipv6 {
            let envelope = ipv6::receive(&self.socket, buffer)?;
            let payload = buffer.get(..envelope.length).unwrap_or_default();
            let mut received = Received::new(
                envelope.source,
                envelope.destination,
                envelope.hop_limit,
                payload,
            );
            received.protocol = self.key.protocol;
            Ok(handle(Some(&received)))
        } else {
            use std::io::Read as _;
            let length = (&self.socket).read(buffer)?;
            let datagram = buffer.get(..length).unwrap_or_default();
            Ok(handle(Received::from_ipv4(datagram).ok().as_ref()))
        }
    }
}

impl crate::sys::OwnsDescriptor for AdvertSocket {}

impl AsRawFd for AdvertSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// Whether an instance of this family uses the socket.
pub(crate) const fn is_ipv6(family: Family) -> bool {
    matches!(family, Family::V6)
}
