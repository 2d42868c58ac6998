//! The checks of a plan, and what two plans have in common.

use super::{Plan, PlannedCheck};
use crate::lvs::{CheckId, VirtualServer};
use ipvs_netlink::DestinationId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// All checks, those of one virtual server together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Checks {
    servers: BTreeMap<Arc<str>, Arc<[Entry]>>,
    count: usize,
}

/// One check of a virtual server.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) real_server: DestinationId,
    pub(super) index: usize,
    pub(super) check: PlannedCheck,
}

impl Checks {
    /// Puts in the checks of a virtual server, in the order of the file.
    pub(super) fn insert(&mut self, virtual_server: &Arc<str>, checks: Vec<Entry>) {
        self.count = self.count.saturating_add(checks.len());
        if !checks.is_empty() {
            self.servers
                .insert(Arc::clone(virtual_server), checks.into());
        }
    }

    /// How many there are.
    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    /// One of them.
    pub(crate) fn get(&self, id: &CheckId) -> Option<&PlannedCheck> {
        let mut checks = self.servers.get(&id.virtual_server)?.iter();
        let is_it = |entry: &&Entry| entry.real_server == id.real_server && entry.index == id.index;
        checks.find(is_it).map(|entry| &entry.check)
    }

    /// Where a check stood that is now `check` under the name `id`, if it did: its position among those of the real
    /// server. Its own position goes first.
    pub(crate) fn position(&self, id: &CheckId, check: &PlannedCheck) -> Option<usize> {
        let entries = self.servers.get(&id.virtual_server)?;
        let same = entries
            .iter()
            .filter(|entry| entry.real_server == id.real_server && entry.check.same_as(check))
            .map(|entry| entry.index);
        same.min_by_key(|index| index.abs_diff(id.index))
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (CheckId, &PlannedCheck)> {
        self.servers.keys().flat_map(|name| self.of(name))
    }

    /// Those of one virtual server.
    pub(crate) fn of(
        &self,
        virtual_server: &str,
    ) -> impl Iterator<Item = (CheckId, &PlannedCheck)> {
        let found = self.servers.get_key_value(virtual_server);
        found.into_iter().flat_map(|(name, checks)| {
            checks.iter().map(|entry| {
                let id = CheckId {
                    virtual_server: Arc::clone(name),
                    real_server: entry.real_server,
                    index: entry.index,
                };
                (id, &entry.check)
            })
        })
    }

    /// Those that hear from a BFD session, and its name.
    pub(crate) fn fed(&self) -> impl Iterator<Item = (CheckId, &str)> {
        self.servers.iter().flat_map(|(name, checks)| {
            checks.iter().filter_map(|entry| {
                let id = || CheckId {
                    virtual_server: Arc::clone(name),
                    real_server: entry.real_server,
                    index: entry.index,
                };
                entry.check.session().map(|session| (id(), session))
            })
        })
    }

    fn same_in(&self, other: &Self, virtual_server: &str) -> bool {
        let checks = |all: &Self| all.servers.get(virtual_server).cloned();
        let (Some(ours), Some(theirs)) = (checks(self), checks(other)) else {
            return checks(self).is_none() && checks(other).is_none();
        };
        ours.len() == theirs.len()
            && ours.iter().zip(&*theirs).all(|(our, their)| {
                our.real_server == their.real_server
                    && our.index == their.index
                    && our.check.same_as(&their.check)
            })
    }
}

impl Plan {
    /// Takes from an earlier plan every virtual server that is in both, so that it is known to be unchanged by being the
    /// same `Arc`, and stands in memory once.
    pub(crate) fn share_with(&mut self, before: &Self) {
        let known: BTreeMap<&str, &Arc<VirtualServer>> = before
            .virtual_servers
            .iter()
            .map(|server| (&*server.name, server))
            .collect();
        for server in &mut self.virtual_servers {
            let Some((name, old)) = known.get_key_value(&*server.name) else {
                continue;
            };
            if server == *old && self.checks.same_in(&before.checks, name) {
                *server = Arc::clone(old);
                if let Some(checks) = before.checks.servers.get(*name) {
                    // The key is replaced too: it belongs to the plan that is given up.
                    self.checks.servers.remove(*name);
                    self.checks
                        .servers
                        .insert(Arc::clone(&old.name), Arc::clone(checks));
                }
            }
        }
    }
}
