//! Client of the Linux IPVS generic-netlink family: services, destinations, sync daemons, timeouts
//! and counters.
//!
//! - [`Client`] talks to the kernel, command by command or in batches;
//!   `client::tokio::Client` is its twin for tasks.
//! - [`Table`] is what should be or what is; [`Table::diff`] says what must change, and
//!   [`Client::reconcile`] does it, all or nothing.
//! - [`Snapshot`] is the kernel's table with counters; [`listing`] prints it as `ipvsadm -Ln` does.
//! - [`connections`] reads the connection table.
//! - [`ipvsadm`] reads ipvsadm's command line, and the lines that it saves and restores.
//! - `fake` is a kernel in memory for tests.
//!
//! It needs the module `ip_vs` and the capability `CAP_NET_ADMIN`; an error says which of them is
//! missing. It checks no servers and reads no configuration files.
//!
//! ```
//! # #[cfg(feature = "fake")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use ipvs_netlink::{
//!     Client, Destination, Forwarding, Owned, Scheduler, Service, ServiceId, Table,
//!     VirtualService,
//! };
//! # use ipvs_netlink::fake::FakeKernel;
//!
//! let id = ServiceId::tcp("172.16.1.8:80".parse()?);
//! let service = Service::new(id, Scheduler::WeightedRoundRobin);
//! let server: std::net::SocketAddr = "172.16.1.4:80".parse()?;
//! let destination = Destination::new(server, Forwarding::DirectRouting);
//! let wished: Table =
//!     [VirtualService::with_destinations(service, [destination])].into_iter().collect();
//!
//! # let kernel = FakeKernel::new();
//! # let connect = || Client::with_transport(kernel.transport());
//! let mut client = connect()?; // `Client::connect()` for the real one
//! let changes = client.reconcile(&wished, Owned::Nothing)?;
//! assert_eq!(
//!     changes[1].to_string(),
//!     "add destination 172.16.1.4:80 route weight 1 to TCP 172.16.1.8:80"
//! );
//! assert!(client.reconcile(&wished, Owned::Nothing)?.is_empty());
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "fake"))]
//! # fn main() {}
//! ```
//!
//! # What it promises
//!
//! Reading never panics, whatever bytes arrive. Every wait has a limit. Answers that the kernel
//! lost or that were interrupted by another writer are asked for again. A client is usable after
//! any error.
//!
//! # Features
//!
//! `tokio` (default) adds the asynchronous client, `fake` the kernel in memory, `serde` the
//! serialisation of the data types.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod client;
mod command;
pub mod connections;
mod errno;
mod error;
mod exchange;
#[cfg(feature = "fake")]
pub mod fake;
pub mod ipvsadm;
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

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
