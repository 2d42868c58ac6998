//! Requests as the kernel reads them.

use super::consts::{attr, cmd, control, netlink};
use super::reader::{DecodeError, Message};
use super::request::{Query, find, read_timeouts, required};
use super::{daemon, destination, service};
use crate::command::Command;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// A question.
    Query(Query),
    /// An order.
    Command(Command),
}

impl Request {
    pub(crate) fn decode(message: &Message<'_>) -> Result<Self, DecodeError> {
        let (number, attributes) = message.generic()?;
        if message.kind == control::FAMILY {
            return match number {
                control::GET_FAMILY => Ok(Self::Query(Query::Family)),
                other => Err(DecodeError::Command(other)),
            };
        }
        let dump = message.flags & netlink::DUMP == netlink::DUMP;
        let id = || {
            let nested = required(attributes.clone(), attr::SERVICE, "SERVICE")?;
            service::read_id(nested.nested())
        };
        let dest = || required(attributes.clone(), attr::DEST, "DEST");
        let sync = || required(attributes.clone(), attr::DAEMON, "DAEMON");
        Ok(match number {
            cmd::NEW_SERVICE | cmd::SET_SERVICE => {
                let nested = required(attributes, attr::SERVICE, "SERVICE")?;
                let service = service::read(nested.nested())?.service;
                Self::Command(if number == cmd::NEW_SERVICE {
                    Command::AddService(service)
                } else {
                    Command::EditService(service)
                })
            }
            cmd::DEL_SERVICE => Self::Command(Command::RemoveService(id()?)),
            cmd::NEW_DEST | cmd::SET_DEST => {
                let id = id()?;
                let entry = destination::read(dest()?.nested(), id.family())?;
                Self::Command(if number == cmd::NEW_DEST {
                    Command::AddDestination(id, entry.destination)
                } else {
                    Command::EditDestination(id, entry.destination)
                })
            }
            cmd::DEL_DEST => {
                let id = id()?;
                let destination = destination::read_id(dest()?.nested(), id.family())?;
                Self::Command(Command::RemoveDestination(id, destination))
            }
            cmd::NEW_DAEMON => Self::Command(Command::StartDaemon(daemon::read(sync()?.nested())?)),
            cmd::DEL_DAEMON => {
                Self::Command(Command::StopDaemon(daemon::read_role(sync()?.nested())?))
            }
            cmd::SET_CONFIG => Self::Command(Command::SetTimeouts(read_timeouts(attributes)?)),
            cmd::ZERO => {
                let service = find(attributes.clone(), attr::SERVICE)?;
                Self::Command(Command::Zero(service.map(|_| id()).transpose()?))
            }
            cmd::FLUSH => Self::Command(Command::Flush),
            cmd::GET_SERVICE if dump => Self::Query(Query::Services),
            cmd::GET_SERVICE => Self::Query(Query::Service(id()?)),
            cmd::GET_DEST => Self::Query(Query::Destinations(id()?)),
            cmd::GET_DAEMON => Self::Query(Query::Daemons),
            cmd::GET_CONFIG => Self::Query(Query::Timeouts),
            cmd::GET_INFO => Self::Query(Query::Info),
            other => return Err(DecodeError::Command(other)),
        })
    }
}
