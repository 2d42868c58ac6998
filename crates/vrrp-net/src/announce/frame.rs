//! The two frames, byte by byte.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use pnet_base::MacAddr;
use pnet_packet::arp::{ArpHardwareTypes, ArpOperations, MutableArpPacket};
use pnet_packet::ethernet::{EtherTypes, MutableEthernetPacket};
use pnet_packet::icmpv6::ndp::{
    MutableNdpOptionPacket, MutableNeighborAdvertPacket, NdpOptionTypes, NeighborAdvertFlags,
};
use pnet_packet::icmpv6::{self, Icmpv6Packet, Icmpv6Types};
use pnet_packet::ip::IpNextHeaderProtocols;
use pnet_packet::ipv6::MutableIpv6Packet;

const ETHERNET_HEADER: usize = 14;
const IPV6_HEADER: usize = 40;
const ARP: usize = 28;
/// A neighbour advertisement with one link-layer address option.
const ADVERTISEMENT: usize = 32;
const OPTION: usize = 8;

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: MacAddr = MacAddr(0x33, 0x33, 0, 0, 0, 1);

/// `pnet` answers a buffer that is too short with `None`; ours are long enough by construction.
fn short() -> io::Error {
    io::Error::other("frame buffer too short")
}

fn mac_address(mac: [u8; 6]) -> MacAddr {
    MacAddr::from(mac)
}

/// An ARP request in which sender and target are the virtual address, to everybody on the link.
pub(super) fn gratuitous_arp(
    mac: [u8; 6],
    address: Ipv4Addr,
) -> io::Result<[u8; ETHERNET_HEADER + ARP]> {
    let mac = mac_address(mac);
    let mut frame = [0; ETHERNET_HEADER + ARP];
    let (header, body) = frame.split_at_mut(ETHERNET_HEADER);

    let mut ethernet = MutableEthernetPacket::new(header).ok_or_else(short)?;
    ethernet.set_destination(MacAddr::broadcast());
    ethernet.set_source(mac);
    ethernet.set_ethertype(EtherTypes::Arp);

    let mut arp = MutableArpPacket::new(body).ok_or_else(short)?;
    arp.set_hardware_type(ArpHardwareTypes::Ethernet);
    arp.set_protocol_type(EtherTypes::Ipv4);
    arp.set_hw_addr_len(6);
    arp.set_proto_addr_len(4);
    arp.set_operation(ArpOperations::Request);
    arp.set_sender_hw_addr(mac);
    arp.set_sender_proto_addr(address);
    arp.set_target_hw_addr(MacAddr::broadcast());
    arp.set_target_proto_addr(address);
    Ok(frame)
}

/// A neighbour advertisement nobody asked for, from the virtual address to all nodes (RFC 9568 §6.4.2).
pub(super) fn neighbour_advertisement(
    mac: [u8; 6],
    address: Ipv6Addr,
    router: bool,
) -> io::Result<[u8; ETHERNET_HEADER + IPV6_HEADER + ADVERTISEMENT]> {
    let mac = mac_address(mac);
    let mut frame = [0; ETHERNET_HEADER + IPV6_HEADER + ADVERTISEMENT];
    let (header, rest) = frame.split_at_mut(ETHERNET_HEADER);
    let (ip_header, body) = rest.split_at_mut(IPV6_HEADER);

    let mut ethernet = MutableEthernetPacket::new(header).ok_or_else(short)?;
    ethernet.set_destination(ALL_NODES_MAC);
    ethernet.set_source(mac);
    ethernet.set_ethertype(EtherTypes::Ipv6);

    let mut ip = MutableIpv6Packet::new(ip_header).ok_or_else(short)?;
    ip.set_version(6);
    ip.set_payload_length(ADVERTISEMENT as u16);
    ip.set_next_header(IpNextHeaderProtocols::Icmpv6);
    ip.set_hop_limit(255);
    ip.set_source(address);
    ip.set_destination(ALL_NODES);

    let mut advertisement = MutableNeighborAdvertPacket::new(body).ok_or_else(short)?;
    advertisement.set_icmpv6_type(Icmpv6Types::NeighborAdvert);
    let router = if router {
        NeighborAdvertFlags::Router
    } else {
        0
    };
    advertisement.set_flags(NeighborAdvertFlags::Override | router);
    advertisement.set_target_addr(address);

    let option = body.get_mut(ADVERTISEMENT - OPTION..).ok_or_else(short)?;
    let mut option = MutableNdpOptionPacket::new(option).ok_or_else(short)?;
    option.set_option_type(NdpOptionTypes::TargetLLAddr);
    option.set_length(1);
    option.set_data(&mac.octets());

    let checksum = {
        let packet = Icmpv6Packet::new(body).ok_or_else(short)?;
        icmpv6::checksum(&packet, &address, &ALL_NODES)
    };
    let mut advertisement = MutableNeighborAdvertPacket::new(body).ok_or_else(short)?;
    advertisement.set_checksum(checksum);
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Captured from another implementation on the wire.
    #[test]
    fn the_arp_frame_is_the_one_others_send() {
        let frame =
            gratuitous_arp([0x02, 0x66, 0, 0, 0, 0x01], Ipv4Addr::new(10, 66, 0, 100)).unwrap();
        let captured = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x66, 0x00, 0x00, 0x00, 0x01, 0x08, 0x06,
            0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01, 0x02, 0x66, 0x00, 0x00, 0x00, 0x01,
            0x0a, 0x42, 0x00, 0x64, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0a, 0x42, 0x00, 0x64,
        ];
        assert_eq!(frame, captured);
    }

    #[test]
    fn the_advertisement_has_flags_option_and_a_right_checksum() {
        let address: Ipv6Addr = "fd66::100".parse().unwrap();
        let frame = neighbour_advertisement([2, 0x66, 0, 0, 0, 1], address, false).unwrap();
        assert_eq!(frame.len(), 86);
        assert_eq!(&frame[..6], &[0x33, 0x33, 0, 0, 0, 1]);
        assert_eq!(frame[21], 255);
        assert_eq!(frame[54], 136);
        assert_eq!(frame[58], 0x20);
        assert_eq!(&frame[62..78], &address.octets());
        assert_eq!(&frame[78..], &[2, 1, 2, 0x66, 0, 0, 0, 1]);
        let packet = Icmpv6Packet::new(&frame[54..]).unwrap();
        assert_eq!(
            icmpv6::checksum(&packet, &address, &ALL_NODES),
            packet.get_checksum()
        );
        let routing = neighbour_advertisement([2, 0x66, 0, 0, 0, 1], address, true).unwrap();
        assert_eq!(routing[58], 0xa0);
    }
}
