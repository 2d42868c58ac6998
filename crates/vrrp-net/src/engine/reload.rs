//! Starting, changing and stopping instances.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use vrrp_proto::group::SyncGroup;
use vrrp_proto::tracking::Tracking;
use vrrp_proto::{Event as RouterEvent, GroupOrder, Instant, State, Version, Vrid};

use super::check;
use super::core::{Core, Group, Later};
use super::instance::{Instance, InstanceId};
use super::routing::Statics;
use super::track::trackers_of;
use crate::error::ConfigurationError;
use crate::event::Event;
use crate::handover::Counts;
use crate::instance::{Configuration, InstanceConfig};
use crate::virtual_link::VirtualLink;

impl Core {
    /// Goes over to a configuration; the first one too. Nothing has been changed when it is refused.
    pub(super) fn replace(
        &mut self,
        configuration: Configuration,
    ) -> Result<(), ConfigurationError> {
        check::check(&configuration, &self.picture, self.settings.late_interfaces)?;
        let now = self.clock.now();
        let mut running: BTreeMap<Identity, InstanceId> = self
            .instances
            .iter()
            .map(|(id, instance)| (identity(&instance.config), *id))
            .collect();
        let known: Vec<Option<InstanceId>> = configuration
            .instances
            .iter()
            .map(|instance| running.remove(&identity(instance)))
            .collect();
        let gone: Vec<InstanceId> = running.into_values().collect();

        self.trackers = configuration
            .trackers
            .iter()
            .map(|tracker| {
                let state = self
                    .trackers
                    .get(&tracker.name)
                    .copied()
                    .or_else(|| self.inherited_tracker(&tracker.name))
                    .unwrap_or(tracker.initial);
                (tracker.name.clone(), state)
            })
            .collect();

        self.statics
            .addresses
            .clone_from(&configuration.static_addresses);
        self.statics.routes.clone_from(&configuration.static_routes);
        self.statics.rules.clone_from(&configuration.static_rules);

        // Adverts of those that resign leave here; their addresses wait for the one step at the end, in case another
        // instance has them now.
        for id in gone {
            self.stop(id, now);
        }
        self.wish_links(&configuration);
        let of_links = configuration.instances.iter();
        self.statics.of_links = of_links
            .filter_map(|instance| instance.link_address())
            .collect();
        // Before anything looks for a source address.
        self.inherit_statics();
        self.reconcile(&BTreeSet::from([InstanceId::STATIC]));

        let mut fresh = Vec::new();
        for (instance, known) in configuration.instances.iter().zip(known) {
            match known {
                Some(id) => self.change(id, instance, &configuration, now),
                None => fresh.extend(self.create(instance, &configuration, now)),
            }
        }
        let names = self.instances.iter();
        self.names = names
            .map(|(id, instance)| (Arc::clone(&instance.name), *id))
            .collect();
        // What members say from before belongs to their old group.
        self.drain_touched();
        self.regroup(&configuration, now);
        self.finish_inheritance();
        self.note_virtual_keys();
        for id in &fresh {
            self.refresh(*id, now);
        }
        self.tell_wall_clock(now);
        for id in fresh {
            self.start_or_hold(id, now);
        }
        // Another instance's addresses are no source, so the list of addresses concerns all.
        self.refresh_all();
        self.whole = true;
        self.changed(now);
        Ok(())
    }

    fn create(
        &mut self,
        config: &Arc<InstanceConfig>,
        all: &Configuration,
        now: Instant,
    ) -> Option<InstanceId> {
        let grouped = group_of(all, &config.name).is_some();
        let router_config = check::router_of(config, grouped, None);
        let interface = match self.picture.by_name(&config.interface) {
            Some(link) => Arc::clone(&link.name),
            None => Arc::from(&*config.interface),
        };
        let (router, inherited) = match self.router_for(config, router_config, now) {
            Ok(found) => found,
            Err(error) => {
                // The configuration has been checked, so this is a contradiction that only the core sees.
                self.warn(
                    Some(Arc::clone(&config.name)),
                    format!("cannot run: {error}"),
                );
                return None;
            }
        };
        let id = InstanceId(self.next_id);
        self.next_id += 1;
        let mut instance = Instance {
            name: Arc::clone(&config.name),
            interface,
            config: Arc::clone(config),
            router,
            tracking: Tracking::new(config.router.priority),
            group: None,
            attachment: None,
            source: None,
            raised: BTreeSet::new(),
            tracked_priority: config.router.priority.value(),
            priority_told: true,
            arithmetic: Arc::default(),
            wants_addresses: false,
            deadline: None,
            takeover_due: None,
            since: now,
            send_failing: false,
            announcing_failed_at: None,
            counts: Counts::default(),
            lower_due: None,
        };
        self.set_trackers(&mut instance, all);
        self.instances.insert(id, Box::new(instance));
        if let Some(inherited) = inherited {
            self.take_inheritance(id, &inherited);
        }
        Some(id)
    }

