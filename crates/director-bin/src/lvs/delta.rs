//! What a change of the model means for the kernel's table.

use ipvs_netlink::{
    DaemonRole, Destination, DestinationId, ServiceId, SyncDaemon, Timeouts, VirtualService,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The parts of the table that may have to change; what is not named here stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Delta {
    /// Services with all their destinations, as they should be now.
    pub(crate) services: Vec<VirtualService>,
    /// Single destinations of services that stay, as they should be now; `None` for not there.
    pub(crate) destinations: Vec<(ServiceId, DestinationId, Option<Destination>)>,
    /// Services that are not wished any more.
    pub(crate) removed: Vec<ServiceId>,
    /// Timeouts as they should be.
    pub(crate) timeouts: Option<Timeouts>,
    /// The sync daemons that should run.
    pub(crate) daemons: Option<BTreeMap<DaemonRole, SyncDaemon>>,
}

/// Which virtual servers verdicts have touched, and which of their real servers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Touched {
    servers: BTreeMap<Arc<str>, Part>,
}

/// How much of a virtual server has been touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// These real servers.
    Servers(BTreeSet<DestinationId>),
    /// All: the quorum came or went, and with it the sorry server.
    Everything,
}

impl Touched {
    pub(super) fn server(&mut self, name: &Arc<str>, server: DestinationId) {
        let part = self.servers.entry(Arc::clone(name));
        if let Part::Servers(servers) = part.or_insert_with(|| Part::Servers(BTreeSet::new())) {
            servers.insert(server);
        }
    }

    pub(super) fn everything(&mut self, name: &Arc<str>) {
        self.servers.insert(Arc::clone(name), Part::Everything);
    }

    pub(super) fn parts(&self) -> impl Iterator<Item = (&Arc<str>, &Part)> {
        self.servers.iter()
    }
}
