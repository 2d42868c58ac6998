//! `keepalived_check.data`: virtual servers, real servers and their checks.

use super::lines::{Lines, yes_no};
use crate::config::Plan;
use crate::daemon::{real_server_object, virtual_server_object};
use crate::lvs;
use director_control::snapshot::{Check, CheckVerdict, RealServer, Snapshot, VirtualServer};
use ipvs_netlink::{Forwarding, Protocol, ServiceId};

/// The whole file; empty without virtual servers.
pub(crate) fn check_data(snapshot: &Snapshot, plan: &Plan) -> String {
    let mut lines = Lines::default();
    if plan.virtual_servers.is_empty() {
        return lines.text;
    }
    lines.section("LVS Topology");
    for config in &plan.virtual_servers {
        if let Some(shown) = snapshot.virtual_server(&config.name) {
            virtual_server(&mut lines, shown, config, plan);
        }
    }
    lines.section("Health checkers");
    for config in &plan.virtual_servers {
        let Some(shown) = snapshot.virtual_server(&config.name) else {
            continue;
        };
        for real in &shown.real_servers {
            let server = bracketed(&real.address, protocol(config));
            for check in &real.checks {
                lines.line(1, format_args!("{} -> {server}", config.name));
                health_check(&mut lines, check);
            }
        }
    }
    lines.text
}

fn virtual_server(
    lines: &mut Lines,
    shown: &VirtualServer,
    config: &lvs::VirtualServer,
    plan: &Plan,
) {
    lines.line(1, "------< Virtual server >------");
    let first = config.services.first();
    match first.map(|service| service.id) {
        Some(ServiceId::Fwmark { mark, .. }) => lines.field(1, "VS FWMARK", mark),
        Some(ServiceId::Address { address, port, .. }) if !config.name.ends_with("]:0") => {
            lines.line(1, format_args!("VS VIP = {address}, VPORT = {port}"));
        }
        _ => lines.field(1, "VS GROUP", &config.name),
    }
    if let Some(interval) = plan
        .checks
        .of(&config.name)
        .next()
        .map(|(_, check)| check.interval())
    {
        lines.field(
            3,
            "delay_loop",
            format_args!("{:.6}", interval.as_secs_f64()),
        );
    }
    lines.field(3, "lvs_sched", &shown.scheduler);
    if let Some(timeout) = shown.persistence_seconds {
        lines.field(3, "persistence timeout", timeout);
    }
    lines.field(3, "protocol", protocol(config).to_ascii_uppercase());
    let quorum = &shown.quorum;
    lines.line(
        3,
        format_args!(
            "quorum = {}, hysteresis = {}",
            quorum.needed, quorum.hysteresis
        ),
    );
    lines.notifications(plan, &virtual_server_object(&config.name));
    let mailed = plan.notices.virtual_server_mail.contains(&*config.name);
    lines.field(3, "Using smtp notification", yes_no(mailed));
    if let Some(real) = config.real_servers.first() {
        lines.field(
            3,
            "default forwarding method",
            method(real.destination.forwarding),
        );
    }
    if let Some(sorry) = &config.sorry_server {
        let address = sorry.destination.id.to_string();
        lines.field(3, "sorry server", bracketed(&address, protocol(config)));
        lines.field(5, "forwarding method", method(sorry.destination.forwarding));
    }
    let alive = shown.real_servers.iter().any(is_alive) || shown.real_servers.is_empty();
    lines.field(3, "alive", u8::from(alive));
    lines.field(3, "quorum_state_up", u8::from(quorum.up));
    for real in &config.real_servers {
        let id = real.destination.id.to_string();
        if let Some(shown) = shown.real_servers.iter().find(|shown| shown.address == id) {
            real_server(lines, shown, real, config, plan);
        }
    }
}

fn real_server(
    lines: &mut Lines,
    shown: &RealServer,
    config: &lvs::RealServer,
    of: &lvs::VirtualServer,
    plan: &Plan,
) {
    lines.line(3, "------< Real server >------");
    let destination = &config.destination;
    let address = destination.id.address_and_port();
    lines.line(
        3,
        format_args!(
            "RIP = {}, RPORT = {}, WEIGHT = {} EFF WEIGHT = {}",
            address.ip(),
            address.port(),
            shown.configured_weight,
            shown.wished_weight.unwrap_or(shown.configured_weight)
        ),
    );
    lines.field(3, "forwarding method", method(destination.forwarding));
    let alpha = config.checks.iter().any(|check| check.alpha);
    lines.line(3, format_args!("Alpha is {}", capital(alpha)));
    lines.line(
        3,
        format_args!(
            "Inhibit on failure is {}",
            capital(config.inhibit_on_failure)
        ),
    );
    lines.notifications(plan, &real_server_object(&of.name, destination.id));
    let mailed = &plan.notices.real_server_mail;
    let mailed = mailed.contains(&of.name, &destination.id);
    lines.field(3, "Using smtp notification", yes_no(mailed));
    lines.field(3, "initial weight", shown.configured_weight);
    lines.field(
        3,
        "effective weight",
        shown.wished_weight.unwrap_or(shown.configured_weight),
    );
    lines.field(3, "alive", u8::from(is_alive(shown)));
    let failed = shown.checks.iter().filter(|check| is_down(check)).count();
    lines.field(3, "num failed checkers", failed);
    lines.field(3, "RS set", u8::from(shown.kernel_weight.is_some()));
}

fn health_check(lines: &mut Lines, check: &Check) {
    lines.field(3, "Enabled", yes_no(!check.suspended));
    lines.field(3, "Up", yes_no(!is_down(check)));
    lines.field(3, "Has run", yes_no(check.attempts > 0));
    lines.field(3, "Keepalive method", &check.kind);
}

fn is_alive(shown: &RealServer) -> bool {
    !shown.checks.iter().any(is_down)
}

const fn is_down(check: &Check) -> bool {
    matches!(
        check.verdict,
        CheckVerdict::Down | CheckVerdict::AssumedDown
    )
}

const fn capital(on: bool) -> &'static str {
    if on { "ON" } else { "OFF" }
}

/// `[10.0.0.1]:tcp:80`
fn bracketed(address_and_port: &str, protocol: &str) -> String {
    match address_and_port.parse::<std::net::SocketAddr>() {
        Ok(both) => format!("[{}]:{protocol}:{}", both.ip(), both.port()),
        Err(_) => address_and_port.to_owned(),
    }
}

fn protocol(config: &lvs::VirtualServer) -> &'static str {
    match config.services.first().map(|service| service.id) {
        Some(ServiceId::Address {
            protocol: Protocol::Tcp,
            ..
        }) => "tcp",
        Some(ServiceId::Address {
            protocol: Protocol::Udp,
            ..
        }) => "udp",
        Some(ServiceId::Address {
            protocol: Protocol::Sctp,
            ..
        }) => "sctp",
        _ => "none",
    }
}

fn method(forwarding: Forwarding) -> &'static str {
    match forwarding {
        Forwarding::DirectRouting => "DR",
        Forwarding::Tunnel(_) => "TUN",
        Forwarding::Masquerading => "NAT",
        _ => "local",
    }
}
