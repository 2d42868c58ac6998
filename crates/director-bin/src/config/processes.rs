//! `vrrp_track_process`.

use super::{Plan, vrrp};
use crate::track::{Parameters, Pattern, TrackProcess, Watched, process_tracker};
use keepalived_conf::model::{Config, ParameterMatch};

pub(super) fn add(config: &Config, plan: &mut Plan) {
    let mut all = Vec::new();
    for process in config
        .vrrp_track_process
        .iter()
        .filter(|process| process.tracked && !process.process.is_empty())
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
        });
        vrrp::add_tracker(plan, process_tracker(&process.name));
    }
    if !all.is_empty() {
        plan.watched.push(Watched::Processes(all));
    }
}
