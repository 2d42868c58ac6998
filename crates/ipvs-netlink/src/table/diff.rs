use std::collections::BTreeMap;

use super::{Change, Owned, Table, VirtualService};
use crate::types::{DaemonRole, Destination, DestinationId, Service, ServiceId, SyncDaemon};

/// See [`Table::diff`].
pub(super) fn diff(current: &Table, wished: &Table, owned: Owned<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    timeouts(current, wished, &mut changes);
    let (stop, start) = daemons(current, wished);
    // The kernel takes no destination of another family than its service's while a daemon runs,
    // so daemons that go make room first and new ones come last.
    changes.extend(stop);
    for (id, service) in &wished.services {
        if !current.services.contains_key(id) {
            changes.push(Change::AddService(service.service.clone()));
            let destinations = by_weight(service.destinations.values());
            changes.extend(destinations.map(|d| add(id, d)));
        }
    }
    for (id, service) in &wished.services {
        if let Some(present) = current.services.get(id) {
            existing(id, present, service, &mut changes);
        }
    }
    for (id, service) in &current.services {
        if !wished.services.contains_key(id) && owned.contains(id) {
            changes.push(Change::RemoveService {
                service: service.service.clone(),
                destinations: service.destinations.values().copied().collect(),
            });
        }
    }
    changes.extend(start);
    changes
}

fn timeouts(current: &Table, wished: &Table, changes: &mut Vec<Change>) {
    let Some(to) = wished.timeouts else { return };
    let from = current.timeouts.unwrap_or_default();
    if to.over(from) != from {
        changes.push(Change::SetTimeouts { from, to });
    }
}

/// The daemons to stop and those to start; one with other settings is stopped and started, for
/// the kernel cannot edit a daemon.
fn daemons(current: &Table, wished: &Table) -> (Vec<Change>, Vec<Change>) {
    let Some(wished) = &wished.daemons else {
        return (Vec::new(), Vec::new());
    };
    let none: BTreeMap<DaemonRole, SyncDaemon> = BTreeMap::new();
    let current = current.daemons.as_ref().unwrap_or(&none);
    let stays = |role: &DaemonRole| match (current.get(role), wished.get(role)) {
        (Some(running), Some(wished)) => wished.is_satisfied_by(running),
        _ => false,
    };
    let stop = current.values().filter(|daemon| !stays(&daemon.role));
    let start = wished.values().filter(|daemon| !stays(&daemon.role));
    (
        stop.cloned().map(Change::StopDaemon).collect(),
        start.cloned().map(Change::StartDaemon).collect(),
    )
}

fn existing(
    id: &ServiceId,
    present: &VirtualService,
    wished: &VirtualService,
    changes: &mut Vec<Change>,
) {
    if present == wished {
        return;
    }
    let new = wished
        .destinations
        .values()
        .filter(|destination| !present.destinations.contains_key(&destination.id));
    changes.extend(by_weight(new).map(|d| add(id, d)));

    let (up, down) = edits(&present.destinations, &wished.destinations);
    let edit = |(from, to): (&Destination, &Destination)| Change::EditDestination {
        service: *id,
        from: *from,
        to: *to,
    };
    changes.extend(up.into_iter().map(edit));
    if let Some(change) = edit_service(&present.service, &wished.service) {
        changes.push(change);
    }
    changes.extend(down.into_iter().map(edit));

    let gone = present
        .destinations
        .values()
        .filter(|destination| !wished.destinations.contains_key(&destination.id));
    changes.extend(gone.map(|d| Change::RemoveDestination {
        service: *id,
        destination: *d,
    }));
}

/// Destinations in both tables whose settings differ: those whose weight does not fall, and those
/// whose weight falls.
#[expect(clippy::type_complexity, reason = "two lists of pairs, used once")]
fn edits<'a>(
    present: &'a BTreeMap<DestinationId, Destination>,
    wished: &'a BTreeMap<DestinationId, Destination>,
) -> (
    Vec<(&'a Destination, &'a Destination)>,
    Vec<(&'a Destination, &'a Destination)>,
) {
    wished
        .iter()
        .filter_map(|(id, to)| present.get(id).map(|from| (from, to)))
        .filter(|(from, to)| from != to)
        .partition(|(from, to)| to.weight >= from.weight)
}

fn edit_service(from: &Service, to: &Service) -> Option<Change> {
    (from != to).then(|| Change::EditService {
        from: from.clone(),
        to: to.clone(),
    })
}

fn add(service: &ServiceId, destination: &Destination) -> Change {
    Change::AddDestination {
        service: *service,
        destination: *destination,
    }
}

/// Those that take traffic first, else in the order of their ids.
fn by_weight<'a>(
    destinations: impl Iterator<Item = &'a Destination> + Clone,
) -> impl Iterator<Item = &'a Destination> {
    let serving = destinations
        .clone()
        .filter(|destination| destination.weight > 0);
    serving.chain(destinations.filter(|destination| destination.weight == 0))
}
