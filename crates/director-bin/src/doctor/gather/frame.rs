//! Frames: an ARP request, a TCP SYN, a SYN in a tunnel, and the reading of what comes back.

use std::net::{IpAddr, Ipv4Addr};

/// From whom to whom a frame goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ethernet {
    pub(super) from: [u8; 6],
    pub(super) to: [u8; 6],
}

/// What a frame says, as far as the doctor wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// Who says to have this address.
    Arp { sender: IpAddr, mac: [u8; 6] },
    /// A TCP segment.
    Tcp {
        from: (Ipv4Addr, u16),
        to: (Ipv4Addr, u16),
        syn_ack: bool,
        reset: bool,
    },
    /// A VRRP advertisement.
    Advert { source: IpAddr, vrid: u8 },
}

const BROADCAST: [u8; 6] = [0xff; 6];

fn ethernet(addresses: Ethernet, kind: u16) -> Vec<u8> {
    let mut frame = Vec::with_capacity(64);
    frame.extend_from_slice(&addresses.to);
    frame.extend_from_slice(&addresses.from);
    frame.extend_from_slice(&kind.to_be_bytes());
    frame
}

/// Asks who has `target`; `sender` is the own address, or 0.0.0.0 for a probe.
pub(super) fn arp_request(from: [u8; 6], sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let mut frame = ethernet(
        Ethernet {
            from,
            to: BROADCAST,
        },
        0x0806,
    );
    frame.extend_from_slice(&[0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend_from_slice(&from);
    frame.extend_from_slice(&sender.octets());
    frame.extend_from_slice(&[0; 6]);
    frame.extend_from_slice(&target.octets());
    frame.resize(60, 0);
    frame
}

/// A SYN, as a whole frame.
pub(super) fn syn(addresses: Ethernet, from: (Ipv4Addr, u16), to: (Ipv4Addr, u16)) -> Vec<u8> {
    let mut frame = ethernet(addresses, 0x0800);
    frame.extend_from_slice(&syn_packet(from, to));
    frame.resize(frame.len().max(60), 0);
    frame
}

/// The same in an IPIP tunnel.
pub(super) fn tunnelled_syn(
    addresses: Ethernet,
    outer: (Ipv4Addr, Ipv4Addr),
    from: (Ipv4Addr, u16),
    to: (Ipv4Addr, u16),
) -> Vec<u8> {
    let inner = syn_packet(from, to);
    let mut frame = ethernet(addresses, 0x0800);
    frame.extend_from_slice(&ip_header(outer.0, outer.1, 4, inner.len()));
    frame.extend_from_slice(&inner);
    frame.resize(frame.len().max(60), 0);
    frame
}

fn syn_packet(from: (Ipv4Addr, u16), to: (Ipv4Addr, u16)) -> Vec<u8> {
    let mut segment = Vec::with_capacity(20);
    segment.extend_from_slice(&from.1.to_be_bytes());
    segment.extend_from_slice(&to.1.to_be_bytes());
    // Sequence and acknowledgement; five words, SYN; window; no checksum yet; no urgent data.
    segment.extend_from_slice(&[
        0x10, 0x20, 0x30, 0x40, 0, 0, 0, 0, 0x50, 0x02, 0x20, 0, 0, 0, 0, 0,
    ]);
    let mut pseudo = Vec::with_capacity(32);
    pseudo.extend_from_slice(&from.0.octets());
    pseudo.extend_from_slice(&to.0.octets());
    pseudo.extend_from_slice(&[0, 6, 0, 20]);
    pseudo.extend_from_slice(&segment);
    let sum = checksum(&pseudo).to_be_bytes();
    if let Some(place) = segment.get_mut(16..18) {
        place.copy_from_slice(&sum);
    }
    let mut packet = ip_header(from.0, to.0, 6, segment.len());
    packet.extend_from_slice(&segment);
    packet
}

fn ip_header(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, length: usize) -> Vec<u8> {
    let total = u16::try_from(length.saturating_add(20))
        .unwrap_or(u16::MAX)
        .to_be_bytes();
    let [high, low] = total;
    let mut header = vec![0x45, 0, high, low, 0x4c, 0x56, 0x40, 0, 64, protocol, 0, 0];
    header.extend_from_slice(&from.octets());
    header.extend_from_slice(&to.octets());
    let sum = checksum(&header).to_be_bytes();
    if let Some(place) = header.get_mut(10..12) {
        place.copy_from_slice(&sum);
    }
    header
}

fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
            [high] => u32::from(u16::from_be_bytes([*high, 0])),
            _ => 0,
        })
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// What a frame says.
pub(super) fn parse(frame: &[u8]) -> Option<Heard> {
    let kind = u16::from_be_bytes(frame.get(12..14)?.try_into().ok()?);
    let body = frame.get(14..)?;
    match kind {
        0x0806 => {
            let mac = body.get(8..14)?.try_into().ok()?;
            let sender: [u8; 4] = body.get(14..18)?.try_into().ok()?;
            // Replies, and announcements of others.
            (body.get(..6)? == [0, 1, 8, 0, 6, 4]).then_some(Heard::Arp {
                sender: Ipv4Addr::from(sender).into(),
                mac,
            })
        }
        0x0800 => ipv4(body),
        0x86dd => {
            let source: [u8; 16] = body.get(8..24)?.try_into().ok()?;
            (*body.get(6)? == 112)
                .then(|| {
                    Some(Heard::Advert {
                        source: IpAddr::from(source),
                        vrid: *body.get(41)?,
                    })
                })
                .flatten()
        }
        _ => None,
    }
}

