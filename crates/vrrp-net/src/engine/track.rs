//! What the machine's state does to an instance: interfaces, source address, trackers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use vrrp_proto::auth::Authentication;
use vrrp_proto::tracking::{Tracker, TrackerState};
use vrrp_proto::{
    Event as RouterEvent, Fault, Instant, PROTOCOL_AH, PROTOCOL_VRRP, Priority, Transport,
};

use super::core::Core;
use super::instance::{Instance, InstanceId};
use super::sockets::Attachment;
use crate::event::Event;
use crate::instance::{GroupConfig, InstanceConfig, ReceiveBuffer};
use crate::kernel::{AddressKey, primary_source};
use crate::wire::{SocketKey, last_word};

/// How a tracked interface is called among the trackers of an instance; keeps it apart from a script of that name.
const INTERFACE_PREFIX: &str = "interface ";

impl Core {
    pub(super) fn refresh_all(&mut self) {
        self.look_at_interfaces();
        self.set_memberships();
        self.note_virtual_keys();
        let ids: Vec<InstanceId> = self.instances.keys().copied().collect();
        let now = self.clock.now();
        for id in ids {
            self.refresh(id, now);
        }
        let mut addresses: BTreeMap<(u32, bool), BTreeSet<u32>> = BTreeMap::new();
        for instance in self.instances.values() {
            let Some(attachment) = instance.attachment else {
                continue;
            };
            let listed = instance.router.config().addresses.iter();
            addresses
                .entry((attachment.key.index, attachment.key.ipv6))
                .or_default()
                .extend(listed.map(|address| last_word(*address)));
        }
        self.sockets.watch_for(&addresses);
    }

    pub(super) fn note_virtual_keys(&mut self) {
        self.virtual_keys = self
            .instances
            .values()
            .flat_map(|instance| instance.keys(&self.picture))
            .collect();
    }

    /// Compares what an instance needs with what there is, and tells its router what changed.
    pub(super) fn refresh(&mut self, id: InstanceId, now: Instant) {
        let mut faults = self.attach(id);
        let Some(instance) = self.instances.get(&id) else {
            return;
        };
        self.interface_faults(instance, &mut faults);
        let source = self.source_of(instance);
        let states = self.interface_states(instance);

        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        for (name, state) in states {
            instance.tracking.set(&name, state);
        }
        let effective = instance.tracking.effective();
        for name in &effective.faults {
            faults.insert(match name.strip_prefix(INTERFACE_PREFIX) {
                Some(interface) => Fault::InterfaceDown(interface.to_owned()),
                None => Fault::Tracker(name.clone()),
            });
        }
        if !effective.pending.is_empty() {
            faults.insert(Fault::TrackersPending);
        }

        for fault in faults.difference(&instance.raised) {
            instance
                .router
                .handle_event(now, RouterEvent::FaultRaised(fault.clone()));
        }
        if source != instance.source {
            instance.source = source;
            instance
                .router
                .handle_event(now, RouterEvent::SourceChanged(source));
        }
        let priority = effective.priority;
        let arithmetic = effective.to_string();
        let before = std::mem::replace(&mut instance.tracked_priority, priority.value());
        let told = std::mem::replace(&mut instance.priority_told, true);
        if !priority.is_owner() && (before != priority.value() || !told) {
            instance
                .router
                .handle_event(now, RouterEvent::TrackedPriority(priority));
        }
        if before != priority.value() {
            self.events.send(Event::PriorityChanged {
                instance: Arc::clone(&instance.name),
                from: before,
                to: priority.value(),
                arithmetic: arithmetic.clone(),
            });
        }
        for fault in instance.raised.difference(&faults) {
            instance
                .router
                .handle_event(now, RouterEvent::FaultCleared(fault.clone()));
        }
        if faults != instance.raised || *arithmetic != *instance.arithmetic {
            instance.raised = faults;
            instance.arithmetic = arithmetic.into();
            self.changed(now);
        }
        self.touched.push_back(id);
    }

