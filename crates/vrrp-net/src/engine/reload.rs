//! Starting, changing and stopping instances.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use vrrp_proto::group::SyncGroup;
use vrrp_proto::tracking::{Tracker, Tracking};
use vrrp_proto::{
    Event as RouterEvent, GroupOrder, Instant, MemberReport, Reason as Cause, State, VirtualRouter,
};

use super::check;
use super::core::{Core, Group, Later};
use super::instance::{Counts, Instance, InstanceId};
use super::routing::Statics;
use super::track::INTERFACE_PREFIX;
use crate::error::ConfigurationError;
use crate::event::Reason;
use crate::instance::{Configuration, InstanceConfig};

impl Core {
    /// Goes over to a configuration; the first one too. Nothing has been changed when it is refused.
    pub(super) fn replace(
        &mut self,
        configuration: Configuration,
    ) -> Result<(), ConfigurationError> {
        check::check(&configuration, &self.picture, self.settings.late_interfaces)?;
        let now = self.clock.now();
        let known: BTreeSet<&str> = configuration
            .instances
            .iter()
            .map(|instance| &*instance.name)
            .collect();
        let gone: Vec<InstanceId> = self
            .names
            .iter()
            .filter(|(name, _)| !known.contains(&***name))
            .map(|(_, id)| *id)
            .chain(
                configuration
                    .instances
                    .iter()
                    .filter_map(|instance| self.another_router(instance)),
            )
            .collect();

        self.trackers = configuration
            .trackers
            .iter()
            .map(|tracker| {
                let state = self
                    .trackers
                    .get(&tracker.name)
                    .copied()
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
        self.statics.of_links = of_links.filter_map(InstanceConfig::link_address).collect();
        // Before anything looks for a source address.
        self.reconcile(&BTreeSet::from([InstanceId::STATIC]));

        let mut fresh = Vec::new();
        for instance in &configuration.instances {
            match self.names.get(&*instance.name) {
                Some(id) => self.change(*id, instance, &configuration, now),
                None => fresh.extend(self.create(instance, &configuration, now)),
            }
        }
        self.regroup(&configuration, now);
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

    /// The running instance of that name, if the new one is another virtual router.
    fn another_router(&self, new: &InstanceConfig) -> Option<InstanceId> {
        let id = *self.names.get(&*new.name)?;
        let old = &self.instances.get(&id)?.config;
        let identity = |config: &InstanceConfig| {
            (
                config.interface.clone(),
                config.router.vrid,
                config.router.version,
                config.router.family,
                config.virtual_link.clone(),
                config.advert_interface().to_owned(),
            )
        };
        (identity(old) != identity(new)).then_some(id)
    }

    fn create(
        &mut self,
        config: &InstanceConfig,
        all: &Configuration,
        now: Instant,
    ) -> Option<InstanceId> {
        let mut router_config = check::router_of(config);
        router_config.grouped = group_of(all, &config.name).is_some();
        router_config.source = None;
        let interface: Arc<str> = Arc::from(&*config.interface);
        let router = match VirtualRouter::new(router_config) {
            Ok(router) => router,
            Err(error) => {
                // The configuration has been checked, so this is a contradiction that only the core sees.
                self.warn(
                    Some(Arc::from(&*config.name)),
                    format!("cannot run: {error}"),
                );
                return None;
            }
        };
        let id = InstanceId(self.next_id);
        self.next_id += 1;
        let name: Arc<str> = Arc::from(&*config.name);
        let mut instance = Instance {
            name: Arc::clone(&name),
            reason: Reason::new(Cause::Started, &interface),
            interface,
            config: config.clone(),
            router,
            tracking: Tracking::new(config.router.priority),
            group: None,
            attachment: None,
            source: None,
            raised: BTreeSet::new(),
            tracked_priority: config.router.priority.value(),
            priority_told: true,
            arithmetic: String::new(),
            wants_addresses: false,
            deadline: None,
            takeover_due: None,
            since: now,
            send_failing: false,
            announcing_failed_at: None,
            counts: Counts::default(),
        };
        self.set_trackers(&mut instance, all);
        self.instances.insert(id, instance);
        self.names.insert(name, id);
        Some(id)
    }

    /// Makes the list of trackers that of the configuration, with what each has said.
    fn set_trackers(&self, instance: &mut Instance, all: &Configuration) {
        let group = group_of(all, &instance.name);
        let interfaces = |list: &[Tracker]| {
            list.iter()
                .map(|tracker| Tracker {
                    name: format!("{INTERFACE_PREFIX}{}", tracker.name),
                    ..tracker.clone()
                })
                .collect::<Vec<_>>()
        };
        let mut wanted = instance.config.trackers.clone();
        wanted.extend(interfaces(&instance.config.track_interfaces));
        if let Some(group) = group {
            wanted.extend(group.trackers.iter().cloned());
            wanted.extend(interfaces(&group.track_interfaces));
        }
        let mut tracking = Tracking::new(instance.config.router.priority);
        for tracker in wanted {
            let state = self.trackers.get(&tracker.name).copied();
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
        config: &InstanceConfig,
        all: &Configuration,
        now: Instant,
    ) {
        let Some(mut instance) = self.instances.remove(&id) else {
            return;
        };
        let same = instance.config == *config;
        instance.config = config.clone();
        self.set_trackers(&mut instance, all);
        let mut router_config = check::router_of(config);
        router_config.grouped = group_of(all, &config.name).is_some();
        router_config.source = instance.source;
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
        self.names.remove(&instance.name);
        if let Some(deadline) = instance.deadline {
            self.deadlines.remove(&(deadline, id));
        }
        if let Some(attachment) = instance.attachment {
            let route = (attachment.key.index, attachment.key.ipv6, attachment.vrid);
            self.routes.remove(&route);
            self.sockets.leave(attachment);
        }
    }

    /// Makes the groups those of the configuration. A group whose members stay keeps its state.
    fn regroup(&mut self, configuration: &Configuration, now: Instant) {
        let mut kept = BTreeMap::new();
        let mut wanted = Vec::new();
        for config in &configuration.groups {
            let name: Arc<str> = Arc::from(&*config.name);
            let ids = config
                .members
                .iter()
                .filter_map(|member| self.names.get(&**member));
            let members: Vec<InstanceId> = ids.copied().collect();
            match self.groups.remove(&name) {
                Some(group) if group.members == members => {
                    kept.insert(name, group);
                }
                Some(group) => {
                    self.dissolve(&group, now);
                    wanted.push((name, config, members));
                }
                None => wanted.push((name, config, members)),
            }
        }
        for group in std::mem::replace(&mut self.groups, kept).into_values() {
            self.dissolve(&group, now);
        }
        for (name, config, members) in wanted {
            for (place, member) in members.iter().enumerate() {
                if let Some(instance) = self.instances.get_mut(member) {
                    instance.group = Some((Arc::clone(&name), place));
                }
            }
            let group = self.new_group(config, members, now);
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
        let other = members.iter().find(|id| {
            self.instances
                .get(id)
                .is_some_and(|member| !member.is_master())
        });
        let because = other
            .and_then(|id| self.instances.get(id))
            .map(|member| member.name.to_string());
        for (place, id) in members.iter().enumerate() {
            let Some(member) = self.instances.get_mut(id) else {
                continue;
            };
            if !member.router.faults().is_empty() {
                logic.handle(place, MemberReport::AtFault(true));
            }
            if !member.is_master() {
                continue;
            }
            match &because {
                None => logic.handle(place, MemberReport::WantsMaster(true)),
                Some(because) => {
                    let order = GroupOrder::Demote {
                        because: because.clone(),
                    };
                    member.router.handle_event(now, RouterEvent::Group(order));
                    self.touched.push_back(*id);
                }
            }
        }
        Group {
            logic,
            members,
            state: State::Initialize,
            since: now,
        }
    }

    /// Before the first configuration: finds what a predecessor left that belongs to no instance.
    pub(super) fn find_leftovers(&mut self) {
        if let (true, Some(mark)) = (self.settings.reclaim_marked, self.settings.address_mark) {
            let marked = self.picture.addresses().filter(|entry| entry.mark == mark);
            self.leftovers = marked.map(|entry| entry.key).collect();
        }
        self.entries.leftovers = true;
        if self.settings.reclaim_marked {
            self.note_left_links();
            self.remove_left_table();
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
