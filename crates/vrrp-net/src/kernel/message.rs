//! Netlink messages to and from our own terms.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rtnetlink::packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use rtnetlink::packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressProtocol, CacheInfo,
};
use rtnetlink::packet_route::link::{LinkAttribute, LinkFlags, LinkLayerType, LinkMessage, State};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};

use super::{
    AddressKey, Change, KernelAddress, Layer, Link, LinkKind, Notice, Placed, routing, virtual_link,
};

/// Life time of what never expires (`INFINITY_LIFE_TIME`).
const FOREVER: u32 = u32::MAX;

/// The length of a netlink message header.
const HEADER_LENGTH: usize = 16;

/// The request for one change, and its flags. Without `mark` the address carries no `IFA_PROTO`.
pub(super) fn change_request(change: &Change, mark: Option<u8>) -> (RouteNetlinkMessage, u16) {
    let (message, flags) = match change {
        Change::Add(placed) => (
            RouteNetlinkMessage::NewAddress(new_address(placed, mark)),
            NLM_F_CREATE | NLM_F_EXCL,
        ),
        Change::Remove(key) => (RouteNetlinkMessage::DelAddress(old_address(key)), 0),
    };
    (message, NLM_F_REQUEST | NLM_F_ACK | flags)
}

pub(super) fn encode(message: RouteNetlinkMessage, sequence: u32, flags: u16) -> Vec<u8> {
    let mut message = NetlinkMessage::from(message);
    message.header.flags = flags;
    message.header.sequence_number = sequence;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

const fn family(address: &IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

fn old_address(key: &AddressKey) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(&key.address);
    message.header.prefix_len = key.prefix_length;
    message.header.index = key.index;
    message
        .attributes
        .push(AddressAttribute::Local(key.address));
    message
}

fn new_address(placed: &Placed, mark: Option<u8>) -> AddressMessage {
    let address = &placed.address;
    let mut message = old_address(&placed.key());
    if address.address.is_ipv4() {
        message.header.scope = address.scope.0.into();
    }
    message.attributes.push(AddressAttribute::Address(
        address.peer.unwrap_or(address.address),
    ));
    if let Some(label) = &address.label {
        message
            .attributes
            .push(AddressAttribute::Label(label.clone()));
    }
    if let Some(broadcast) = address.broadcast_address() {
        message
            .attributes
            .push(AddressAttribute::Broadcast(broadcast));
    }
    let mut flags = AddressFlags::empty();
    flags.set(
        AddressFlags::Nodad,
        !address.duplicate_detection && address.address.is_ipv6(),
    );
    flags.set(AddressFlags::Mcautojoin, address.auto_join);
    flags.set(AddressFlags::Homeaddress, address.home);
    flags.set(AddressFlags::Managetempaddr, address.manage_temporary);
    flags.set(AddressFlags::Noprefixroute, address.no_prefix_route);
    if !flags.is_empty() {
        message.header.flags = AddressHeaderFlags::from_bits_truncate((flags.bits() & 0xff) as u8);
        message.attributes.push(AddressAttribute::Flags(flags));
    }
    if let Some(preferred) = address.preferred_lifetime {
        let mut life = CacheInfo::default();
        life.ifa_preferred = seconds(preferred);
        life.ifa_valid = FOREVER;
        message.attributes.push(AddressAttribute::CacheInfo(life));
    }
    if let Some(mark) = mark {
        message
            .attributes
            .push(AddressAttribute::Protocol(AddressProtocol::from(mark)));
    }
    message
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(FOREVER)
}

/// What one message of the kernel means.
#[derive(Debug)]
pub(super) enum Incoming {
    Notice(Notice),
    /// The answer to the request of this sequence number.
    Answer(u32, io::Result<()>),
    /// The end of a dump.
    Done(u32),
    /// A route or rule of a dump.
    Entry(Box<RouteNetlinkMessage>),
    /// Something else, or not understood.
    Other,
}

/// Walks over the messages in one datagram. What cannot be understood is passed over.
pub(super) fn decode(datagram: &[u8]) -> impl Iterator<Item = (Incoming, bool)> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let length = usize::try_from(u32::from_ne_bytes(*rest.first_chunk()?)).ok()?;
        if length < HEADER_LENGTH {
            return None;
        }
        let message = rest.get(..length)?;
        // The padding of the last message may be missing.
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(decode_one(message))
    })
}

