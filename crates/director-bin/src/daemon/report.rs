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
use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};
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

/// One reason why the program does not start; nothing has been changed.
pub(super) fn start_refused(arguments: &RunArguments, reason: &str) {
    let config = arguments.config.display();
    error!(event = "start_refused", %config, reason, "not started: {reason}");
}

pub(super) fn started(arguments: &RunArguments, plan: &Plan) {
    let config = arguments.config.display();
    let (instances, virtual_servers, checks) = (
        plan.vrrp.instances.len(),
        plan.virtual_servers.len(),
        plan.checks.len(),
    );
    let version = env!("CARGO_PKG_VERSION");
    let all = [
        output::count(instances, "VRRP instance"),
        output::count(virtual_servers, "virtual server"),
        output::count(checks, "check"),
    ]
    .join(", ");
    info!(
        event = "started",
        version,
        %config,
        instances,
        virtual_servers,
        checks,
        "director {version} runs {config}: {all}"
    );
}

pub(super) fn adopted(checks: usize) {
    if checks > 0 {
        let starting = if checks == 1 {
            "1 check starts"
        } else {
            &format!("{checks} checks start")
        };
        info!(
            event = "adopted",
            checks, "{starting} as failed: a predecessor had taken the servers out"
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
    let count = output::count(changes, "change");
    info!(event = "reload_done", %config, changes, seconds, "{config} is in force, {count} of the IPVS table, {seconds:.3} s");
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
        let further = output::count(more, "further change");
        info!(event = "ipvs_changes", count = more, "IPVS: {further}");
    }
}

pub(super) fn marks_error(error: &dyn std::error::Error) {
    let reason = output::chain(error);
    error!(
        event = "marks_error",
        reason, "the firewall marks of groups are not as they should be: {reason}"
    );
}

/// Somebody else had changed what is ours.
pub(super) fn repaired(changes: &[Change]) {
    let count = changes.len();
    warn!(
        event = "ipvs_repaired",
        count,
        "somebody else had changed our services, {} taken back",
        output::count(count, "change")
    );
    self::changes(changes);
}

pub(super) fn table_error(error: &TableError) {
    let reason = output::chain(error);
    error!(
        event = "ipvs_error",
        reason, "the IPVS table is not as it should be, it is tried again within seconds: {reason}"
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
    if let healthcheck::Event::CertificateEnds {
        id, expires, at, ..
    } = event
    {
        certificate_ends(id, *expires, *at);
    }
    let healthcheck::Event::Failed { id, reason, .. } = event else {
        return;
    };
    if let Some(held_back) = rate.allow(&id.to_string(), Instant::now()) {
        let (virtual_server, real_server) = (&*id.virtual_server, id.real_server);
        let more = more(held_back);
        info!(event = "check_failed", virtual_server, %real_server, %reason, held_back, "{virtual_server}: check of {real_server} failed: {reason}{more}");
    }
}

fn certificate_ends(id: &CheckId, expires: SystemTime, at: SystemTime) {
    let days = |time: Duration| {
        let days = time.as_secs() / (24 * 60 * 60);
        output::count(usize::try_from(days).unwrap_or(usize::MAX), "day")
    };
    let (virtual_server, real_server) = (&*id.virtual_server, id.real_server);
    match expires.duration_since(at) {
        Ok(left) => {
            let left = days(left);
            warn!(event = "certificate_ends", virtual_server, %real_server, left, "{virtual_server}: the certificate of {real_server} ends in {left}");
        }
        Err(past) => {
            let ago = days(past.duration());
            warn!(event = "certificate_ended", virtual_server, %real_server, ago, "{virtual_server}: the certificate of {real_server} ended {ago} ago");
        }
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
            let key = format!("{source} {interface} {}", without_numbers(reason));
            if let Some(held_back) = rate.allow(&key, Instant::now()) {
                let (instance, more) = (instance.as_deref(), more(held_back));
                warn!(event = "packet_ignored", instance, %interface, %source, reason, count, held_back, "{event}{more}");
            }
        }
        Event::Contested {
            instance,
            by,
            priority,
        } => {
            if let Some(held_back) = rate.allow(&format!("contest {instance} {by}"), Instant::now())
            {
                let more = more(held_back);
                warn!(event = "vrrp_contested", %instance, %by, priority, held_back, "{event}{more}");
            }
        }
        Event::Renamed { from, to } => {
            info!(event = "vrrp_renamed", instance = %to, %from, "{event}");
        }
        Event::Resumed { instance, state } => {
            info!(event = "vrrp_resumed", %instance, %state, "{event}");
        }
        Event::NotResumed { instance, reason } => {
            warn!(event = "vrrp_not_resumed", %instance, reason, "{event}");
        }
        Event::Notice { instance, message } => {
            let instance = instance.as_deref();
            info!(
                event = "machine_changed",
                instance,
                done = message,
                "{event}"
            );
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

/// The kind of a reason: what its numbers are does not matter, and they come from outside.
fn without_numbers(reason: &str) -> String {
    let words = reason
        .split_whitespace()
        .filter(|word| !word.starts_with(|first: char| first.is_ascii_digit()));
    words.collect::<Vec<_>>().join(" ")
}

/// What is added to a line that stands for others too.
fn more(held_back: u64) -> String {
    if held_back == 0 {
        return String::new();
    }
    format!(" ({held_back} more like this held back)")
}

/// `3 wrong checksum, 1 wrong TTL`, or `none`.
fn by_reason(ignored: &BTreeMap<String, u64>) -> String {
    if ignored.is_empty() {
        return "none".to_owned();
    }
    let each = ignored
        .iter()
        .map(|(reason, count)| format!("{count} {reason}"));
    each.collect::<Vec<_>>().join(", ")
}

/// The state of every instance, and what never reached one (SIGUSR1).
pub(super) fn vrrp_status(snapshot: &vrrp_net::Snapshot, now: Instant) {
    for (instance, status) in &snapshot.instances {
        let (state, reason, priority) = (status.state, &status.reason, status.effective_priority);
        let seconds = now.saturating_duration_since(status.since).as_secs();
        let arithmetic = &*status.priority_arithmetic;
        let (sent, received) = (
            status.counters.adverts_sent,
            status.counters.adverts_received,
        );
        let ignored = by_reason(&status.counters.ignored);
        info!(
            event = "vrrp_status",
            %instance,
            %state,
            priority,
            arithmetic,
            %reason,
            seconds,
            sent,
            received,
            ignored,
            "{instance}: {state} for {seconds} s at priority {priority}: {reason}; adverts: {sent} sent, {received} received, ignored: {ignored}"
        );
    }
    for (reason, count) in &snapshot.ignored {
        info!(
            event = "vrrp_ignored_status",
            reason, count, "{count} ignored for no instance: {reason}"
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(work: impl FnOnce()) -> Vec<String> {
        let sink = Sink::default();
        let writer = sink.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, work);
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn ignored(reason: &str) -> Event {
        Event::PacketIgnored {
            instance: None,
            interface: "eth0".into(),
            reason: reason.to_owned(),
            source: "192.0.2.9".parse().unwrap(),
            count: 1,
        }
    }

    #[test]
    fn every_reason_of_one_source_is_told_once_with_what_was_held_back() {
        let mut rate = RateLimit::new(Duration::from_secs(3600), 8);
        let lines = logged(|| {
            for reason in [
                "checksum is 0x1234, expected 0x4321",
                "checksum is 0x9999, expected 0x4321",
                "no vrrp message",
            ] {
                vrrp(&ignored(reason), &mut rate);
            }
        });
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[1].contains("no vrrp message"), "{lines:?}");

        let mut rate = RateLimit::new(Duration::from_millis(10), 8);
        let now = Instant::now();
        let Some(before) = now.checked_sub(Duration::from_secs(1)) else {
            println!("skipped: the clock has just started");
            return;
        };
        for _ in 0..3 {
            rate.allow("192.0.2.9 eth0 no vrrp message", before);
        }
        let lines = logged(|| vrrp(&ignored("no vrrp message"), &mut rate));
        assert!(
            lines[0].contains("(2 more like this held back)"),
            "{lines:?}"
        );
    }

    #[test]
    fn one_of_something_is_told_in_the_singular() {
        let lines = logged(|| adopted(1));
        assert!(lines[0].contains(" 1 check starts as failed"), "{lines:?}");
        let lines = logged(|| adopted(2));
        assert!(lines[0].contains(" 2 checks start as failed"), "{lines:?}");
    }

    #[test]
    fn packets_for_no_instance_are_in_the_status() {
        let mut snapshot = vrrp_net::Snapshot::default();
        snapshot.ignored.insert("unknown VRID", 7);
        let lines = logged(|| vrrp_status(&snapshot, Instant::now()));
        assert!(
            lines[0].contains("7 ignored for no instance: unknown VRID"),
            "{lines:?}"
        );
        let counts = BTreeMap::from([("bad TTL".to_owned(), 2), ("bad checksum".to_owned(), 1)]);
        assert_eq!(by_reason(&counts), "2 bad TTL, 1 bad checksum");
        assert_eq!(by_reason(&BTreeMap::new()), "none");
    }
}
