//! The LVS model: what should be in the kernel's IPVS table, and why.
//!
//! A pure function of the configuration and the verdicts of the checks; it touches nothing and reads no clock. Virtual
//! services stand in the table in every VRRP state, so that a backup can take over without programming anything.

mod adopt;
mod happening;
mod model;
mod server;

pub(crate) use adopt::adopt;
pub(crate) use happening::Happening;
pub(crate) use model::{CheckId, Model, Verdict};
pub(crate) use server::{Presence, ServerState, Standing};

use ipvs_netlink::{Destination, DestinationId, Service};

/// One `virtual_server` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VirtualServer {
    /// How keepalived names it: `[172.16.1.8]:tcp:80`, `FWM 7`, `[group]:0`. Unique.
    pub(crate) name: String,
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
}

/// One `real_server` of a virtual server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RealServer {
    /// Address, forwarding, thresholds and configured weight.
    pub(crate) destination: Destination,
    /// Stays in the table with weight 0 while it is down (`inhibit_on_failure`).
    pub(crate) inhibit_on_failure: bool,
    /// Its checks, in the order of the file; without any it is always up.
    pub(crate) checks: Vec<CheckStart>,
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
    /// The real server with this address and port.
    fn real_server(&self, id: DestinationId) -> Option<&RealServer> {
        self.real_servers
            .iter()
            .find(|server| server.destination.id == id)
    }
}
