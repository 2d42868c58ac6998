//! Virtual servers and real servers: what the model wishes and why, what the checks say, what the kernel has.

use crate::control::facts::Facts;
use crate::control::kernel::KernelTable;
use crate::lvs::{CheckId, CheckStart, Presence, RealView, ServerState as Model, Setting};
use director_control::Timestamp;
use director_control::snapshot::{
    Check, CheckVerdict, Connections, Histogram, Quorum, RealServer, ServerState, SorryServer,
    Traffic, VirtualServer,
};
use healthcheck::Verdict;
use ipvs_netlink::{DestinationEntry, DestinationId, ServiceId, Stats};
use std::collections::HashMap;
use std::sync::Arc;

type Checks<'a> = HashMap<&'a CheckId, &'a healthcheck::Snapshot<CheckId>>;

pub(super) fn build(
    facts: &Facts,
    checks: &[healthcheck::Snapshot<CheckId>],
    table: Option<&KernelTable>,
) -> Vec<VirtualServer> {
    let checks: Checks<'_> = checks.iter().map(|check| (&check.id, check)).collect();
    let states = facts.model.states();
    states
        .map(|state| virtual_server(facts, state, &checks, table))
        .collect()
}

fn virtual_server(
    facts: &Facts,
    state: &Model,
    checks: &Checks<'_>,
    table: Option<&KernelTable>,
) -> VirtualServer {
    let config = state.config();
    let ids: Vec<ServiceId> = config.services.iter().map(|service| service.id).collect();
    let first = config.services.first();
    let kernel = |id: DestinationId| kernel(&ids, id, table);
    let real_servers = state.real_servers().map(|real| {
        let entries = kernel(real.config.destination.id);
        real_server(facts, &config.name, real, checks, &entries)
    });
    let sorry_server = config.sorry_server.as_ref().map(|sorry| {
        let id = sorry.destination.id;
        SorryServer {
            address: id.to_string(),
            in_use: state.sorry_in_use(),
            kernel_weight: weight(&kernel(id)),
        }
    });
    VirtualServer {
        name: config.name.to_string(),
        snmp_name: config.snmp_name.as_deref().map(str::to_owned),
        services: ids.iter().map(ToString::to_string).collect(),
        scheduler: first
            .map(|service| service.scheduler.to_string())
            .unwrap_or_default(),
        persistence_seconds: first
            .and_then(|service| service.persistence.as_ref())
            .map(|persistence| persistence.timeout),
        quorum: Quorum {
            up: state.quorum_up(),
            weight: state.live_weight(),
            needed: config.quorum,
            hysteresis: config.hysteresis,
        },
        sorry_server,
        held: facts
            .model
            .held()
            .filter(|_| state.real_servers().any(|real| real.held))
            .cloned(),
        real_servers: real_servers.collect(),
        traffic: table.map(|table| {
            let stats = ids.iter().filter_map(|id| table.services.get(id));
            traffic(stats.map(|service| &service.stats))
        }),
    }
}

/// The entries of a real server, one for each service that has it.
fn kernel(
    services: &[ServiceId],
    id: DestinationId,
    table: Option<&KernelTable>,
) -> Vec<DestinationEntry> {
    let services = services
        .iter()
        .filter_map(|service| table?.services.get(service));
    services
        .filter_map(|service| service.destinations.get(&id).copied())
        .collect()
}

/// The lowest, should they differ.
fn weight(entries: &[DestinationEntry]) -> Option<u32> {
    entries.iter().map(|entry| entry.destination.weight).min()
}

fn real_server(
    facts: &Facts,
    virtual_server: &Arc<str>,
    view: RealView<'_>,
    checks: &Checks<'_>,
    entries: &[DestinationEntry],
) -> RealServer {
    let real = view.config;
    let id = real.destination.id;
    let key = |index| CheckId {
        virtual_server: Arc::clone(virtual_server),
        real_server: id,
        index,
    };
    let of_check = |(index, start): (usize, &CheckStart)| {
        let known = checks.get(&key(index)).copied();
        check(start.kind, view.verdicts.get(index), known)
    };
    let checks: Vec<Check> = real.checks.iter().enumerate().map(of_check).collect();
    let wished_weight = match view.presence {
        Presence::Weight(weight) => Some(weight),
        Presence::Absent => None,
    };
    let server_state = match (view.up, wished_weight) {
        (false, _) if view.held => ServerState::Held,
        _ if view.set == Some(Setting::Drained) => ServerState::Drained,
        (true, _) if view.set == Some(Setting::Drain) => ServerState::Draining,
        (false, _) => ServerState::Down,
        (true, None) => ServerState::Standby,
        (true, Some(0)) => ServerState::Idle,
        (true, Some(_)) => ServerState::Up,
    };
    RealServer {
        address: id.to_string(),
        snmp_name: real.snmp_name.as_deref().map(str::to_owned),
        forwarding: real.destination.forwarding.to_string(),
        state: server_state,
        reasons: view.reasons,
        since: since(&checks),
        configured_weight: real.destination.weight,
        wished_weight,
        kernel_weight: weight(entries),
        set: facts.overrides.of(virtual_server, &id.to_string()).cloned(),
        connections: (!entries.is_empty()).then(|| connections(entries)),
        traffic: (!entries.is_empty()).then(|| traffic(entries.iter().map(|entry| &entry.stats))),
        checks,
    }
}

