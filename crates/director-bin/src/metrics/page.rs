//! A snapshot as metrics.

use super::text::{Format, Text};
use super::vrrp;
use director_control::Snapshot;
use director_control::snapshot::{Histogram, RealServer, ServerState, Traffic, VirtualServer};

/// Real servers that have series of their own; of more than that only the sums by virtual server are told.
const REAL_SERVERS: usize = 2000;

/// The metrics of a moment.
pub(crate) fn page(snapshot: &Snapshot, format: Format) -> String {
    let mut text = Text::new(format);
    director(snapshot, &mut text);
    vrrp::add(snapshot, &mut text);
    virtual_servers(snapshot, &mut text);
    checks(snapshot, &mut text);
    real_servers(snapshot, &mut text);
    hooks(snapshot, &mut text);
    text.finish()
}

pub(super) const fn flag(set: bool) -> u64 {
    if set { 1 } else { 0 }
}

pub(super) fn seconds(time: director_control::Timestamp) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds of this century fit"
    )]
    let milliseconds = time.unix_milliseconds() as f64;
    milliseconds / 1000.0
}

fn director(snapshot: &Snapshot, text: &mut Text) {
    let director = &snapshot.director;
    let configuration = &snapshot.configuration;
    text.gauge("director_info", "The program that runs.").count(
        &[("version", &director.version), ("node", &director.node)],
        1,
    );
    text.gauge(
        "director_start_time_seconds",
        "When it started, as seconds since 1970.",
    )
    .sample(&[], seconds(director.started));
    text.gauge(
        "director_config_loaded_time_seconds",
        "When the configuration in force was read, as seconds since 1970.",
    )
    .sample(&[], seconds(configuration.loaded));
    text.counter("director_reloads", "Reloads by what became of them.")
        .count(&[("result", "done")], configuration.reloads_done)
        .count(&[("result", "refused")], configuration.reloads_refused);
    text.gauge(
        "director_last_reload_successful",
        "Whether the last reload came into force.",
    )
    .count(
        &[],
        flag(
            configuration
                .last_reload
                .as_ref()
                .is_none_or(|reload| reload.done),
        ),
    );
    if let Some(reload) = &configuration.last_reload {
        text.gauge(
            "director_last_reload_duration_seconds",
            "How long the last reload took.",
        )
        .sample(&[], reload.took_seconds);
    }
    text.gauge(
        "director_reload_pending",
        "Whether a reload waits to be confirmed.",
    )
    .count(&[], flag(configuration.pending.is_some()));
    text.gauge(
        "director_config_not_the_file",
        "Whether the configuration in force is another one than the file, which nobody has confirmed.",
    )
    .count(&[], flag(configuration.not_the_file.is_some()));
    text.gauge(
        "director_maintenance",
        "Whether the node is in maintenance.",
    )
    .count(&[], flag(snapshot.maintenance.is_some()));
    text.gauge(
        "director_overrides",
        "Real servers for which an operator has set something.",
    )
    .count(&[], snapshot.overrides.len() as u64);
    text.counter("director_events", "Events of the journal, over restarts.")
        .count(&[], snapshot.journal.last_sequence);
    let lag = [(Vec::new(), snapshot.loop_lag.histogram.clone())];
    text.histogram(
        "director_loop_lag_seconds",
        "How long the turns of the main loop took: so late is what comes meanwhile.",
        lag.into_iter(),
    );
}

