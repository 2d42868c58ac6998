//! Gratuitous ARP and unsolicited neighbour advertisements: telling the link where a virtual address lives now.

mod frame;

use std::io;
use std::net::IpAddr;

use socket2::{Domain, Protocol, Socket, Type};

use crate::kernel::{Link, LinkKind};
use crate::sys;

/// Sends announcements on any Ethernet interface.
#[derive(Debug)]
pub(crate) struct Announcer {
    socket: Socket,
}

impl Announcer {
    pub(crate) fn open() -> io::Result<Self> {
        // Protocol 0: the socket only sends, no frame is ever queued for it.
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0)))?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket })
    }

    /// Announces `address` on `link`. `Ok(false)` where there is nobody to tell: loopback, point-to-point, no link.
    pub(crate) fn announce(&self, link: &Link, address: IpAddr) -> io::Result<bool> {
        let (LinkKind::Ethernet, Some(mac), true) = (link.kind, link.mac, link.up) else {
            return Ok(false);
        };
        let destination = sys::link_address(link.index)?;
        match address {
            IpAddr::V4(address) => {
                self.socket
                    .send_to(&frame::gratuitous_arp(mac, address)?, &destination)?;
            }
            IpAddr::V6(address) => {
                let router = forwards_ipv6(&link.name);
                self.socket.send_to(
                    &frame::neighbour_advertisement(mac, address, router)?,
                    &destination,
                )?;
            }
        }
        Ok(true)
    }
}

/// Whether the interface forwards IPv6, which the router flag tells.
fn forwards_ipv6(interface: &str) -> bool {
    let path = format!("/proc/sys/net/ipv6/conf/{interface}/forwarding");
    std::fs::read(path).is_ok_and(|value| value.first() == Some(&b'1'))
}
