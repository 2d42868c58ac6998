//! Settings of the engine as a whole.

use std::time::Duration;

/// How the engine runs. [`Settings::default`] suits a daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Real-time priority (`SCHED_RR`, 1–99) of the engine's thread (`vrrp_rt_priority`); `None` leaves it alone.
    pub realtime_priority: Option<u8>,
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
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            realtime_priority: None,
            lock_memory: false,
            address_mark: Some(DEFAULT_ADDRESS_MARK),
            route_mark: DEFAULT_ROUTE_MARK,
            reclaim_marked: false,
            late_interfaces: false,
            event_capacity: 4096,
            snapshot_interval: Duration::from_millis(50),
            restores_per_minute: 20,
            garp_interval: Duration::ZERO,
            neighbour_advertisement_interval: Duration::ZERO,
            receive_buffer: None,
        }
    }
}

/// `IFA_PROTO` value of virtual addresses unless configured otherwise: a value no other program is known to use.
pub const DEFAULT_ADDRESS_MARK: u8 = 112;

/// Protocol number of routes and rules unless configured otherwise: a value no other program is known to use.
pub const DEFAULT_ROUTE_MARK: u8 = 112;
