//! What the nodes tell the referee.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::clock::Moment;
use crate::ipvs::Table;
use crate::scenario::{Prefix, ProcessId};

/// Something that happened at a node.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) at: Moment,
    pub(crate) what: Happening,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Happening {
    Address {
        node: String,
        fact: AddressFact,
        present: bool,
    },
    Link {
        node: String,
        interface: String,
        up: bool,
    },
    Table {
        node: String,
        table: Table,
    },
    Started {
        process: ProcessId,
        pid: u32,
    },
    Exited {
        process: ProcessId,
        ending: Ending,
    },
    Line {
        process: ProcessId,
        text: String,
    },
    Request {
        process: ProcessId,
        request: Request,
    },
    File {
        node: String,
        path: String,
        content: Option<String>,
    },
}

/// An address on an interface.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AddressFact {
    pub(crate) interface: String,
    pub(crate) prefix: Prefix,
    /// The interface's alias name, where it differs from the interface: `eth0:0`.
    pub(crate) label: Option<String>,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) status: Option<i32>,
    /// Without `SIG`.
    pub(crate) signal: Option<String>,
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.status, &self.signal) {
            (Some(status), _) => write!(f, "ended with exit status {status}"),
            (None, Some(signal)) => write!(f, "was ended by SIG{signal}"),
            (None, None) => f.write_str("ended"),
        }
    }
}

/// One request of the built-in client, as it prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// From 1, in the order of starting.
    pub(crate) sequence: u64,
    pub(crate) started: Moment,
    pub(crate) finished: Moment,
    pub(crate) address: Option<IpAddr>,
    /// The server that answered, by the name it gives itself.
    pub(crate) by: Option<String>,
    /// Why there was no good answer.
    pub(crate) error: Option<String>,
}
