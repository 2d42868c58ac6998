//! Snapshots: the engine's state as others see it.

use std::collections::BTreeMap;
use std::sync::Arc;

use vrrp_proto::{Instant, Priority};

use super::core::Core;
use super::instance::{Instance, InstanceId};
use crate::event::fault_text;
use crate::snapshot::{
    Contest, Counters, GroupStatus, HeldAddress, InstanceStatus, MasterSeen, Snapshot,
};

impl Core {
    pub(super) fn publish_if_due(&mut self) {
        let now = self.clock.now();
        if self.publication.due.is_some_and(|due| due <= now) {
            self.publish(false);
        }
    }

    pub(super) fn publish(&mut self, stopped: bool) {
        let now = self.clock.now();
        self.publication.due = None;
        self.publication.last = now;
        self.publication.sender.send_modify(|shared| {
            // While nobody reads the last one, it is overwritten where it lies; no need to copy it otherwise.
            if Arc::get_mut(shared).is_none() {
                *shared = Arc::default();
            }
            self.bring_up_to_date(Arc::make_mut(shared), stopped, now);
        });
    }

    fn bring_up_to_date(&self, snapshot: &mut Snapshot, stopped: bool, now: Instant) {
        let mut held: BTreeMap<InstanceId, Vec<HeldAddress>> = BTreeMap::new();
        for (key, applied) in &self.applied {
            held.entry(applied.owner).or_default().push(HeldAddress {
                address: key.address,
                prefix_length: key.prefix_length,
                interface: self.interface_name(key.index),
            });
        }
        let instances = &mut snapshot.instances;
        instances.retain(|name, _| {
            let id = self.names.get(name);
            id.is_some_and(|id| self.instances.contains_key(id))
        });
        for (id, instance) in &self.instances {
            let mut held = held.remove(id).unwrap_or_default();
            held.shrink_to_fit();
            let status = self.status(instance, held, now);
            match instances.get_mut(&instance.name) {
                Some(before) => **before = status,
                None => {
                    instances.insert(Arc::clone(&instance.name), Box::new(status));
                }
            }
        }
        let groups = self.groups.iter().map(|(name, group)| {
            let since = self.clock.to_std(group.since);
            (
                Arc::clone(name),
                GroupStatus {
                    state: group.state,
                    since,
                },
            )
        });
        snapshot.groups = groups.collect();
        snapshot.ignored.clone_from(&self.ignored);
        snapshot.stopped = stopped;
    }

    fn status(&self, instance: &Instance, held: Vec<HeldAddress>, now: Instant) -> InstanceStatus {
        let router = &instance.router;
        let time = |at| self.clock.to_std(at);
        let master = router
            .master()
            .filter(|_| !instance.is_master())
            .map(|heard| MasterSeen {
                address: heard.source,
                priority: heard.priority.value(),
                at: time(heard.at),
            });
        let contests: Vec<Contest> = router
            .contests(now)
            .map(|contest| Contest {
                about: contest.about,
                by: contest.source,
                priority: contest.priority.map(Priority::value),
                adverts: contest.adverts,
                since: time(contest.since),
                last: time(contest.last),
            })
            .collect();
        InstanceStatus {
            interface: Arc::clone(&instance.interface),
            vrid: router.config().vrid.value(),
            state: router.state(),
            since: time(instance.since),
            reason: instance.reason(),
            base_priority: instance.config.router.priority.value(),
            effective_priority: router.effective_priority().value(),
            priority_arithmetic: Arc::clone(&instance.arithmetic),
            master,
            contests,
            source: instance.source,
            addresses: held,
            faults: router
                .faults()
                .iter()
                .map(|fault| fault_text(fault, &instance.interface))
                .collect(),
            counters: counters(instance),
        }
    }
}

fn counters(instance: &Instance) -> Counters {
    let stats = instance.router.stats();
    let dropped = stats.drops().filter(|(_, count)| *count > 0);
    Counters {
        adverts_sent: stats.adverts_sent,
        adverts_received: stats.adverts_received,
        became_master: stats.became_master,
        resignations_sent: stats.resignations_sent,
        resignations_received: stats.resignations_received,
        announcements_sent: instance.counts.announcements_sent,
        send_errors: instance.counts.send_errors,
        addresses_restored: instance.counts.addresses_restored,
        lower_priority_received: stats.lower_priority_received,
        address_list_mismatches: stats.address_list_mismatches,
        interval_differences: stats.interval_differences,
        foreign_identifiers: stats.foreign_identifiers,
        overslept: stats.overslept,
        ignored: dropped
            .map(|(reason, count)| (reason.to_string(), count))
            .collect(),
        slowest_takeover: instance.counts.slowest_takeover,
    }
}