fn virtual_servers(snapshot: &Snapshot, text: &mut Text) {
    let all = &snapshot.virtual_servers;
    type Of = fn(&VirtualServer) -> u64;
    let gauges: [(&'static str, &str, Of); 5] = [
        (
            "director_virtual_server_quorum",
            "Whether enough real servers are up.",
            |server| flag(server.quorum.up),
        ),
        (
            "director_virtual_server_live_weight",
            "Weights of all live real servers together.",
            |server| server.quorum.weight,
        ),
        (
            "director_virtual_server_quorum_weight",
            "The live weight that it takes.",
            |server| server.quorum.needed.into(),
        ),
        (
            "director_virtual_server_sorry",
            "Whether the sorry server answers alone.",
            |server| {
                flag(
                    server
                        .sorry_server
                        .as_ref()
                        .is_some_and(|sorry| sorry.in_use),
                )
            },
        ),
        (
            "director_virtual_server_held",
            "Whether the change guard keeps failed servers in the table.",
            |server| flag(server.held.is_some()),
        ),
    ];
    for (family, help, of) in gauges {
        text.gauge(family, help);
        for server in all {
            text.count(&[("virtual_server", &server.name)], of(server));
        }
    }
    names(snapshot, text);
    text.gauge(
        "director_virtual_server_real_servers",
        "Real servers by how they stand.",
    );
    for server in all {
        for state in [
            ServerState::Up,
            ServerState::Down,
            ServerState::Idle,
            ServerState::Draining,
            ServerState::Drained,
            ServerState::Standby,
            ServerState::Held,
        ] {
            let count = server
                .real_servers
                .iter()
                .filter(|real| real.state == state)
                .count();
            let labels = [
                ("virtual_server", server.name.as_str()),
                ("state", &state.to_string()),
            ];
            text.count(&labels, count as u64);
        }
    }
    for (family, help, of) in TRAFFIC_OF_VIRTUAL_SERVERS {
        text.counter(family, help);
        for server in all {
            if let Some(traffic) = &server.traffic {
                text.count(&[("virtual_server", &server.name)], of(traffic));
            }
        }
    }
}

/// The names of management, as labels of their own so that no other series changes with them.
fn names(snapshot: &Snapshot, text: &mut Text) {
    let all = &snapshot.virtual_servers;
    let named = |server: &&VirtualServer| {
        let mut real = server.real_servers.iter();
        server.snmp_name.is_some() || real.any(|real| real.snmp_name.is_some())
    };
    if !all.iter().any(|server| named(&server)) {
        return;
    }
    text.gauge(
        "director_virtual_server_snmp_name",
        "The name that `snmp_name` gives a virtual server; always 1.",
    );
    for server in all {
        if let Some(name) = &server.snmp_name {
            let labels = [
                ("virtual_server", server.name.as_str()),
                ("snmp_name", name),
            ];
            text.count(&labels, 1);
        }
    }
    text.gauge(
        "director_real_server_snmp_name",
        "The name that `snmp_name` gives a real server; always 1.",
    );
    for server in all {
        for real in &server.real_servers {
            if let Some(name) = &real.snmp_name {
                let labels = [
                    ("virtual_server", server.name.as_str()),
                    ("real_server", real.address.as_str()),
                    ("snmp_name", name),
                ];
                text.count(&labels, 1);
            }
        }
    }
}

type OfTraffic = (&'static str, &'static str, fn(&Traffic) -> u64);

const TRAFFIC_OF_VIRTUAL_SERVERS: [OfTraffic; 5] = [
    (
        "director_virtual_server_connections",
        "Connections scheduled, as the kernel counts.",
        |traffic| traffic.connections,
    ),
    (
        "director_virtual_server_in_packets",
        "Packets from clients.",
        |traffic| traffic.packets_in,
    ),
    (
        "director_virtual_server_out_packets",
        "Packets to clients that passed the director.",
        |traffic| traffic.packets_out,
    ),
    (
        "director_virtual_server_in_bytes",
        "Bytes from clients.",
        |traffic| traffic.bytes_in,
    ),
    (
        "director_virtual_server_out_bytes",
        "Bytes to clients that passed the director.",
        |traffic| traffic.bytes_out,
    ),
];

const TRAFFIC_OF_REAL_SERVERS: [OfTraffic; 5] = [
    (
        "director_real_server_connections",
        "Connections scheduled, as the kernel counts.",
        |traffic| traffic.connections,
    ),
    (
        "director_real_server_in_packets",
        "Packets from clients.",
        |traffic| traffic.packets_in,
    ),
    (
        "director_real_server_out_packets",
        "Packets to clients that passed the director.",
        |traffic| traffic.packets_out,
    ),
    (
        "director_real_server_in_bytes",
        "Bytes from clients.",
        |traffic| traffic.bytes_in,
    ),
    (
        "director_real_server_out_bytes",
        "Bytes to clients that passed the director.",
        |traffic| traffic.bytes_out,
    ),
];

fn checks(snapshot: &Snapshot, text: &mut Text) {
    let all = &snapshot.virtual_servers;
    let of = |server: &VirtualServer, count: fn(&director_control::snapshot::Check) -> u64| {
        let checks = server.real_servers.iter().flat_map(|real| &real.checks);
        checks.map(count).fold(0_u64, u64::saturating_add)
    };
    text.counter(
        "director_check_attempts",
        "Attempts of checks that came to an end.",
    );
    for server in all {
        text.count(
            &[("virtual_server", &server.name)],
            of(server, |check| check.attempts),
        );
    }
    text.counter("director_check_failures", "Attempts of checks that failed.");
    for server in all {
        text.count(
            &[("virtual_server", &server.name)],
            of(server, |check| check.failures),
        );
    }
    text.counter(
        "director_check_flips",
        "Changes of checks between up and down.",
    );
    for server in all {
        text.count(
            &[("virtual_server", &server.name)],
            of(server, |check| check.flips),
        );
    }
    let histograms = all.iter().filter_map(|server| {
        let checks = server.real_servers.iter().flat_map(|real| &real.checks);
        let sum = checks
            .filter_map(|check| check.latency.as_ref())
            .fold(None, add)?;
        Some((vec![("virtual_server", server.name.as_str())], sum))
    });
    text.histogram(
        "director_check_duration_seconds",
        "How long attempts of checks took.",
        histograms,
    );
}

/// Histograms with the same bounds together.
fn add(sum: Option<Histogram>, more: &Histogram) -> Option<Histogram> {
    let Some(mut sum) = sum else {
        return Some(more.clone());
    };
    if sum.bounds == more.bounds {
        for (sum, more) in sum.counts.iter_mut().zip(&more.counts) {
            *sum = sum.saturating_add(*more);
        }
        sum.sum_seconds += more.sum_seconds;
    }
    Some(sum)
}

fn real_servers(snapshot: &Snapshot, text: &mut Text) {
    let all = || {
        let servers = snapshot.virtual_servers.iter();
        servers.flat_map(|server| server.real_servers.iter().map(move |real| (server, real)))
    };
    let count = all().count();
    text.gauge(
        "director_real_servers",
        "Real servers of all virtual servers.",
    )
    .count(&[], count as u64);
    let told = count <= REAL_SERVERS;
    text.gauge(
        "director_real_server_series_left_out",
        "Whether there are too many real servers for series of their own.",
    )
    .count(&[], flag(!told));
    if !told {
        return;
    }
    type Of = fn(&RealServer) -> Option<u64>;
    let gauges: [(&'static str, &str, Of); 7] = [
        (
            "director_real_server_up",
            "Whether its checks pass.",
            |real| {
                Some(flag(!matches!(
                    real.state,
                    ServerState::Down | ServerState::Held
                )))
            },
        ),
        (
            "director_real_server_configured_weight",
            "Weight of the configuration.",
            |real| Some(real.configured_weight.into()),
        ),
        (
            "director_real_server_wished_weight",
            "Weight that it should have in the kernel; absent if it should not be there.",
            |real| real.wished_weight.map(u64::from),
        ),
        (
            "director_real_server_kernel_weight",
            "Weight in the kernel; absent if it is not there.",
            |real| real.kernel_weight.map(u64::from),
        ),
        (
            "director_real_server_active_connections",
            "Established connections.",
            |real| real.connections.map(|all| all.active),
        ),
        (
            "director_real_server_inactive_connections",
            "Connections in any other state.",
            |real| real.connections.map(|all| all.inactive),
        ),
        (
            "director_real_server_persistent_clients",
            "Clients that would come back to this server.",
            |real| real.connections.map(|all| all.persistent),
        ),
    ];
    for (family, help, of) in gauges {
        text.gauge(family, help);
        for (server, real) in all() {
            if let Some(value) = of(real) {
                text.count(
                    &[
                        ("virtual_server", &server.name),
                        ("real_server", &real.address),
                    ],
                    value,
                );
            }
        }
    }
    for (family, help, of) in TRAFFIC_OF_REAL_SERVERS {
        text.counter(family, help);
        for (server, real) in all() {
            if let Some(traffic) = &real.traffic {
                text.count(
                    &[
                        ("virtual_server", &server.name),
                        ("real_server", &real.address),
                    ],
                    of(traffic),
                );
            }
        }
    }
}

fn hooks(snapshot: &Snapshot, text: &mut Text) {
    let sum = |of: fn(&director_control::snapshot::Hook) -> u64| {
        snapshot
            .hooks
            .iter()
            .map(of)
            .fold(0_u64, u64::saturating_add)
    };
    text.counter(
        "director_hooks",
        "Notification scripts by what became of them.",
    )
    .count(&[("result", "succeeded")], sum(|hook| hook.succeeded))
    .count(&[("result", "failed")], sum(|hook| hook.failed))
    .count(&[("result", "dropped")], sum(|hook| hook.dropped));
    text.gauge(
        "director_hooks_running",
        "Notification scripts that run now.",
    )
    .count(&[], sum(|hook| flag(hook.running.is_some())));
    text.gauge(
        "director_hooks_waiting",
        "Notifications that wait for an earlier one of the same object.",
    )
    .count(&[], sum(|hook| hook.waiting));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::sample;
    use std::collections::BTreeSet;
    use std::io::Write;
    use std::process::{Command, Stdio};

    #[test]
    fn everything_is_told_once() {
        let page = page(&sample::snapshot(), Format::Openmetrics);
        for line in [
            "director_vrrp_state{vrrp_instance=\"VI_1\",state=\"master\"} 1",
            "director_vrrp_effective_priority{vrrp_instance=\"VI_1\"} 80",
            "director_vrrp_ignored_packets_total{vrrp_instance=\"VI_1\",reason=\"hop limit is not 255\"} 2",
            "director_virtual_server_connections_total{virtual_server=\"[172.16.1.8]:tcp:80\"} 1000",
            "director_check_duration_seconds_count{virtual_server=\"[172.16.1.8]:tcp:80\"} 80",
            "director_hooks_total{result=\"failed\"} 1",
            "director_tracker_up{tracker=\"chk_web\"} 0",
        ] {
            assert!(page.lines().any(|known| known == line), "{line}\n{page}");
        }
        assert!(page.ends_with("# EOF\n"));
        let mut series = BTreeSet::new();
        let mut families = BTreeSet::new();
        for line in page.lines() {
            if let Some(family) = line.strip_prefix("# TYPE ") {
                assert!(
                    families.insert(family.split(' ').next().unwrap().to_owned()),
                    "{line}"
                );
            } else if !line.starts_with('#') {
                let (name, value) = line.rsplit_once(' ').unwrap();
                assert!(value.parse::<f64>().is_ok(), "{line}");
                assert!(series.insert(name.to_owned()), "{line}");
            }
        }
    }

    #[test]
    fn too_many_real_servers_have_no_series_of_their_own() {
        let mut snapshot = sample::snapshot();
        let real = snapshot.virtual_servers[0].real_servers[0].clone();
        snapshot.virtual_servers[0].real_servers = vec![real; REAL_SERVERS + 1];
        let page = page(&snapshot, Format::Openmetrics);
        assert!(page.contains("director_real_server_series_left_out 1"));
        assert!(!page.contains("director_real_server_up{"));
    }

    #[test]
    fn promtool_has_nothing_to_complain_about() {
        let tool = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut tool) = tool else {
            println!("skipped: promtool (Debian package prometheus) is not installed");
            return;
        };
        let page = page(&sample::snapshot(), Format::Prometheus);
        tool.stdin
            .take()
            .unwrap()
            .write_all(page.as_bytes())
            .unwrap();
        let output = tool.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && told.is_empty(), "{told}\n{page}");
    }
}
