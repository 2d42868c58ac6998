//! `vrrp_track_process` and `bfd_instance`.

use super::{Plan, vrrp};
use crate::bfd::{BfdPlan, bfd_tracker};
use crate::track::{Parameters, Pattern, TrackProcess, Watched, process_tracker};
use bfd_proto::SessionConfig;
use keepalived_conf::model::{Config, ParameterMatch};
use std::collections::BTreeMap;
use vrrp_net::{TrackerConfig, TrackerState};

/// What `keepalived.json` holds (`json_version`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum JsonVersion {
    /// The instances.
    #[default]
    One,
    /// The instances and all process trackers.
    Two {
        /// The weight of each block, turned round where it is `reverse`. It need not be that of the instances.
        weights: BTreeMap<String, i32>,
    },
}

pub(super) fn add(config: &Config, plan: &mut Plan) {
    let mut all = Vec::new();
    if *config.global_defs.json_version == 2 {
        let weights = config.vrrp_track_process.iter().map(|process| {
            let sign = if process.weight.reverse { -1 } else { 1 };
            (process.name.value.clone(), sign * process.weight.weight)
        });
        let weights = weights.collect();
        plan.json_version = JsonVersion::Two { weights };
    }
    let shown = plan.json_version != JsonVersion::One;
    for process in config
        .vrrp_track_process
        .iter()
        .filter(|process| (process.tracked || shown) && !process.process.is_empty())
    {
        let parameters = match (*process.full_command, *process.param_match) {
            (false, _) => Parameters::Name,
            (true, None) => Parameters::Any,
            (true, Some(ParameterMatch::Exact)) => Parameters::Exact,
            (true, Some(ParameterMatch::Partial)) => Parameters::Leading,
            (true, Some(ParameterMatch::Initial)) => Parameters::Beginning,
        };
        all.push(TrackProcess {
            name: process.name.value.clone(),
            pattern: Pattern::new(process.process.value.clone(), parameters),
            quorum: *process.quorum,
            quorum_max: *process.quorum_max,
            fork_delay: *process.fork_delay,
            terminate_delay: *process.terminate_delay,
            tracked: process.tracked,
        });
        if process.tracked {
            vrrp::add_tracker(plan, process_tracker(&process.name));
        }
    }
    if !all.is_empty() {
        plan.watched.push(Watched::Processes(all));
    }
}

/// The sessions; a session that is not up yet is down.
pub(super) fn add_sessions(config: &Config, plan: &mut Plan) {
    let mut all = Vec::new();
    for instance in &config.bfd_instance {
        let Some(neighbour) = *instance.neighbor_ip else {
            continue;
        };
        let default = if neighbour.is_ipv6() { 64 } else { 255 };
        let hop_limit = instance.ttl.unwrap_or(default);
        let name = instance.name.value.clone();
        all.push(BfdPlan {
            name: name.clone(),
            neighbour,
            source: *instance.source_ip,
            multihop: *instance.multihop,
            hop_limit,
            max_hops: instance
                .max_hops
                .filter(|most| *most != 255)
                .map(|most| most.min(hop_limit)),
            session: SessionConfig {
                required_min_rx: *instance.min_rx,
                desired_min_tx: *instance.min_tx,
                idle_tx: *instance.idle_tx,
                detect_multiplier: *instance.multiplier,
                passive: *instance.passive,
            },
        });
        if *instance.vrrp {
            let initial = TrackerState::Down;
            let name = bfd_tracker(&name);
            plan.vrrp.trackers.push(TrackerConfig { name, initial });
        }
    }
    if !all.is_empty() {
        plan.watched.push(Watched::Bfd(all));
    }
}
