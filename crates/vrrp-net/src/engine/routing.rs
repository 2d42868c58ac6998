//! Routes and rules: from what the instances wish to what the kernel has.
//!
//! They come after the addresses, routes before rules and each in the order of the configuration, and go before them in
//! reverse. Nothing is read back: adding what is there changes nothing, so what may have been lost is simply added again.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use vrrp_proto::Instant;

use super::core::Core;
use super::instance::{Instance, InstanceId};
use super::restore::Restorer;
use crate::address::VirtualAddress;
use crate::event::Event;
use crate::kernel::links::Picture;
use crate::kernel::{Entry, EntryChange, Gone, Placed};
use crate::route::Route;
use crate::rule::Rule;

/// What is always there, whoever is master.
#[derive(Debug, Default)]
pub(super) struct Statics {
    pub(super) addresses: Vec<VirtualAddress>,
    pub(super) routes: Vec<Route>,
    pub(super) rules: Vec<Rule>,
    /// Addresses that ipvlan interfaces have besides the virtual ones.
    pub(super) of_links: Vec<VirtualAddress>,
    /// Instances, and what each lacks.
    pub(super) missing: BTreeSet<(String, String)>,
}

impl Statics {
    /// The addresses with the interfaces that are to carry them; those without an interface are left out.
    pub(super) fn placed(&self, picture: &Picture) -> Vec<Placed> {
        let all = self.addresses.iter().chain(&self.of_links);
        let placed = all.filter_map(|address| {
            let index = picture.by_name(address.device.as_deref()?)?.index;
            Some(Placed {
                index,
                address: address.clone(),
            })
        });
        placed.collect()
    }

    const fn is_empty(&self) -> bool {
        self.addresses.is_empty()
            && self.of_links.is_empty()
            && self.routes.is_empty()
            && self.rules.is_empty()
    }
}

/// The routes and rules in place by our doing.
#[derive(Debug, Default)]
pub(super) struct Entries {
    applied: BTreeMap<Entry, InPlace>,
    pub(super) restorer: Restorer<Entry>,
    /// Counts additions, so that what came last goes first.
    count: u64,
    /// A predecessor may have left entries; the next comparison of all takes those away that are not wished.
    pub(super) leftovers: bool,
}

impl Entries {
    /// What is in place, as it is written in logs.
    pub(super) fn in_place(&self) -> Vec<String> {
        self.applied.keys().map(ToString::to_string).collect()
    }
}

impl Entries {
    pub(super) fn has_route(&self, wanted: &Route) -> bool {
        let mut entries = self.applied.keys();
        entries.any(|entry| match entry {
            // Its table may be that of a virtual routing domain.
            Entry::Route(route, ..) => {
                route.vrf == wanted.vrf
                    && Route {
                        table: wanted.table,
                        ..(**route).clone()
                    } == *wanted
            }
            Entry::Rule(_) => false,
        })
    }

    pub(super) fn has_rule(&self, wanted: &Rule) -> bool {
        let mut entries = self.applied.keys();
        entries.any(|entry| matches!(entry, Entry::Rule(rule) if **rule == *wanted))
    }
}

#[derive(Debug)]
struct InPlace {
    owner: InstanceId,
    number: u64,
}

impl Core {
    /// The routes and rules that these wish for, routes first.
    fn wished_entries(&self, ids: &BTreeSet<InstanceId>) -> Vec<(Entry, InstanceId)> {
        self.entries_of(ids, |instance| instance.wants_addresses)
    }

    fn entries_of(
        &self,
        ids: &BTreeSet<InstanceId>,
        which: impl Fn(&Instance) -> bool,
    ) -> Vec<(Entry, InstanceId)> {
        let owners: Vec<(InstanceId, &[Route], &[Rule])> = ids
            .iter()
            .filter_map(|id| {
                if *id == InstanceId::STATIC {
                    return Some((*id, &*self.statics.routes, &*self.statics.rules));
                }
                let instance = self.instances.get(id).filter(|instance| which(instance))?;
                Some((*id, &*instance.config.routes, &*instance.config.rules))
            })
            .collect();
        let routes = owners.iter().flat_map(|(id, routes, _)| {
            routes.iter().filter_map(|route| {
                let by_name = |name: &str| self.picture.by_name(name);
                Some((Entry::route(route, by_name)?, *id))
            })
        });
        let rules = owners
            .iter()
            .flat_map(|(id, _, rules)| rules.iter().map(|rule| (Entry::rule(rule), *id)));
        routes.chain(rules).collect()
    }

