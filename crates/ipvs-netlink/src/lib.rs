//! Client of the Linux IPVS generic-netlink family: services, destinations, snapshots, differences and batches

pub mod client;
mod command;
pub mod connections;
mod errno;
mod error;
mod exchange;
#[cfg(feature = "fake")]
pub mod fake;
pub mod listing;
mod refusal;
pub mod table;
pub mod transport;
pub mod types;
pub mod wire;

pub use client::Client;
pub use command::Command;
pub use error::{ApplyError, ConnectError, Error, NamespaceError};
pub use refusal::{Reason, Refusal};
pub use table::{Change, Owned, ServiceSnapshot, Snapshot, Table, VirtualService};
pub use transport::Namespace;
pub use types::{
    Counters, DaemonRole, Destination, DestinationEntry, DestinationId, Family, Forwarding, Info,
    Name, NameError, Netmask, Persistence, Protocol, Rates, Scheduler, SchedulerFlags,
    SchedulerFlagsError, Service, ServiceEntry, ServiceId, Stats, SyncDaemon, Timeouts, Tunnel,
    TunnelFlags, TunnelKind,
};
