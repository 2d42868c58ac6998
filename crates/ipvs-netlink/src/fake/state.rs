use std::collections::BTreeSet;

use super::{Interfaces, rules};
use crate::command::Command;
use crate::errno;
use crate::table::{ServiceSnapshot, Snapshot};
use crate::types::{
    Destination, DestinationEntry, Family, Info, Name, Scheduler, Service, ServiceEntry, ServiceId,
    Stats, SyncDaemon, Timeouts,
};
use crate::wire::{Answer, Query};

/// What the kernel holds. Services keep the order in which they were made, and the newest
/// destination stands first, as in the kernel's list.
#[derive(Debug)]
pub(super) struct State {
    services: Vec<ServiceSnapshot>,
    timeouts: Timeouts,
    daemons: Vec<SyncDaemon>,
    pub(super) schedulers: BTreeSet<String>,
    engines: BTreeSet<String>,
    pub(super) interfaces: Interfaces,
}

impl Default for State {
    fn default() -> Self {
        let interfaces = [("lo", u16::MAX), ("eth0", 1500)];
        let named = |(name, mtu): (&str, u16)| Name::new(name).ok().map(|name| (name, mtu));
        Self {
            services: Vec::new(),
            timeouts: Timeouts::KERNEL_DEFAULT,
            daemons: Vec::new(),
            schedulers: Scheduler::KNOWN
                .iter()
                .map(|s| s.name().to_owned())
                .collect(),
            engines: BTreeSet::from(["sip".to_owned()]),
            interfaces: interfaces.into_iter().filter_map(named).collect(),
        }
    }
}

/// A positive errno.
type Refused = i32;