    /// Takes away what is not wished any more; `all` also concerns entries whose owner is gone.
    pub(super) fn withdraw_entries(&mut self, ids: &BTreeSet<InstanceId>, all: bool) {
        let leftovers = all && std::mem::take(&mut self.entries.leftovers);
        if self.entries.applied.is_empty() && !leftovers {
            return;
        }
        let wished: BTreeSet<Entry> = self
            .wished_entries(ids)
            .into_iter()
            .map(|(entry, _)| entry)
            .collect();
        let mut outgoing: Vec<(bool, u64, Entry)> = self
            .entries
            .applied
            .iter()
            .filter(|(entry, place)| (all || ids.contains(&place.owner)) && !wished.contains(entry))
            .map(|(entry, place)| (entry.is_rule(), place.number, entry.clone()))
            .collect();
        if leftovers {
            let configured = self.entries_of(ids, |_| true).into_iter();
            let unwished = configured.filter(|(entry, _)| !wished.contains(entry));
            outgoing.extend(unwished.map(|(entry, _)| (entry.is_rule(), 0, entry)));
        }
        // Rules first, and the last one in is the first one out.
        outgoing.sort_by_key(|(is_rule, number, _)| Reverse((*is_rule, *number)));
        let changes: Vec<EntryChange<'_>> = outgoing
            .iter()
            .map(|(.., entry)| EntryChange::Remove(entry))
            .collect();
        let results = self.table.apply_entries(&changes);
        for ((.., entry), result) in outgoing.iter().zip(results) {
            let place = self.entries.applied.remove(entry);
            self.entries.restorer.forget(entry);
            let instance = place.and_then(|place| self.owner_name(place.owner));
            match result {
                Ok(true) => self.events.send(Event::EntryRemoved {
                    instance,
                    entry: entry.to_string(),
                }),
                // Its interface went and took it along.
                Ok(false) => {}
                Err(error) => self.warn(instance, format!("cannot remove {entry}: {error}")),
            }
        }
    }

    /// Notes what a predecessor put in place as ours. Something among it that is not wished any more can only be found by
    /// its mark, with all the rest.
    pub(super) fn adopt_entries(&mut self, left: &BTreeSet<String>) {
        let ids = self.instances.keys().copied();
        let wished = self.wished_entries(&ids.chain([InstanceId::STATIC]).collect());
        let known: BTreeSet<String> = wished.iter().map(|(entry, _)| entry.to_string()).collect();
        if !left.is_subset(&known) {
            return self.remove_marked_entries();
        }
        for (entry, owner) in wished {
            if left.contains(&entry.to_string()) {
                self.entries.count += 1;
                let number = self.entries.count;
                self.entries
                    .applied
                    .insert(entry, InPlace { owner, number });
            }
        }
    }

    /// Adds what is wished and not in place.
    pub(super) fn install_entries(&mut self, ids: &BTreeSet<InstanceId>) {
        let mut missing = Vec::new();
        for (entry, owner) in self.wished_entries(ids) {
            match self.entries.applied.get_mut(&entry) {
                Some(place) => place.owner = owner,
                None => missing.push((entry, owner)),
            }
        }
        self.add_entries(&missing);
    }

