//! From facts to a snapshot. Everything slow happens here, off the daemon's loop: asking the check monitor, reading the
//! kernel's counters, writing names.

mod lvs;
mod vrrp;

pub(crate) use vrrp::master_down;

use super::facts::Facts;
use super::kernel::KernelReader;
use director_control::snapshot::{Hook, Snapshot, Tracker, TrackerValue};
use std::path::Path;

/// Builds the snapshot.
pub(crate) async fn snapshot(facts: Facts, file: &Path, kernel: &KernelReader) -> Snapshot {
    let checks = facts.monitor.snapshot().await;
    let kernel = kernel.clone();
    let file = file.to_owned();
    let work = move || {
        let mut incomplete = Vec::new();
        let table = if facts.has_table {
            match kernel.read() {
                Ok(table) => Some(table),
                Err(problem) => {
                    incomplete.push(format!(
                        "the kernel's IPVS table could not be read: {problem}"
                    ));
                    None
                }
            }
        } else {
            None
        };
        let (instances, groups, ignored_packets) = vrrp::build(&facts);
        let virtual_servers = lvs::build(&facts, &checks, table.as_ref());
        Snapshot {
            version: director_control::VERSION,
            taken: facts.clock.wall,
            configuration: facts.configuration.snapshot(&file),
            instances,
            groups,
            ignored_packets,
            virtual_servers,
            trackers: trackers(&facts),
            hooks: hooks(&facts),
            journal: facts.journal.status(),
            maintenance: facts.overrides.maintenance,
            overrides: facts.overrides.servers,
            director: facts.director,
            loop_lag: facts.loop_lag,
            incomplete,
        }
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(snapshot) => snapshot,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

fn trackers(facts: &Facts) -> Vec<Tracker> {
    let of_plan = facts.plan.vrrp.trackers.iter();
    of_plan
        .map(|tracker| {
            let name = tracker.name.clone();
            match facts.trackers.get(&name) {
                Some(fact) => Tracker {
                    kind: fact.kind.to_owned(),
                    name,
                    value: fact.value,
                    reason: fact.reason.clone(),
                    since: Some(fact.since),
                },
                None => Tracker {
                    kind: "vrrp_script".to_owned(),
                    name,
                    value: TrackerValue::Pending,
                    reason: "no result yet".to_owned(),
                    since: None,
                },
            }
        })
        .collect()
}

fn hooks(facts: &Facts) -> Vec<Hook> {
    facts
        .hooks
        .snapshot(&|instant| facts.clock.wall_of(instant), facts.clock.instant)
}

#[cfg(test)]
mod cost_tests;
