//! Virtual servers and real servers.

use super::Histogram;
use crate::{Override, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One `virtual_server`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VirtualServer {
    /// Its name as keepalived writes it, such as `[172.16.1.8]:tcp:80`.
    pub name: String,
    /// What management calls it (`snmp_name`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snmp_name: Option<String>,
    /// Its services in the kernel, such as `TCP 172.16.1.8:80`.
    pub services: Vec<String>,
    /// How a real server is chosen, such as `wrr`.
    pub scheduler: String,
    /// How long a client stays with its server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistence_seconds: Option<u32>,
    /// Whether enough real servers are up.
    pub quorum: Quorum,
    /// What answers while the quorum is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sorry_server: Option<SorryServer>,
    /// Set while the change guard holds servers in the table that their checks have failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// Its real servers, in the order of the file.
    pub real_servers: Vec<RealServer>,
    /// Counters of its services; `None` if the kernel could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,
}

/// Whether enough real servers are up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Quorum {
    /// True if it is there.
    pub up: bool,
    /// Sum of the weights of live real servers.
    pub weight: u64,
    /// What it takes (`quorum`).
    pub needed: u32,
    /// Distance from `needed` that it takes to change (`hysteresis`).
    pub hysteresis: u32,
}

/// The `sorry_server`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SorryServer {
    /// Its address and port.
    pub address: String,
    /// True while it answers.
    pub in_use: bool,
    /// Its weight in the kernel; `None` if it is not in the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel_weight: Option<u32>,
}

/// The change guard holds servers in the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Held {
    /// Since when.
    pub since: Timestamp,
    /// Why, with the numbers.
    pub reason: String,
}

/// How a real server stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ServerState {
    /// It gets connections.
    Up,
    /// Its checks have failed.
    Down,
    /// It is well, but weight 0 keeps new connections from it.
    Idle,
    /// An operator lets its connections run out.
    Draining,
    /// An operator has let its connections run out; it is out of the table.
    Drained,
    /// It is well, but the sorry server answers alone.
    Standby,
    /// Its checks have failed, but the change guard keeps it in the table.
    Held,
}

impl fmt::Display for ServerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Idle => "idle",
            Self::Draining => "draining",
            Self::Drained => "drained",
            Self::Standby => "standby",
            Self::Held => "held",
        })
    }
}

/// One `real_server`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RealServer {
    /// Its address and port.
    pub address: String,
    /// What management calls it (`snmp_name`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snmp_name: Option<String>,
    /// How packets reach it, such as `route`, `masq` or `tunnel ipip`.
    pub forwarding: String,
    /// How it stands.
    pub state: ServerState,
    /// Why, outermost cause first.
    pub reasons: Vec<String>,
    /// Since when its verdict holds; `None` before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Weight of the configuration.
    pub configured_weight: u32,
    /// Weight that it should have in the kernel; `None` if it should not be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wished_weight: Option<u32>,
    /// Weight that it has in the kernel; `None` if it is not there or could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel_weight: Option<u32>,
    /// What an operator has set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<Override>,
    /// Its connections; `None` if it is not in the table or could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<Connections>,
    /// Its counters, as `connections`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,
    /// Its checks, in the order of the file.
    pub checks: Vec<Check>,
}

/// Connections that the kernel holds for a real server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Connections {
    /// Established.
    pub active: u64,
    /// In any other state.
    pub inactive: u64,
    /// Persistence templates: clients that would come back to this server.
    pub persistent: u64,
}

impl Connections {
    /// True if nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.active == 0 && self.inactive == 0 && self.persistent == 0
    }
}

/// Counters of the kernel, 64 bits wide.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Traffic {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Packets to clients; zero with direct routing, where they do not pass the director.
    pub packets_out: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients, as for `packets_out`.
    pub bytes_out: u64,
    /// Connections per second, averaged by the kernel.
    pub connections_per_second: u64,
    /// Packets from clients per second.
    pub packets_in_per_second: u64,
    /// Packets to clients per second.
    pub packets_out_per_second: u64,
    /// Bytes from clients per second.
    pub bytes_in_per_second: u64,
    /// Bytes to clients per second.
    pub bytes_out_per_second: u64,
}

/// What a check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CheckVerdict {
    /// No attempt has come to a result; taken as up.
    AssumedUp,
    /// No attempt has come to a result; taken as down (`alpha`, or out when it was inherited).
    AssumedDown,
    /// Passed.
    Up,
    /// Failed.
    Down,
}

/// One check of a real server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Check {
    /// Its keyword, such as `HTTP_GET`.
    pub kind: String,
    /// What it says.
    pub verdict: CheckVerdict,
    /// What it saw when it came to the verdict.
    pub reason: String,
    /// When it came to the verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// When its last attempt ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_attempt: Option<Timestamp>,
    /// What the last attempt saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_outcome: Option<String>,
    /// How long the last attempt took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_seconds: Option<f64>,
    /// Time until the next attempt; `None` while one runs or it is suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_in_seconds: Option<f64>,
    /// Attempts that came to an end.
    pub attempts: u64,
    /// Attempts of these that failed.
    pub failures: u64,
    /// Changes between up and down.
    pub flips: u64,
    /// True while suspended (`ha_suspend`).
    pub suspended: bool,
    /// How long its attempts took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Histogram>,
}
