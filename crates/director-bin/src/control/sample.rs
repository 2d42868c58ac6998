//! A snapshot with one of everything, for tests.

use director_control::Snapshot;
use serde_json::json;

/// Two instances' worth of trouble.
pub(crate) fn snapshot() -> Snapshot {
    let at = |second: u32| format!("2026-03-01T12:00:{second:02}.000Z");
    let check = |verdict: &str, reason: &str| {
        json!({
            "kind": "HTTP_GET", "verdict": verdict, "reason": reason, "since": at(1), "last_attempt": at(29),
            "last_outcome": reason, "latency_seconds": 0.0042, "next_in_seconds": 1.5,
            "attempts": 40, "failures": 3, "flips": 1, "suspended": false,
            "latency": { "bounds": [0.001, 0.01], "counts": [30, 9, 1], "sum_seconds": 0.4 },
        })
    };
    let traffic = json!({
        "connections": 1000, "packets_in": 9000, "packets_out": 0, "bytes_in": 900_000, "bytes_out": 0,
        "connections_per_second": 12, "packets_in_per_second": 100, "packets_out_per_second": 0,
        "bytes_in_per_second": 12000, "bytes_out_per_second": 0,
    });
    let document = json!({
        "version": 1,
        "taken": at(30),
        "director": { "version": "1.2.3", "pid": 77, "node": "lb1", "started": at(0) },
        "configuration": {
            "file": "/etc/keepalived/keepalived.conf", "digest": "0123456789abcdef", "loaded": at(0),
            "reloads_done": 1, "reloads_refused": 0,
            "last_reload": { "at": at(10), "done": true, "changes": ["x"], "took_seconds": 0.1 },
        },
        "loop_lag": {
            "last_seconds": 0.0001, "worst_minute_seconds": 0.001, "worst_seconds": 0.002,
            "histogram": { "bounds": [0.001], "counts": [60, 1], "sum_seconds": 0.01 },
        },
        "overrides": [],
        "instances": [{
            "name": "VI_1", "interface": "eth0", "vrid": 51, "version": 2, "group": "G1", "state": "master",
            "since": at(3), "reason": "no master was heard", "priority": 100, "effective_priority": 80,
            "priority_arithmetic": "100 - 20 (chk_web down) = 80", "preempt": true,
            "timers": { "advertisement_seconds": 1.0, "master_down_seconds": 3.6875 },
            "peers": [{ "address": "10.0.0.3", "configured": false, "priority": 90, "last_advert": at(2) }],
            "source": "10.0.0.2",
            "addresses": [{ "address": "172.16.1.8", "prefix_length": 24, "interface": "eth0", "present": true }],
            "counters": {
                "adverts_sent": 27, "adverts_received": 3, "became_master": 1, "resignations_sent": 0,
                "resignations_received": 0, "announcements_sent": 10, "send_errors": 0,
                "addresses_restored": 0, "ignored": { "hop limit is not 255": 2 }, "slowest_takeover_seconds": 0.0005,
            },
        }],
        "groups": [{ "name": "G1", "state": "master", "since": at(3), "members": ["VI_1"] }],
        "trackers": [{ "kind": "vrrp_script", "name": "chk_web", "value": "down", "reason": "exit status 1", "since": at(5) }],
        "ignored_packets": { "unknown VRID": 7 },
        "virtual_servers": [{
            "name": "[172.16.1.8]:tcp:80", "services": ["TCP 172.16.1.8:80"], "scheduler": "wrr",
            "persistence_seconds": 300,
            "quorum": { "up": true, "weight": 1, "needed": 1, "hysteresis": 0 },
            "sorry_server": { "address": "10.0.0.9:80", "in_use": false },
            "traffic": traffic,
            "real_servers": [
                {
                    "address": "10.0.0.4:80", "forwarding": "route", "state": "up",
                    "reasons": ["HTTP_GET: HTTP status 200, 12 octets"], "since": at(1),
                    "configured_weight": 1, "wished_weight": 1, "kernel_weight": 1,
                    "connections": { "active": 4, "inactive": 2, "persistent": 1 }, "traffic": traffic,
                    "checks": [check("up", "HTTP status 200, 12 octets")],
                },
                {
                    "address": "10.0.0.5:80", "forwarding": "route", "state": "down",
                    "reasons": ["HTTP_GET: HTTP status 503, wanted 200"], "since": at(20),
                    "configured_weight": 1,
                    "checks": [check("down", "HTTP status 503, wanted 200")],
                },
            ],
        }],
        "hooks": [{
            "object": "vrrp_instance VI_1", "waiting": 0, "succeeded": 1, "failed": 1, "dropped": 0,
            "last": { "keyword": "notify_master", "command": "/etc/m.sh", "started": at(3), "seconds": 0.2, "result": "exit status 1" },
        }],
        "journal": { "last_sequence": 40, "kept": 40, "file": "/var/lib/director/journal.jsonl" },
    });
    serde_json::from_value(document).unwrap()
}

#[test]
fn the_sample_fits_the_schema() {
    let value = serde_json::to_value(snapshot()).unwrap();
    assert_eq!(director_control::validate("Snapshot", &value), Ok(()));
}