/// When the last of the checks that agree with the whole came to its verdict.
fn since(checks: &[Check]) -> Option<Timestamp> {
    let down = checks.iter().any(|check| is_down(check.verdict));
    let agreeing = checks.iter().filter(|check| is_down(check.verdict) == down);
    agreeing.filter_map(|check| check.since).max()
}

const fn is_down(verdict: CheckVerdict) -> bool {
    matches!(verdict, CheckVerdict::Down | CheckVerdict::AssumedDown)
}

/// The verdict is the model's, on which the table stands; the monitor may be ahead of it by an event in flight.
fn check(
    kind: &str,
    verdict: Option<&crate::lvs::Verdict>,
    known: Option<&healthcheck::Snapshot<CheckId>>,
) -> Check {
    let made = known.is_some_and(|known| !matches!(known.verdict, Verdict::Unknown { .. }));
    let verdict_of = match (verdict.is_none_or(|verdict| verdict.up), made) {
        (true, true) => CheckVerdict::Up,
        (true, false) => CheckVerdict::AssumedUp,
        (false, true) => CheckVerdict::Down,
        (false, false) => CheckVerdict::AssumedDown,
    };
    Check {
        kind: kind.to_owned(),
        verdict: verdict_of,
        reason: verdict
            .map(|verdict| verdict.reason.to_string())
            .unwrap_or_default(),
        since: known.and_then(|known| known.since).map(Timestamp::from),
        last_attempt: known
            .and_then(|known| known.last_attempt)
            .map(Timestamp::from),
        last_outcome: known
            .and_then(|known| known.last_outcome.as_ref())
            .map(ToString::to_string),
        latency_seconds: known
            .and_then(|known| known.last_outcome.as_ref())
            .map(|outcome| outcome.took().as_secs_f64()),
        next_in_seconds: known
            .and_then(|known| known.next_in)
            .map(|next| next.as_secs_f64()),
        attempts: known.map_or(0, |known| known.attempts),
        failures: known.map_or(0, |known| known.failures),
        flips: known.map_or(0, |known| known.flips),
        suspended: known.is_some_and(|known| known.suspended),
        latency: known.map(|known| Histogram {
            bounds: healthcheck::Latency::BOUNDS.to_vec(),
            counts: known
                .latency
                .counts()
                .iter()
                .map(|count| u64::from(*count))
                .collect(),
            sum_seconds: known.latency.sum().as_secs_f64(),
        }),
    }
}

fn connections(entries: &[DestinationEntry]) -> Connections {
    entries
        .iter()
        .fold(Connections::default(), |sum, entry| Connections {
            active: sum.active.saturating_add(entry.active_connections.into()),
            inactive: sum
                .inactive
                .saturating_add(entry.inactive_connections.into()),
            persistent: sum
                .persistent
                .saturating_add(entry.persistent_connections.into()),
        })
}

fn traffic<'a>(stats: impl Iterator<Item = &'a Stats>) -> Traffic {
    stats.fold(Traffic::default(), |sum, stats| {
        let (counters, rates) = (&stats.counters, &stats.rates);
        Traffic {
            connections: sum.connections.saturating_add(counters.connections),
            packets_in: sum.packets_in.saturating_add(counters.packets_in),
            packets_out: sum.packets_out.saturating_add(counters.packets_out),
            bytes_in: sum.bytes_in.saturating_add(counters.bytes_in),
            bytes_out: sum.bytes_out.saturating_add(counters.bytes_out),
            connections_per_second: sum.connections_per_second.saturating_add(rates.connections),
            packets_in_per_second: sum.packets_in_per_second.saturating_add(rates.packets_in),
            packets_out_per_second: sum.packets_out_per_second.saturating_add(rates.packets_out),
            bytes_in_per_second: sum.bytes_in_per_second.saturating_add(rates.bytes_in),
            bytes_out_per_second: sum.bytes_out_per_second.saturating_add(rates.bytes_out),
        }
    })
}