/// The message, and whether the dump it is part of was disturbed.
fn decode_one(message: &[u8]) -> (Incoming, bool) {
    const DUMP_DISTURBED: u16 = 16;
    let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(message) else {
        return (Incoming::Other, false);
    };
    let disturbed = message.header.flags & DUMP_DISTURBED != 0;
    let sequence = message.header.sequence_number;
    let incoming = match message.payload {
        NetlinkPayload::Done(_) => Incoming::Done(sequence),
        NetlinkPayload::Error(error) => {
            let result = if error.code.is_none() {
                Ok(())
            } else {
                Err(error.to_io())
            };
            Incoming::Answer(sequence, result)
        }
        NetlinkPayload::Overrun(_) => Incoming::Notice(Notice::Overrun),
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => {
            Incoming::Notice(link_notice(link))
        }
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(link)) => {
            Incoming::Notice(Notice::LinkGone(link.header.index))
        }
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewAddress(address)) => {
            address_of(&address).map_or(Incoming::Other, |address| {
                Incoming::Notice(Notice::Address(address))
            })
        }
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelAddress(address)) => {
            address_of(&address).map_or(Incoming::Other, |address| {
                Incoming::Notice(Notice::AddressGone(address.key))
            })
        }
        NetlinkPayload::InnerMessage(
            message @ (RouteNetlinkMessage::NewRoute(_) | RouteNetlinkMessage::NewRule(_)),
        ) => Incoming::Entry(Box::new(message)),
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelRoute(route)) => {
            routing::route_gone(&route).map_or(Incoming::Other, |gone| {
                Incoming::Notice(Notice::EntryGone(gone))
            })
        }
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelRule(rule)) => {
            Incoming::Notice(Notice::EntryGone(routing::rule_gone(&rule)))
        }
        _ => Incoming::Other,
    };
    (incoming, disturbed)
}

fn link_notice(message: LinkMessage) -> Notice {
    let flags = message.header.flags;
    let kind = match message.header.link_layer_type {
        _ if flags.contains(LinkFlags::Loopback) => LinkKind::Loopback,
        LinkLayerType::Ether if !flags.contains(LinkFlags::Noarp) => LinkKind::Ethernet,
        _ => LinkKind::Other,
    };
    let mut link = Link {
        index: message.header.index,
        name: Arc::default(),
        kind,
        mac: None,
        up: flags.contains(LinkFlags::Up) && flags.contains(LinkFlags::Running),
        administratively_up: flags.contains(LinkFlags::Up),
        mtu: 0,
        layer: Layer::default(),
    };
    let mut foreign_base = false;
    for attribute in message.attributes {
        virtual_link::note(&mut link.layer, &attribute);
        match attribute {
            LinkAttribute::IfName(name) => link.name = name.into(),
            LinkAttribute::LinkNetNsId(_) => foreign_base = true,
            LinkAttribute::Address(address) => link.mac = <[u8; 6]>::try_from(address).ok(),
            LinkAttribute::Mtu(mtu) => link.mtu = mtu,
            LinkAttribute::OperState(State::Down | State::LowerLayerDown | State::NotPresent) => {
                link.up = false;
            }
            _ => {}
        }
    }
    if foreign_base {
        link.layer.base = None;
    }
    Notice::Link(link)
}

fn address_of(message: &AddressMessage) -> Option<KernelAddress> {
    let (mut local, mut address, mut mark) = (None, None, 0);
    let mut flags = AddressFlags::from_bits_retain(u32::from(message.header.flags.bits()));
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(value) => local = Some(*value),
            AddressAttribute::Address(value) => address = Some(*value),
            AddressAttribute::Protocol(value) => mark = u8::from(*value),
            AddressAttribute::Flags(value) => flags = *value,
            _ => {}
        }
    }
    let key = AddressKey {
        index: message.header.index,
        // IPv6 gives the local address only where there is a peer.
        address: local.or(address)?,
        prefix_length: message.header.prefix_len,
    };
    let tentative = flags.intersects(AddressFlags::Tentative | AddressFlags::Dadfailed)
        && !flags.contains(AddressFlags::Optimistic);
    Some(KernelAddress {
        key,
        scope: message.header.scope.into(),
        mark,
        tentative,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::VirtualAddress;

    fn placed() -> Placed {
        let address = VirtualAddress::new("172.16.1.8".parse().unwrap()).with_label("eth0:0");
        Placed { index: 7, address }
    }

    fn encode_change(change: &Change, sequence: u32, mark: Option<u8>) -> Vec<u8> {
        let (message, flags) = change_request(change, mark);
        encode(message, sequence, flags)
    }

    #[test]
    fn an_address_survives_the_way_through_the_codec() {
        let bytes = encode_change(&Change::Add(placed()), 3, Some(112));
        let decoded: Vec<_> = decode(&bytes).collect();
        assert_eq!(decoded.len(), 1);
        match &decoded[0] {
            (Incoming::Notice(Notice::Address(address)), false) => {
                assert_eq!(address.key, placed().key());
                assert_eq!(address.mark, 112);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn several_messages_in_a_datagram_are_all_seen() {
        let mut bytes = encode_change(&Change::Add(placed()), 1, None);
        bytes.extend(encode_change(&Change::Remove(placed().key()), 2, None));
        let kinds: Vec<_> = decode(&bytes).map(|(incoming, _)| incoming).collect();
        assert!(matches!(
            kinds.as_slice(),
            [
                Incoming::Notice(Notice::Address(_)),
                Incoming::Notice(Notice::AddressGone(_))
            ]
        ));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(mut bytes: Vec<u8>) {
            for _ in decode(&bytes) {}
            // The same behind a header that claims the right length and a type we read.
            let length = u32::try_from(bytes.len() + HEADER_LENGTH).unwrap();
            for kind in [2_u16, 3, 16, 17, 20, 21, 24, 25, 32, 33] {
                let mut message = length.to_ne_bytes().to_vec();
                message.extend(kind.to_ne_bytes());
                message.extend([0; 10]);
                message.append(&mut bytes.clone());
                for _ in decode(&message) {}
            }
            bytes.clear();
        }
    }
}