    /// Gives the instance the sockets that fit its interface as it is now.
    fn attach(&mut self, id: InstanceId) -> BTreeSet<Fault> {
        let mut faults = BTreeSet::new();
        let Some(instance) = self.instances.get_mut(&id) else {
            return faults;
        };
        let link = self.picture.by_name(instance.config.advert_interface());
        let index = if instance.interface.is_empty() {
            Some(0)
        } else {
            link.map(|link| link.index)
        };
        let wanted = index.map(|index| attachment_of(instance, index));
        if wanted == instance.attachment {
            return faults;
        }
        self.quiet.resort = true;
        if let Some(old) = instance.attachment.take() {
            self.sockets.leave(old);
            self.routes.remove(&(old.key.index, old.key.ipv6, old.vrid));
        }
        if let Some(wanted) = wanted {
            match self
                .sockets
                .join(wanted, instance.config.advert_interface())
            {
                Ok(()) => {
                    if let Some(room) = room_for(instance, link.map_or(0, |link| link.mtu))
                        && let Err(error) = self.sockets.make_room(&wanted, room)
                    {
                        let message =
                            format!("cannot have a receive buffer of {room} bytes: {error}");
                        let instance = Some(Arc::clone(&instance.name));
                        self.events.send(Event::Warning { instance, message });
                    }
                    instance.attachment = Some(wanted);
                    self.routes
                        .insert((wanted.key.index, wanted.key.ipv6, wanted.vrid), id);
                }
                Err(error) => {
                    let why = format!("cannot use {} for adverts: {error}", instance.interface);
                    faults.insert(Fault::Other(why));
                }
            }
        }
        faults
    }

    fn interface_faults(&self, instance: &Instance, faults: &mut BTreeSet<Fault>) {
        let up = |name: &str| self.counts_as_up(name);
        let config = &instance.config;
        let own = BTreeSet::from([&*instance.interface, config.own_interface()]);
        for own in own.into_iter().filter(|name| !name.is_empty()) {
            let there = self.picture.by_name(own).is_some();
            if !there || (!config.ignore_own_interface && !up(own)) {
                faults.insert(Fault::InterfaceDown(own.to_owned()));
            }
        }
        faults.extend(config.standing_fault.clone().map(Fault::Other));
        let missing = self.statics.missing.iter();
        let missing = missing.filter(|(name, _)| **name == *instance.name);
        faults.extend(missing.map(|(_, what)| Fault::Other(format!("{what} is missing"))));
        for address in instance
            .config
            .all_addresses()
            .filter(|address| address.restore)
        {
            if let Some(device) = address
                .device
                .as_deref()
                .filter(|device| **device != *instance.interface && !up(device))
            {
                faults.insert(Fault::InterfaceDown(device.to_owned()));
            }
        }
    }

    fn source_of(&self, instance: &Instance) -> Option<IpAddr> {
        if let Some(configured) = instance.config.router.source {
            let there = !instance.config.track_source || self.picture.has_address(configured);
            return there.then_some(configured);
        }
        // A macvlan has no address of its own: it speaks for its base.
        let macvlan = instance.config.virtual_link.as_ref();
        let interface = match macvlan {
            Some(link) if !link.is_macvlan() => &link.name,
            _ => &*instance.interface,
        };
        let index = self.picture.by_name(interface)?.index;
        let find = |is_virtual: &dyn Fn(&AddressKey) -> bool| {
            primary_source(
                self.picture.addresses(),
                index,
                instance.is_ipv6(),
                is_virtual,
            )
        };
        // An owner's virtual address may be the only address it has.
        let owner = instance.config.router.priority == Priority::OWNER;
        find(&|key| self.virtual_keys.contains(key))
            .or_else(|| if owner { find(&|_| false) } else { None })
    }

    fn interface_states(&self, instance: &Instance) -> Vec<(Arc<str>, TrackerState)> {
        let names = instance.tracking.trackers().filter_map(|(tracker, _)| {
            let interface = tracker.name.strip_prefix(INTERFACE_PREFIX)?;
            let up = self.counts_as_up(interface);
            Some((
                tracker.name.clone(),
                if up {
                    TrackerState::Up
                } else {
                    TrackerState::Down
                },
            ))
        });
        names.collect()
    }

    /// Takes over the result of a tracker.
    pub(super) fn on_tracker(&mut self, name: &str, state: TrackerState, now: Instant) {
        let Some(known) = self.trackers.get_mut(name) else {
            return;
        };
        if *known == state {
            return;
        }
        *known = state;
        let mut users = Vec::new();
        for (id, instance) in &mut self.instances {
            if instance.tracking.set(name, state) {
                users.push(*id);
            }
        }
        for id in users {
            self.refresh(id, now);
        }
    }
}

