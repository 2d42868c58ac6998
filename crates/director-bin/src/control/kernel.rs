//! Reading the kernel's IPVS counters, on a connection of its own so that a long dump does not hold up the daemon's changes.

use super::Draining;
use ipvs_netlink::{Client, DestinationEntry, DestinationId, ServiceId, Snapshot, Stats};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Reads the table; clones share a connection.
#[derive(Clone, Default)]
pub(crate) struct KernelReader {
    client: Arc<Mutex<Option<Client>>>,
}

/// The kernel's table with counters.
#[derive(Debug, Default)]
pub(crate) struct KernelTable {
    pub(crate) services: HashMap<ServiceId, KernelService>,
}

/// One service.
#[derive(Debug)]
pub(crate) struct KernelService {
    pub(crate) stats: Stats,
    pub(crate) destinations: HashMap<DestinationId, DestinationEntry>,
}

impl KernelReader {
    /// Reads it now; blocks.
    pub(crate) fn read(&self) -> Result<KernelTable, String> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        match Self::connected(&mut client)?.snapshot() {
            Ok(snapshot) => Ok(KernelTable::of(snapshot)),
            Err(error) => {
                // The next one gets a new connection.
                *client = None;
                Err(crate::output::chain(&error))
            }
        }
    }
}

impl KernelReader {
    /// Which of these real servers hold no connection and no persistent client; blocks. One that is not in the table holds
    /// nothing.
    pub(crate) fn idle(&self, draining: Draining) -> Result<Vec<(String, DestinationId)>, String> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        let connected = Self::connected(&mut client)?;
        let mut idle = Vec::new();
        for (name, server, services) in draining {
            let mut held = false;
            for service in &services {
                let entries = connected.destinations(service);
                let entries = entries.map_err(|error| crate::output::chain(&error))?;
                held |= entries.iter().any(|entry| {
                    entry.destination.id == server
                        && (entry.active_connections
                            | entry.inactive_connections
                            | entry.persistent_connections)
                            != 0
                });
            }
            if !held {
                idle.push((name, server));
            }
        }
        Ok(idle)
    }

    fn connected(client: &mut Option<Client>) -> Result<&mut Client, String> {
        match client {
            Some(client) => Ok(client),
            empty => {
                let new = Client::connect().map_err(|error| crate::output::chain(&error))?;
                Ok(empty.insert(new))
            }
        }
    }
}

impl KernelTable {
    fn of(snapshot: Snapshot) -> Self {
        let services = snapshot.services.into_iter().map(|service| {
            let destinations = service.destinations.into_iter();
            let entry = KernelService {
                stats: service.entry.stats,
                destinations: destinations
                    .map(|entry| (entry.destination.id, entry))
                    .collect(),
            };
            (service.entry.service.id, entry)
        });
        Self {
            services: services.collect(),
        }
    }
}
