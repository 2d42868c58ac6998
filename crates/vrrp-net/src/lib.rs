//! VRRP on Linux: raw sockets, gratuitous ARP, virtual addresses and a thread that keeps the timers.

mod address;
mod announce;
mod engine;
mod error;
mod event;
mod instance;
mod kernel;
mod settings;
mod snapshot;
mod sys;
mod wire;

pub use address::{AddressError, AddressScope, Broadcast, MAX_NAME_LENGTH, VirtualAddress};
pub use engine::{Engine, Handle};
pub use error::{ConfigurationError, ReplaceError, StartError, Stopped};
pub use event::{Event, Events, Reason};
pub use instance::{Configuration, GroupConfig, InstanceConfig, TrackerConfig};
pub use settings::{DEFAULT_ADDRESS_MARK, Settings};
pub use snapshot::{
    Contest, Counters, GroupStatus, HeldAddress, InstanceStatus, MasterSeen, Snapshot,
    SnapshotWatch,
};
/// The protocol core, whose types appear in this crate's configuration.
pub use vrrp_proto;
pub use vrrp_proto::State;
pub use vrrp_proto::tracking::{Tracker, TrackerState};
