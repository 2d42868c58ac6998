//! A snapshot as a table of at most 100 columns.

use crate::cli::table::{Colour, Paint, WIDTH, age, count, cut, duration, fit, fit_right};
use crate::output;
use director_control::snapshot::{
    Instance, InstanceState, RealServer, ServerState, TrackerValue, VirtualServer,
};
use director_control::{Snapshot, Timestamp};
use std::fmt::Write;
use std::time::Duration;

/// A part of the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// Instances, groups and trackers
    Vrrp,
    /// Virtual servers and real servers
    Servers,
}

/// The status for people.
pub(crate) fn render(snapshot: &Snapshot, only: Option<Part>, paint: Paint) -> String {
    let mut page = Page {
        text: String::new(),
        paint,
        now: snapshot.taken,
    };
    page.head(snapshot);
    if only != Some(Part::Servers) {
        page.vrrp(snapshot);
    }
    if only != Some(Part::Vrrp) {
        page.servers(snapshot);
    }
    if only.is_none() {
        page.hooks(snapshot);
    }
    page.text
}

/// The colour of an instance's state.
pub(crate) const fn state_colour(state: InstanceState) -> Colour {
    match state {
        InstanceState::Master | InstanceState::Backup => Colour::Good,
        InstanceState::Initialize => Colour::Attention,
        InstanceState::Fault => Colour::Bad,
    }
}

/// The colour of a real server's state.
pub(crate) const fn server_colour(state: ServerState) -> Colour {
    match state {
        ServerState::Up => Colour::Good,
        ServerState::Down => Colour::Bad,
        _ => Colour::Attention,
    }
}

struct Page {
    text: String,
    paint: Paint,
    now: Timestamp,
}

impl Page {
    fn line(&mut self, text: &str) {
        self.text.push_str(text.trim_end());
        self.text.push('\n');
    }

    fn heading(&mut self, text: &str) {
        self.text.push('\n');
        let text = self.paint.paint(Colour::Heading, text.trim_end());
        self.line(&text);
    }

    /// A line that somebody should read.
    fn notice(&mut self, colour: Colour, text: &str) {
        let text = self.paint.paint(colour, &cut(text, WIDTH));
        self.line(&text);
    }

    fn head(&mut self, snapshot: &Snapshot) {
        let director = &snapshot.director;
        let up = duration(self.now.since(director.started));
        let first = format!(
            "director {} on {}, pid {}, running for {up}",
            director.version, director.node, director.pid
        );
        self.line(&cut(&first, WIDTH));
        let configuration = &snapshot.configuration;
        let digest: String = configuration.digest.chars().take(12).collect();
        let loaded = duration(self.now.since(configuration.loaded));
        let file = format!(
            "{} ({digest}), in force for {loaded}; reloads: {} done, {} refused",
            configuration.file, configuration.reloads_done, configuration.reloads_refused
        );
        self.line(&cut(&file, WIDTH));
        if configuration.not_the_file.is_some() {
            let text = "this file was not confirmed in time, the one before is in force; `director reload` takes it";
            self.notice(Colour::Attention, text);
        }
        if let Some(pending) = &configuration.pending {
            let left = duration(pending.reverts_at.since(self.now));
            let text = format!("the reload goes back in {left} unless `director confirm` keeps it");
            self.notice(Colour::Attention, &text);
        }
        if let Some(reload) = configuration
            .last_reload
            .as_ref()
            .filter(|reload| !reload.done)
        {
            let ago = duration(self.now.since(reload.at));
            let why = reload.reasons.first().map_or("", String::as_str);
            self.notice(Colour::Bad, &format!("reload refused {ago} ago: {why}"));
        }
        if let Some(maintenance) = &snapshot.maintenance {
            let since = duration(self.now.since(maintenance.since));
            let mut text = format!("in maintenance for {since} by {}", maintenance.by);
            self.circumstances(&mut text, maintenance.until, maintenance.reason.as_deref());
            self.notice(Colour::Attention, &text);
        }
        if snapshot.loop_lag.worst_minute_seconds > 0.5 {
            let worst = duration(Duration::from_secs_f64(
                snapshot.loop_lag.worst_minute_seconds,
            ));
            let text = format!("the main loop was late by up to {worst} within the last minute");
            self.notice(Colour::Attention, &text);
        }
        for problem in &snapshot.incomplete {
            self.notice(Colour::Bad, problem);
        }
    }

