use super::*;
use crate::control::sample;

fn told(snapshot: &Snapshot, word: &str) -> String {
    let event = |message: &str, fields: serde_json::Value| {
        let value = serde_json::json!({
            "sequence": 1, "time": "2026-03-01T12:00:20.000Z", "level": "warn",
            "event": "real_server_down", "message": message, "fields": fields,
        });
        serde_json::from_value::<Event>(value).unwrap()
    };
    let name = "[172.16.1.8]:tcp:80";
    let events = [
        event(
            "10.0.0.5 went down",
            serde_json::json!({ "virtual_server": name, "real_server": "10.0.0.5:80" }),
        ),
        event(
            "10.0.0.6 went down",
            serde_json::json!({ "virtual_server": name, "real_server": "10.0.0.6:80" }),
        ),
    ];
    let history = |wanted: &dyn Fn(&Event) -> bool, _: usize| {
        let picked = events.iter().filter(|event| wanted(event));
        picked.cloned().collect()
    };
    let explanations = explain(snapshot, word, &history);
    explanations
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in:\n{text}");
    }
}

#[test]
fn a_real_server_that_is_down_names_its_check_and_what_brings_it_back() {
    let text = told(&sample::snapshot(), "10.0.0.5:80");
    has(
        &text,
        &[
            "real server 10.0.0.5:80 of [172.16.1.8]:tcp:80: it is down and not in the table.",
            "HTTP_GET fails: HTTP status 503, wanted 200",
            "(2026-03-01T12:00:01.000Z)",
            "3 of 40 attempts failed",
            "clients reach 172.16.1.8 here: VI_1 is MASTER",
            "HTTP_GET must pass; the next attempt is in 1.5 s (`director check-now 10.0.0.5:80`)",
            "10.0.0.5 went down",
        ],
    );
    assert!(
        !text.contains("10.0.0.6 went down"),
        "only its own history:\n{text}"
    );
}

#[test]
fn a_drained_server_names_who_did_it_and_why() {
    let mut snapshot = sample::snapshot();
    let set = serde_json::json!({
        "virtual_server": "[172.16.1.8]:tcp:80", "real_server": "10.0.0.4:80", "set": "drain",
        "deadline": "2026-03-01T12:01:00.000Z", "reason": "new kernel", "since": "2026-03-01T12:00:25.000Z",
        "by": { "uid": 0, "user": "root", "pid": 9, "login": "ada" },
    });
    let real = &mut snapshot.virtual_servers[0].real_servers[0];
    real.set = Some(serde_json::from_value(set).unwrap());
    real.state = director_control::snapshot::ServerState::Draining;
    real.wished_weight = Some(0);
    has(
        &told(&snapshot, "10.0.0.4"),
        &[
            "root (ada) drains it: new kernel",
            "when 4 active and 2 inactive connections and 1 of persistent clients are gone, at the latest in 30 s",
            "`director undrain 10.0.0.4:80` takes it back",
        ],
    );
}

#[test]
fn instances_addresses_virtual_servers_and_trackers_are_found() {
    let snapshot = sample::snapshot();
    has(
        &told(&snapshot, "VI_1"),
        &[
            "instance VI_1: MASTER on eth0 (VRID 51) for 27 s, with priority 80.",
            "its priority is 100 - 20 (chk_web down) = 80",
            "chk_web passing again restores its priority",
        ],
    );
    has(
        &told(&snapshot, "172.16.1.8"),
        &[
            "virtual address 172.16.1.8: it is on this node.",
            "has 1 real server that takes connections",
        ],
    );
    has(
        &told(&snapshot, "172.16.1.8:80"),
        &[
            "virtual server [172.16.1.8]:tcp:80: 1 of 2 real servers take connections, shared by wrr",
            "falls below 1",
        ],
    );
    has(
        &told(&snapshot, "chk_web"),
        &["vrrp_script chk_web: it fails.", "exit status 1"],
    );
    has(
        &told(&snapshot, "G1"),
        &["group G1: MASTER for 27 s.", "VI_1 is MASTER"],
    );
    assert_eq!(told(&snapshot, "10.9.9.9"), "");
    assert_eq!(told(&snapshot, "nonsense"), "");
}
