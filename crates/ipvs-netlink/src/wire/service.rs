use std::net::Ipv4Addr;
use std::num::NonZeroU32;

use super::consts::{svc, svc_flag};
use super::reader::{Attributes, DecodeError};
use super::stats;
use super::writer::Writer;
use crate::types::{
    Family, Netmask, Persistence, Protocol, Scheduler, SchedulerFlags, Service, ServiceEntry,
    ServiceId,
};

pub(super) fn write_id(writer: &mut Writer<'_>, id: &ServiceId) {
    writer.family(svc::AF, id.family());
    match id {
        ServiceId::Address {
            protocol,
            address,
            port,
        } => {
            writer.u16(svc::PROTOCOL, protocol.number());
            writer.address(svc::ADDR, *address);
            writer.u16_be(svc::PORT, *port);
        }
        ServiceId::Fwmark { mark, .. } => writer.u32(svc::FWMARK, mark.get()),
    }
}

pub(super) fn write(writer: &mut Writer<'_>, service: &Service) {
    write_id(writer, &service.id);
    let family = service.id.family();
    let mut flags = service.unknown_flags | service.scheduler_flags.bits();
    if service.persistence.is_some() {
        flags |= svc_flag::PERSISTENT;
    }
    if service.one_packet {
        flags |= svc_flag::ONE_PACKET;
    }
    let persistence = service
        .persistence
        .unwrap_or_else(|| Persistence::new(family, 0));
    writer.text(svc::SCHED_NAME, service.scheduler.name());
    if let Some(engine) = &service.persistence_engine {
        writer.text(svc::PE_NAME, engine.as_str());
    }
    write_flags(writer, flags, u32::MAX);
    writer.u32(svc::TIMEOUT, persistence.timeout);
    write_netmask(writer, persistence.netmask);
}

fn write_flags(writer: &mut Writer<'_>, flags: u32, mask: u32) {
    let [a, b, c, d] = flags.to_ne_bytes();
    let [e, f, g, h] = mask.to_ne_bytes();
    writer.bytes(svc::FLAGS, &[a, b, c, d, e, f, g, h]);
}

/// IPv4 has a mask in network order, IPv6 the number of bits in host order.
fn write_netmask(writer: &mut Writer<'_>, netmask: Netmask) {
    match netmask {
        Netmask::V4(mask) => writer.u32_be(svc::NETMASK, mask.to_bits()),
        Netmask::V6(bits) => writer.u32(svc::NETMASK, u32::from(bits)),
    }
}

/// A service as the kernel reports it.
#[cfg(feature = "fake")]
pub(super) fn write_entry(writer: &mut Writer<'_>, entry: &ServiceEntry) {
    let service = &entry.service;
    write_id(writer, &service.id);
    let family = service.id.family();
    let persistence = service
        .persistence
        .unwrap_or_else(|| Persistence::new(family, 0));
    let mut flags = service.unknown_flags | service.scheduler_flags.bits() | svc_flag::HASHED;
    if service.persistence.is_some() {
        flags |= svc_flag::PERSISTENT;
    }
    if service.one_packet {
        flags |= svc_flag::ONE_PACKET;
    }
    writer.text(svc::SCHED_NAME, service.scheduler.name());
    if let Some(engine) = &service.persistence_engine {
        writer.text(svc::PE_NAME, engine.as_str());
    }
    write_flags(writer, flags, u32::MAX);
    writer.u32(svc::TIMEOUT, persistence.timeout);
    write_netmask(writer, persistence.netmask);
    writer.nested(svc::STATS, |writer| stats::write_32(writer, &entry.stats));
    writer.nested(svc::STATS64, |writer| stats::write_64(writer, &entry.stats));
}

pub(super) fn read_id(attributes: Attributes<'_>) -> Result<ServiceId, DecodeError> {
    let family = super::request::required(attributes.clone(), svc::AF, "AF")?.family()?;
    let (mut protocol, mut address, mut port, mut mark) = (None, None, None, None);
    for attribute in attributes {
        let attribute = attribute?;
        match attribute.kind {
            svc::PROTOCOL => protocol = Some(Protocol::from_number(attribute.u16()?)),
            svc::ADDR => address = Some(attribute.address(family)?),
            svc::PORT => port = Some(attribute.u16_be()?),
            svc::FWMARK => mark = NonZeroU32::new(attribute.u32()?),
            _ => {}
        }
    }
    if let Some(mark) = mark {
        return Ok(ServiceId::Fwmark { mark, family });
    }
    Ok(ServiceId::Address {
        protocol: protocol.ok_or(DecodeError::Missing { name: "PROTOCOL" })?,
        address: address.ok_or(DecodeError::Missing { name: "ADDR" })?,
        port: port.ok_or(DecodeError::Missing { name: "PORT" })?,
    })
}

pub(super) fn read(attributes: Attributes<'_>) -> Result<ServiceEntry, DecodeError> {
    let id = read_id(attributes.clone())?;
    let mut scheduler = None;
    let mut engine = None;
    let mut flags = None;
    let mut timeout = 0;
    let mut netmask = Netmask::host(id.family());
    let (mut narrow, mut wide) = (None, None);
    for attribute in attributes {
        let attribute = attribute?;
        match attribute.kind {
            svc::SCHED_NAME => {
                let name = attribute.text("SCHED_NAME")?;
                let parsed: Result<Scheduler, _> = name.parse();
                scheduler = Some(parsed.map_err(|_| DecodeError::Name { name: "SCHED_NAME" })?);
            }
            // The kernel may send an empty name for none.
            svc::PE_NAME if !attribute.text("PE_NAME")?.is_empty() => {
                engine = Some(attribute.name("PE_NAME")?);
            }
            svc::FLAGS => flags = Some(read_flags(attribute.value)?),
            svc::TIMEOUT => timeout = attribute.u32()?,
            svc::NETMASK => {
                netmask = match id.family() {
                    Family::V4 => Netmask::V4(Ipv4Addr::from(attribute.u32_be()?)),
                    Family::V6 => Netmask::V6(u8::try_from(attribute.u32()?).unwrap_or(u8::MAX)),
                }
            }
            svc::STATS => narrow = Some(attribute),
            svc::STATS64 => wide = Some(attribute),
            _ => {}
        }
    }
    let flags = flags.ok_or(DecodeError::Missing { name: "FLAGS" })?;
    let known =
        svc_flag::PERSISTENT | svc_flag::HASHED | svc_flag::ONE_PACKET | svc_flag::SCHEDULER;
    let service = Service {
        id,
        scheduler: scheduler.ok_or(DecodeError::Missing { name: "SCHED_NAME" })?,
        scheduler_flags: SchedulerFlags::from_bits_truncate(flags),
        persistence: (flags & svc_flag::PERSISTENT != 0)
            .then_some(Persistence { timeout, netmask }),
        persistence_engine: engine,
        one_packet: flags & svc_flag::ONE_PACKET != 0,
        unknown_flags: flags & !known,
    };
    Ok(ServiceEntry {
        service,
        stats: stats::read_widest(wide, narrow)?,
    })
}

/// The flag word; its mask says which bits are meant, in a request as in an answer.
fn read_flags(value: &[u8]) -> Result<u32, DecodeError> {
    let short = DecodeError::Value {
        need: 8,
        have: value.len(),
    };
    let &[a, b, c, d, e, f, g, h] = value.first_chunk::<8>().ok_or(short)?;
    Ok(u32::from_ne_bytes([a, b, c, d]) & u32::from_ne_bytes([e, f, g, h]))
}
