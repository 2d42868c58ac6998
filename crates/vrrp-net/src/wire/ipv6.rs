//! IPv6 keeps its header to itself: what we need of it travels as control messages.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv6Addr, SocketAddrV6};
use std::os::fd::AsRawFd;

use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn6, recvmsg, sendmsg,
};
use socket2::Socket;

/// What came with a payload.
pub(super) struct Envelope {
    pub(super) length: usize,
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) hop_limit: u8,
}

pub(super) fn want_packet_information(socket: &Socket) -> io::Result<()> {
    nix::sys::socket::setsockopt(socket, nix::sys::socket::sockopt::Ipv6RecvPacketInfo, &true)?;
    Ok(())
}

pub(super) fn send(
    socket: &Socket,
    payload: &[u8],
    source: Ipv6Addr,
    destination: Ipv6Addr,
    hop_limit: u8,
    index: u32,
) -> io::Result<()> {
    let target = SockaddrIn6::from(SocketAddrV6::new(destination, 0, 0, index));
    let information = libc::in6_pktinfo {
        ipi6_addr: libc::in6_addr {
            s6_addr: source.octets(),
        },
        ipi6_ifindex: index,
    };
    let hop_limit = libc::c_int::from(hop_limit);
    let control = [
        ControlMessage::Ipv6PacketInfo(&information),
        ControlMessage::Ipv6HopLimit(&hop_limit),
    ];
    let payload = [IoSlice::new(payload)];
    sendmsg(
        socket.as_raw_fd(),
        &payload,
        &control,
        MsgFlags::empty(),
        Some(&target),
    )?;
    Ok(())
}

pub(super) fn receive(socket: &Socket, buffer: &mut [u8]) -> io::Result<Envelope> {
    let mut control = nix::cmsg_space!(libc::in6_pktinfo, libc::c_int);
    let mut slices = [IoSliceMut::new(buffer)];
    let message = recvmsg::<SockaddrIn6>(
        socket.as_raw_fd(),
        &mut slices,
        Some(&mut control),
        MsgFlags::empty(),
    )?;
    // Without the control messages the packet fails the checks of the protocol, which is as it should be.
    let mut envelope = Envelope {
        length: message.bytes,
        source: message
            .address
            .map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |address| {
                IpAddr::V6(address.ip())
            }),
        destination: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        hop_limit: 0,
    };
    for part in message.cmsgs()? {
        match part {
            ControlMessageOwned::Ipv6PacketInfo(information) => {
                envelope.destination = IpAddr::V6(Ipv6Addr::from(information.ipi6_addr.s6_addr));
            }
            ControlMessageOwned::Ipv6HopLimit(limit) => {
                envelope.hop_limit = u8::try_from(limit).unwrap_or(0);
            }
            _ => {}
        }
    }
    Ok(envelope)
}
