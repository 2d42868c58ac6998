//! VRRP instances and groups.

use super::Maintenance;
use crate::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

/// State of a virtual router (RFC 9568 section 6.4, and keepalived's FAULT).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum InstanceState {
    /// Not started yet.
    Initialize,
    /// Another router forwards.
    Backup,
    /// This router forwards.
    Master,
    /// Something that the instance needs is missing.
    Fault,
}

impl fmt::Display for InstanceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Initialize => "INIT",
            Self::Backup => "BACKUP",
            Self::Master => "MASTER",
            Self::Fault => "FAULT",
        })
    }
}

/// One `vrrp_instance`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// Its interface.
    pub interface: String,
    /// Virtual router id, 1–255.
    pub vrid: u8,
    /// Version of the protocol, 2 or 3.
    pub version: u8,
    /// Its group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// State now.
    pub state: InstanceState,
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub reason: String,
    /// Configured priority, 1–255.
    pub priority: u8,
    /// Priority that it advertises, 1–255.
    pub effective_priority: u8,
    /// The sum that gives it, such as `100 - 20 (chk_nginx down) = 80`.
    pub priority_arithmetic: String,
    /// Whether it takes over from a master of lower priority.
    pub preempt: bool,
    /// Set while it was told to stand down (`director failover`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stood_down: Option<Maintenance>,
    /// Intervals and what is due next.
    pub timers: Timers,
    /// The master as last heard, while not master.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master: Option<MasterSeen>,
    /// Another master that was heard while master.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contested: Option<Contest>,
    /// Everything that other routers on the link disagree about, as long as they are heard; of each kind the last one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contests: Vec<Disagreement>,
    /// Routers that have been heard with this VRID, and unicast peers, heard or not.
    pub peers: Vec<PeerSeen>,
    /// Source of its advertisements.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    /// Virtual addresses of the configuration, and whether they are here.
    pub addresses: Vec<Address>,
    /// Causes of fault; empty unless in fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
    /// Counters since start.
    pub counters: Counters,
}

impl Instance {
    /// The [`contests`](Self::contests) without the one that is [`contested`](Self::contested).
    pub fn further_disagreements(&self) -> impl Iterator<Item = &Disagreement> {
        let contested = self.contested.as_ref();
        self.contests.iter().filter(move |other| {
            contested.is_none_or(|contest| (contest.by, contest.since) != (other.by, other.since))
        })
    }
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} disagrees: {}", self.by, self.about)?;
        if let Some(priority) = self.priority {
            write!(f, ", priority {priority}")?;
        }
        match self.adverts {
            1 => f.write_str(", 1 advert"),
            count => write!(f, ", {count} adverts"),
        }
    }
}

/// Intervals of an instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Timers {
    /// Configured time between advertisements.
    pub advertisement_seconds: f64,
    /// Silence after which this router takes over, at its effective priority.
    pub master_down_seconds: f64,
    /// Time until it takes over, should nothing be heard; while backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub takeover_in_seconds: Option<f64>,
}

/// A master heard by a backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MasterSeen {
    /// Its address.
    pub address: IpAddr,
    /// Its priority, 0–255.
    pub priority: u8,
    /// When its last advert came.
    pub at: Timestamp,
}

/// Another master heard while being master.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Contest {
    /// Its address.
    pub by: IpAddr,
    /// Its priority, 0–255.
    pub priority: u8,
    /// First advert of this contest.
    pub since: Timestamp,
    /// Last advert of this contest.
    pub last: Timestamp,
}

/// Another router on the link that disagrees with this one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Disagreement {
    /// What about, such as `also master`, `another version`, `another interval`, `another authentication`,
    /// `other addresses`, `not among the peers`.
    pub about: String,
    /// Its address.
    pub by: IpAddr,
    /// Its priority, 0–255, where its adverts can be trusted to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// Adverts of this kind since it began.
    pub adverts: u64,
    /// The first of them.
    pub since: Timestamp,
    /// The last of them.
    pub last: Timestamp,
}

/// Another router of this VRID. A backup is silent, so a peer that was never heard may be well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PeerSeen {
    /// Its address.
    pub address: IpAddr,
    /// Named by `unicast_peer`.
    pub configured: bool,
    /// Priority of its last advert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// When its last advert came, since the start; `None` if none came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_advert: Option<Timestamp>,
}

/// A virtual address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Address {
    /// The address.
    pub address: IpAddr,
    /// Its prefix length.
    pub prefix_length: u8,
    /// The interface that carries it while master.
    pub interface: String,
    /// True if it is on the interface now.
    pub present: bool,
}

/// Counters of one instance since start; none ever goes back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Counters {
    /// Advertisements sent (a multicast one or one per peer).
    pub adverts_sent: u64,
    /// Advertisements accepted.
    pub adverts_received: u64,
    /// Times it became master.
    pub became_master: u64,
    /// Resignations (priority 0) sent.
    pub resignations_sent: u64,
    /// Resignations (priority 0) received.
    pub resignations_received: u64,
    /// Gratuitous ARPs and unsolicited neighbour advertisements sent.
    pub announcements_sent: u64,
    /// Packets that could not be sent.
    pub send_errors: u64,
    /// Addresses put back after somebody else removed them.
    pub addresses_restored: u64,
    /// Adverts of another master of lower priority, or of equal priority and a smaller address, heard as master.
    #[serde(default)]
    pub lower_priority_received: u64,
    /// Accepted adverts that list other addresses.
    #[serde(default)]
    pub address_list_mismatches: u64,
    /// Accepted adverts of version 3 with another interval.
    #[serde(default)]
    pub interval_differences: u64,
    /// Adverts of other virtual routers that list addresses of this one.
    #[serde(default)]
    pub foreign_identifiers: u64,
    /// Times it woke later than its master-down interval.
    #[serde(default)]
    pub overslept: u64,
    /// Packets dropped, by reason.
    pub ignored: BTreeMap<String, u64>,
    /// Longest time from a master-down deadline to the first advert handed to the kernel.
    pub slowest_takeover_seconds: f64,
}

/// One `vrrp_sync_group`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Group {
    /// Its name.
    pub name: String,
    /// State now.
    pub state: InstanceState,
    /// Since when.
    pub since: Timestamp,
    /// Its instances.
    pub members: Vec<String>,
}