    fn circumstances(&self, text: &mut String, until: Option<Timestamp>, reason: Option<&str>) {
        if let Some(until) = until {
            let left = duration(until.since(self.now));
            let _ = write!(text, ", for another {left}");
        }
        if let Some(reason) = reason {
            let _ = write!(text, ": {reason}");
        }
    }

    fn vrrp(&mut self, snapshot: &Snapshot) {
        if !snapshot.instances.is_empty() {
            let heading = format!(
                "{} {} {} {} {}",
                fit("INSTANCE", 20),
                fit("STATE", 7),
                fit_right("SINCE", 6),
                fit_right("PRIO", 5),
                "MASTER, REASON"
            );
            self.heading(&heading);
        }
        for instance in &snapshot.instances {
            self.instance(instance);
        }
        let troubled = |value| !matches!(value, TrackerValue::Up);
        if snapshot
            .trackers
            .iter()
            .any(|tracker| troubled(tracker.value))
        {
            self.heading(&format!(
                "{} {} {} REASON",
                fit("TRACKER", 20),
                fit("STATE", 7),
                fit_right("SINCE", 6)
            ));
        }
        for tracker in snapshot
            .trackers
            .iter()
            .filter(|tracker| troubled(tracker.value))
        {
            let (word, colour) = match tracker.value {
                TrackerValue::Pending => ("pending".to_owned(), Colour::Attention),
                TrackerValue::Up => ("up".to_owned(), Colour::Good),
                TrackerValue::Down => ("down".to_owned(), Colour::Bad),
                TrackerValue::Value(value) => (value.to_string(), Colour::Good),
            };
            let since = tracker.since.map(|since| age(since, self.now));
            let line = format!(
                "{} {} {} {}",
                fit(&tracker.name, 20),
                self.paint.paint(colour, &fit(&word, 7)),
                fit_right(&since.unwrap_or_default(), 6),
                cut(&tracker.reason, WIDTH - 36)
            );
            self.line(&line);
        }
    }

    fn instance(&mut self, instance: &Instance) {
        let mut why = String::new();
        if let Some(master) = &instance.master {
            let _ = write!(why, "{} ({}); ", master.address, master.priority);
        }
        why.push_str(&instance.reason);
        let line = format!(
            "{} {} {} {} {}",
            fit(&instance.name, 20),
            self.paint.paint(
                state_colour(instance.state),
                &fit(&instance.state.to_string(), 7)
            ),
            fit_right(&age(instance.since, self.now), 6),
            fit_right(&instance.effective_priority.to_string(), 5),
            cut(&why, WIDTH - 42)
        );
        self.line(&line);
        let indent = " ".repeat(21);
        let detail = |page: &mut Self, colour: Colour, text: &str| {
            let text = page.paint.paint(colour, &cut(text, WIDTH - 21));
            page.line(&format!("{indent}{text}"));
        };
        if instance.effective_priority != instance.priority {
            let text = format!("priority {}", instance.priority_arithmetic);
            detail(self, Colour::Attention, &text);
        }
        for fault in instance
            .faults
            .iter()
            .filter(|fault| **fault != instance.reason)
        {
            detail(self, Colour::Bad, fault);
        }
        if let Some(contest) = &instance.contested {
            let since = duration(self.now.since(contest.since));
            let text = format!(
                "contested by {} with priority {} for {since}",
                contest.by, contest.priority
            );
            detail(self, Colour::Bad, &text);
        }
        for other in instance.further_disagreements() {
            detail(self, Colour::Attention, &other.to_string());
        }
        let wrong = |present| (instance.state == InstanceState::Master) != present;
        for address in instance
            .addresses
            .iter()
            .filter(|address| wrong(address.present))
        {
            let how = if address.present {
                "is still here"
            } else {
                "is missing"
            };
            let text = format!(
                "{}/{} {how} on {}",
                address.address, address.prefix_length, address.interface
            );
            detail(self, Colour::Attention, &text);
        }
    }

    fn servers(&mut self, snapshot: &Snapshot) {
        if !snapshot.virtual_servers.is_empty() {
            let heading = format!(
                "{} {} {} {} {} {} {} {} REASON",
                fit("VIRTUAL SERVER / REAL SERVER", 39),
                fit_right("SINCE", 6),
                fit("STATE", 8),
                fit_right("WGHT", 4),
                fit_right("ACT", 5),
                fit_right("INACT", 5),
                fit_right("PERS", 5),
                fit_right("CPS", 5),
            );
            self.heading(&heading);
        }
        for server in &snapshot.virtual_servers {
            self.virtual_server(server);
        }
    }

