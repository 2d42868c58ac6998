use super::consts::{dest, forwarding};
use super::reader::{Attributes, DecodeError};
use super::request::{find, required};
use super::stats;
use super::writer::Writer;
use crate::types::{
    Destination, DestinationEntry, DestinationId, Family, Forwarding, Tunnel, TunnelFlags,
    TunnelKind,
};

pub(super) fn write_id(writer: &mut Writer<'_>, id: &DestinationId) {
    writer.family(dest::ADDR_FAMILY, Family::of(id.address));
    writer.address(dest::ADDR, id.address);
    writer.u16_be(dest::PORT, id.port);
}

pub(super) fn write(writer: &mut Writer<'_>, destination: &Destination) {
    write_id(writer, &destination.id);
    let method = match destination.forwarding {
        Forwarding::Masquerading => forwarding::MASQUERADE,
        Forwarding::Local => forwarding::LOCAL,
        Forwarding::Tunnel(_) => forwarding::TUNNEL,
        Forwarding::DirectRouting => forwarding::DIRECT_ROUTE,
        Forwarding::Bypass => forwarding::BYPASS,
        Forwarding::Other(number) => number,
    };
    writer.u32(dest::FWD_METHOD, method);
    writer.u32(dest::WEIGHT, destination.weight);
    writer.u32(dest::U_THRESH, destination.upper_threshold);
    writer.u32(dest::L_THRESH, destination.lower_threshold);
    if let Forwarding::Tunnel(tunnel) = destination.forwarding {
        writer.u8(dest::TUN_TYPE, tunnel.kind.number());
        writer.u16_be(dest::TUN_PORT, tunnel.port);
        writer.u16(dest::TUN_FLAGS, tunnel.flags.0);
    }
}

/// A destination as the kernel reports it.
#[cfg(feature = "fake")]
pub(super) fn write_entry(writer: &mut Writer<'_>, entry: &DestinationEntry) {
    write(writer, &entry.destination);
    writer.u32(dest::ACTIVE_CONNS, entry.active_connections);
    writer.u32(dest::INACT_CONNS, entry.inactive_connections);
    writer.u32(dest::PERSIST_CONNS, entry.persistent_connections);
    writer.nested(dest::STATS, |writer| stats::write_32(writer, &entry.stats));
    writer.nested(dest::STATS64, |writer| {
        stats::write_64(writer, &entry.stats);
    });
}

/// Without a family of its own (kernels before 3.18) a destination has its service's.
pub(super) fn read_id(
    attributes: Attributes<'_>,
    service: Family,
) -> Result<DestinationId, DecodeError> {
    let family = match find(attributes.clone(), dest::ADDR_FAMILY)? {
        Some(attribute) if attribute.u16()? != 0 => attribute.family()?,
        _ => service,
    };
    let address = required(attributes.clone(), dest::ADDR, "ADDR")?.address(family)?;
    let port = required(attributes, dest::PORT, "PORT")?.u16_be()?;
    Ok(DestinationId { address, port })
}

pub(super) fn read(
    attributes: Attributes<'_>,
    service: Family,
) -> Result<DestinationEntry, DecodeError> {
    let id = read_id(attributes.clone(), service)?;
    let mut method = None;
    let mut weight = None;
    let (mut upper, mut lower) = (0, 0);
    let (mut active, mut inactive, mut persistent) = (0, 0, 0);
    let mut tunnel = Tunnel::ipip();
    let (mut narrow, mut wide) = (None, None);
    for attribute in attributes {
        let attribute = attribute?;
        match attribute.kind {
            dest::FWD_METHOD => method = Some(attribute.u32()? & forwarding::MASK),
            dest::WEIGHT => weight = Some(attribute.u32()?),
            dest::U_THRESH => upper = attribute.u32()?,
            dest::L_THRESH => lower = attribute.u32()?,
            dest::ACTIVE_CONNS => active = attribute.u32()?,
            dest::INACT_CONNS => inactive = attribute.u32()?,
            dest::PERSIST_CONNS => persistent = attribute.u32()?,
            dest::STATS => narrow = Some(attribute),
            dest::STATS64 => wide = Some(attribute),
            dest::TUN_TYPE => tunnel.kind = TunnelKind::from_number(attribute.u8()?),
            dest::TUN_PORT => tunnel.port = attribute.u16_be()?,
            dest::TUN_FLAGS => tunnel.flags = TunnelFlags(attribute.u16()?),
            _ => {}
        }
    }
    let forwarding = match method.ok_or(DecodeError::Missing { name: "FWD_METHOD" })? {
        forwarding::MASQUERADE => Forwarding::Masquerading,
        forwarding::LOCAL => Forwarding::Local,
        forwarding::TUNNEL => Forwarding::Tunnel(tunnel),
        forwarding::DIRECT_ROUTE => Forwarding::DirectRouting,
        forwarding::BYPASS => Forwarding::Bypass,
        other => Forwarding::Other(other),
    };
    let destination = Destination {
        id,
        forwarding,
        weight: weight.ok_or(DecodeError::Missing { name: "WEIGHT" })?,
        upper_threshold: upper,
        lower_threshold: lower,
    };
    Ok(DestinationEntry {
        destination,
        active_connections: active,
        inactive_connections: inactive,
        persistent_connections: persistent,
        stats: stats::read_widest(wide, narrow)?,
    })
}
