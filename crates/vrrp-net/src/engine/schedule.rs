//! What instances do by the clock besides the protocol: waiting at the start, announcing on other interfaces.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use vrrp_proto::{Event as RouterEvent, Instant, State};

use super::core::Core;
use super::instance::InstanceId;
use crate::kernel::Placed;
use crate::settings::Settings;

/// Deadlines of instances that the routers know nothing of.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// When the instances that are held back start.
    startup: Option<Instant>,
    held: BTreeSet<InstanceId>,
    extra: BTreeMap<InstanceId, Instant>,
}

impl Schedule {
    pub(super) fn new(settings: &Settings, now: Instant) -> Self {
        let after_boot = settings.delay_after_boot.saturating_sub(up_time());
        let delay = settings.startup_delay.max(after_boot);
        Self {
            startup: (!delay.is_zero()).then(|| now + delay),
            ..Self::default()
        }
    }

    pub(super) fn holds(&self, id: InstanceId) -> bool {
        self.held.contains(&id)
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        let startup = self.startup.filter(|_| !self.held.is_empty());
        startup
            .into_iter()
            .chain(self.extra.values().copied())
            .min()
    }
}

/// How long ago the machine started.
fn up_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0))
}

impl Core {
    /// Starts a new instance, or notes that it waits.
    pub(super) fn start_or_hold(&mut self, id: InstanceId, now: Instant) {
        let known = self.instances.get(&id);
        if known.is_some_and(|instance| instance.router.state() != State::Initialize) {
            self.touched.push_back(id);
        } else if self.schedule.startup.is_some_and(|due| due > now) {
            self.schedule.held.insert(id);
        } else if let Some(instance) = self.instances.get_mut(&id) {
            instance.router.handle_event(now, RouterEvent::Startup);
            self.touched.push_back(id);
        }
    }

    /// Notes when an instance announces on its other interfaces next: to be called when its wish or its configuration has
    /// changed.
    pub(super) fn note_extra(&mut self, id: InstanceId) {
        let interval = self
            .instances
            .get(&id)
            .filter(|instance| instance.wants_addresses)
            .and_then(|instance| instance.config.extra_announcements);
        match interval {
            Some((interval, _)) if !interval.is_zero() => {
                let now = self.clock.now();
                self.schedule.extra.entry(id).or_insert(now + interval);
            }
            _ => {
                self.schedule.extra.remove(&id);
            }
        }
    }

    /// Does what is due.
    pub(super) fn schedule_due(&mut self, now: Instant) {
        if self.schedule.startup.is_some_and(|due| due <= now) {
            self.schedule.startup = None;
            for id in std::mem::take(&mut self.schedule.held) {
                self.start_or_hold(id, now);
            }
            self.notice("the startup delay is over, instances start".to_owned());
        }
        let due: Vec<InstanceId> = self
            .schedule
            .extra
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            self.schedule.extra.remove(&id);
            self.note_extra(id);
            self.announce_elsewhere(id);
        }
    }

    fn announce_elsewhere(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get(&id) else {
            return;
        };
        let Some((_, all)) = instance.config.extra_announcements else {
            return;
        };
        let own = self.picture.by_name(instance.config.advert_interface());
        let own = own.map(|link| link.index);
        let elsewhere: Vec<Placed> = instance
            .placed(&self.picture)
            .filter(|placed| Some(placed.index) != own)
            .filter(|placed| all || self.links.is_made(placed.index))
            .collect();
        for placed in elsewhere {
            self.queue_announcement(id, placed);
        }
    }
}
