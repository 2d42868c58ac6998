//! The kernel's IPVS table: what is wished, the difference, one batch.
//!
//! Services that the director has put in are its own, recorded in the state directory before they reach the kernel, so that
//! a successor of a killed director knows which leftovers to remove. Services of others are never removed.

use crate::state::{OwnedServices, RecordError};
use ipvs_netlink::transport::{NetlinkSocket, Transport};
use ipvs_netlink::{
    ApplyError, Change, Client, ConnectError, Owned, ServiceId, Table, VirtualService,
};
use std::collections::BTreeSet;

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
    /// Nothing may be put into the kernel that a successor would not know of.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Keeps the kernel's table in step.
pub(crate) struct IpvsTable<T = NetlinkSocket> {
    client: Client<T>,
    record: OwnedServices,
    /// Services that are ours: in the kernel because of us, now or before a crash.
    owned: BTreeSet<ServiceId>,
    /// What we last brought the kernel to, of our own services.
    present: Table,
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
        }
    }

    /// Brings the whole table to `wished`, from what the kernel really has: adopts what is there, removes what is ours and
    /// not wished any more. All or nothing.
    pub(crate) fn replace(&mut self, wished: &Table) -> Result<Vec<Change>, TableError> {
        let ids: BTreeSet<ServiceId> = wished.services.keys().copied().collect();
        // A crash between the record and the kernel must leave nothing unknown.
        let all: BTreeSet<ServiceId> = self.owned.union(&ids).copied().collect();
        if !self.record.covers(&all) {
            self.record.write(all.clone())?;
        }
        let result = self.client.reconcile(wished, Owned::Only(&all));
        match result {
            Ok(changes) => {
                self.owned = ids;
                self.present = wished.clone();
                self.narrow_record();
                Ok(changes)
            }
            Err(error) => {
                // What is in the kernel now is what was there before; the next attempt reads it again.
                self.narrow_record();
                Err(error.into())
            }
        }
    }

    /// Records no more than what is ours. The kernel is as it should be by now, so a failure is only told.
    fn narrow_record(&mut self) {
        if let Err(error) = self.record.write(self.owned.clone()) {
            error.harmless();
        }
    }

    /// Brings some services to what they should be now. They must be among those of the last [`replace`](Self::replace).
    /// If the kernel is not as we left it, the whole table is read and repaired.
    pub(crate) fn update(
        &mut self,
        services: Vec<VirtualService>,
    ) -> Result<Vec<Change>, TableError> {
        let wished: Table = services.into_iter().collect();
        let present: Table = wished
            .services
            .keys()
            .filter_map(|id| self.present.services.get(id))
            .cloned()
            .collect();
        let changes = present.diff(&wished, Owned::Nothing);
        if changes.is_empty() {
            return Ok(changes);
        }
        let result = self.client.apply_changes(&changes);
        for service in wished.services.into_values() {
            self.present.insert(service);
        }
        match result {
            Ok(()) => Ok(changes),
            Err(error) => {
                tracing::debug!(%error, "the table is not as it was left, reading it again");
                let wished = self.present.clone();
                self.replace(&wished)
            }
        }
    }

    /// What a predecessor has left of the services that are ours.
    pub(crate) fn inherited(&mut self) -> Result<Table, TableError> {
        let mut table = self.client.table()?;
        table.services.retain(|id, _| self.owned.contains(id));
        Ok(table)
    }

    /// What would change, without changing it.
    pub(crate) fn difference(&mut self, wished: &Table) -> Result<Vec<Change>, TableError> {
        let ids = wished.services.keys().copied();
        let all: BTreeSet<ServiceId> = self.owned.iter().copied().chain(ids).collect();
        Ok(self.client.table()?.diff(wished, Owned::Only(&all)))
    }

    /// Takes all of our services out.
    pub(crate) fn clear(&mut self) -> Result<Vec<Change>, TableError> {
        self.replace(&Table::new())
    }
}

#[cfg(test)]
#[path = "ipvs_tests.rs"]
mod tests;