    fn virtual_server(&mut self, server: &VirtualServer) {
        let live = |real: &&RealServer| real.state == ServerState::Up;
        let up = server.real_servers.iter().filter(live).count();
        let mut what = format!(
            "{} {}, {up} of {}",
            server.name,
            server.scheduler,
            output::count(server.real_servers.len(), "server")
        );
        if let Some(timeout) = server.persistence_seconds {
            let _ = write!(what, ", persistent {timeout} s");
        }
        let what = self.paint.paint(Colour::Heading, &cut(&what, WIDTH));
        self.line(&what);
        if !server.quorum.up {
            let quorum = &server.quorum;
            let answers = match &server.sorry_server {
                Some(sorry) => format!("; the sorry server {} answers", sorry.address),
                None => String::new(),
            };
            let text = format!(
                "  the quorum of {} is missing, live weight {}{answers}",
                quorum.needed, quorum.weight
            );
            self.notice(Colour::Bad, &text);
        }
        if let Some(held) = &server.held {
            self.notice(Colour::Bad, &format!("  held: {}", held.reason));
        }
        for real in &server.real_servers {
            self.real_server(real);
        }
    }

    fn real_server(&mut self, real: &RealServer) {
        let weight = match (real.wished_weight, real.kernel_weight) {
            (Some(wished), Some(kernel)) if wished != kernel => format!("{kernel}≠{wished}"),
            (Some(wished), _) => wished.to_string(),
            (None, _) => "-".to_owned(),
        };
        let of_kernel = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), count);
        let connections = real.connections.as_ref();
        let since = real
            .since
            .map(|since| age(since, self.now))
            .unwrap_or_default();
        let address = format!("  {} {}", fit(&real.address, 26), real.forwarding);
        let mut reason = String::new();
        if let Some(set) = &real.set {
            let _ = write!(reason, "{}", set.kind);
            if let Some(by) = &set.by {
                let _ = write!(reason, " by {by}");
            }
            self.circumstances(&mut reason, set.until, set.reason.as_deref());
            reason.push_str("; ");
        }
        // The first line says who and why; the model only knows that it is so.
        let more = real
            .reasons
            .iter()
            .filter(|reason| !reason.starts_with("an operator "));
        reason.push_str(&more.cloned().collect::<Vec<_>>().join("; "));
        let start = format!(
            "{} {} {} {} {} {} {} {}",
            fit(&address, 39),
            fit_right(&since, 6),
            self.paint
                .paint(server_colour(real.state), &fit(&real.state.to_string(), 8)),
            fit_right(&weight, 4),
            fit_right(&of_kernel(connections.map(|all| all.active)), 5),
            fit_right(&of_kernel(connections.map(|all| all.inactive)), 5),
            fit_right(&of_kernel(connections.map(|all| all.persistent)), 5),
            fit_right(
                &of_kernel(real.traffic.map(|all| all.connections_per_second)),
                5
            ),
        );
        // 85 columns are taken. A reason that says more than fits gets a line of its own, if it is not well.
        let room = WIDTH - 86;
        if real.state == ServerState::Up && real.set.is_none() || reason.chars().count() <= room {
            self.line(&format!("{start} {}", cut(&reason, room)));
        } else {
            self.line(&start);
            let reason = self.paint.paint(Colour::Faint, &cut(&reason, WIDTH - 4));
            self.line(&format!("    {reason}"));
        }
    }

    fn hooks(&mut self, snapshot: &Snapshot) {
        let failed = |hook: &&director_control::snapshot::Hook| {
            hook.running.is_some()
                || hook
                    .last
                    .as_ref()
                    .is_some_and(|last| last.result.as_deref() != Some("exit status 0"))
        };
        if snapshot.hooks.iter().any(|hook| failed(&hook)) {
            self.heading(&format!(
                "{} {} RESULT",
                fit("SCRIPTS OF", 40),
                fit("KEYWORD", 16)
            ));
        }
        for hook in snapshot.hooks.iter().filter(failed) {
            for run in hook.last.iter().chain(&hook.running) {
                let (text, colour) = match &run.result {
                    Some(result) => (result.clone(), Colour::Bad),
                    None => {
                        let so_far =
                            duration(Duration::try_from_secs_f64(run.seconds).unwrap_or_default());
                        (format!("has been running for {so_far}"), Colour::Attention)
                    }
                };
                if run.result.as_deref() == Some("exit status 0") {
                    continue;
                }
                let text = self.paint.paint(colour, &cut(&text, WIDTH - 58));
                let line = format!("{} {} {text}", fit(&hook.object, 40), fit(&run.keyword, 16));
                self.line(&line);
            }
        }
    }
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
