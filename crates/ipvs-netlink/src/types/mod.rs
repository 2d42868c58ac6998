//! Plain data: what IPVS knows about services, destinations, daemons and counters.
//!
//! Values that this version does not know (a new scheduler, a new forwarding method, an unknown
//! flag) are kept as they came from the kernel and go back the same way.

mod daemon;
mod destination;
mod info;
mod name;
mod scheduler;
mod service;
mod stats;
mod timeouts;

pub use daemon::{DaemonRole, ParseDaemonRoleError, SyncDaemon};
pub use destination::{
    Destination, DestinationEntry, DestinationId, Forwarding, Tunnel, TunnelFlags, TunnelKind,
};
pub use info::Info;
pub use name::{Name, NameError};
pub use scheduler::{Scheduler, SchedulerFlags, SchedulerFlagsError};
pub use service::{Family, Netmask, Persistence, Protocol, Service, ServiceEntry, ServiceId};
pub use stats::{Counters, Rates, Stats};
pub use timeouts::Timeouts;
