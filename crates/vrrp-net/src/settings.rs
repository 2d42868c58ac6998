//! Settings of the engine as a whole.

use std::time::Duration;

/// How the engine runs. [`Settings::default`] suits a daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Real-time priority (`SCHED_RR`, 1–99) of the engine's thread (`vrrp_rt_priority`); `None` leaves it alone.
    pub realtime_priority: Option<u8>,
    /// Raise that priority when the timer is late; `None` does not.
    pub auto_priority: Option<AutoPriority>,
    /// Processors the engine's thread may run on (`vrrp_cpu_affinity`), by number; empty is all.
    pub processors: Vec<usize>,
    /// Keep the process in memory (`mlockall`, `vrrp_no_swap`).
    pub lock_memory: bool,
    /// Value of `IFA_PROTO` (`ip address` shows it as `proto`) on the addresses the engine adds; `None` leaves them
    /// unmarked. Kernels before 5.18 ignore it.
    pub address_mark: Option<u8>,
    /// Protocol number (`ip route` and `ip rule` show it as `proto`) of the routes and rules the engine adds, unless
    /// they have their own.
    pub route_mark: u8,
    /// At start, remove addresses that carry [`address_mark`](Self::address_mark) and belong to no instance, and all
    /// routes and rules that carry [`route_mark`](Self::route_mark): a predecessor with another configuration left
    /// them. Only one engine per network namespace may use this with one mark.
    pub reclaim_marked: bool,
    /// Accept an interface that does not exist yet: its instances are in fault until it appears
    /// (`dynamic_interfaces`). Otherwise [`Engine::start`](crate::Engine::start) refuses.
    pub late_interfaces: bool,
    /// Events the channel holds before it drops and counts.
    pub event_capacity: usize,
    /// Shortest time between two snapshots, so that a thousand instances starting together do not copy themselves a
    /// thousand times.
    pub snapshot_interval: Duration,
    /// The age that a snapshot may reach while only counters of ordinary adverts change: making one costs as much as
    /// taking in many adverts. Who wants it newer asks for it by [`Engine::refresh`](crate::Engine::refresh).
    pub counter_interval: Duration,
    /// How often an address that somebody else removes may be put back within a minute.
    pub restores_per_minute: u32,
    /// Time between two gratuitous ARPs on one interface (`vrrp_garp_interval`); zero sends each burst at once.
    pub garp_interval: Duration,
    /// Time between two unsolicited neighbour advertisements on one interface (`vrrp_gna_interval`); zero sends each
    /// burst at once.
    pub neighbour_advertisement_interval: Duration,
    /// Receive buffer of each advertisement socket, in bytes; `None` leaves the kernel's default
    /// (`vrrp_rx_bufs_policy`).
    pub receive_buffer: Option<usize>,
    /// Interfaces whose announcements are spaced together (`garp_group`); each is in one group at most.
    pub garp_groups: Vec<GarpGroup>,
    /// Interfaces whose going down or coming up counts only after a while (`interface_up_down_delays`).
    pub up_down_delays: Vec<UpDownDelay>,
    /// How long after the start the instances stay silent and deaf (`vrrp_startup_delay`).
    pub startup_delay: Duration,
    /// The same, counted from the start of the machine (`vrrp_delay_after_boot`); the later end of both counts.
    pub delay_after_boot: Duration,
    /// How packets are filtered where an instance does not accept them or has a virtual MAC.
    pub firewall: Firewall,
    /// Switch off IGMP reports for link-local groups in this network namespace while the engine runs
    /// (`disable_local_igmp`).
    pub disable_local_igmp: bool,
    /// Let adverts of unknown virtual routers come up from the kernel, and tell of them (`log_unknown_vrids`).
    pub tell_unknown_routers: bool,
}

/// A table in nf_tables, made when the first instance needs it and removed when none does any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firewall {
    /// Its name in the family `inet` (`nftables`). What stands under that name is replaced.
    pub table: String,
    /// Priority of its chains (`nftables_priority`); 0 is that of `filter`, less comes before.
    pub priority: i32,
    /// Count packets (`nftables_counters`).
    pub counters: bool,
    /// Know interfaces by index, not by name (`nftables_ifindex`).
    pub by_index: bool,
}

impl Default for Firewall {
    fn default() -> Self {
        Self {
            table: DEFAULT_TABLE.to_owned(),
            priority: -1,
            counters: false,
            by_index: false,
        }
    }
}

/// How a late timer raises the real-time priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AutoPriority {
    /// It goes no further than this, 1–99 (`max_auto_priority`).
    pub most: u8,
    /// Lateness that raises it by one (`min_auto_priority_delay`).
    pub lateness: Duration,
}

/// Interfaces that share a pace of announcements.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GarpGroup {
    /// Their names.
    pub interfaces: Vec<String>,
    /// Time between two gratuitous ARPs on any of them; `None` is that of [`Settings`].
    pub garp_interval: Option<Duration>,
    /// Time between two neighbour advertisements on any of them; `None` is that of [`Settings`].
    pub neighbour_advertisement_interval: Option<Duration>,
}

/// How long the state of an interface must last until it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpDownDelay {
    /// Its name. Virtual interfaces on top of it have no delay of their own: theirs is its state.
    pub interface: String,
    /// Down this long before it counts as down.
    pub down: Duration,
    /// Up this long before it counts as up.
    pub up: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            realtime_priority: None,
            auto_priority: None,
            processors: Vec::new(),
            lock_memory: false,
            address_mark: Some(DEFAULT_ADDRESS_MARK),
            route_mark: DEFAULT_ROUTE_MARK,
            reclaim_marked: false,
            late_interfaces: false,
            event_capacity: 4096,
            snapshot_interval: Duration::from_millis(50),
            counter_interval: Duration::from_secs(5),
            restores_per_minute: 20,
            garp_interval: Duration::ZERO,
            neighbour_advertisement_interval: Duration::ZERO,
            receive_buffer: None,
            garp_groups: Vec::new(),
            up_down_delays: Vec::new(),
            startup_delay: Duration::ZERO,
            delay_after_boot: Duration::ZERO,
            firewall: Firewall::default(),
            disable_local_igmp: false,
            tell_unknown_routers: false,
        }
    }
}

/// Name of the table in nf_tables unless configured otherwise.
pub const DEFAULT_TABLE: &str = "director";

/// `IFA_PROTO` value of virtual addresses unless configured otherwise: a value no other program is known to use.
pub const DEFAULT_ADDRESS_MARK: u8 = 112;

/// Protocol number of routes and rules unless configured otherwise: a value no other program is known to use.
pub const DEFAULT_ROUTE_MARK: u8 = 112;
