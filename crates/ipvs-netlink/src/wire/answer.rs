use super::consts::{attr, cmd, control, info, netlink};
use super::reader::{Attributes, DecodeError, Message, Messages};
use super::request::{Query, read_timeouts, required};
use super::{daemon, destination, service};
use crate::types::{DestinationEntry, Family, Info, ServiceEntry, SyncDaemon, Timeouts};

/// One message of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// Number of the request that it answers.
    pub sequence: u32,
    /// The table changed during the dump (`NLM_F_DUMP_INTR`), so it must be read again.
    pub interrupted: bool,
    /// What it says.
    pub body: Body,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Body {
    /// A piece of the answer.
    Answer(Answer),
    /// The end of a request that is no dump; `errno` is 0 for success.
    Acknowledgement {
        /// Positive errno, or 0.
        errno: i32,
        /// The kernel's own words, if it has any.
        text: Option<String>,
    },
    /// The end of a dump; `errno` is 0 for success.
    Done {
        /// Positive errno, or 0.
        errno: i32,
    },
    /// Messages were lost (`NLMSG_OVERRUN`).
    Overrun,
    /// A message that is not for this family.
    Other,
}

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// The number of the family.
    Family(u16),
    /// Version and size.
    Info(Info),
    /// Timeouts.
    Timeouts(Timeouts),
    /// A running sync daemon.
    Daemon(SyncDaemon),
    /// A service.
    Service(Box<ServiceEntry>),
    /// A destination.
    Destination(DestinationEntry),
}

/// Reads the messages of one datagram that came as answer to `query`, or to commands (then any
/// query will do: commands are answered by acknowledgements only).
///
/// The iterator ends after the first message whose length makes no sense.
pub fn decode<'a>(
    query: &'a Query,
    datagram: &'a [u8],
) -> impl Iterator<Item = Result<Incoming, DecodeError>> + 'a {
    Messages::new(datagram).map(move |message| incoming(query, &message?))
}

fn incoming(query: &Query, message: &Message<'_>) -> Result<Incoming, DecodeError> {
    let body = match message.kind {
        netlink::ERROR => acknowledgement(message)?,
        netlink::DONE => Body::Done {
            errno: leading_errno(message.payload),
        },
        netlink::OVERRUN => Body::Overrun,
        netlink::NOOP => Body::Other,
        _ => answer(query, message)?.map_or(Body::Other, Body::Answer),
    };
    let interrupted = message.flags & netlink::DUMP_INTERRUPTED != 0;
    Ok(Incoming {
        sequence: message.sequence,
        interrupted,
        body,
    })
}

/// Both ends start with a negative errno; an old kernel's DONE may have no payload.
fn leading_errno(payload: &[u8]) -> i32 {
    payload
        .first_chunk::<4>()
        .map_or(0, |bytes| i32::from_ne_bytes(*bytes).saturating_neg())
}

fn acknowledgement(message: &Message<'_>) -> Result<Body, DecodeError> {
    // The errno, then the header of the request, then perhaps its payload, then attributes.
    let need = 4 + netlink::HEADER_LEN;
    let short = DecodeError::Message {
        need,
        have: message.payload.len(),
    };
    let original = message.payload.get(4..need).ok_or(short)?;
    let errno = leading_errno(message.payload);
    let mut text = None;
    if message.flags & netlink::ACK_ATTRIBUTES != 0 {
        let repeated = if message.flags & netlink::CAPPED != 0 {
            netlink::HEADER_LEN
        } else {
            let length = original
                .first_chunk::<4>()
                .map_or(0, |b| u32::from_ne_bytes(*b));
            super::reader::align(usize::try_from(length).unwrap_or(0)).max(netlink::HEADER_LEN)
        };
        let attributes = repeated
            .checked_add(4)
            .and_then(|at| message.payload.get(at..));
        for attribute in Attributes::new(attributes.unwrap_or(&[])) {
            let attribute = attribute?;
            if attribute.kind == netlink::ACK_TEXT {
                text = Some(attribute.text("MSG")?.to_owned());
            }
        }
    }
    Ok(Body::Acknowledgement { errno, text })
}