    /// Adds entries in this order; says of each whether that changed anything.
    fn add_entries(&mut self, entries: &[(Entry, InstanceId)]) -> Vec<bool> {
        if entries.is_empty() {
            return Vec::new();
        }
        let changes: Vec<EntryChange<'_>> = entries
            .iter()
            .map(|(entry, _)| EntryChange::Add(entry))
            .collect();
        let results = self.table.apply_entries(&changes);
        let now = self.clock.now();
        let mut changed = Vec::new();
        for ((entry, owner), result) in entries.iter().zip(results) {
            let instance = self.owner_name(*owner);
            changed.push(matches!(result, Ok(true)));
            match result {
                Ok(_) => {
                    self.entries.restorer.succeeded(entry);
                    let count = &mut self.entries.count;
                    let known = self.entries.applied.contains_key(entry);
                    self.entries
                        .applied
                        .entry(entry.clone())
                        .or_insert_with(|| {
                            *count += 1;
                            InPlace {
                                owner: *owner,
                                number: *count,
                            }
                        });
                    if !known {
                        self.events.send(Event::EntryAdded {
                            instance,
                            entry: entry.to_string(),
                        });
                    }
                }
                Err(error) => {
                    self.entries.applied.remove(entry);
                    if self.entries.restorer.later(entry.clone(), *owner, now) {
                        let module = match entry {
                            Entry::Route(route, ..) => route.module(),
                            Entry::Rule(_) => None,
                        };
                        let hint = module.map(|module| format!(", load the module {module}"));
                        let hint = hint.unwrap_or_default();
                        let message = format!("cannot add {entry}: {error}{hint}; trying again");
                        self.warn(instance, message);
                    }
                }
            }
        }
        changed
    }

    /// After the kernel has told of something that takes routes along, or that they waited for.
    pub(super) fn check_entries(&mut self, gone: &[&Gone], shaken: bool, now: Instant) {
        if self.entries.applied.is_empty()
            && self.entries.restorer.next_due().is_none()
            && self.statics.is_empty()
            && !self
                .instances
                .values()
                .any(|instance| instance.has_entries())
        {
            return;
        }
        let per_minute = self.settings.restores_per_minute;
        let mut suspects: Vec<(bool, u64, Entry, InstanceId)> = self
            .entries
            .applied
            .iter()
            .filter(|(entry, _)| entry.restore())
            .filter(|(entry, _)| shaken || gone.iter().any(|gone| entry.is_like(gone)))
            .map(|(entry, place)| (entry.is_rule(), place.number, entry.clone(), place.owner))
            .collect();
        suspects.sort();
        let mut again = Vec::new();
        for (.., entry, owner) in suspects {
            let turn = self.entries.restorer.next_turn(&entry, now, per_minute);
            if turn <= now {
                again.push((entry, owner));
            } else if !shaken {
                // Not for the moment: somebody takes it away as fast as it comes back.
                self.entries.applied.remove(&entry);
                self.entries.restorer.lost(entry, owner, now, per_minute);
            }
        }
        let changed = self.add_entries(&again);
        for ((entry, owner), changed) in again.iter().zip(changed) {
            if changed {
                self.entries.restorer.restored(entry, now, per_minute);
                self.tell_restored(entry, *owner);
            }
        }
        if shaken {
            // What waited for an interface or an address may have its turn now.
            if self.statics.addresses.is_empty() && self.statics.of_links.is_empty() {
                let ids = self.instances.keys().copied();
                self.install_entries(&ids.chain([InstanceId::STATIC]).collect());
            } else {
                self.whole = true;
                self.settle();
                // One of them may be the source that an instance lacked.
                self.refresh_all();
                self.settle();
            }
        }
    }

    /// Puts back what is due to be put back.
    pub(super) fn restore_entries_due(&mut self, now: Instant) {
        for (entry, owner, by_others) in self.entries.restorer.take_due(now) {
            let wished = self
                .wished_entries(&BTreeSet::from([owner]))
                .into_iter()
                .any(|(wished, _)| wished == entry);
            if !wished || self.entries.applied.contains_key(&entry) {
                continue;
            }
            let changed = self.add_entries(&[(entry.clone(), owner)]);
            if by_others && changed == [true] {
                self.tell_restored(&entry, owner);
            }
        }
    }

    fn tell_restored(&mut self, entry: &Entry, owner: InstanceId) {
        self.events.send(Event::EntryRestored {
            instance: self.owner_name(owner),
            entry: entry.to_string(),
        });
    }

    fn owner_name(&self, owner: InstanceId) -> Option<Arc<str>> {
        let instance = self.instances.get(&owner)?;
        Some(Arc::clone(&instance.name))
    }
}
