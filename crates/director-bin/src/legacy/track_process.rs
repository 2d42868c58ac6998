//! The process trackers of `keepalived.json`, version 2.

use super::json::seconds;
use crate::track::{Cause, Parameters, Tally, TrackProcess};
use serde_json::{Value, json};

/// One tracker, with the weight of its block.
pub(super) fn track_process(tracker: &TrackProcess, weight: i32, tally: Tally) -> Value {
    let (full_command, param_match) = match tracker.pattern.parameters() {
        Parameters::Name => (false, "none"),
        Parameters::Any => (true, "none"),
        Parameters::Exact => (true, "exact"),
        Parameters::Leading => (true, "partial"),
        Parameters::Beginning => (true, "initial"),
    };
    let mut object = json!({
        // The name of the block, not of the program.
        "process": tracker.name,
        "param_match": param_match,
        "min_processes": tracker.quorum,
        "current_processes": tally.processes,
        "have_quorum": tally.good,
        "weight": weight,
        "terminate_delay": seconds(tracker.terminate_delay),
        "fork_delay": seconds(tracker.fork_delay),
        "fork_delay_timer_running": tally.held_up_by == Some(Cause::Fork),
        "terminate_delay_timer_running": tally.held_up_by == Some(Cause::Termination),
        "full_command": full_command,
    });
    let parameters = tracker.pattern.wanted();
    let parameters = (!parameters.is_empty()).then(|| parameters.join(" ").into());
    let most = tracker.quorum_max.map(Value::from);
    if let Some(object) = object.as_object_mut() {
        for (name, value) in [("parameters", parameters), ("max_processes", most)] {
            if let Some(value) = value {
                object.insert(name.to_owned(), value);
            }
        }
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::track::Pattern;
    use std::time::Duration;

    fn tracker(words: &[&str], parameters: Parameters) -> TrackProcess {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        TrackProcess {
            name: "p".to_owned(),
            pattern: Pattern::new(words, parameters),
            quorum: 2,
            quorum_max: Some(3),
            fork_delay: Duration::from_secs(4),
            terminate_delay: Duration::from_millis(6500),
            tracked: true,
        }
    }

    #[test]
    fn it_has_keepalived_s_fields() {
        let words = ["/usr/sbin/nginx", "-a", "b c"];
        let tally = Tally {
            processes: 1,
            good: true,
            held_up_by: Some(Cause::Termination),
        };
        let object = track_process(&tracker(&words, Parameters::Exact), -5, tally);
        let expected = json!({
            "process": "p",
            "parameters": "-a b c",
            "param_match": "exact",
            "min_processes": 2,
            "max_processes": 3,
            "current_processes": 1,
            "have_quorum": true,
            "weight": -5,
            "terminate_delay": 6.5,
            "fork_delay": 4,
            "fork_delay_timer_running": false,
            "terminate_delay_timer_running": true,
            "full_command": true,
        });
        assert_eq!(object, expected);
    }

    #[test]
    fn what_is_not_configured_is_left_out() {
        let mut tracker = tracker(&["nginx"], Parameters::Name);
        tracker.quorum_max = None;
        let object = track_process(&tracker, 0, Tally::default());
        assert_eq!(object.get("parameters"), None);
        assert_eq!(object.get("max_processes"), None);
        assert_eq!(object["full_command"], false);
    }

    #[test]
    fn what_is_compared_has_keepalived_s_words() {
        for (parameters, word, full_command) in [
            (Parameters::Name, "none", false),
            (Parameters::Any, "none", true),
            (Parameters::Exact, "exact", true),
            (Parameters::Leading, "partial", true),
            (Parameters::Beginning, "initial", true),
        ] {
            let object = track_process(&tracker(&["p"], parameters), 0, Tally::default());
            assert_eq!(
                (&object["param_match"], &object["full_command"]),
                (&json!(word), &json!(full_command)),
                "{parameters:?}"
            );
        }
    }

    #[test]
    fn only_the_delay_that_runs_is_said_to_run() {
        for (held_up_by, fork, terminate) in [
            (None, false, false),
            (Some(Cause::Fork), true, false),
            (Some(Cause::Termination), false, true),
        ] {
            let tally = Tally {
                held_up_by,
                ..Tally::default()
            };
            let object = track_process(&tracker(&["p"], Parameters::Name), 0, tally);
            assert_eq!(
                (
                    &object["fork_delay_timer_running"],
                    &object["terminate_delay_timer_running"]
                ),
                (&json!(fork), &json!(terminate)),
                "{held_up_by:?}"
            );
        }
    }
}
