//! Everything the daemon logs. The names of the events and their fields are listed in `docs/events.md`.

use crate::cli::RunArguments;
use crate::config::{Loaded, Plan};
use crate::kernel::TableError;
use crate::log::RateLimit;
use crate::lvs::{CheckId, Happening, Model, Presence};
use crate::output;
use crate::track::Report;
use ipvs_netlink::Change;
use keepalived_conf::Severity;
use std::time::{Duration, Instant};
use tracing::{debug, error, info, warn};
use vrrp_net::{Event, TrackerState};

/// Changes of the table that are logged one by one; of more than that only the number.
const CHANGES_ONE_BY_ONE: usize = 100;

pub(super) fn warnings(loaded: &Loaded) {
    for (code, line) in loaded.lines(Severity::Warning) {
        warn!(event = "config_warning", %code, "{line}");
    }
}

/// Every problem of a file that is refused.
pub(super) fn errors(loaded: &Loaded) {
    warnings(loaded);
    for (code, line) in loaded.lines(Severity::Error) {
        error!(event = "config_error", %code, "{line}");
    }
}

pub(super) fn started(arguments: &RunArguments, plan: &Plan) {
    let config = arguments.config.display();
    let (instances, virtual_servers, checks) = (
        plan.vrrp.instances.len(),
        plan.virtual_servers.len(),
        plan.checks.len(),
    );
    let version = env!("CARGO_PKG_VERSION");
    info!(
        event = "started",
        version,
        %config,
        instances,
        virtual_servers,
        checks,
        "director {version} runs {config}: {instances} VRRP instances, {virtual_servers} virtual servers, {checks} checks"
    );
}

pub(super) fn adopted(checks: usize) {
    if checks > 0 {
        info!(
            event = "adopted",
            checks, "{checks} checks start as failed: a predecessor had taken their servers out"
        );
    }
}

pub(super) fn stopping(reason: &str) {
    info!(event = "stopping", reason, "stopping: {reason}");
}

pub(super) fn stopped() {
    info!(event = "stopped", "stopped, nothing is left behind");
}

pub(super) fn reload_done(arguments: &RunArguments, changes: usize, took: Duration) {
    let (config, seconds) = (arguments.config.display(), took.as_secs_f64());
    info!(event = "reload_done", %config, changes, seconds, "{config} is in force, {changes} changes of the IPVS table, {seconds:.3} s");
}

pub(super) fn reload_refused(arguments: &RunArguments, reason: &str) {
    let config = arguments.config.display();
    error!(event = "reload_refused", %config, reason, "{config} is refused, the running configuration stays in force: {reason}");
}

pub(super) fn changes(changes: &[Change]) {
    for change in changes.iter().take(CHANGES_ONE_BY_ONE) {
        let service = change.service().map(ToString::to_string);
        info!(event = "ipvs_change", service, change = %change, "IPVS: {change}");
    }
    let more = changes.len().saturating_sub(CHANGES_ONE_BY_ONE);
    if more > 0 {
        info!(
            event = "ipvs_changes",
            count = more,
            "IPVS: {more} more changes"
        );
    }
}

pub(super) fn table_error(error: &TableError) {
    let reason = output::chain(error);
    error!(
        event = "ipvs_error",
        reason,
        "the IPVS table is not as it should be, it is tried again within a minute: {reason}"
    );
}

pub(super) fn happening(happening: &Happening) {
    match happening {
        Happening::RealServerUp {
            virtual_server,
            real_server,
            reason,
        } => {
            info!(event = "real_server_up", virtual_server, %real_server, reason, "{happening}");
        }
        Happening::RealServerDown {
            virtual_server,
            real_server,
            reason,
        } => {
            warn!(event = "real_server_down", virtual_server, %real_server, reason, "{happening}");
        }
        Happening::WeightChanged {
            virtual_server,
            real_server,
            from,
            to,
            reason,
        } => {
            info!(event = "real_server_weight", virtual_server, %real_server, from, to, reason, "{happening}");
        }
        Happening::QuorumGained {
            virtual_server,
            weight,
            needed,
        } => {
            info!(
                event = "quorum_gained",
                virtual_server, weight, needed, "{happening}"
            );
        }
        Happening::QuorumLost {
            virtual_server,
            weight,
            needed,
            sorry_server,
        } => {
            let sorry_server = sorry_server.map(|server| server.to_string());
            warn!(
                event = "quorum_lost",
                virtual_server, weight, needed, sorry_server, "{happening}"
            );
        }
    }
}

/// A failed attempt that leaves the verdict as it was.
pub(super) fn failed_check(event: &healthcheck::Event<CheckId>, rate: &mut RateLimit) {
    let healthcheck::Event::Failed { id, reason, .. } = event else {
        return;
    };
    if let Some(held_back) = rate.allow(&id.to_string(), Instant::now()) {
        let (virtual_server, real_server) = (&id.virtual_server, id.real_server);
        info!(event = "check_failed", virtual_server, %real_server, %reason, held_back, "{virtual_server}: check of {real_server} failed: {reason}");
    }
}