fn answer(query: &Query, message: &Message<'_>) -> Result<Option<Answer>, DecodeError> {
    let (command, attributes) = message.generic()?;
    Ok(Some(match (query, command) {
        (Query::Family, control::NEW_FAMILY) => {
            let number = required(attributes, control::ATTR_FAMILY_ID, "FAMILY_ID")?;
            Answer::Family(number.u16()?)
        }
        (Query::Info, cmd::SET_INFO | cmd::GET_INFO) => Answer::Info(read_info(attributes)?),
        (Query::Timeouts, cmd::SET_CONFIG | cmd::GET_CONFIG) => {
            Answer::Timeouts(read_timeouts(attributes)?)
        }
        (Query::Daemons, cmd::NEW_DAEMON) => {
            let nested = required(attributes, attr::DAEMON, "DAEMON")?;
            Answer::Daemon(daemon::read(nested.nested())?)
        }
        (Query::Services | Query::Service(_), cmd::NEW_SERVICE) => {
            let nested = required(attributes, attr::SERVICE, "SERVICE")?;
            Answer::Service(Box::new(service::read(nested.nested())?))
        }
        (Query::Destinations(id), cmd::NEW_DEST) => {
            let family: Family = id.family();
            let nested = required(attributes, attr::DEST, "DEST")?;
            Answer::Destination(destination::read(nested.nested(), family)?)
        }
        _ => return Ok(None),
    }))
}

fn read_info(attributes: Attributes<'_>) -> Result<Info, DecodeError> {
    let mut read = Info::default();
    for attribute in attributes {
        let attribute = attribute?;
        match attribute.kind {
            info::VERSION => read.version = attribute.u32()?,
            info::CONN_TAB_SIZE => read.connection_table_size = attribute.u32()?,
            _ => {}
        }
    }
    Ok(read)
}

#[cfg(feature = "fake")]
mod encode {
    use super::super::consts::FAMILY_VERSION;
    use super::super::writer::{Header, Writer};
    use super::*;

    /// Appends an answer as the kernel sends it.
    pub(crate) fn encode_answer(answer: &Answer, family: u16, seq: u32, out: &mut Vec<u8>) {
        let (kind, command) = match answer {
            Answer::Family(_) => (control::FAMILY, control::NEW_FAMILY),
            Answer::Info(_) => (family, cmd::SET_INFO),
            Answer::Timeouts(_) => (family, cmd::SET_CONFIG),
            Answer::Daemon(_) => (family, cmd::NEW_DAEMON),
            Answer::Service(_) => (family, cmd::NEW_SERVICE),
            Answer::Destination(_) => (family, cmd::NEW_DEST),
        };
        let header = Header {
            kind,
            flags: netlink::MULTI,
            sequence: seq,
        };
        Writer::new(out).generic(header, command, FAMILY_VERSION, |writer| match answer {
            Answer::Family(number) => writer.u16(control::ATTR_FAMILY_ID, *number),
            Answer::Info(value) => {
                writer.u32(info::VERSION, value.version);
                writer.u32(info::CONN_TAB_SIZE, value.connection_table_size);
            }
            Answer::Timeouts(value) => super::super::request::write_timeouts(writer, value),
            Answer::Daemon(value) => {
                writer.nested(attr::DAEMON, |writer| daemon::write(writer, value));
            }
            Answer::Service(value) => {
                writer.nested(attr::SERVICE, |writer| service::write_entry(writer, value));
            }
            Answer::Destination(value) => {
                writer.nested(attr::DEST, |writer| destination::write_entry(writer, value));
            }
        });
    }

    /// Appends an acknowledgement as a socket with `NETLINK_CAP_ACK` gets it.
    pub(crate) fn encode_acknowledgement(
        kind: u16,
        errno: i32,
        seq: u32,
        text: Option<&str>,
        out: &mut Vec<u8>,
    ) {
        let attributes = if text.is_some() {
            netlink::ACK_ATTRIBUTES
        } else {
            0
        };
        let header = Header {
            kind: netlink::ERROR,
            flags: netlink::CAPPED | attributes,
            sequence: seq,
        };
        Writer::new(out).message(header, |writer| {
            writer.raw(&errno.saturating_neg().to_ne_bytes());
            writer.raw(&16_u32.to_ne_bytes());
            writer.raw(&kind.to_ne_bytes());
            writer.raw(&netlink::REQUEST.to_ne_bytes());
            writer.raw(&seq.to_ne_bytes());
            writer.raw(&[0; 4]);
            if let Some(text) = text {
                writer.text(netlink::ACK_TEXT, text);
            }
        });
    }

    /// Appends the end of a dump.
    pub(crate) fn encode_done(seq: u32, interrupted: bool, out: &mut Vec<u8>) {
        let interrupted = if interrupted {
            netlink::DUMP_INTERRUPTED
        } else {
            0
        };
        let flags = netlink::MULTI | interrupted;
        let header = Header {
            kind: netlink::DONE,
            flags,
            sequence: seq,
        };
        Writer::new(out).message(header, |writer| writer.raw(&[0; 4]));
    }
}

#[cfg(feature = "fake")]
pub(crate) use encode::{encode_acknowledgement, encode_answer, encode_done};