    /// Makes the list of trackers that of the configuration, with what each has said.
    fn set_trackers(&self, instance: &mut Instance, all: &Configuration) {
        let group = group_of(all, &instance.name);
        let wanted = trackers_of(&instance.config, &all.common_trackers, group);
        let mut tracking = Tracking::new(instance.config.router.priority);
        for tracker in wanted {
            let state = self.trackers.get(&*tracker.name).copied();
            let name = tracker.name.clone();
            tracking.add(tracker);
            if let Some(state) = state {
                tracking.set(&name, state);
            }
        }
        instance.tracking = tracking;
    }

    fn change(
        &mut self,
        id: InstanceId,
        config: &Arc<InstanceConfig>,
        all: &Configuration,
        now: Instant,
    ) {
        let Some(mut instance) = self.instances.remove(&id) else {
            return;
        };
        if *instance.name != *config.name {
            let name = Arc::from(&*config.name);
            let from = std::mem::replace(&mut instance.name, Arc::clone(&name));
            self.events.send(Event::Renamed { from, to: name });
        }
        let same = instance.config == *config;
        instance.config = Arc::clone(config);
        self.set_trackers(&mut instance, all);
        let grouped = group_of(all, &config.name).is_some();
        let router_config = check::router_of(config, grouped, instance.source);
        if !same || router_config.grouped != instance.router.config().grouped {
            instance.priority_told = false;
            if let Err(error) = instance.router.reconfigure(now, router_config) {
                self.warn(
                    Some(Arc::clone(&instance.name)),
                    format!("keeps its old protocol settings: {error}"),
                );
            }
        }
        self.instances.insert(id, instance);
        self.note_extra(id);
        self.touched.push_back(id);
    }

    /// Lets an instance resign and forgets it; its addresses stay until the next reconciliation of all.
    fn stop(&mut self, id: InstanceId, now: Instant) {
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        // It leaves its group first: the others stay what they are.
        instance.group = None;
        instance.router.handle_event(now, RouterEvent::Shutdown);
        self.drain(id, &mut Later::default());
        self.send_queued();
        let Some(instance) = self.instances.remove(&id) else {
            return;
        };
        if let Some(deadline) = instance.deadline {
            self.deadlines.remove(&(deadline, id));
        }
        if let Some(attachment) = instance.attachment {
            let route = (attachment.key.index, attachment.key.ipv6, attachment.vrid);
            self.routes.remove(&route);
            self.sockets.leave(attachment);
        }
    }

    /// Makes the groups those of the configuration. A group whose members stay keeps its state, whatever it is called.
    fn regroup(&mut self, configuration: &Configuration, now: Instant) {
        let mut old = std::mem::take(&mut self.groups);
        let mut wanted = Vec::new();
        for config in &configuration.groups {
            let ids = config
                .members
                .iter()
                .filter_map(|member| self.names.get(&**member));
            let members: Vec<InstanceId> = ids.copied().collect();
            let same = old.iter().find(|(_, group)| group.members == members);
            let known = same.map(|(name, _)| Arc::clone(name));
            let known = known.and_then(|name| old.remove(&name));
            wanted.push((config, members, known));
        }
        for group in old.into_values() {
            self.dissolve(&group, now);
        }
        for (config, members, known) in wanted {
            let name: Arc<str> = Arc::from(&*config.name);
            for (place, member) in members.iter().enumerate() {
                if let Some(instance) = self.instances.get_mut(member) {
                    instance.group = Some((Arc::clone(&name), place));
                }
            }
            let mut group = self.new_group(config, members, now);
            if let Some(known) = known {
                (group.state, group.since) = (known.state, known.since);
            }
            self.groups.insert(Arc::clone(&name), group);
            self.deliver_orders(&name);
        }
    }

