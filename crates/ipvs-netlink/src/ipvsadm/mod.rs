//! The command line of ipvsadm 1.31, and the lines it saves and restores.
//!
//! Nothing here talks to the kernel or resolves names by itself: [`parse`] makes an [`Invocation`]
//! of words, [`save`] makes lines of a snapshot, [`Script`] makes commands of lines, and a
//! [`Resolver`] translates names of hosts and services.
//!
//! ```
//! use ipvs_netlink::Command;
//! use ipvs_netlink::ipvsadm::{Invocation, Numeric, parse};
//!
//! let words = ["-a", "-t", "172.16.1.8:80", "-r", "172.16.1.4", "-m", "-w", "3"];
//! let Invocation::Change(command) = parse(&words, &Numeric)? else { unreachable!() };
//! assert_eq!(
//!     command.to_string(),
//!     "add destination 172.16.1.4:80 masq weight 3 to TCP 172.16.1.8:80"
//! );
//! # Ok::<_, ipvs_netlink::ipvsadm::UsageError>(())
//! ```
//!
//! # Where it goes further than ipvsadm
//!
//! `--json` and `--watch` with the lists, `--complete` with `--save`, `--by-difference` with `--restore`; a
//! restored line may be a comment, and may hold a firewall mark as ipvsadm saves marks above
//! 2147483647 (negative), which ipvsadm does not read back.

mod address;
mod check;
mod error;
mod parse;
mod restore;
mod save;
mod words;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::command::Command;
use crate::listing::Listing;
use crate::types::{Protocol, ServiceId};

#[cfg(test)]
mod tests;

pub use error::UsageError;
pub use parse::parse;
pub use restore::{Script, ScriptError, ScriptProblem, Statement};
pub use save::{Save, save};

/// What a command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Invocation {
    /// An order to the kernel: everything but listing, saving and restoring.
    Change(Command),
    /// `--list`.
    List(List),
    /// `--save`.
    Save(Save),
    /// `--restore`: the lines come from standard input.
    Restore {
        /// `--by-difference`: make the table what the lines describe, all or nothing, without
        /// clearing it first; `false` runs one line after the other.
        by_difference: bool,
    },
    /// `--help`.
    Help,
    /// `--version`.
    Version,
}

/// `--list` and its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// What is listed.
    pub subject: Subject,
    /// Numbers in place of names of hosts and services (`--numeric`).
    pub numeric: bool,
    /// As JSON (`--json`), always with numbers.
    pub json: bool,
    /// Again and again, with so much time between (`--watch`, 2 seconds unless it has a value).
    pub watch: Option<Duration>,
}

/// What is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subject {
    /// All services.
    Table(Listing),
    /// One service.
    Service(ServiceId, Listing),
    /// The connection table (`--connection`).
    Connections {
        /// With the persistence engine's data (`--persistent-conn`).
        persistent: bool,
    },
    /// The timeouts (`--timeout`).
    Timeouts,
    /// The sync daemons (`--daemon`).
    Daemons,
}

/// Translates names of hosts and services. `None` is a name or number that it does not know.
pub trait Resolver {
    /// The address of a host; ipvsadm resolves names to IPv4 only.
    fn host(&self, name: &str) -> Option<Ipv4Addr>;

    /// The port of a service such as `http`.
    fn port(&self, service: &str, protocol: Protocol) -> Option<u16>;

    /// The name of a host.
    fn host_name(&self, address: IpAddr) -> Option<String>;

    /// The name of a service, such as `http`.
    fn service_name(&self, port: u16, protocol: Protocol) -> Option<String>;
}

/// Knows no names: numbers come out, and only numbers are taken.
#[derive(Clone, Copy, Debug, Default)]
pub struct Numeric;

impl Resolver for Numeric {
    fn host(&self, _: &str) -> Option<Ipv4Addr> {
        None
    }

    fn port(&self, _: &str, _: Protocol) -> Option<u16> {
        None
    }

    fn host_name(&self, _: IpAddr) -> Option<String> {
        None
    }

    fn service_name(&self, _: u16, _: Protocol) -> Option<String> {
        None
    }
}

/// `172.16.1.8:http`, `[2001:db8::8]:80`: an address and port as ipvsadm writes them. Without a
/// protocol, as for the servers of a mark, the port stays a number.
pub(crate) fn endpoint(
    address: IpAddr,
    port: u16,
    protocol: Option<Protocol>,
    names: &dyn Resolver,
) -> String {
    let host = names.host_name(address);
    let host = host.unwrap_or_else(|| address.to_string());
    let name = match protocol {
        Some(protocol) if port != 0 => names.service_name(port, protocol),
        _ => None,
    };
    let port = name.unwrap_or_else(|| port.to_string());
    match address {
        IpAddr::V4(_) => format!("{host}:{port}"),
        IpAddr::V6(_) => format!("[{host}]:{port}"),
    }
}