fn ipv4(packet: &[u8]) -> Option<Heard> {
    let length = usize::from(packet.first()? & 0x0f) * 4;
    let address = |at: usize| -> Option<Ipv4Addr> {
        let octets: [u8; 4] = packet.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(octets.into())
    };
    let (source, destination) = (address(12)?, address(16)?);
    let payload = packet.get(length..)?;
    match *packet.get(9)? {
        6 => {
            let port = |at: usize| {
                Some(u16::from_be_bytes(
                    payload.get(at..at + 2)?.try_into().ok()?,
                ))
            };
            let flags = *payload.get(13)?;
            Some(Heard::Tcp {
                from: (source, port(0)?),
                to: (destination, port(2)?),
                syn_ack: flags & 0x12 == 0x12,
                reset: flags & 0x04 != 0,
            })
        }
        112 => Some(Heard::Advert {
            source: source.into(),
            vrid: *payload.get(1)?,
        }),
        // An authentication header in front of it.
        51 => {
            let skip = (usize::from(*payload.get(1)?) + 2) * 4;
            (*payload.first()? == 112)
                .then(|| {
                    Some(Heard::Advert {
                        source: source.into(),
                        vrid: *payload.get(skip + 1)?,
                    })
                })
                .flatten()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const US: Ethernet = Ethernet {
        from: [2, 0, 0, 0, 0, 1],
        to: [2, 0, 0, 0, 0, 2],
    };

    #[test]
    fn what_is_sent_is_understood() {
        let (from, to) = (
            (Ipv4Addr::new(10, 0, 0, 1), 1024),
            (Ipv4Addr::new(10, 0, 0, 2), 80),
        );
        let frame = syn(US, from, to);
        assert_eq!(
            parse(&frame),
            Some(Heard::Tcp {
                from,
                to,
                syn_ack: false,
                reset: false
            })
        );
        assert_eq!(checksum(&frame[14..34]), 0, "of the header");
        let request = arp_request(US.from, from.0, to.0);
        assert_eq!(
            parse(&request),
            Some(Heard::Arp {
                sender: from.0.into(),
                mac: US.from
            })
        );
        let tunnelled = tunnelled_syn(US, (from.0, to.0), from, to);
        assert_eq!(tunnelled[23], 4);
        assert_eq!(tunnelled[34..54], frame[14..34], "the same packet inside");
    }

    proptest! {
        #[test]
        fn any_frame_is_read_without_panic(frame in prop::collection::vec(any::<u8>(), 0..120), kind in 0..4_usize) {
            let mut frame = frame;
            if frame.len() > 14 {
                let kinds = [[0x08, 0x00], [0x08, 0x06], [0x86, 0xdd], [0, 0]];
                frame[12..14].copy_from_slice(&kinds[kind]);
            }
            let _ = parse(&frame);
        }
    }
}
