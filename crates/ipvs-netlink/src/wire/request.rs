use super::consts::{FAMILY_NAME, FAMILY_VERSION, attr, cmd, control, netlink};
use super::reader::{Attribute, Attributes, DecodeError};
use super::writer::{Header, Writer};
use super::{daemon, destination, service};
use crate::command::Command;
use crate::types::{ServiceId, Timeouts};

/// A question to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Query {
    /// The number of the family (`CTRL_CMD_GETFAMILY`).
    Family,
    /// Version and table size (`IPVS_CMD_GET_INFO`).
    Info,
    /// Connection timeouts (`IPVS_CMD_GET_CONFIG`).
    Timeouts,
    /// Running sync daemons (`IPVS_CMD_GET_DAEMON`).
    Daemons,
    /// All services (`IPVS_CMD_GET_SERVICE` as a dump).
    Services,
    /// One service (`IPVS_CMD_GET_SERVICE`).
    Service(ServiceId),
    /// The destinations of a service (`IPVS_CMD_GET_DEST`).
    Destinations(ServiceId),
}

impl Query {
    /// Whether the answer is a dump: any number of messages and an end.
    #[must_use]
    pub const fn is_dump(&self) -> bool {
        matches!(self, Self::Daemons | Self::Services | Self::Destinations(_))
    }

    /// Appends the message to `out`. `family` is the number of the IPVS family, which the answer
    /// to [`Query::Family`] tells.
    pub fn encode(&self, family: u16, sequence: u32, out: &mut Vec<u8>) {
        let mode = if self.is_dump() {
            netlink::DUMP
        } else {
            netlink::ACK
        };
        let flags = netlink::REQUEST | mode;
        let mut writer = Writer::new(out);
        if *self == Self::Family {
            let header = Header {
                kind: control::FAMILY,
                flags,
                sequence,
            };
            writer.generic(header, control::GET_FAMILY, control::VERSION, |writer| {
                writer.text(control::ATTR_FAMILY_NAME, FAMILY_NAME);
            });
            return;
        }
        let command = match self {
            Self::Family | Self::Info => cmd::GET_INFO,
            Self::Timeouts => cmd::GET_CONFIG,
            Self::Daemons => cmd::GET_DAEMON,
            Self::Services | Self::Service(_) => cmd::GET_SERVICE,
            Self::Destinations(_) => cmd::GET_DEST,
        };
        let header = Header {
            kind: family,
            flags,
            sequence,
        };
        writer.generic(header, command, FAMILY_VERSION, |writer| match self {
            Self::Service(id) | Self::Destinations(id) => {
                writer.nested(attr::SERVICE, |writer| service::write_id(writer, id));
            }
            _ => {}
        });
    }
}

/// Appends a command to `out`; `acknowledge` asks for an answer also when it succeeds (a refusal
/// is always answered).
pub fn encode_command(
    command: &Command,
    family: u16,
    sequence: u32,
    acknowledge: bool,
    out: &mut Vec<u8>,
) {
    let ack = if acknowledge { netlink::ACK } else { 0 };
    let header = Header {
        kind: family,
        flags: netlink::REQUEST | ack,
        sequence,
    };
    let number = match command {
        Command::AddService(_) => cmd::NEW_SERVICE,
        Command::EditService(_) => cmd::SET_SERVICE,
        Command::RemoveService(_) => cmd::DEL_SERVICE,
        Command::AddDestination(..) => cmd::NEW_DEST,
        Command::EditDestination(..) => cmd::SET_DEST,
        Command::RemoveDestination(..) => cmd::DEL_DEST,
        Command::SetTimeouts(_) => cmd::SET_CONFIG,
        Command::StartDaemon(_) => cmd::NEW_DAEMON,
        Command::StopDaemon(_) => cmd::DEL_DAEMON,
        Command::Zero(_) => cmd::ZERO,
        Command::Flush => cmd::FLUSH,
    };
    let body = |writer: &mut Writer<'_>| match command {
        Command::AddService(service) | Command::EditService(service) => {
            writer.nested(attr::SERVICE, |writer| service::write(writer, service));
        }
        Command::RemoveService(id) | Command::Zero(Some(id)) => {
            writer.nested(attr::SERVICE, |writer| service::write_id(writer, id));
        }
        Command::AddDestination(id, destination) | Command::EditDestination(id, destination) => {
            writer.nested(attr::SERVICE, |writer| service::write_id(writer, id));
            writer.nested(attr::DEST, |writer| destination::write(writer, destination));
        }
        Command::RemoveDestination(id, destination) => {
            writer.nested(attr::SERVICE, |writer| service::write_id(writer, id));
            writer.nested(attr::DEST, |writer| {
                destination::write_id(writer, destination);
            });
        }
        Command::SetTimeouts(timeouts) => write_timeouts(writer, timeouts),
        Command::StartDaemon(sync) => {
            writer.nested(attr::DAEMON, |writer| daemon::write(writer, sync));
        }
        Command::StopDaemon(role) => {
            writer.nested(attr::DAEMON, |writer| daemon::write_role(writer, *role));
        }
        Command::Zero(None) | Command::Flush => {}
    };
    Writer::new(out).generic(header, number, FAMILY_VERSION, body);
}

pub(super) fn write_timeouts(writer: &mut Writer<'_>, timeouts: &Timeouts) {
    for (kind, value) in [
        (attr::TIMEOUT_TCP, timeouts.tcp),
        (attr::TIMEOUT_TCP_FIN, timeouts.tcp_fin),
        (attr::TIMEOUT_UDP, timeouts.udp),
    ] {
        writer.u32(kind, value);
    }
}

pub(super) fn read_timeouts(attributes: Attributes<'_>) -> Result<Timeouts, DecodeError> {
    let mut timeouts = Timeouts::default();
    for attribute in attributes {
        let attribute = attribute?;
        match attribute.kind {
            attr::TIMEOUT_TCP => timeouts.tcp = attribute.u32()?,
            attr::TIMEOUT_TCP_FIN => timeouts.tcp_fin = attribute.u32()?,
            attr::TIMEOUT_UDP => timeouts.udp = attribute.u32()?,
            _ => {}
        }
    }
    Ok(timeouts)
}

pub(super) fn find(
    attributes: Attributes<'_>,
    kind: u16,
) -> Result<Option<Attribute<'_>>, DecodeError> {
    for attribute in attributes {
        let attribute = attribute?;
        if attribute.kind == kind {
            return Ok(Some(attribute));
        }
    }
    Ok(None)
}

pub(super) fn required<'a>(
    attributes: Attributes<'a>,
    kind: u16,
    name: &'static str,
) -> Result<Attribute<'a>, DecodeError> {
    find(attributes, kind)?.ok_or(DecodeError::Missing { name })
}
