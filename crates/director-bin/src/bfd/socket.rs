//! The sockets of BFD (RFC 5881 §4, RFC 5883 §5).

use nix::cmsg_space;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt,
};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::AsRawFd;
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Destination port of single-hop sessions.
const SINGLE_HOP: u16 = 3784;
/// Destination port of multihop sessions.
const MULTIHOP: u16 = 4784;
/// Source ports are taken from here on.
const SOURCE_PORTS: u16 = 49_152;
/// Octets of a datagram that are read; control packets are shorter.
const DATAGRAM: usize = 256;
/// Network control, so that a full link does not take sessions down.
const TRAFFIC_CLASS: u32 = 0xc0;

/// The port that packets of such a session go to.
pub(super) const fn port(multihop: bool) -> u16 {
    if multihop { MULTIHOP } else { SINGLE_HOP }
}

/// A datagram that came in.
#[derive(Debug)]
pub(super) struct Received {
    /// Its content.
    pub(super) octets: Vec<u8>,
    /// Who sent it.
    pub(super) source: IpAddr,
    /// Hop limit that was left.
    pub(super) hop_limit: Option<u8>,
}

/// Opens the socket that all sessions of a kind receive on.
pub(super) fn receiver(ipv6: bool, multihop: bool) -> io::Result<UdpSocket> {
    let domain = if ipv6 { Domain::IPV6 } else { Domain::IPV4 };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    let address: IpAddr = if ipv6 {
        socket.set_only_v6(true)?;
        setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true)?;
        Ipv6Addr::UNSPECIFIED.into()
    } else {
        setsockopt(&socket, sockopt::Ipv4RecvTtl, &true)?;
        Ipv4Addr::UNSPECIFIED.into()
    };
    socket.bind(&SocketAddr::new(address, port(multihop)).into())?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket.into())
}

/// Opens the socket that a session sends from. `random` chooses the first port to try.
pub(super) fn sender(
    neighbour: IpAddr,
    source: Option<IpAddr>,
    hop_limit: u8,
    random: u32,
) -> io::Result<UdpSocket> {
    let domain = Domain::for_address(SocketAddr::new(neighbour, 0));
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    let any: IpAddr = if neighbour.is_ipv6() {
        socket.set_unicast_hops_v6(hop_limit.into())?;
        socket.set_tclass_v6(TRAFFIC_CLASS)?;
        Ipv6Addr::UNSPECIFIED.into()
    } else {
        socket.set_ttl_v4(hop_limit.into())?;
        socket.set_tos_v4(TRAFFIC_CLASS)?;
        Ipv4Addr::UNSPECIFIED.into()
    };
    let ports = u16::MAX - SOURCE_PORTS;
    let first = u16::try_from(random % u32::from(ports)).unwrap_or(0);
    let mut result = Err(io::ErrorKind::AddrInUse.into());
    for step in 0..64 {
        let port = SOURCE_PORTS + (first.wrapping_add(step) % ports);
        let address = SocketAddr::new(source.unwrap_or(any), port);
        result = socket.bind(&address.into());
        match &result {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            _ => break,
        }
    }
    result?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket.into())
}

/// Receives the next datagram.
pub(super) async fn receive(socket: &UdpSocket) -> io::Result<Received> {
    socket
        .async_io(Interest::READABLE, || {
            let mut buffer = [0; DATAGRAM];
            let mut parts = [IoSliceMut::new(&mut buffer)];
            let mut control = cmsg_space!(i32);
            let message = recvmsg::<SockaddrStorage>(
                socket.as_raw_fd(),
                &mut parts,
                Some(&mut control),
                MsgFlags::empty(),
            )?;
            let hop_limit = message.cmsgs()?.find_map(|message| match message {
                ControlMessageOwned::Ipv4Ttl(hops) | ControlMessageOwned::Ipv6HopLimit(hops) => {
                    u8::try_from(hops).ok()
                }
                _ => None,
            });
            let source = message.address.and_then(|address| {
                let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
                let v6 = || address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip()));
                v4.or_else(v6)
            });
            let length = message.bytes;
            let source = source.ok_or(io::ErrorKind::InvalidData)?;
            Ok(Received {
                octets: buffer.get(..length).unwrap_or_default().to_vec(),
                source,
                hop_limit,
            })
        })
        .await
}

/// Where packets for a neighbour go.
pub(super) const fn destination(neighbour: IpAddr, multihop: bool) -> SocketAddr {
    match neighbour {
        IpAddr::V4(address) => SocketAddr::V4(std::net::SocketAddrV4::new(address, port(multihop))),
        IpAddr::V6(address) => SocketAddr::V6(SocketAddrV6::new(address, port(multihop), 0, 0)),
    }
}
