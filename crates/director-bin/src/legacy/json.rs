//! `keepalived.json`: a list of instances, each with `data` and `stats`. In version 2 that list is the field `vrrp` of an object,
//! which has the process trackers besides.

use super::lines::{address, quoted};
use super::stats::{AUTHENTICATION, EXTENSION, PACKETS, count, released};
use super::track_process::track_process;
use crate::config::{JsonVersion, Plan};
use crate::daemon::{Trigger, instance_object};
use crate::track::{Tally, TrackProcess, Watched};
use director_control::snapshot::{Instance, InstanceState};
use serde_json::{Map, Value, json};
use std::time::Duration;
use vrrp_net::InstanceConfig;
use vrrp_proto::auth::Authentication;
use vrrp_proto::{AddressCheck, Preemption, Version};

/// The file's text; empty without instances, in which case keepalived writes none.
pub(crate) fn json(
    instances: &[Instance],
    processes: &[(TrackProcess, Tally)],
    plan: &Plan,
) -> String {
    let configured = &plan.vrrp.instances;
    let each = instances.iter().filter_map(|instance| {
        let config = configured
            .iter()
            .find(|config| *config.name == *instance.name)?;
        Some(json!({ "data": data(instance, config, plan), "stats": stats(instance) }))
    });
    let all: Vec<Value> = each.collect();
    if all.is_empty() {
        return String::new();
    }
    let whole = match &plan.json_version {
        JsonVersion::One => Value::Array(all),
        JsonVersion::Two { weights } => {
            let mut whole = json!({ "vrrp": all });
            let processes = processes.iter().map(|(tracker, tally)| {
                let weight = weights.get(&tracker.name).copied().unwrap_or(0);
                track_process(tracker, weight, *tally)
            });
            if let (Some(whole), true) = (whole.as_object_mut(), processes.len() > 0) {
                whole.insert("track_process".to_owned(), processes.collect());
            }
            whole
        }
    };
    // keepalived writes a slash so; readers that compare texts may rely on it.
    let text = whole.to_string().replace('/', "\\/");
    text + "\n"
}

/// Seconds, without a fraction if there is none: readers in typed languages take such a number for an integer, and keepalived
/// writes it so.
pub(super) fn seconds(duration: Duration) -> Value {
    if duration.subsec_nanos() == 0 {
        duration.as_secs().into()
    } else {
        duration.as_secs_f64().into()
    }
}

const fn state(state: InstanceState) -> u8 {
    match state {
        InstanceState::Initialize => 0,
        InstanceState::Backup => 1,
        InstanceState::Master => 2,
        InstanceState::Fault => 3,
    }
}

