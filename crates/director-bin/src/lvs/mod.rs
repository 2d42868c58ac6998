//! The LVS model: what should be in the kernel's IPVS table, and why.
//!
//! A pure function of the configuration, the verdicts of the checks and the VRRP states; it touches nothing and reads no
//! clock. Virtual services stand in the table in every VRRP state, so that a backup can take over without programming
//! anything.
//!
//! Everything here is incremental: a verdict costs work for its real server only, a reload for the virtual servers that
//! have changed. What is unchanged is known by being the same `Arc`.

mod adopt;
mod delta;
mod guard;
mod happening;
mod model;
mod server;
mod setting;
mod suspend;
mod sync;

pub(crate) use adopt::taken_out;
pub(crate) use delta::{Delta, Touched};
pub(crate) use guard::{GuardChange, exceeds};
pub(crate) use happening::Happening;
pub(crate) use model::{CheckId, Fate, Model, Verdict};
pub(crate) use server::{Presence, RealView, ServerState, Standing};
pub(crate) use setting::Setting;
pub(crate) use suspend::suspended;
pub(crate) use sync::SyncDaemons;

use crate::recovery::RecoverySettings;
use ipvs_netlink::{Destination, DestinationId, Service};
use keepalived_conf::model::Origin;
use std::sync::Arc;

/// One `virtual_server` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VirtualServer {
    /// How keepalived names it: `[172.16.1.8]:tcp:80`, `FWM 7`, `[group]:0`. Unique.
    pub(crate) name: Arc<str>,
    /// The services in the kernel that it stands for: one, or one for each member of its group.
    pub(crate) services: Vec<Service>,
    /// Sum of the weights of live real servers that it takes to be up (`quorum`), at least 1.
    pub(crate) quorum: u32,
    /// Distance from the quorum that it takes to change between up and down (`hysteresis`).
    pub(crate) hysteresis: u32,
    /// Real servers; no two with the same address and port.
    pub(crate) real_servers: Vec<RealServer>,
    /// What answers while the quorum is missing.
    pub(crate) sorry_server: Option<SorryServer>,
    /// Its servers are checked only while one of its addresses is on this machine (`ha_suspend`).
    pub(crate) ha_suspend: bool,
    /// What management calls it (`snmp_name`).
    pub(crate) snmp_name: Option<Arc<str>>,
    /// Where its block stands in the file.
    pub(crate) place: Origin,
}

/// One `real_server` of a virtual server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RealServer {
    /// Address, forwarding, thresholds and configured weight.
    pub(crate) destination: Destination,
    /// Stays in the table with weight 0 while it is down (`inhibit_on_failure`).
    pub(crate) inhibit_on_failure: bool,
    /// What management calls it (`snmp_name`).
    pub(crate) snmp_name: Option<Arc<str>>,
    /// How it comes back after it was down (`slow_start`, `flap_damping`).
    pub(crate) recovery: RecoverySettings,
    /// Its checks, in the order of the file; without any it is always up.
    pub(crate) checks: Box<[CheckStart]>,
    /// Where its block stands in the file.
    pub(crate) place: Origin,
}

/// How a check of a real server starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CheckStart {
    /// What it does, for messages: `TCP_CHECK`, `HTTP_GET`.
    pub(crate) kind: &'static str,
    /// Counts as failed until its first success (`alpha`).
    pub(crate) alpha: bool,
}

/// The `sorry_server` of a virtual server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SorryServer {
    /// Address, forwarding, and the weight while it is in use.
    pub(crate) destination: Destination,
    /// Stays in the table with weight 0 while it is not needed (`sorry_server_inhibit`).
    pub(crate) inhibit: bool,
}

impl VirtualServer {
    /// Where the configuration speaks of this destination of this virtual server, or else of the virtual server.
    pub(crate) fn place_of(&self, destination: Option<DestinationId>) -> Origin {
        let real = destination.and_then(|id| {
            self.real_servers
                .iter()
                .find(|server| server.destination.id == id)
        });
        real.map_or(self.place, |server| server.place)
    }
}
