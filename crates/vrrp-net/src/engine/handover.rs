//! Standing still for a successor, and going on where a predecessor stood.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use vrrp_proto::{Event as RouterEvent, Fault, Instant, State, VirtualRouter};

use super::applied::Applied;
use super::core::{Core, Later};
use super::instance::InstanceId;
use crate::address::VirtualAddress;
use crate::event::Event;
use crate::handover::{
    FORMAT, Handover, InheritedAddress, InheritedGroup, InheritedInstance, boot,
};
use crate::instance::InstanceConfig;
use crate::kernel::{AddressKey, Change, Placed};

/// What a predecessor left to be adopted; taken from bit by bit while the first configuration takes effect.
#[derive(Debug, Default)]
pub(super) struct Inheritance {
    instances: BTreeMap<(String, bool, u8), InheritedInstance>,
    groups: BTreeMap<String, InheritedGroup>,
    trackers: BTreeMap<String, vrrp_proto::tracking::TrackerState>,
    static_addresses: Vec<InheritedAddress>,
    entries: BTreeSet<String>,
    /// Why none of it may be used.
    refused: Option<String>,
}

impl Core {
    /// Brings everything up to date, then stands still and tells all that a successor needs.
    pub(super) fn hold(&mut self) -> Handover {
        self.read_arrived();
        self.settle();
        let now = self.clock.now();
        self.on_timer(now);
        self.settle();
        // A timer that cannot be set fires, and finds nobody who waits for it.
        let _ = self.timer.get_ref().set(None);
        self.armed = None;
        self.sockets.pause();
        self.filter.guard.pause();
        self.export()
    }

    /// Nobody took over: goes on. What came in meanwhile counts before the time that has passed.
    pub(super) fn carry_on(&mut self) {
        self.read_arrived();
        self.settle();
        let now = self.clock.now();
        self.on_timer(now);
    }

    /// The successor runs, and does not have these instances: the others are told. It takes the addresses away.
    pub(super) fn resign(&mut self, left_out: &[String]) {
        let now = self.clock.now();
        for name in left_out {
            let Some(id) = self.names.get(&**name).copied() else {
                continue;
            };
            let Some(instance) = self.instances.get_mut(&id) else {
                continue;
            };
            // The others of its group are the successor's.
            instance.group = None;
            instance.router.handle_event(now, RouterEvent::Shutdown);
            self.drain(id, &mut Later::default());
        }
        self.send_queued();
    }