pub(super) fn tracker(report: &Report) {
    let Report {
        kind,
        name,
        state,
        reason,
    } = report;
    match state {
        TrackerState::Down => {
            warn!(
                event = "tracker_down",
                kind, name, reason, "{kind} {name} fails: {reason}"
            );
        }
        TrackerState::Value(value) => {
            info!(
                event = "tracker_value",
                kind, name, value, reason, "{kind} {name}: {reason}"
            );
        }
        _ => info!(
            event = "tracker_up",
            kind, name, reason, "{kind} {name} succeeds: {reason}"
        ),
    }
}

pub(super) fn vrrp(event: &Event, rate: &mut RateLimit) {
    match event {
        Event::Transition {
            instance,
            from,
            to,
            priority,
            reason,
            ..
        } => {
            info!(event = "vrrp_transition", %instance, %from, %to, priority, %reason, "{event}");
        }
        Event::GroupTransition {
            group, from, to, ..
        } => {
            info!(event = "vrrp_group_transition", %group, %from, %to, "{event}");
        }
        Event::PriorityChanged {
            instance,
            from,
            to,
            arithmetic,
        } => {
            info!(event = "vrrp_priority", %instance, from, to, reason = arithmetic, "{event}");
        }
        Event::AddressAdded {
            instance,
            address,
            prefix_length,
            interface,
        } => {
            info!(event = "address_added", %instance, %address, prefix_length, %interface, "{event}");
        }
        Event::AddressRemoved {
            instance,
            address,
            prefix_length,
            interface,
        } => {
            let instance = instance.as_deref();
            info!(event = "address_removed", instance, %address, prefix_length, %interface, "{event}");
        }
        Event::AddressRestored {
            instance,
            address,
            interface,
        } => {
            warn!(event = "address_restored", %instance, %address, %interface, "{event}");
        }
        Event::EntryAdded { instance, entry } => {
            let instance = instance.as_deref();
            info!(event = "route_added", instance, entry, "{event}");
        }
        Event::EntryRemoved { instance, entry } => {
            let instance = instance.as_deref();
            info!(event = "route_removed", instance, entry, "{event}");
        }
        Event::EntryRestored { instance, entry } => {
            let instance = instance.as_deref();
            warn!(event = "route_restored", instance, entry, "{event}");
        }
        Event::PacketIgnored {
            instance,
            interface,
            reason,
            source,
            count,
        } => {
            if let Some(held_back) = rate.allow(&format!("{source} {interface}"), Instant::now()) {
                let instance = instance.as_deref();
                warn!(event = "packet_ignored", instance, %interface, %source, reason, count, held_back, "{event}");
            }
        }
        Event::Contested {
            instance,
            by,
            priority,
        } => {
            if let Some(held_back) = rate.allow(&format!("contest {instance} {by}"), Instant::now())
            {
                warn!(event = "vrrp_contested", %instance, %by, priority, held_back, "{event}");
            }
        }
        Event::Warning { instance, message } => {
            let instance = instance.as_deref();
            warn!(
                event = "vrrp_warning",
                instance,
                reason = message,
                "{event}"
            );
        }
        other => debug!(event = "vrrp_other", "{other}"),
    }
}

/// The state of every instance (SIGUSR1).
pub(super) fn vrrp_status(snapshot: &vrrp_net::Snapshot, now: Instant) {
    for (instance, status) in &snapshot.instances {
        let (state, reason, priority) = (status.state, &status.reason, status.effective_priority);
        let seconds = now.saturating_duration_since(status.since).as_secs();
        let arithmetic = &status.priority_arithmetic;
        info!(
            event = "vrrp_status",
            %instance,
            %state,
            priority,
            arithmetic,
            %reason,
            seconds,
            "{instance}: {state} for {seconds} s at priority {priority}: {reason}"
        );
    }
}

/// The standing of every server with its reasons (SIGUSR1).
pub(super) fn lvs_status(model: &Model) {
    for (virtual_server, quorum_up, standings) in model.standings() {
        info!(
            event = "virtual_server_status",
            virtual_server,
            quorum_up,
            "{virtual_server}: quorum {}",
            if quorum_up { "is there" } else { "is missing" }
        );
        for standing in standings {
            let (server, reason) = (standing.server, standing.reasons.join("; "));
            let weight = match standing.presence {
                Presence::Weight(weight) => Some(weight),
                Presence::Absent => None,
            };
            let place = weight.map_or_else(
                || "not in the table".to_owned(),
                |weight| format!("weight {weight}"),
            );
            info!(event = "server_status", virtual_server, %server, weight, reason, "{virtual_server}: {server} {place}: {reason}");
        }
    }
}
