//! The kernel's IPVS table: what is wished, the difference, one batch.
//!
//! Services that the director has put in are its own, recorded in the state directory before they reach the kernel, so that
//! a successor of a killed director knows which leftovers to remove. Services of others are never removed.

use crate::lvs::Delta;
use crate::state::{Owned, OwnedServices, RecordError};
use ipvs_netlink::transport::{NetlinkSocket, Transport};
use ipvs_netlink::{
    ApplyError, Change, Client, Command, ConnectError, Destination, DestinationId, Reason, Refusal,
    ServiceId, Table, VirtualService,
};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// Destinations that one step of an audit reads at most, but for those of a single service.
const AUDIT_DESTINATIONS: usize = 4096;

/// The kernel's table could not be brought to what is wished.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TableError {
    /// This kernel has no IPVS, or it cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The kernel refused; what had been done is taken back.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The table cannot be read.
    #[error(transparent)]
    Read(#[from] ipvs_netlink::Error),
    /// Something of ours cannot be taken out.
    #[error(transparent)]
    Clear(#[from] Refusal),
    /// Nothing may be put into the kernel that a successor would not know of.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Connections that a change would cut.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct AtStake {
    /// The service.
    pub(crate) service: ServiceId,
    /// The server that would go.
    pub(crate) server: DestinationId,
    /// Established connections.
    pub(crate) active: u32,
    /// Others, most of them closing.
    pub(crate) inactive: u32,
}

impl TableError {
    /// What the kernel has refused: the service, and the destination if it is about one.
    pub(crate) fn refused(&self) -> Option<(ServiceId, Option<DestinationId>)> {
        let refusal = match self {
            Self::Apply(ApplyError::RolledBack(rolled_back)) => &rolled_back.refusal,
            Self::Clear(refusal) => refusal,
            _ => return None,
        };
        match refusal.command()? {
            Command::AddService(service) | Command::EditService(service) => {
                Some((service.id, None))
            }
            Command::RemoveService(service) => Some((*service, None)),
            Command::AddDestination(service, destination)
            | Command::EditDestination(service, destination) => {
                Some((*service, Some(destination.id)))
            }
            Command::RemoveDestination(service, destination) => {
                Some((*service, Some(*destination)))
            }
            _ => None,
        }
    }
}

/// Keeps the kernel's table in step.
pub(crate) struct IpvsTable<T = NetlinkSocket> {
    client: Client<T>,
    record: OwnedServices,
    /// What is ours: in the kernel because of us, now or before a crash.
    owned: Owned,
    /// What we last brought the kernel to, of our own.
    present: Table,
    /// The kernel may not be as `present` says, because a change failed.
    unsure: bool,
    /// The service that the audit looked at last; `None` at the beginning of a pass.
    audited: Option<ServiceId>,
}

impl IpvsTable {
    /// Connects to the kernel and reads what a predecessor has recorded. Nothing is changed.
    pub(crate) fn connect(record: OwnedServices) -> Result<Self, TableError> {
        Ok(Self::new(Client::connect()?, record))
    }
}

impl<T: Transport> IpvsTable<T> {
    fn new(client: Client<T>, record: OwnedServices) -> Self {
        let owned = record.read();
        Self {
            client,
            record,
            owned,
            present: Table::new(),
            // It has not been looked at yet.
            unsure: true,
            audited: None,
        }
    }

    /// Brings the whole table to `wished`, from what the kernel really has: adopts what is there, removes what is ours and
    /// not wished any more; with `alone` also what is not ours. All or nothing.
    pub(crate) fn replace(
        &mut self,
        mut wished: Table,
        alone: bool,
    ) -> Result<Vec<Change>, TableError> {
        let next = Owned {
            services: wished.services.keys().copied().collect(),
            daemons: wished
                .daemons
                .as_ref()
                .is_some_and(|wished| !wished.is_empty()),
        };
        if self.owned.daemons && wished.daemons.is_none() {
            wished.daemons = Some(BTreeMap::new());
        }
        // A crash between the record and the kernel must leave nothing unknown.
        let all = Owned {
            services: self.owned.services.union(&next.services).copied().collect(),
            daemons: self.owned.daemons || next.daemons,
        };
        if !self.record.covers(&all) {
            self.record.write(all.clone())?;
        }
        let owned = if alone {
            ipvs_netlink::Owned::Everything
        } else {
            ipvs_netlink::Owned::Only(&all.services)
        };
        let result = self.client.reconcile(&wished, owned);
        self.unsure = result.is_err();
        if result.is_ok() {
            self.owned = next;
            self.present = wished;
            self.audited = None;
        }
        // If it failed, what is in the kernel is what was there before.
        self.narrow_record();
        Ok(result?)
    }

    /// Records no more than what is ours. The kernel is as it should be by now, so a failure is only told.
    fn narrow_record(&mut self) {
        if let Err(error) = self.record.write(self.owned.clone()) {
            error.harmless();
        }
    }

    /// Whether the kernel may not be as we think, so that [`replace`](Self::replace) has to look.
    pub(crate) const fn is_unsure(&self) -> bool {
        self.unsure
    }

    /// Makes a change without reading the kernel's table: what it costs depends on the change only. All or nothing. If the
    /// kernel turns out not to be as we left it, the whole table is read and repaired on the way.
    pub(crate) fn change(&mut self, delta: Delta) -> Result<Vec<Change>, TableError> {
        let owned = self.owned_after(&delta);
        if let Some(owned) = owned.as_ref().filter(|owned| !self.record.covers(owned)) {
            self.record.write(owned.clone())?;
        }
        let Delta {
            services,
            destinations,
            removed,
            timeouts,
            daemons,
        } = delta;
        let mut wished: Table = services.into_iter().collect();
        wished.timeouts = timeouts;
        wished.daemons = daemons;
        let removed: BTreeSet<ServiceId> = removed.into_iter().collect();
        let mut changes = self.difference_of_services(&wished, &removed);
        changes.extend(self.difference_of_destinations(&destinations));
        let result = if changes.is_empty() {
            Ok(())
        } else {
            self.client.apply_changes(&changes)
        };
        let before = result.is_err().then(|| self.present.clone());
        self.enter(wished, &destinations, &removed);
        let Some((error, before)) = result.err().zip(before) else {
            if let Some(mut owned) = owned {
                owned.services.retain(|id| !removed.contains(id));
                let daemons = self.present.daemons.as_ref();
                owned.daemons &= daemons.is_some_and(|daemons| !daemons.is_empty());
                self.owned = owned;
                self.narrow_record();
            }
            return Ok(changes);
        };
        tracing::debug!(%error, "the table is not as it was left, reading it again");
        let wished = std::mem::replace(&mut self.present, before);
        self.replace(wished, false)
    }

    /// What is ours while a change is under way: before and after together. `None` if that stays as it is.
    fn owned_after(&self, delta: &Delta) -> Option<Owned> {
        let daemons = delta.daemons.as_ref().map(|daemons| !daemons.is_empty());
        let new: Vec<ServiceId> = delta
            .services
            .iter()
            .map(|service| service.service.id)
            .filter(|id| !self.owned.services.contains(id))
            .collect();
        let same_daemons = daemons.is_none_or(|daemons| daemons == self.owned.daemons);
        if new.is_empty() && delta.removed.is_empty() && same_daemons {
            return None;
        }
        let mut owned = self.owned.clone();
        owned.services.extend(new);
        owned.daemons |= daemons == Some(true);
        Some(owned)
    }

    /// What whole services take. What is present is taken out for the comparison, not copied.
    fn difference_of_services(
        &mut self,
        wished: &Table,
        removed: &BTreeSet<ServiceId>,
    ) -> Vec<Change> {
        let mut present = Table {
            timeouts: self.present.timeouts,
            daemons: self.present.daemons.clone(),
            ..Table::new()
        };
        for id in wished.services.keys().chain(removed) {
            if let Some(service) = self.present.services.remove(id) {
                present.insert(service);
            }
        }
        let changes = present.diff(wished, ipvs_netlink::Owned::Only(removed));
        self.present.services.append(&mut present.services);
        changes
    }

    /// What single destinations take: those that come first, then edits, those that go last.
    fn difference_of_destinations(
        &self,
        wished: &[(ServiceId, DestinationId, Option<Destination>)],
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        for (service, id, to) in wished {
            let Some(present) = self.present.services.get(service) else {
                continue;
            };
            let (service, from) = (*service, present.destinations.get(id).copied());
            changes.push(match (from, *to) {
                (None, Some(destination)) => Change::AddDestination {
                    service,
                    destination,
                },
                (Some(destination), None) => Change::RemoveDestination {
                    service,
                    destination,
                },
                (Some(from), Some(to)) if from != to => {
                    Change::EditDestination { service, from, to }
                }
                _ => continue,
            });
        }
        changes.sort_by_key(|change| match change {
            Change::AddDestination { destination, .. } => u8::from(destination.weight == 0),
            Change::EditDestination { from, to, .. } if to.weight >= from.weight => 2,
            Change::EditDestination { .. } => 3,
            _ => 4,
        });
        changes
    }

    /// Notes what the kernel has now.
    fn enter(
        &mut self,
        wished: Table,
        destinations: &[(ServiceId, DestinationId, Option<Destination>)],
        removed: &BTreeSet<ServiceId>,
    ) {
        self.present.services.extend(wished.services);
        for id in removed {
            self.present.services.remove(id);
        }
        for (service, id, to) in destinations {
            let Some(service) = self.present.services.get_mut(service) else {
                continue;
            };
            match to {
                Some(destination) => service.destinations.insert(*id, *destination),
                None => service.destinations.remove(id),
            };
        }
        if let Some(timeouts) = wished.timeouts {
            let before = self.present.timeouts.unwrap_or_default();
            self.present.timeouts = Some(timeouts.over(before));
        }
        if wished.daemons.is_some() {
            self.present.daemons = wished.daemons;
        }
    }

    /// Looks at the next `services` of our services and repairs what somebody else has changed in them; at the beginning of
    /// a pass also at timeouts and daemons. Tells the changes that took, and whether the pass is over.
    pub(crate) fn audit(&mut self, services: usize) -> Result<(Vec<Change>, bool), TableError> {
        let mut found = Table::new();
        let mut wished = Table::new();
        let from = match self.audited {
            Some(id) => Bound::Excluded(id),
            None => {
                if self.present.timeouts.is_some() {
                    wished.timeouts = self.present.timeouts;
                    found.timeouts = Some(self.client.timeouts()?);
                }
                if let Some(daemons) = &self.present.daemons {
                    wished.daemons = Some(daemons.clone());
                    let running = self.client.daemons()?.into_iter();
                    found.daemons = Some(running.map(|daemon| (daemon.role, daemon)).collect());
                }
                Bound::Unbounded
            }
        };
        let mut next = self.present.services.range((from, Bound::Unbounded));
        let mut last = None;
        let mut destinations = 0_usize;
        for (id, present) in next.by_ref().take(services.max(1)) {
            last = Some(*id);
            let there = match self.client.service(id)? {
                Some(entry) => {
                    let entries = self.client.destinations(id)?;
                    let each = entries.into_iter().map(|entry| entry.destination);
                    Some(VirtualService::with_destinations(entry.service, each))
                }
                None => None,
            };
            if there.as_ref() != Some(present) {
                wished.insert(present.clone());
                if let Some(there) = there {
                    found.insert(there);
                }
            }
            destinations = destinations.saturating_add(present.destinations.len());
            if destinations > AUDIT_DESTINATIONS {
                break;
            }
        }
        let over = next.next().is_none();
        self.audited = last.filter(|_| !over);
        let changes = found.diff(&wished, ipvs_netlink::Owned::Nothing);
        if !changes.is_empty() {
            let result = self.client.apply_changes(&changes);
            self.unsure |= result.is_err();
            result?;
        }
        Ok((changes, over))
    }

    /// How many services are ours.
    pub(crate) fn service_count(&self) -> usize {
        self.present.services.len()
    }

    /// What a predecessor has left of the services that are ours.
    pub(crate) fn inherited(&mut self) -> Result<Table, TableError> {
        if self.owned.services.is_empty() {
            return Ok(Table::new());
        }
        let mut table = self.client.table()?;
        table
            .services
            .retain(|id, _| self.owned.services.contains(id));
        Ok(table)
    }

    /// What would change, without changing it; with `alone` as if others had no services.
    pub(crate) fn difference(
        &mut self,
        wished: &Table,
        alone: bool,
    ) -> Result<Vec<Change>, TableError> {
        let ids = wished.services.keys().copied();
        let ours = self.owned.services.iter().copied();
        let all: BTreeSet<ServiceId> = ours.chain(ids).collect();
        let owned = if alone {
            ipvs_netlink::Owned::Everything
        } else {
            ipvs_netlink::Owned::Only(&all)
        };
        Ok(self.client.table()?.diff(wished, owned))
    }

    /// The connections of servers that these changes would take out, as the kernel counts them now; servers without any
    /// are left out.
    pub(crate) fn at_stake(&mut self, changes: &[Change]) -> Result<Vec<AtStake>, TableError> {
        let mut stakes = Vec::new();
        for change in changes {
            let (service, gone) = match change {
                Change::RemoveService { service, .. } => (service.id, None),
                Change::RemoveDestination {
                    service,
                    destination,
                } => (*service, Some(destination.id)),
                _ => continue,
            };
            let entries = self.client.destinations(&service)?.into_iter();
            let concerned =
                entries.filter(|entry| gone.is_none_or(|id| id == entry.destination.id));
            stakes.extend(concerned.filter_map(|entry| {
                let (active, inactive) = (entry.active_connections, entry.inactive_connections);
                (active > 0 || inactive > 0).then_some(AtStake {
                    service,
                    server: entry.destination.id,
                    active,
                    inactive,
                })
            }));
        }
        Ok(stakes)
    }

    /// Takes all of our services out, and our sync daemons; with `alone` everybody's services. What is gone already does not
    /// matter. Nothing is read for this.
    pub(crate) fn clear(&mut self, alone: bool) -> Result<Vec<Change>, TableError> {
        let daemons = self.present.daemons.take().filter(|_| self.owned.daemons);
        let daemons: Vec<_> = daemons
            .into_iter()
            .flat_map(BTreeMap::into_values)
            .collect();
        let services = &self.owned.services;
        let mut commands: Vec<Command> = daemons
            .iter()
            .map(|daemon| Command::StopDaemon(daemon.role))
            .collect();
        if alone {
            commands.push(Command::Flush);
        } else {
            commands.extend(services.iter().map(|id| Command::RemoveService(*id)));
        }
        let applied = self.client.apply(&commands)?;
        let serious = |(_, refusal): &(usize, &Refusal)| {
            !matches!(
                refusal.reason(),
                Reason::NoSuchService | Reason::DaemonNotRunning
            )
        };
        if let Some((_, refusal)) = applied.refusals().find(serious) {
            self.unsure = true;
            return Err(refusal.clone().into());
        }
        let gone = std::mem::take(&mut self.present.services).into_values();
        let removed = gone.map(|gone| Change::RemoveService {
            service: gone.service,
            destinations: gone.destinations.into_values().collect(),
        });
        let stopped = daemons.into_iter().map(Change::StopDaemon);
        let changes = stopped.chain(removed).collect();
        self.owned = Owned::default();
        self.narrow_record();
        Ok(changes)
    }
}

#[cfg(test)]
#[path = "ipvs_tests.rs"]
mod tests;
