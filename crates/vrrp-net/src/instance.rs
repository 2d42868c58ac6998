//! What the engine is asked to run: instances and synchronisation groups.

use vrrp_proto::tracking::{Tracker, TrackerState};

use crate::address::VirtualAddress;
use crate::route::Route;
use crate::rule::Rule;

/// Everything the engine runs; given at start and, whole again, at each reload.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Configuration {
    /// One per `vrrp_instance`; names are unique.
    pub instances: Vec<InstanceConfig>,
    /// One per `vrrp_sync_group`; names are unique, an instance is in one group at most.
    pub groups: Vec<GroupConfig>,
    /// Objects somebody else watches; their results come by [`Engine::tracker_result`](crate::Engine::tracker_result).
    pub trackers: Vec<TrackerConfig>,
    /// Addresses that are always there (`static_ipaddress`); each names its interface.
    pub static_addresses: Vec<VirtualAddress>,
    /// Routes that are always there, in this order (`static_routes`).
    pub static_routes: Vec<Route>,
    /// Rules that are always there, in this order (`static_rules`).
    pub static_rules: Vec<Rule>,
}

/// One virtual router on one interface (`vrrp_instance`).
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceConfig {
    /// Name in events and snapshots.
    pub name: String,
    /// Interface that carries the advertisements (`interface`).
    pub interface: String,
    /// The protocol's part: VRID, version, priority, interval, source, peers, preemption, authentication, schedule of
    /// announcements. The engine fills in `addresses` and `grouped`, and `source` where it is `None`.
    pub router: vrrp_proto::Config,
    /// Virtual addresses, advertised in this order (`virtual_ipaddress`).
    pub addresses: Vec<VirtualAddress>,
    /// Virtual addresses that are held but not advertised (`virtual_ipaddress_excluded`).
    pub excluded: Vec<VirtualAddress>,
    /// Routes while master, added in this order after the addresses (`virtual_routes`).
    pub routes: Vec<Route>,
    /// Rules while master, added in this order after the routes (`virtual_rules`).
    pub rules: Vec<Rule>,
    /// Fault while the source configured in [`router`](Self::router) is on no interface (`track_src_ip`). Without a
    /// configured source the engine uses the first address of the interface (IPv6: its link-local one) and the
    /// instance is in fault while there is none.
    pub track_source: bool,
    /// Objects whose state changes the priority, or faults the instance with weight 0 (`track_script` and the like).
    pub trackers: Vec<Tracker>,
    /// Interfaces watched besides the own (`track_interface`).
    pub track_interfaces: Vec<Tracker>,
    /// Ignore faults of the own interface (`dont_track_primary`).
    pub ignore_own_interface: bool,
}

impl InstanceConfig {
    /// An instance with keepalived's defaults: multicast, no trackers, addresses to be filled in.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        interface: impl Into<String>,
        router: vrrp_proto::Config,
    ) -> Self {
        Self {
            name: name.into(),
            interface: interface.into(),
            router,
            addresses: Vec::new(),
            excluded: Vec::new(),
            routes: Vec::new(),
            rules: Vec::new(),
            track_source: false,
            trackers: Vec::new(),
            track_interfaces: Vec::new(),
            ignore_own_interface: false,
        }
    }

    /// Advertised and excluded addresses, in this order.
    pub fn all_addresses(&self) -> impl Iterator<Item = &VirtualAddress> {
        self.addresses.iter().chain(&self.excluded)
    }
}

/// An object watched outside the engine: a script, a process, a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackerConfig {
    /// Its name, as [`Tracker::name`] refers to it.
    pub name: String,
    /// What holds until the first result. Not used for a tracker known before a reload: it keeps its state.
    pub initial: TrackerState,
}

/// Instances that are master only together (`vrrp_sync_group`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupConfig {
    /// Name in events and snapshots.
    pub name: String,
    /// Names of the members.
    pub members: Vec<String>,
    /// Objects tracked for all members (`track_script` and the like in the group).
    pub trackers: Vec<Tracker>,
    /// Interfaces tracked for all members (`track_interface` in the group).
    pub track_interfaces: Vec<Tracker>,
}

impl GroupConfig {
    /// A group without trackers of its own.
    #[must_use]
    pub fn new(name: impl Into<String>, members: Vec<String>) -> Self {
        Self {
            name: name.into(),
            members,
            trackers: Vec::new(),
            track_interfaces: Vec::new(),
        }
    }
}