impl State {
    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            info: Self::info(),
            services: self.services.clone(),
            timeouts: self.timeouts,
            daemons: self.daemons.clone(),
        }
    }

    const fn info() -> Info {
        Info {
            version: 0x01_02_01,
            connection_table_size: 4096,
        }
    }

    pub(super) fn service_mut(&mut self, id: &ServiceId) -> Option<&mut ServiceSnapshot> {
        self.services
            .iter_mut()
            .find(|service| service.entry.service.id == *id)
    }

    fn existing(&mut self, id: &ServiceId) -> Result<&mut ServiceSnapshot, Refused> {
        self.service_mut(id).ok_or(errno::ESRCH)
    }

    pub(super) fn answer(&self, query: &Query) -> Result<Vec<Answer>, Refused> {
        let service = |id: &ServiceId| self.services.iter().find(|s| s.entry.service.id == *id);
        let boxed = |entry: &ServiceEntry| Answer::Service(Box::new(entry.clone()));
        Ok(match query {
            // The number of the family is the transport's business.
            Query::Family => Vec::new(),
            Query::Info => vec![Answer::Info(Self::info())],
            Query::Timeouts => vec![Answer::Timeouts(self.timeouts)],
            Query::Daemons => self.daemons.iter().cloned().map(Answer::Daemon).collect(),
            Query::Services => self.services.iter().map(|s| boxed(&s.entry)).collect(),
            Query::Service(id) => vec![boxed(&service(id).ok_or(errno::ESRCH)?.entry)],
            // The kernel answers for an unknown service as for one without destinations.
            Query::Destinations(id) => service(id)
                .map(|s| {
                    s.destinations
                        .iter()
                        .copied()
                        .map(Answer::Destination)
                        .collect()
                })
                .unwrap_or_default(),
        })
    }

    pub(super) fn execute(&mut self, command: &Command) -> Result<(), Refused> {
        match command {
            Command::AddService(service) => {
                if self.service_mut(&service.id).is_some() {
                    return Err(errno::EEXIST);
                }
                self.check_service(service)?;
                let entry = ServiceEntry {
                    service: service.clone(),
                    stats: Stats::default(),
                };
                self.services.push(ServiceSnapshot {
                    entry,
                    destinations: Vec::new(),
                });
            }
            Command::EditService(service) => {
                self.existing(&service.id)?;
                self.check_service(service)?;
                self.existing(&service.id)?.entry.service = service.clone();
            }
            Command::RemoveService(id) => {
                self.existing(id)?;
                self.services
                    .retain(|service| service.entry.service.id != *id);
            }
            Command::AddDestination(id, destination) => self.add_destination(id, destination)?,
            Command::EditDestination(id, destination) => {
                self.check_families(id, destination)?;
                rules::destination(destination)?;
                let mut destinations = self.existing(id)?.destinations.iter_mut();
                let entry = destinations.find(|entry| entry.destination.id == destination.id);
                entry.ok_or(errno::ENOENT)?.destination = *destination;
            }
            Command::RemoveDestination(id, destination) => {
                let destinations = &mut self.existing(id)?.destinations;
                let before = destinations.len();
                destinations.retain(|entry| entry.destination.id != *destination);
                if destinations.len() == before {
                    return Err(errno::ENOENT);
                }
            }
            Command::SetTimeouts(timeouts) => {
                rules::timeouts(timeouts)?;
                self.timeouts = timeouts.over(self.timeouts);
            }
            Command::StartDaemon(daemon) => self.start_daemon(daemon)?,
            Command::StopDaemon(role) => {
                let before = self.daemons.len();
                self.daemons.retain(|daemon| daemon.role != *role);
                if self.daemons.len() == before {
                    return Err(errno::ESRCH);
                }
            }
            Command::Zero(Some(id)) => zero(self.existing(id)?),
            Command::Zero(None) => self.services.iter_mut().for_each(zero),
            Command::Flush => self.services.clear(),
        }
        Ok(())
    }

    fn check_service(&self, service: &Service) -> Result<(), Refused> {
        let scheduler = &service.scheduler;
        if *scheduler != Scheduler::Unscheduled && !self.schedulers.contains(scheduler.name()) {
            return Err(errno::ENOENT);
        }
        let engine = service.persistence_engine.as_ref();
        if engine.is_some_and(|engine| !self.engines.contains(engine.as_str())) {
            return Err(errno::ENOENT);
        }
        rules::service(service)
    }

    fn add_destination(&mut self, id: &ServiceId, new: &Destination) -> Result<(), Refused> {
        self.check_families(id, new)?;
        rules::destination(new)?;
        let destinations = &mut self.existing(id)?.destinations;
        if destinations
            .iter()
            .any(|entry| entry.destination.id == new.id)
        {
            return Err(errno::EEXIST);
        }
        rules::new_destination(new)?;
        let entry = DestinationEntry {
            destination: *new,
            active_connections: 0,
            inactive_connections: 0,
            persistent_connections: 0,
            stats: Stats::default(),
        };
        destinations.insert(0, entry);
        Ok(())
    }

    fn check_families(&mut self, id: &ServiceId, new: &Destination) -> Result<(), Refused> {
        self.existing(id)?;
        if Family::of(new.id.address) == id.family() {
            return Ok(());
        }
        let tunnel = matches!(new.forwarding, crate::types::Forwarding::Tunnel(_));
        // The sync protocol has one family for both, so mixing waits until no daemon runs.
        if tunnel && self.daemons.is_empty() {
            Ok(())
        } else {
            Err(errno::EINVAL)
        }
    }

    fn start_daemon(&mut self, daemon: &SyncDaemon) -> Result<(), Refused> {
        let mixed = self.services.iter().any(|service| {
            let family = service.entry.service.id.family();
            let mut ids = service
                .destinations
                .iter()
                .map(|entry| entry.destination.id.address);
            ids.any(|address| Family::of(address) != family)
        });
        if mixed {
            return Err(errno::EINVAL);
        }
        rules::daemon(daemon)?;
        let mtu = *self
            .interfaces
            .get(&daemon.interface)
            .ok_or(errno::ENODEV)?;
        if self
            .daemons
            .iter()
            .any(|running| running.role == daemon.role)
        {
            return Err(errno::EEXIST);
        }
        self.daemons.push(rules::with_defaults(daemon, mtu));
        self.daemons.sort_by_key(|daemon| daemon.role);
        Ok(())
    }
}

fn zero(service: &mut ServiceSnapshot) {
    service.entry.stats.counters = crate::types::Counters::default();
    for entry in &mut service.destinations {
        entry.stats.counters = crate::types::Counters::default();
    }
}