fn data(instance: &Instance, config: &InstanceConfig, plan: &Plan) -> Value {
    let router = &config.router;
    let announce = &router.announce;
    let link = config.virtual_link.as_ref();
    let state = state(instance.state);
    let delay = match router.preemption {
        Preemption::Delayed(delay) => delay.as_secs(),
        Preemption::Always | Preemption::Never => 0,
    };
    let interval = instance.timers.advertisement_seconds;
    let interval = Duration::try_from_secs_f64(interval).map_or_else(|_| interval.into(), seconds);
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds of this century fit"
    )]
    let since = instance.since.unix_milliseconds() as f64 / 1000.0;
    let mut data = json!({
        "iname": instance.name,
        "dont_track_primary": u8::from(config.ignore_own_interface),
        "skip_check_adv_addr": u8::from(router.address_check == AddressCheck::SkipKnownMaster),
        "strict_mode": u8::from(plan.strict.contains(&instance.name)),
        "vmac_ifname": link.map_or("", |link| &link.name),
        "ifp_ifname": link.map_or(instance.interface.as_str(), |link| link.name.as_str()),
        "master_priority": instance.master.as_ref().map_or(0, |master| master.priority),
        "last_transition": since,
        "garp_delay": seconds(announce.delay),
        "garp_refresh": announce.refresh.as_secs(),
        "garp_rep": announce.repeat,
        "garp_refresh_rep": announce.refresh_repeat,
        "garp_lower_prio_delay": announce.lower_priority_delay.as_secs(),
        "garp_lower_prio_rep": announce.lower_priority_repeat,
        "lower_prio_no_advert": u8::from(router.lower_priority_no_advert),
        "higher_prio_send_advert": u8::from(router.higher_priority_send_advert),
        "vrid": instance.vrid,
        "base_priority": instance.priority,
        "effective_priority": instance.effective_priority,
        "vipset": instance.addresses.iter().any(|address| address.present),
        "promote_secondaries": config.promote_secondaries,
        "accept": u8::from(config.accept),
        "smtp_alert": plan.notices.instance_mail.contains(&instance.name),
        "notify_deleted": plan.notify_deleted.contains(&instance.name),
        "auth_type": match &router.authentication {
            Authentication::None => 0,
            Authentication::Password(_) => 1,
            Authentication::Header(_) => 2,
        },
        "adver_int": interval,
        "master_adver_int": interval,
        "nopreempt": router.preemption == Preemption::Never,
        "preempt_delay": delay,
        "state": state,
        "wantstate": state,
        "version": match router.version { Version::V2 => 2, Version::V3 => 3 },
    });
    let addresses = |all: &[vrrp_net::VirtualAddress]| -> Vec<String> {
        all.iter()
            .map(|one| address(one, instance, config))
            .collect()
    };
    let scripts = config.trackers.iter();
    let scripts = scripts.filter_map(|tracker| command(&tracker.name, plan));
    let processes = config.trackers.iter();
    let processes = processes.filter_map(|tracker| tracker.name.strip_prefix("process "));
    let interfaces = config.track_interfaces.iter();
    let interfaces = interfaces.map(|tracker| tracker.name.to_string());
    let lists = [
        ("vips", addresses(&config.addresses)),
        ("evips", addresses(&config.excluded)),
        (
            "vroutes",
            config.routes.iter().map(ToString::to_string).collect(),
        ),
        (
            "vrules",
            config.rules.iter().map(ToString::to_string).collect(),
        ),
        ("track_ifp", interfaces.collect()),
        ("track_script", scripts.collect()),
        ("track_process", processes.map(str::to_owned).collect()),
    ];
    if let Some(data) = data.as_object_mut() {
        for (trigger, program) in plan.hooks.of(&instance_object(&instance.name)) {
            let name = match trigger {
                Trigger::Backup => "script_backup",
                Trigger::Master => "script_master",
                Trigger::Fault => "script_fault",
                Trigger::Stop => "script_stop",
                Trigger::Deleted => "script_deleted",
                Trigger::Any => "script",
                Trigger::LowerPriority => "script_master_rx_lower_pri",
                _ => continue,
            };
            data.insert(name.to_owned(), quoted(&program.arguments).into());
        }
        if router.authentication != Authentication::None {
            data.insert("auth_data".to_owned(), "********".into());
        }
        add(data, lists);
    }
    data
}

/// The command of a tracked script; none for other trackers.
fn command(tracker: &str, plan: &Plan) -> Option<String> {
    plan.watched.iter().find_map(|watched| match watched {
        Watched::Script(script) if script.name == tracker => {
            Some(quoted(&script.program.arguments))
        }
        _ => None,
    })
}

/// Empty lists are left out.
fn add<const N: usize>(data: &mut Map<String, Value>, lists: [(&str, Vec<String>); N]) {
    for (name, list) in lists {
        if !list.is_empty() {
            data.insert(name.to_owned(), list.into());
        }
    }
}

