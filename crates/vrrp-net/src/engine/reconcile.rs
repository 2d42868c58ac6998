//! Virtual addresses: from what the routers wish to what the kernel has.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::applied::Applied;
use super::core::Core;
use super::instance::InstanceId;
use crate::event::Event;
use crate::kernel::difference::difference;
use crate::kernel::{AddressKey, Change, KernelAddress, Notice, Placed};

/// Changes at once after which it is worth while to put the memory in order.
const MANY: usize = 64;

impl Core {
    /// Brings the addresses of these instances in line with their wishes.
    pub(super) fn reconcile(&mut self, ids: &BTreeSet<InstanceId>) {
        let mut managed: BTreeSet<AddressKey> = self
            .applied
            .iter()
            .filter(|(_, applied)| ids.contains(&applied.owner))
            .map(|(key, _)| *key)
            .collect();
        for id in ids {
            if let Some(instance) = self.instances.get(id) {
                managed.extend(instance.keys(&self.picture));
            }
        }
        self.withdraw_entries(ids, false);
        self.reconcile_managed(ids, managed);
        self.install_entries(ids);
    }

    /// The same for all instances, `more` and whatever is in place: moves between instances happen in one step.
    pub(super) fn reconcile_all(&mut self, more: BTreeSet<AddressKey>) {
        let mut ids: BTreeSet<InstanceId> = self.instances.keys().copied().collect();
        ids.insert(InstanceId::STATIC);
        let mut managed = more;
        managed.extend(self.applied.keys());
        for instance in self.instances.values() {
            managed.extend(instance.keys(&self.picture));
        }
        self.withdraw_entries(&ids, true);
        self.reconcile_managed(&ids, managed);
        self.install_entries(&ids);
    }

    /// Whose wish it is and what is wished, if anything is.
    fn wish_of(&self, id: InstanceId) -> Option<(Arc<str>, Vec<Placed>)> {
        if id == InstanceId::STATIC {
            return Some((
                Arc::from("static_ipaddress"),
                self.statics.placed(&self.picture),
            ));
        }
        let instance = self.instances.get(&id)?;
        let placed = instance.placed(&self.picture);
        instance
            .wants_addresses
            .then(|| (Arc::clone(&instance.name), placed.collect()))
    }

    fn reconcile_managed(&mut self, ids: &BTreeSet<InstanceId>, managed: BTreeSet<AddressKey>) {
        let mut wished = BTreeMap::new();
        let mut owners = BTreeMap::new();
        for id in ids {
            let Some((name, placed)) = self.wish_of(*id) else {
                continue;
            };
            for placed in placed {
                owners.insert(placed.key(), (*id, Arc::clone(&name)));
                wished.insert(placed.key(), placed);
            }
        }
        // The kernel's notices run behind, so what we did ourselves counts first; the picture serves to find what
        // is to go and was not put there by us.
        let mut present: BTreeSet<AddressKey> = managed
            .iter()
            .filter(|key| {
                self.applied.contains_key(key)
                    || (!wished.contains_key(key) && self.picture.has(key))
            })
            .copied()
            .collect();
        let mut changes = Vec::new();
        for (key, placed) in &wished {
            let Some(applied) = self.applied.get_mut(key) else {
                continue;
            };
            if let Some((owner, name)) = owners.get(key) {
                applied.owner = *owner;
                applied.owner_name = Arc::clone(name);
            }
            if !applied.is_as(placed) {
                // Another label or scope: the kernel cannot change that in place.
                changes.push(Change::Remove(*key));
                present.remove(key);
            }
        }
        changes.extend(difference(&wished, &managed, &present));
        self.shield();
        self.apply(&changes, &owners);
        self.unshield();
    }

    fn apply(&mut self, changes: &[Change], owners: &BTreeMap<AddressKey, (InstanceId, Arc<str>)>) {
        if changes.is_empty() {
            return;
        }
        let results = self.table.apply(changes);
        let now = self.clock.now();
        for (change, result) in changes.iter().zip(results) {
            match (change, result) {
                (Change::Add(placed), Ok(())) => self.added(placed, owners),
                (Change::Remove(key), Ok(())) => self.removed(key),
                (Change::Add(placed), Err(error)) => {
                    let interface = self.interface_name(placed.index);
                    let message = format!(
                        "cannot add {} to {interface}: {error}; trying again",
                        placed.address
                    );
                    let owner = owners.get(&placed.key());
                    self.warn(owner.map(|(_, name)| Arc::clone(name)), message);
                    if let Some((owner, _)) = owner {
                        self.restorer.later(placed.key(), *owner, now);
                    }
                }
                (Change::Remove(key), Err(error)) => {
                    let interface = self.interface_name(key.index);
                    self.warn(
                        None,
                        format!("cannot remove {} from {interface}: {error}", key.address),
                    );
                }
            }
        }
        if changes.len() > MANY {
            // A tree that was filled in order has half of its places empty.
            self.applied = std::mem::take(&mut self.applied).into_iter().collect();
        }
        self.changed(now);
    }

