//! What the engine is asked to run: instances and synchronisation groups.

use std::sync::Arc;
use std::time::Duration;

use vrrp_proto::tracking::{Tracker, TrackerState};

use crate::address::VirtualAddress;
use crate::route::Route;
use crate::rule::Rule;
use crate::virtual_link::{VirtualLink, VirtualLinkKind};

/// Everything the engine runs; given at start and, whole again, at each reload.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Configuration {
    /// One per `vrrp_instance`; names are unique. The engine keeps them, so that who keeps them too shares the memory.
    pub instances: Vec<Arc<InstanceConfig>>,
    /// One per `vrrp_sync_group`; names are unique, an instance is in one group at most.
    pub groups: Vec<GroupConfig>,
    /// Objects somebody else watches; their results come by [`Engine::tracker_result`](crate::Engine::tracker_result).
    pub trackers: Vec<TrackerConfig>,
    /// What every instance tracks besides its own [trackers](InstanceConfig::trackers), after them.
    pub common_trackers: Vec<Tracker>,
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
    pub name: Arc<str>,
    /// Interface that carries the advertisements (`interface`). Empty for a unicast router that speaks from its
    /// configured source over whatever interface leads to its peers; its addresses then name their interfaces.
    pub interface: Arc<str>,
    /// The protocol's part: VRID, version, priority, interval, source, peers, preemption, authentication, schedule of
    /// announcements. The engine fills in `addresses` and `grouped`, and `source` where it is `None`; where nothing is left
    /// to be filled in, the router shares it.
    pub router: Arc<vrrp_proto::Config>,
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
    /// The interface that carries the addresses and adverts in place of [`interface`](Self::interface), on top of it
    /// (`use_vmac`, `use_ipvlan`).
    pub virtual_link: Option<Box<VirtualLink>>,
    /// Adverts go out and come in on [`interface`](Self::interface) all the same (`vmac_xmit_base`). Unicast adverts
    /// always do where the virtual interface is a macvlan.
    pub transmit_on_base: bool,
    /// Take packets to the virtual addresses that are not for a forwarded connection; without it they are dropped
    /// while master, except neighbour discovery (`accept`, `no_accept`). An owner always takes them.
    pub accept: bool,
    /// When the first address of a subnet goes, let the next take its place (`promote_secondaries`). Always so on a
    /// macvlan.
    pub promote_secondaries: bool,
    /// Announce addresses on other interfaces than that of the adverts this often; the flag says whether on all, or
    /// only on virtual ones (`garp_extra_if`).
    pub extra_announcements: Option<(Duration, bool)>,
    /// Room in the receive buffer of its socket for this instance; several on one interface add up
    /// (`kernel_rx_buf_size`, `vrrp_rx_bufs_policy`).
    pub receive_buffer: Option<ReceiveBuffer>,
    /// A reason why it can never run, kept as a fault (`unicast_fault_no_peer`).
    pub standing_fault: Option<String>,
}

impl InstanceConfig {
    /// An instance with keepalived's defaults: multicast, no trackers, addresses to be filled in.
    #[must_use]
    pub fn new(
        name: impl Into<Arc<str>>,
        interface: impl Into<Arc<str>>,
        router: impl Into<Arc<vrrp_proto::Config>>,
    ) -> Self {
        Self {
            name: name.into(),
            interface: interface.into(),
            router: router.into(),
            addresses: Vec::new(),
            excluded: Vec::new(),
            routes: Vec::new(),
            rules: Vec::new(),
            track_source: false,
            trackers: Vec::new(),
            track_interfaces: Vec::new(),
            ignore_own_interface: false,
            virtual_link: None,
            transmit_on_base: false,
            accept: true,
            promote_secondaries: false,
            extra_announcements: None,
            receive_buffer: None,
            standing_fault: None,
        }
    }

    /// The protocol's part, to be changed.
    pub fn router_mut(&mut self) -> &mut vrrp_proto::Config {
        Arc::make_mut(&mut self.router)
    }

    /// The name of the interface that carries its addresses where they name none.
    #[must_use]
    pub fn own_interface(&self) -> &str {
        self.virtual_link
            .as_ref()
            .map_or(&self.interface, |link| &link.name)
    }

    /// The name of the interface that carries its adverts.
    #[must_use]
    pub fn advert_interface(&self) -> &str {
        let unicast = matches!(self.router.transport, vrrp_proto::Transport::Unicast { .. });
        match &self.virtual_link {
            Some(link) if !(link.is_macvlan() && (unicast || self.transmit_on_base)) => &link.name,
            _ => &self.interface,
        }
    }

    /// The name of the interface that carries one of its addresses.
    #[must_use]
    pub fn carrier<'a>(&'a self, address: &'a VirtualAddress) -> &'a str {
        if let Some(link) = &address.virtual_link {
            return &link.name;
        }
        if let Some(device) = &address.device {
            return device;
        }
        // The hardware address of a virtual router goes with one family.
        let macvlan = self
            .virtual_link
            .as_deref()
            .is_some_and(VirtualLink::is_macvlan);
        let other_family = address.address.is_ipv6() != crate::wire::is_ipv6(self.router.family);
        if macvlan && other_family {
            return &self.interface;
        }
        self.own_interface()
    }

    /// All interfaces to be made for it, each with the name of its base.
    pub(crate) fn virtual_links(&self) -> impl Iterator<Item = (&VirtualLink, &str)> {
        let own = self
            .virtual_link
            .as_deref()
            .map(|link| (link, &*self.interface));
        let others = self.all_addresses().filter_map(|address| {
            let base = address.device.as_deref().unwrap_or(&self.interface);
            Some((address.virtual_link.as_deref()?, base))
        });
        own.into_iter().chain(others)
    }

    /// The address that its ipvlan has besides the virtual ones.
    pub(crate) fn link_address(&self) -> Option<VirtualAddress> {
        let link = self.virtual_link.as_ref()?;
        let VirtualLinkKind::Ipvlan { address, .. } = link.kind else {
            return None;
        };
        let (address, length) = address?;
        let address = VirtualAddress::new(address).with_prefix_length(length);
        Some(address.on_device(&link.name))
    }

    /// Whether packets to its addresses are dropped.
    pub(crate) fn refuses_packets(&self) -> bool {
        !self.accept && !self.router.priority.is_owner()
    }

    /// Advertised and excluded addresses, in this order.
    pub fn all_addresses(&self) -> impl Iterator<Item = &VirtualAddress> {
        self.addresses.iter().chain(&self.excluded)
    }
}

/// How much room an instance has for what comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiveBuffer {
    /// So many bytes.
    Bytes(u32),
    /// So many packets as long as the interface takes.
    Packets(u32),
    /// So many of its own adverts.
    Adverts(u32),
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