/// What an instance tracks: its own objects and what all track, then those of its group. Where both track one, the group's weight counts,
/// except for a member that is at fault without it; and an owner, whose priority stays, is at fault without those of the
/// group. So keepalived has it.
pub(super) fn trackers_of(
    config: &InstanceConfig,
    common: &[Tracker],
    group: Option<&GroupConfig>,
) -> Vec<Tracker> {
    let interface = |tracker: &Tracker| Tracker {
        name: format!("{INTERFACE_PREFIX}{}", tracker.name).into(),
        ..tracker.clone()
    };
    let interfaces = config.track_interfaces.iter().map(interface);
    let own = config.trackers.iter().chain(common).cloned();
    let mut all: Vec<Tracker> = own.chain(interfaces).collect();
    let Some(group) = group else {
        return all;
    };
    let interfaces = group.track_interfaces.iter().map(interface);
    for mut shared in group.trackers.iter().cloned().chain(interfaces) {
        if config.router.priority.is_owner() {
            shared.weight = 0;
        }
        match all.iter_mut().find(|own| own.name == shared.name) {
            Some(own) if own.weight == 0 => {}
            Some(own) => *own = shared,
            None => all.push(shared),
        }
    }
    all
}

/// Bytes an instance wants to have room for.
fn room_for(instance: &Instance, mtu: u32) -> Option<usize> {
    let bytes = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    Some(match instance.config.receive_buffer? {
        ReceiveBuffer::Bytes(number) => bytes(number),
        ReceiveBuffer::Packets(count) => bytes(count).saturating_mul(bytes(mtu)),
        ReceiveBuffer::Adverts(count) => bytes(count).saturating_mul(instance.router.encoded_len()),
    })
}

fn attachment_of(instance: &Instance, index: u32) -> Attachment {
    let router = &instance.config.router;
    let protocol = match router.authentication {
        Authentication::Header(_) => PROTOCOL_AH,
        _ => PROTOCOL_VRRP,
    };
    let group = match &router.transport {
        Transport::Multicast(group) => Some(*group),
        Transport::Unicast { .. } => None,
    };
    Attachment {
        key: SocketKey {
            index,
            ipv6: instance.is_ipv6(),
            protocol,
        },
        vrid: router.vrid.value(),
        group,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vrrp_proto::{Config, Family, Vrid};

    #[test]
    fn the_groups_weight_counts_unless_the_member_is_at_fault_without_it() {
        let tracker = |name: &str, weight| Tracker {
            name: name.into(),
            weight,
            reverse: false,
        };
        let router = Config::new(Vrid::new(51).unwrap(), Family::V4);
        let mut member = InstanceConfig::new("VI", "eth0", router);
        member.trackers = vec![tracker("vital", 0), tracker("both", -5)];
        member.track_interfaces = vec![tracker("eth1", 0)];
        let mut group = GroupConfig::new("G", vec!["VI".to_owned()]);
        group.trackers = vec![
            tracker("vital", -10),
            tracker("both", -20),
            tracker("shared", -30),
        ];
        group.track_interfaces = vec![tracker("eth1", -40), tracker("eth2", -50)];
        let weights = |member: &InstanceConfig, group| -> Vec<(String, i16)> {
            let all = trackers_of(member, &[], group).into_iter();
            all.map(|tracker| (tracker.name.to_string(), tracker.weight))
                .collect()
        };
        let named = |all: &[(&str, i16)]| -> Vec<(String, i16)> {
            let each = all.iter();
            each.map(|(name, weight)| ((*name).to_owned(), *weight))
                .collect()
        };
        assert_eq!(
            weights(&member, None),
            named(&[("vital", 0), ("both", -5), ("interface eth1", 0)])
        );
        assert_eq!(
            weights(&member, Some(&group)),
            named(&[
                ("vital", 0),
                ("both", -20),
                ("interface eth1", 0),
                ("shared", -30),
                ("interface eth2", -50)
            ])
        );
        member.router_mut().priority = Priority::OWNER;
        let all = weights(&member, Some(&group));
        assert!(all.iter().all(|(_, weight)| *weight == 0), "{all:?}");
    }
}
