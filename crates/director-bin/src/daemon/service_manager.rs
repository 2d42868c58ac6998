//! What systemd is told (`Type=notify` or `notify-reload`). Without `NOTIFY_SOCKET` all of this does nothing.

use crate::lvs::Model;
use crate::output;
use sd_notify::NotifyState;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use vrrp_net::Snapshot;

/// What is told again and again: that the loop goes round, and how things stand.
#[derive(Debug)]
pub(crate) struct ServiceManager {
    /// The time between two signs of life: a third of `WatchdogSec=`, if that is set.
    watchdog: Option<Duration>,
    /// The last one.
    told: Instant,
    /// Somebody listens.
    listens: bool,
    status: String,
}

impl ServiceManager {
    /// As the environment says.
    pub(crate) fn new() -> Self {
        Self {
            watchdog: sd_notify::watchdog_enabled().map(|most| most / 3),
            told: Instant::now(),
            listens: std::env::var_os("NOTIFY_SOCKET").is_some(),
            status: String::new(),
        }
    }

    /// When the next sign of life is due.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.told.checked_add(self.watchdog?)
    }

    /// To be called by the loop that does the work, when it is due and when things may stand otherwise.
    pub(crate) fn beat(&mut self, vrrp: Option<&Snapshot>, model: &Model) {
        if self.watchdog.is_some() {
            self.told = Instant::now();
            tell(&[NotifyState::Watchdog]);
        }
        if !self.listens {
            return;
        }
        let status = status(vrrp, model);
        if status != self.status {
            tell(&[NotifyState::Status(&status)]);
            self.status = status;
        }
    }
}

/// `2 VRRP instances (1 BACKUP, 1 MASTER), 2 virtual servers, 3 of 4 real servers up`
fn status(vrrp: Option<&Snapshot>, model: &Model) -> String {
    let mut states: BTreeMap<String, usize> = BTreeMap::new();
    for instance in vrrp.iter().flat_map(|snapshot| snapshot.instances.values()) {
        let count = states.entry(instance.state.to_string()).or_default();
        *count = count.saturating_add(1);
    }
    let mut text = output::count(states.values().sum(), "VRRP instance");
    if !states.is_empty() {
        let each: Vec<String> = states
            .iter()
            .map(|(state, count)| format!("{count} {state}"))
            .collect();
        text.push_str(&format!(" ({})", each.join(", ")));
    }
    let (mut services, mut up, mut all) = (0_usize, 0_usize, 0_usize);
    for state in model.states() {
        let (live, known) = state.count_live();
        services = services.saturating_add(1);
        up = up.saturating_add(live);
        all = all.saturating_add(known);
    }
    text.push_str(&format!(", {}", output::count(services, "virtual server")));
    if all > 0 {
        text.push_str(&format!(
            ", {up} of {} up",
            output::count(all, "real server")
        ));
    }
    text
}

/// The director runs; `status` is shown by `systemctl status`.
pub(crate) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// A reload has begun; [`ready`] ends it.
pub(crate) fn reloading() {
    let mut states = vec![NotifyState::Reloading];
    if let Ok(time) = NotifyState::monotonic_usec_now() {
        states.push(time);
    }
    tell(&states);
}

/// The director has begun to stop.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager could not be told");
    }
}
