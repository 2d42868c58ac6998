use std::net::IpAddr;

use super::consts::daemon;
use super::reader::{Attributes, DecodeError};
use super::request::required;
use super::writer::Writer;
use crate::types::{DaemonRole, Family, SyncDaemon};

pub(super) fn write_role(writer: &mut Writer<'_>, role: DaemonRole) {
    writer.u32(
        daemon::STATE,
        match role {
            DaemonRole::Master => daemon::STATE_MASTER,
            DaemonRole::Backup => daemon::STATE_BACKUP,
        },
    );
}

pub(super) fn write(writer: &mut Writer<'_>, sync: &SyncDaemon) {
    write_role(writer, sync.role);
    writer.text(daemon::MCAST_IFN, sync.interface.as_str());
    writer.u32(daemon::SYNC_ID, sync.sync_id);
    if let Some(length) = sync.max_length {
        writer.u16(daemon::SYNC_MAXLEN, length);
    }
    match sync.group {
        Some(IpAddr::V4(group)) => writer.bytes(daemon::MCAST_GROUP, &group.octets()),
        Some(IpAddr::V6(group)) => writer.bytes(daemon::MCAST_GROUP6, &group.octets()),
        None => {}
    }
    if let Some(port) = sync.port {
        writer.u16(daemon::MCAST_PORT, port);
    }
    if let Some(ttl) = sync.ttl {
        writer.u8(daemon::MCAST_TTL, ttl);
    }
}

pub(super) fn read_role(attributes: Attributes<'_>) -> Result<DaemonRole, DecodeError> {
    match required(attributes, daemon::STATE, "STATE")?.u32()? {
        daemon::STATE_MASTER => Ok(DaemonRole::Master),
        daemon::STATE_BACKUP => Ok(DaemonRole::Backup),
        other => Err(DecodeError::DaemonState(other)),
    }
}

pub(super) fn read(attributes: Attributes<'_>) -> Result<SyncDaemon, DecodeError> {
    let role = read_role(attributes.clone())?;
    let interface =
        required(attributes.clone(), daemon::MCAST_IFN, "MCAST_IFN")?.name("MCAST_IFN")?;
    let sync_id = required(attributes.clone(), daemon::SYNC_ID, "SYNC_ID")?.u32()?;
    let mut sync = SyncDaemon::new(role, interface, sync_id);
    for attribute in attributes {
        let attribute = attribute?;
        match attribute.kind {
            daemon::SYNC_MAXLEN => sync.max_length = Some(attribute.u16()?),
            daemon::MCAST_GROUP => sync.group = Some(attribute.address(Family::V4)?),
            daemon::MCAST_GROUP6 => sync.group = Some(attribute.address(Family::V6)?),
            daemon::MCAST_PORT => sync.port = Some(attribute.u16()?),
            daemon::MCAST_TTL => sync.ttl = Some(attribute.u8()?),
            _ => {}
        }
    }
    Ok(sync)
}
