//! Everything at one moment, with the names of the configuration.

mod director;
mod lvs;
mod vrrp;

pub use director::{
    Configuration, Director, Histogram, Hook, HookRun, Journal, Lag, Maintenance, PendingReload,
    Reload, Tracker, TrackerValue,
};
pub use lvs::{
    Check, CheckVerdict, Connections, Held, Quorum, RealServer, ServerState, SorryServer, Traffic,
    VirtualServer,
};
pub use vrrp::{
    Address, Contest, Counters, Disagreement, Group, Instance, InstanceState, MasterSeen, PeerSeen,
    Timers,
};

use crate::{Override, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Snapshot {
    /// Version of the protocol, [`VERSION`](crate::VERSION).
    pub version: u32,
    /// The moment.
    pub taken: Timestamp,
    /// The process.
    pub director: Director,
    /// The file in force.
    pub configuration: Configuration,
    /// How late the main loop is.
    pub loop_lag: Lag,
    /// Set while the node is in maintenance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<Maintenance>,
    /// What operators have set.
    pub overrides: Vec<Override>,
    /// VRRP instances, by name.
    pub instances: Vec<Instance>,
    /// Synchronisation groups, by name.
    pub groups: Vec<Group>,
    /// Scripts, files and the like that priorities depend on.
    pub trackers: Vec<Tracker>,
    /// VRRP packets dropped before they reached an instance, by reason.
    pub ignored_packets: BTreeMap<String, u64>,
    /// Virtual servers, by name.
    pub virtual_servers: Vec<VirtualServer>,
    /// Notification scripts: what runs, and how the last run of each ended.
    pub hooks: Vec<Hook>,
    /// The event journal.
    pub journal: Journal,
    /// Parts of this that could not be read, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<String>,
}

impl Snapshot {
    /// The virtual server of this name.
    #[must_use]
    pub fn virtual_server(&self, name: &str) -> Option<&VirtualServer> {
        self.virtual_servers
            .iter()
            .find(|server| server.name == name)
    }

    /// The instance of this name.
    #[must_use]
    pub fn instance(&self, name: &str) -> Option<&Instance> {
        self.instances.iter().find(|instance| instance.name == name)
    }
}
