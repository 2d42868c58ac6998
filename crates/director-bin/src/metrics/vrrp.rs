//! Metrics of VRRP. The label is `vrrp_instance`: Prometheus itself calls what it scrapes `instance`.

use super::page::{flag, seconds};
use super::text::Text;
use director_control::Snapshot;
use director_control::snapshot::{Instance, InstanceState, TrackerValue};

/// Reasons for which packets are ignored that have series of their own.
const REASONS: usize = 64;

pub(super) fn add(snapshot: &Snapshot, text: &mut Text) {
    let all = &snapshot.instances;
    text.gauge(
        "director_vrrp_state",
        "The state of an instance: 1 for the one it is in.",
    );
    for instance in all {
        for (state, name) in [
            (InstanceState::Initialize, "init"),
            (InstanceState::Backup, "backup"),
            (InstanceState::Master, "master"),
            (InstanceState::Fault, "fault"),
        ] {
            text.count(
                &[("vrrp_instance", &instance.name), ("state", name)],
                flag(instance.state == state),
            );
        }
    }
    type Of = fn(&Instance) -> f64;
    let gauges: [(&'static str, &str, Of); 7] = [
        (
            "director_vrrp_state_since_seconds",
            "When the instance came into its state, as seconds since 1970.",
            |instance| seconds(instance.since),
        ),
        (
            "director_vrrp_priority",
            "The configured priority.",
            |instance| instance.priority.into(),
        ),
        (
            "director_vrrp_effective_priority",
            "The priority that is advertised.",
            |instance| instance.effective_priority.into(),
        ),
        (
            "director_vrrp_contested",
            "Whether another router claims to be master while this one is.",
            |instance| {
                if instance.contested.is_some() {
                    1.0
                } else {
                    0.0
                }
            },
        ),
        (
            "director_vrrp_disagreements",
            "Kinds of things that other routers on the link disagree about now; `director explain` names them.",
            |instance| {
                u32::try_from(instance.contests.len())
                    .unwrap_or(u32::MAX)
                    .into()
            },
        ),
        (
            "director_vrrp_master_down_interval_seconds",
            "Silence after which this router takes over.",
            |instance| instance.timers.master_down_seconds,
        ),
        (
            "director_vrrp_slowest_takeover_seconds",
            "The longest time from a deadline to the first advertisement sent.",
            |instance| instance.counters.slowest_takeover_seconds,
        ),
    ];
    for (family, help, of) in gauges {
        text.gauge(family, help);
        for instance in all {
            text.sample(&[("vrrp_instance", &instance.name)], of(instance));
        }
    }
    text.gauge(
        "director_vrrp_master_last_advert_seconds",
        "When the master was last heard while backup, as seconds since 1970.",
    );
    for instance in all {
        if let Some(master) = &instance.master {
            text.sample(&[("vrrp_instance", &instance.name)], seconds(master.at));
        }
    }
    type Count = fn(&Instance) -> u64;
    let counters: [(&'static str, &str, Count); 13] = [
        (
            "director_vrrp_adverts_sent",
            "Advertisements sent.",
            |instance| instance.counters.adverts_sent,
        ),
        (
            "director_vrrp_adverts_received",
            "Advertisements accepted.",
            |instance| instance.counters.adverts_received,
        ),
        (
            "director_vrrp_became_master",
            "Times the instance became master.",
            |instance| instance.counters.became_master,
        ),
        (
            "director_vrrp_resignations_sent",
            "Resignations sent.",
            |instance| instance.counters.resignations_sent,
        ),
        (
            "director_vrrp_resignations_received",
            "Resignations received.",
            |instance| instance.counters.resignations_received,
        ),
        (
            "director_vrrp_announcements_sent",
            "Gratuitous ARPs and neighbour advertisements sent.",
            |instance| instance.counters.announcements_sent,
        ),
        (
            "director_vrrp_send_errors",
            "Packets that could not be sent.",
            |instance| instance.counters.send_errors,
        ),
        (
            "director_vrrp_addresses_restored",
            "Addresses put back after somebody else removed them.",
            |instance| instance.counters.addresses_restored,
        ),
        (
            "director_vrrp_lower_priority_received",
            "Advertisements of another master with a lower claim, heard as master.",
            |instance| instance.counters.lower_priority_received,
        ),
        (
            "director_vrrp_address_list_mismatches",
            "Accepted advertisements that list other addresses.",
            |instance| instance.counters.address_list_mismatches,
        ),
        (
            "director_vrrp_interval_differences",
            "Accepted advertisements with another interval (version 3).",
            |instance| instance.counters.interval_differences,
        ),
        (
            "director_vrrp_foreign_identifiers",
            "Advertisements of other virtual router ids that list addresses of this instance.",
            |instance| instance.counters.foreign_identifiers,
        ),
        (
            "director_vrrp_overslept",
            "Times the instance woke later than its master-down interval.",
            |instance| instance.counters.overslept,
        ),
    ];
    for (family, help, of) in counters {
        text.counter(family, help);
        for instance in all {
            text.count(&[("vrrp_instance", &instance.name)], of(instance));
        }
    }
    text.counter(
        "director_vrrp_ignored_packets",
        "Packets dropped, by reason; without an instance if they never reached one.",
    );
    for instance in all {
        for (reason, count) in instance.counters.ignored.iter().take(REASONS) {
            text.count(
                &[("vrrp_instance", &instance.name), ("reason", reason)],
                *count,
            );
        }
    }
    for (reason, count) in snapshot.ignored_packets.iter().take(REASONS) {
        text.count(&[("vrrp_instance", ""), ("reason", reason)], *count);
    }
    text.gauge(
        "director_tracker_up",
        "Whether a tracker succeeds; one with a value counts as up.",
    );
    for tracker in &snapshot.trackers {
        let up = matches!(tracker.value, TrackerValue::Up | TrackerValue::Value(_));
        text.count(&[("tracker", &tracker.name)], flag(up));
    }
}