    /// Takes in all adverts that have arrived.
    pub(super) fn read_arrived(&mut self) {
        self.read_quiet();
        let inbox = std::rc::Rc::clone(&self.inbox);
        for socket in self.sockets.all() {
            let now = self.clock.now();
            let key = socket.get_ref().key();
            let mut receive = || {
                let mut inbox = inbox.borrow_mut();
                let handle = |received: Option<&vrrp_proto::Received<'_>>, _| {
                    self.on_packet(key, received, now);
                };
                socket.get_ref().receive(&mut inbox, handle)
            };
            // Ends with an error when there are no more.
            while matches!(receive(), Ok(true)) {}
        }
        self.drain_touched();
    }

    fn export(&self) -> Handover {
        let now = self.clock.now();
        let mut waiting: BTreeMap<InstanceId, Vec<_>> = BTreeMap::new();
        for (id, placed) in self.pacer.waiting() {
            let interface = self.interface_name(placed.index).to_string();
            let of_instance = waiting.entry(*id).or_default();
            of_instance.push((interface, placed.address.address));
        }
        let instances = self
            .instances
            .iter()
            .map(|(id, instance)| InheritedInstance {
                name: instance.name.to_string(),
                interface: instance.interface.to_string(),
                ipv6: instance.is_ipv6(),
                vrid: instance.config.router.vrid.value(),
                router: instance.router.hand_over(now),
                since: instance.since,
                addresses: self.held_by(*id),
                announcements: waiting.remove(id).unwrap_or_default(),
                counts: instance.counts.clone(),
            });
        let groups = self.groups.iter().map(|(name, group)| InheritedGroup {
            name: name.to_string(),
            state: group.state,
            since: group.since,
        });
        Handover {
            format: FORMAT,
            boot: boot(),
            taken_at: now,
            instances: instances.collect(),
            groups: groups.collect(),
            trackers: self.trackers.clone().into_iter().collect(),
            static_addresses: self.held_by(InstanceId::STATIC),
            entries: self.entries.in_place(),
        }
    }

    fn held_by(&self, owner: InstanceId) -> Vec<InheritedAddress> {
        let held = self.applied.iter();
        held.filter(|(_, applied)| applied.owner == owner)
            .map(|(key, applied)| InheritedAddress {
                interface: self.interface_name(key.index).to_string(),
                address: key.address,
                prefix_length: key.prefix_length,
                manner: manner(&applied.address(key)),
            })
            .collect()
    }

    /// Before the first configuration: lays ready what a predecessor handed over.
    pub(super) fn inherit(&mut self, handover: Handover) {
        let addresses = handover
            .instances
            .iter()
            .flat_map(|instance| &instance.addresses);
        for address in addresses.chain(&handover.static_addresses) {
            // Whoever does not want it any more, it must go.
            let key = self.key_of(address).filter(|key| self.picture.has(key));
            self.leftovers.extend(key);
        }
        let refused = handover.refusal(&boot(), self.clock.now());
        let by_identity = |instance: InheritedInstance| {
            let identity = (instance.interface.clone(), instance.ipv6, instance.vrid);
            (identity, instance)
        };
        self.inheritance = Some(Inheritance {
            instances: handover.instances.into_iter().map(by_identity).collect(),
            groups: handover
                .groups
                .into_iter()
                .map(|group| (group.name.clone(), group))
                .collect(),
            trackers: handover.trackers.into_iter().collect(),
            static_addresses: handover.static_addresses,
            entries: handover.entries.into_iter().collect(),
            refused,
        });
    }

    fn key_of(&self, address: &InheritedAddress) -> Option<AddressKey> {
        Some(AddressKey {
            index: self.picture.by_name(&address.interface)?.index,
            address: address.address,
            prefix_length: address.prefix_length,
        })
    }

    /// What the predecessor's tracker of that name said last.
    pub(super) fn inherited_tracker(
        &self,
        name: &str,
    ) -> Option<vrrp_proto::tracking::TrackerState> {
        let inheritance = self.inheritance.as_ref()?;
        let usable = inheritance.refused.is_none();
        inheritance.trackers.get(name).copied().filter(|_| usable)
    }

    /// State and beginning of the group of that name.
    pub(super) fn inherited_group(&mut self, name: &str) -> Option<(State, Instant)> {
        let inheritance = self.inheritance.as_mut()?;
        let group = inheritance.groups.remove(name)?;
        let usable = inheritance.refused.is_none();
        usable.then_some((group.state, group.since))
    }

    /// The router of a new instance: the predecessor's, if it can go on, or a new one.
    pub(super) fn router_for(
        &mut self,
        config: &InstanceConfig,
        router_config: Arc<vrrp_proto::Config>,
        now: Instant,
    ) -> Result<(VirtualRouter, Option<InheritedInstance>), vrrp_proto::ConfigError> {
        let identity = (
            config.interface.to_string(),
            crate::wire::is_ipv6(config.router.family),
            config.router.vrid.value(),
        );
        let inheritance = self.inheritance.as_mut();
        let from = inheritance.and_then(|all| {
            let refused = all.refused.clone();
            Some((all.instances.remove(&identity)?, refused))
        });
        let Some((from, refused)) = from else {
            return Ok((VirtualRouter::new(router_config)?, None));
        };
        let resumed = match refused {
            Some(why) => Err(why),
            None => VirtualRouter::resume(now, Arc::clone(&router_config), &from.router)
                .map_err(|error| error.to_string()),
        };
        let instance = Arc::from(&*config.name);
        match resumed {
            Ok(router) => {
                let state = router.state();
                self.events.send(Event::Resumed { instance, state });
                Ok((router, Some(from)))
            }
            Err(reason) => {
                self.events.send(Event::NotResumed { instance, reason });
                Ok((VirtualRouter::new(router_config)?, None))
            }
        }
    }

    /// Gives a resumed instance what is its own: history, faults, addresses in place.
    pub(super) fn take_inheritance(&mut self, id: InstanceId, from: &InheritedInstance) {
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        instance.since = from.since;
        instance.source = from.router.source();
        let faults = from.router.faults().iter();
        instance.raised = faults
            .filter(|fault| !matches!(fault, Fault::Group(_)))
            .cloned()
            .collect();
        if let Some(priority) = from.router.tracked_priority() {
            instance.tracked_priority = instance.router.effective_priority().value();
            if instance.router.effective_priority().is_owner() {
                instance.tracked_priority = priority.value();
            }
        }
        instance.wants_addresses = instance.is_master();
        instance.counts = from.counts.clone();
        if !instance.wants_addresses {
            return;
        }
        self.note_extra(id);
        let Some(instance) = self.instances.get(&id) else {
            return;
        };
        let placed: Vec<Placed> = instance.placed(&self.picture).collect();
        let name = Arc::clone(&instance.name);
        for (interface, address) in &from.announcements {
            let place = placed.iter().find(|placed| {
                placed.address.address == *address
                    && *self.interface_name(placed.index) == **interface
            });
            if let Some(placed) = place {
                self.queue_announcement(id, placed.clone());
            }
        }
        self.adopt_addresses(id, &name, placed, &from.addresses);
    }

    /// Statics come before anything else.
    pub(super) fn inherit_statics(&mut self) {
        let Some(inheritance) = &mut self.inheritance else {
            return;
        };
        let held = std::mem::take(&mut inheritance.static_addresses);
        let placed = self.statics.placed(&self.picture);
        self.adopt_addresses(
            InstanceId::STATIC,
            &Arc::from("static_ipaddress"),
            placed,
            &held,
        );
    }

    /// Notes addresses that the predecessor put in place as ours. One that is wished otherwise now makes room.
    fn adopt_addresses(
        &mut self,
        owner: InstanceId,
        owner_name: &Arc<str>,
        wished: Vec<Placed>,
        held: &[InheritedAddress],
    ) {
        for placed in wished {
            let key = placed.key();
            let Some(held) = held.iter().find(|held| self.key_of(held) == Some(key)) else {
                continue;
            };
            if !self.picture.has(&key) {
                continue;
            }
            if held.manner != manner(&placed.address) {
                let changes = [Change::Remove(key)];
                if let [Err(error)] = &*self.table.apply(&changes) {
                    let message = format!("cannot replace {}: {error}", placed.address);
                    self.warn(Some(Arc::clone(owner_name)), message);
                }
                self.picture.forget(&key);
                continue;
            }
            let applied = Applied::new(&placed, owner, owner_name);
            self.applied.insert(key, applied);
        }
    }

    /// When all instances are there: routes and rules are adopted, and what nobody claimed is told.
    pub(super) fn finish_inheritance(&mut self) {
        let Some(inheritance) = self.inheritance.take() else {
            return;
        };
        for instance in inheritance.instances.into_values() {
            if instance.router.state() == State::Master {
                let message = format!(
                    "{} is not configured any more and was master, its addresses go",
                    instance.name
                );
                self.warn(None, message);
            }
        }
        self.adopt_entries(&inheritance.entries);
    }
}

fn manner(address: &VirtualAddress) -> String {
    format!("{address:?}")
}
