//! `keepalived.json`, version 1: a list of instances, each with `data` and `stats`.

use super::stats::{dropped, released};
use director_control::snapshot::{Instance, InstanceState};
use serde_json::{Map, Value, json};
use vrrp_net::InstanceConfig;
use vrrp_proto::{Preemption, Version};

/// The file's text; empty without instances, in which case keepalived writes none.
pub(crate) fn json(instances: &[Instance], configured: &[InstanceConfig]) -> String {
    let each = instances.iter().filter_map(|instance| {
        let config = configured
            .iter()
            .find(|config| config.name == instance.name)?;
        Some(json!({ "data": data(instance, config), "stats": stats(instance) }))
    });
    let all: Vec<Value> = each.collect();
    if all.is_empty() {
        return String::new();
    }
    // keepalived writes a slash so; readers that compare texts may rely on it.
    let text = Value::Array(all).to_string().replace('/', "\\/");
    text + "\n"
}

const fn state(state: InstanceState) -> u8 {
    match state {
        InstanceState::Initialize => 0,
        InstanceState::Backup => 1,
        InstanceState::Master => 2,
        InstanceState::Fault => 3,
    }
}

fn data(instance: &Instance, config: &InstanceConfig) -> Value {
    let router = &config.router;
    let announce = &router.announce;
    let state = state(instance.state);
    let delay = match router.preemption {
        Preemption::Delayed(delay) => delay.as_secs(),
        Preemption::Always | Preemption::Never => 0,
    };
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds of this century fit"
    )]
    let since = instance.since.unix_milliseconds() as f64 / 1000.0;
    let mut data = json!({
        "iname": instance.name,
        "dont_track_primary": u8::from(config.ignore_own_interface),
        "vmac_ifname": "",
        "ifp_ifname": instance.interface,
        "master_priority": instance.master.as_ref().map_or(0, |master| master.priority),
        "last_transition": since,
        "garp_delay": announce.delay.as_secs_f64(),
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
        "adver_int": instance.timers.advertisement_seconds,
        "master_adver_int": instance.timers.advertisement_seconds,
        "nopreempt": router.preemption == Preemption::Never,
        "preempt_delay": delay,
        "state": state,
        "wantstate": state,
        "version": match router.version { Version::V2 => 2, Version::V3 => 3 },
    });
    let addresses = |all: &[vrrp_net::VirtualAddress]| -> Vec<String> {
        let one = |address: &vrrp_net::VirtualAddress| {
            let device = address.device.as_deref().unwrap_or(&instance.interface);
            format!("{}/{} dev {device}", address.address, address.prefix_length)
        };
        all.iter().map(one).collect()
    };
    let trackers = |all: &[vrrp_net::Tracker]| -> Vec<String> {
        let one =
            |tracker: &vrrp_net::Tracker| format!("{} weight {}", tracker.name, tracker.weight);
        all.iter().map(one).collect()
    };
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
        ("track_ifp", trackers(&config.track_interfaces)),
        ("track_script", trackers(&config.trackers)),
    ];
    if let Some(data) = data.as_object_mut() {
        add(data, lists);
    }
    data
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
    json!({
        "advert_rcvd": counters.adverts_received,
        "advert_sent": counters.adverts_sent,
        "become_master": counters.became_master,
        "release_master": released(instance),
        "packet_len_err": dropped(instance, &["length", "short", "truncated"]),
        "advert_interval_err": dropped(instance, &["interval"]),
        "ip_ttl_err": dropped(instance, &["TTL", "hop limit"]),
        "invalid_type_rcvd": dropped(instance, &["message type"]),
        "addr_list_err": dropped(instance, &["address list", "addresses"]),
        "invalid_authtype": dropped(instance, &["unknown authentication"]),
        "authtype_mismatch": dropped(instance, &["authentication type"]),
        "auth_failure": dropped(instance, &["password", "digest", "signature", "HMAC"]),
        "pri_zero_rcvd": counters.resignations_received,
        "pri_zero_sent": counters.resignations_sent,
    })
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
        let instances = sample::snapshot().instances;
        let text = json(&instances, &[config]);
        assert!(
            text.ends_with("]\n") && text.contains("172.16.1.8\\/24 dev eth0"),
            "{text}"
        );
        let value: Value = serde_json::from_str(&text).unwrap();
        let (data, stats) = (&value[0]["data"], &value[0]["stats"]);
        assert_eq!(
            (&data["iname"], &data["state"], &data["vrid"]),
            (&json!("VI_1"), &json!(2), &json!(51))
        );
        assert_eq!(data["effective_priority"], 80);
        assert_eq!(
            (&stats["advert_sent"], &stats["ip_ttl_err"]),
            (&json!(27), &json!(2))
        );
        assert!(data.get("evips").is_none(), "empty lists are left out");
        assert_eq!(json(&[], &[]), "");
    }
}
