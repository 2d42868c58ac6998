//! The engine's state at one moment.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use vrrp_proto::Disagreement;

use crate::State;
use crate::event::Reason;

/// Everything at one moment; replaced whole, never half old and half new.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Instances by name; each in a place of its own, for the map keeps many of its places empty.
    pub instances: BTreeMap<Arc<str>, Box<InstanceStatus>>,
    /// Synchronisation groups by name.
    pub groups: BTreeMap<Arc<str>, GroupStatus>,
    /// Packets dropped before they reached an instance, by reason.
    pub ignored: BTreeMap<&'static str, u64>,
    /// Set once everything is gone after a shutdown.
    pub stopped: bool,
}

/// One instance.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct InstanceStatus {
    /// Its interface.
    pub interface: Arc<str>,
    /// Virtual router id, 1–255.
    pub vrid: u8,
    /// State now.
    pub state: State,
    /// Since when, on the monotonic clock.
    pub since: Instant,
    /// Why.
    pub reason: Reason,
    /// Configured priority, 1–255.
    pub base_priority: u8,
    /// Priority that it advertises, 1–255.
    pub effective_priority: u8,
    /// The sum that gives it, such as `100 - 20 (chk_nginx down) = 80`.
    pub priority_arithmetic: Arc<str>,
    /// The master as last heard, while not master.
    pub master: Option<MasterSeen>,
    /// Everything that other routers on the link disagree about, as long as they are heard; of each kind the last one.
    pub contests: Vec<Contest>,
    /// Source of its advertisements.
    pub source: Option<IpAddr>,
    /// Virtual addresses on the interfaces now.
    pub addresses: Vec<HeldAddress>,
    /// Causes of fault; empty unless in fault.
    pub faults: Vec<String>,
    /// Counters since start.
    pub counters: Counters,
}

impl InstanceStatus {
    /// Another master, while master itself: the one of [`contests`](Self::contests) that is about mastership.
    #[must_use]
    pub fn contested(&self) -> Option<&Contest> {
        let about_mastership = |contest: &&Contest| contest.about == Disagreement::Master;
        self.contests.iter().find(about_mastership)
    }
}

/// A master heard by a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MasterSeen {
    /// Its address.
    pub address: IpAddr,
    /// Its priority, 0–255.
    pub priority: u8,
    /// When its last advert came, on the monotonic clock.
    pub at: Instant,
}

/// Another router that disagrees with this one, as long as it is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contest {
    /// What about.
    pub about: Disagreement,
    /// Its address.
    pub by: IpAddr,
    /// Its priority, 0–255, where its adverts can be trusted to tell.
    pub priority: Option<u8>,
    /// Adverts of this contest.
    pub adverts: u64,
    /// First advert of this contest, on the monotonic clock.
    pub since: Instant,
    /// Last advert of this contest, on the monotonic clock.
    pub last: Instant,
}

/// A virtual address on an interface.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeldAddress {
    /// The address.
    pub address: IpAddr,
    /// Its prefix length.
    pub prefix_length: u8,
    /// The interface that carries it.
    pub interface: Arc<str>,
}

/// Counters of one instance since start; none ever goes back. As old as
/// [`counter_interval`](crate::Settings::counter_interval) at most, unless
/// [`Handle::refresh`](crate::Handle::refresh) was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
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
    pub lower_priority_received: u64,
    /// Accepted adverts that list other addresses.
    pub address_list_mismatches: u64,
    /// Accepted adverts of version 3 with another interval.
    pub interval_differences: u64,
    /// Adverts of other virtual routers that list addresses of this one.
    pub foreign_identifiers: u64,
    /// Times it woke later than its master-down interval.
    pub overslept: u64,
    /// Packets dropped, by reason.
    pub ignored: BTreeMap<String, u64>,
    /// Longest time from a master-down deadline to the first advert handed to the kernel.
    pub slowest_takeover: Duration,
}

/// One synchronisation group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupStatus {
    /// State now.
    pub state: State,
    /// Since when, on the monotonic clock.
    pub since: Instant,
}

/// Watches the snapshot. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SnapshotWatch {
    receiver: watch::Receiver<Arc<Snapshot>>,
}

impl SnapshotWatch {
    pub(crate) const fn new(receiver: watch::Receiver<Arc<Snapshot>>) -> Self {
        Self { receiver }
    }

    /// The latest snapshot.
    #[must_use]
    pub fn latest(&self) -> Arc<Snapshot> {
        Arc::clone(&self.receiver.borrow())
    }

    /// Waits for a snapshot newer than the last one this watch has seen here; `None` when the engine has ended.
    pub async fn changed(&mut self) -> Option<Arc<Snapshot>> {
        self.receiver.changed().await.ok()?;
        Some(Arc::clone(&self.receiver.borrow_and_update()))
    }

    /// Waits until a snapshot fulfils `wanted`; `None` when the engine has ended before.
    pub async fn wait_for(
        &mut self,
        mut wanted: impl FnMut(&Snapshot) -> bool,
    ) -> Option<Arc<Snapshot>> {
        let found = self
            .receiver
            .wait_for(|snapshot| wanted(snapshot))
            .await
            .ok()?;
        Some(Arc::clone(&found))
    }
}