fn stats(instance: &Instance) -> Value {
    let counters = &instance.counters;
    let mut stats = json!({
        "advert_rcvd": counters.adverts_received,
        "advert_sent": counters.adverts_sent,
        "become_master": counters.became_master,
        "release_master": released(instance),
        "pri_zero_rcvd": counters.resignations_received,
        "pri_zero_sent": counters.resignations_sent,
    });
    if let Some(stats) = stats.as_object_mut() {
        for counter in PACKETS.iter().chain(&AUTHENTICATION).chain(&EXTENSION) {
            stats.insert(counter.0.to_owned(), count(instance, counter).into());
        }
    }
    stats
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::sample;
    use vrrp_proto::{Family, Vrid};

    #[test]
    fn it_has_keepalived_s_fields() {
        let router = vrrp_proto::Config::new(Vrid::new(51).unwrap(), Family::V4);
        let mut config = InstanceConfig::new("VI_1", "eth0", router);
        let address =
            vrrp_net::VirtualAddress::new("172.16.1.8".parse().unwrap()).with_prefix_length(24);
        config.addresses.push(address);
        config.router_mut().authentication =
            Authentication::Password(vrrp_proto::auth::Password::new(b"secret"));
        let instances = sample::snapshot().instances;
        let mut plan = Plan::default();
        plan.vrrp.instances.push(config.into());
        plan.strict.insert("VI_1".to_owned());
        let notify = ["/etc/notify", "an argument"].map(str::to_owned);
        let notify = crate::script::Program::new(notify.to_vec());
        plan.hooks
            .add(instance_object("VI_1"), Trigger::Deleted, notify);
        let text = json(&instances, &[], &plan);
        assert!(
            text.ends_with("]\n") && text.contains("172.16.1.8\\/24 dev eth0 scope global set"),
            "{text}"
        );
        let value: Value = serde_json::from_str(&text).unwrap();
        let (data, stats) = (&value[0]["data"], &value[0]["stats"]);
        assert_eq!(
            (&data["iname"], &data["state"], &data["vrid"]),
            (&json!("VI_1"), &json!(2), &json!(51))
        );
        assert_eq!(
            (&data["effective_priority"], &data["strict_mode"]),
            (&json!(80), &json!(1))
        );
        assert_eq!(
            (&stats["advert_sent"], &stats["ip_ttl_err"]),
            (&json!(27), &json!(2))
        );
        assert_eq!(
            (&data["script_deleted"], &data["auth_data"]),
            (&json!("'/etc/notify' 'an argument'"), &json!("********"))
        );
        assert_eq!(stats["auth_ext_replay"], 0);
        assert!(data.get("evips").is_none(), "empty lists are left out");
        assert_eq!(json(&[], &[], &plan), "");
    }

    const TEXT: &str = "global_defs {
            json_version 2
        }
        vrrp_script chk {
            script \"/bin/sh a b\"
        }
        vrrp_track_process p {
            process nginx
            weight 4 reverse
        }
        vrrp_track_process alone {
            process /usr/bin/x -a
            weight -6
        }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            use_vmac
            virtual_ipaddress {
                172.16.1.8
            }
            track_script {
                chk
            }
            track_process {
                p
            }
        }
    ";

    fn planned(text: &str) -> Plan {
        crate::config::plan(&keepalived_conf::load_str(text).config).0
    }

    fn processes(plan: &Plan) -> Vec<(TrackProcess, Tally)> {
        let mut all = plan.watched.iter().filter_map(|watched| match watched {
            Watched::Processes(all) => Some(all),
            _ => None,
        });
        let all = all.next().into_iter().flatten();
        all.map(|tracker| (tracker.clone(), Tally::default()))
            .collect()
    }

    #[test]
    fn version_2_has_the_process_trackers_too() {
        let plan = planned(TEXT);
        let instances = sample::snapshot().instances;
        let text = json(&instances, &processes(&plan), &plan);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["vrrp"][0]["data"]["iname"], "VI_1");
        let trackers = value["track_process"].as_array().unwrap();
        let shown: Vec<_> = trackers
            .iter()
            .map(|one| (&one["process"], &one["weight"]))
            .collect();
        assert_eq!(
            shown,
            [(&json!("p"), &json!(-4)), (&json!("alone"), &json!(-6)),],
            "also the one that nobody tracks"
        );
        assert_eq!(json(&[], &processes(&plan), &plan), "");
        let without = json(&instances, &[], &plan);
        assert!(!without.contains("\"process\""), "only if any: {without}");
    }

    #[test]
    fn version_1_does_not_count_what_nobody_tracks() {
        let plan = planned(&TEXT.replace("json_version 2", "json_version 1"));
        let all = processes(&plan);
        assert_eq!(all.len(), 1);
        let text = json(&sample::snapshot().instances, &all, &plan);
        assert!(text.starts_with("[{\"data\""), "{text}");
    }

    #[test]
    fn an_instance_is_as_keepalived_shows_it() {
        let plan = planned(TEXT);
        let text = json(&sample::snapshot().instances, &[], &plan);
        let value: Value = serde_json::from_str(&text).unwrap();
        let data = &value["vrrp"][0]["data"];
        assert_eq!(data["track_script"], json!(["'/bin/sh' 'a' 'b'"]));
        assert_eq!(data["track_process"], json!(["p"]));
        assert_eq!(
            (&data["ifp_ifname"], &data["vmac_ifname"]),
            (&json!("vrrp.51"), &json!("vrrp.51"))
        );
        assert_eq!(
            data["vips"],
            json!(["172.16.1.8 dev vrrp.51@eth0 scope global set"])
        );
        assert!(text.contains("\"garp_delay\":5,"), "no fraction: {text}");
        assert!(text.contains("\"adver_int\":1,"), "no fraction: {text}");
    }
}
