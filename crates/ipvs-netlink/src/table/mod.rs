//! A table of services as a value: read it, compare it, apply the difference.

mod change;
mod diff;
mod outcome;

use std::collections::{BTreeMap, BTreeSet};

use crate::types::{
    DaemonRole, Destination, DestinationEntry, DestinationId, Info, Service, ServiceEntry,
    ServiceId, SyncDaemon, Timeouts,
};

pub use change::Change;
pub(crate) use outcome::settle;
pub use outcome::{Applied, Outcome, RolledBack, rollback};

/// A service and its destinations.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct VirtualService {
    /// Settings of the service.
    pub service: Service,
    /// Its destinations; each stands under its own id.
    pub destinations: BTreeMap<DestinationId, Destination>,
}

impl VirtualService {
    /// A service without destinations.
    #[must_use]
    pub const fn new(service: Service) -> Self {
        Self {
            service,
            destinations: BTreeMap::new(),
        }
    }

    /// A service with destinations; of two with the same id the later counts.
    #[must_use]
    pub fn with_destinations(
        service: Service,
        destinations: impl IntoIterator<Item = Destination>,
    ) -> Self {
        let destinations = destinations.into_iter().map(|d| (d.id, d)).collect();
        Self {
            service,
            destinations,
        }
    }
}

/// What should be, or what is, in the kernel: settings without counters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The services; each stands under its own id.
    pub services: BTreeMap<ServiceId, VirtualService>,
    /// Timeouts; `None` in a wished table leaves the kernel's alone.
    pub timeouts: Option<Timeouts>,
    /// Sync daemons; `None` in a wished table leaves the kernel's alone.
    pub daemons: Option<BTreeMap<DaemonRole, SyncDaemon>>,
}

impl Table {
    /// An empty table that says nothing about timeouts and daemons.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            services: BTreeMap::new(),
            timeouts: None,
            daemons: None,
        }
    }

    /// Puts a service with its destinations in; gives back the one it replaces.
    pub fn insert(&mut self, service: VirtualService) -> Option<VirtualService> {
        self.services.insert(service.service.id, service)
    }

    /// Number of destinations in all services.
    #[must_use]
    pub fn destination_count(&self) -> usize {
        self.services
            .values()
            .map(|service| service.destinations.len())
            .sum()
    }

    /// What must change for `self`, the kernel's table, to become `wished`.
    ///
    /// The list is minimal: nothing that is alike in both is touched, what differs is edited, and
    /// a destination in both is never removed. Its order leaves no moment in which a service that
    /// has servers before and after has none: services and destinations are added first, each
    /// service's destinations right after it; weights go up before others go down; removals
    /// come last. Services in `self` that are not wished are removed only if the caller owns
    /// them.
    #[must_use]
    pub fn diff(&self, wished: &Self, owned: Owned<'_>) -> Vec<Change> {
        diff::diff(self, wished, owned)
    }
}

impl FromIterator<VirtualService> for Table {
    fn from_iter<I: IntoIterator<Item = VirtualService>>(services: I) -> Self {
        let mut table = Self::new();
        for service in services {
            table.insert(service);
        }
        table
    }
}

/// Which services of the kernel's table [`Table::diff`] may remove.
#[derive(Clone, Copy, Debug)]
pub enum Owned<'a> {
    /// All: the caller alone programs this kernel.
    Everything,
    /// None: only what is wished is touched.
    Nothing,
    /// These.
    Only(&'a BTreeSet<ServiceId>),
}

impl Owned<'_> {
    /// Whether the service may be removed.
    #[must_use]
    pub fn contains(self, service: &ServiceId) -> bool {
        match self {
            Self::Everything => true,
            Self::Nothing => false,
            Self::Only(services) => services.contains(service),
        }
    }
}

/// A service as read, with counters, its destinations in the kernel's order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ServiceSnapshot {
    /// Settings and counters.
    pub entry: ServiceEntry,
    /// Destinations with their counters.
    pub destinations: Vec<DestinationEntry>,
}

/// Everything in the kernel at one moment, with counters, in the kernel's order.
///
/// The kernel is read in several steps, so a table that others change at the same time may be
/// seen half changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Snapshot {
    /// Version and size.
    pub info: Info,
    /// The services.
    pub services: Vec<ServiceSnapshot>,
    /// Connection timeouts.
    pub timeouts: Timeouts,
    /// Running sync daemons.
    pub daemons: Vec<SyncDaemon>,
}

impl Snapshot {
    /// The settings alone.
    #[must_use]
    pub fn table(&self) -> Table {
        let services = self.services.iter().map(|snapshot| {
            let destinations = snapshot.destinations.iter().map(|entry| entry.destination);
            VirtualService::with_destinations(snapshot.entry.service.clone(), destinations)
        });
        let mut table: Table = services.collect();
        table.timeouts = Some(self.timeouts);
        table.daemons = Some(self.daemons.iter().map(|d| (d.role, d.clone())).collect());
        table
    }
}