    fn added(&mut self, placed: &Placed, owners: &BTreeMap<AddressKey, (InstanceId, Arc<str>)>) {
        let key = placed.key();
        let Some((owner, name)) = owners.get(&key) else {
            return;
        };
        self.applied.insert(key, Applied::new(placed, *owner, name));
        self.restorer.succeeded(&key);
        self.picture.note(&Notice::Address(KernelAddress {
            key,
            scope: if key.address.is_ipv4() {
                placed.address.scope.0
            } else {
                0
            },
            mark: self.settings.address_mark.unwrap_or(0),
            tentative: false,
        }));
        self.events.send(Event::AddressAdded {
            instance: Arc::clone(name),
            address: key.address,
            prefix_length: key.prefix_length,
            interface: self.interface_name(key.index),
        });
    }

    fn removed(&mut self, key: &AddressKey) {
        let owner = self.applied.remove(key).map(|applied| applied.owner_name);
        self.picture.forget(key);
        self.restorer.forget(key);
        self.events.send(Event::AddressRemoved {
            instance: owner,
            address: key.address,
            prefix_length: key.prefix_length,
            interface: self.interface_name(key.index),
        });
    }

    pub(super) fn interface_name(&self, index: u32) -> Arc<str> {
        if index == 0 {
            return Arc::from("any interface");
        }
        self.picture.link(index).map_or_else(
            || Arc::from(format!("interface {index}")),
            |link| Arc::clone(&link.name),
        )
    }

    /// Takes over the kernel's notices.
    pub(super) fn on_notices(&mut self, notices: &[Notice]) {
        let mut differs = false;
        let mut suspects = Vec::new();
        let mut gone = Vec::new();
        let mut links_gone = Vec::new();
        let now = self.clock.now();
        for notice in notices {
            if self.picture.note(notice) {
                differs = true;
                // A link that came back for a moment has begun its delay anew.
                self.look_at_interfaces();
            }
            match notice {
                Notice::EntryGone(entry) => gone.push(entry),
                // Perhaps by our own hand a moment ago: the kernel is asked below.
                Notice::AddressGone(key) if self.applied.contains_key(key) => suspects.push(*key),
                Notice::LinkGone(index) => {
                    self.applied.retain(|key, _| key.index != *index);
                    links_gone.push(*index);
                }
                Notice::Overrun => {
                    self.read_links();
                    suspects.extend(self.applied.keys().copied());
                }
                _ => {}
            }
        }
        if !suspects.is_empty() {
            self.read_addresses();
        }
        for index in links_gone {
            self.link_gone(index, now);
        }
        if differs {
            self.links_changed();
            self.refresh_all();
            self.settle();
        }
        let now = self.clock.now();
        for key in suspects {
            if self.picture.has(&key) {
                continue;
            }
            let Some(lost) = self.applied.remove(&key) else {
                continue;
            };
            if self.wish_of(lost.owner).is_some() && lost.address(&key).restore {
                self.restorer
                    .lost(key, lost.owner, now, self.settings.restores_per_minute);
            }
        }
        self.check_entries(&gone, differs, now);
        self.look_at_statics();
    }

    pub(super) fn read_links(&mut self) {
        match self.table.links() {
            Ok(links) => self.picture.replace_links(links),
            Err(error) => self.warn(None, format!("cannot read the interfaces: {error}")),
        }
    }

    fn read_addresses(&mut self) {
        match self.table.addresses() {
            Ok(addresses) => self.picture.replace_addresses(addresses),
            Err(error) => self.warn(None, format!("cannot read the addresses: {error}")),
        }
    }

    /// Puts back what is due to be put back.
    pub(super) fn restore_due(&mut self) {
        let now = self.clock.now();
        for (key, owner, by_others) in self.restorer.take_due(now) {
            let Some((name, placed)) = self.wish_of(owner) else {
                continue;
            };
            let Some(placed) = placed.into_iter().find(|placed| placed.key() == key) else {
                continue;
            };
            if self.applied.contains_key(&key) {
                continue;
            }
            let owners = BTreeMap::from([(key, (owner, Arc::clone(&name)))]);
            self.apply(&[Change::Add(placed)], &owners);
            if !by_others || !self.applied.contains_key(&key) {
                continue;
            }
            if let Some(instance) = self.instances.get_mut(&owner) {
                instance.counts.addresses_restored += 1;
                instance
                    .router
                    .handle_event(now, vrrp_proto::Event::Announce);
                self.touched.push_back(owner);
            }
            let interface = self.interface_name(key.index);
            self.events.send(Event::AddressRestored {
                instance: name,
                address: key.address,
                interface,
            });
        }
        self.restore_entries_due(now);
        if !self.touched.is_empty() {
            self.settle();
        }
        if !self.statics.missing.is_empty() {
            self.look_at_statics();
        }
    }
}