    /// The members of a group that is no more have no longer any fault of each other.
    fn dissolve(&mut self, group: &Group, now: Instant) {
        for id in &group.members {
            let Some(instance) = self.instances.get_mut(id) else {
                continue;
            };
            instance.group = None;
            instance
                .router
                .handle_event(now, RouterEvent::Group(GroupOrder::ClearFault));
            self.touched.push_back(*id);
        }
    }

    /// A group of instances that may be running already: it starts united, all masters or none.
    fn new_group(
        &mut self,
        config: &crate::instance::GroupConfig,
        members: Vec<InstanceId>,
        now: Instant,
    ) -> Group {
        let mut logic = SyncGroup::new(config.members.iter().map(String::as_str));
        for (place, id) in members.iter().enumerate() {
            if let Some(member) = self.instances.get(id) {
                logic.adopt(place, &member.router);
            }
        }
        logic.settle();
        let inherited = self.inherited_group(&config.name);
        let (state, since) = inherited.unwrap_or((State::Initialize, now));
        Group {
            logic,
            members,
            state,
            since,
        }
    }

    /// Before the first configuration: finds what a predecessor left that belongs to no instance.
    pub(super) fn find_leftovers(&mut self) {
        if let (true, Some(mark)) = (self.settings.reclaim_marked, self.settings.address_mark) {
            let marked = self.picture.addresses().filter(|entry| entry.mark == mark);
            self.leftovers.extend(marked.map(|entry| entry.key));
        }
        self.entries.leftovers = true;
    }

    /// Takes away the routes and rules that bear our mark.
    pub(super) fn remove_marked_entries(&mut self) {
        if self.settings.reclaim_marked {
            self.note_left_links();
            match self.table.remove_marked_entries() {
                Ok(0) => {}
                Ok(count) => {
                    let message =
                        format!("removed {count} route(s) and rule(s) that an earlier run left");
                    self.warn(None, message);
                }
                Err(error) => {
                    let message =
                        format!("cannot look for routes that an earlier run left: {error}");
                    self.warn(None, message);
                }
            }
        }
    }

    /// Everything resigns and all addresses go.
    pub(super) fn shut_down(&mut self) {
        let now = self.clock.now();
        let ids: Vec<InstanceId> = self.instances.keys().copied().collect();
        // Adverts of all first; a group's order to a member that stops anyway would only repeat them.
        for group in self.groups.values_mut() {
            group.members.clear();
        }
        for id in ids {
            if let Some(instance) = self.instances.get_mut(&id) {
                instance.router.handle_event(now, RouterEvent::Shutdown);
                self.touched.push_back(id);
            }
        }
        self.settle();
        for instance in self.instances.values_mut() {
            instance.wants_addresses = false;
        }
        self.statics = Statics::default();
        self.reconcile_all(BTreeSet::new());
        self.publish(true);
        self.instances = BTreeMap::new();
        self.applied = BTreeMap::new();
        self.wish_links(&Configuration::default());
        self.remove_unwished_links();
        self.unshield();
        self.restore_local_igmp();
    }
}

fn group_of<'a>(
    all: &'a Configuration,
    instance: &str,
) -> Option<&'a crate::instance::GroupConfig> {
    all.groups
        .iter()
        .find(|group| group.members.iter().any(|member| member == instance))
}

/// What makes a virtual router the same one after a reload: interface, family, identifier and version. Its name is but
/// a label.
type Identity = (
    Arc<str>,
    bool,
    Vrid,
    Version,
    Option<Box<VirtualLink>>,
    String,
);

fn identity(config: &InstanceConfig) -> Identity {
    let router = &config.router;
    (
        Arc::clone(&config.interface),
        crate::wire::is_ipv6(router.family),
        router.vrid,
        router.version,
        config.virtual_link.clone(),
        config.advert_interface().to_owned(),
    )
}
