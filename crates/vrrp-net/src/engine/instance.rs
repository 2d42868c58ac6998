//! One instance as the engine runs it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use vrrp_proto::tracking::Tracking;
use vrrp_proto::{Fault, Instant, Reason as Cause, State, VirtualRouter};

use super::sockets::Attachment;
use crate::event::Reason;
use crate::handover::Counts;
use crate::instance::InstanceConfig;
use crate::kernel::links::Picture;
use crate::kernel::{AddressKey, Placed};

/// Position of an instance; positions of removed instances are not used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct InstanceId(pub(super) usize);

impl InstanceId {
    /// Stands for the owner of what is always there.
    pub(super) const STATIC: Self = Self(usize::MAX);
}

#[derive(Debug)]
pub(super) struct Instance {
    pub(super) name: Arc<str>,
    pub(super) interface: Arc<str>,
    pub(super) config: Arc<InstanceConfig>,
    pub(super) router: VirtualRouter,
    pub(super) tracking: Tracking,
    /// The group it is in and its place there.
    pub(super) group: Option<(Arc<str>, usize)>,
    pub(super) attachment: Option<Attachment>,
    /// What the router has been told.
    pub(super) source: Option<IpAddr>,
    pub(super) raised: BTreeSet<Fault>,
    pub(super) tracked_priority: u8,
    /// Cleared when a new configuration may have overridden it.
    pub(super) priority_told: bool,
    pub(super) arithmetic: Arc<str>,
    /// The router wishes its addresses to be in place.
    pub(super) wants_addresses: bool,
    /// The deadline in the engine's list; the router's own may be later.
    pub(super) deadline: Option<Instant>,
    /// The master-down deadline that passed, until the first advert is out.
    pub(super) takeover_due: Option<Instant>,
    pub(super) since: Instant,
    /// The last advert could not be sent; said once.
    pub(super) send_failing: bool,
    pub(super) announcing_failed_at: Option<Instant>,
    pub(super) counts: Counts,
    /// When a master of lower priority may be told of again.
    pub(super) lower_due: Option<Instant>,
}

impl Instance {
    /// Its addresses with the interfaces that are to carry them; those without an interface are left out.
    pub(super) fn placed<'a>(&'a self, picture: &'a Picture) -> impl Iterator<Item = Placed> + 'a {
        self.config.all_addresses().filter_map(|address| {
            let index = picture.by_name(self.config.carrier(address))?.index;
            Some(Placed {
                index,
                address: address.clone(),
            })
        })
    }

    /// Whether a master of lower priority is to be told of now.
    pub(super) fn lower_due(&mut self, now: Instant) -> bool {
        if self.lower_due.is_some_and(|due| due > now) {
            return false;
        }
        self.lower_due = Some(now + self.config.router.interval.as_duration() / 2);
        true
    }

    pub(super) fn keys(&self, picture: &Picture) -> BTreeSet<AddressKey> {
        self.placed(picture).map(|placed| placed.key()).collect()
    }

    /// Whether the router's deadline is the one in the list, or has been put off since.
    pub(super) fn is_postponed(&self) -> bool {
        match (self.deadline, self.router.poll_timeout()) {
            (Some(listed), Some(own)) => listed <= own,
            _ => false,
        }
    }

    pub(super) fn has_entries(&self) -> bool {
        !self.config.routes.is_empty() || !self.config.rules.is_empty()
    }

    pub(super) fn is_ipv6(&self) -> bool {
        crate::wire::is_ipv6(self.config.router.family)
    }

    /// Why it is in its state.
    pub(super) fn reason(&self) -> Reason {
        let last = self.router.last_transition();
        let cause = last.map_or(Cause::Started, |transition| transition.reason.clone());
        Reason::new(cause, &self.interface)
    }

    pub(super) fn is_master(&self) -> bool {
        self.router.state() == State::Master
    }
}
