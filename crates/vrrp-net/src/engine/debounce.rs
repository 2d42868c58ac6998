//! Interfaces whose state counts only when it lasts.

use std::collections::BTreeMap;
use std::time::Duration;

use vrrp_proto::Instant;

use super::core::Core;
use crate::settings::UpDownDelay;

/// Interfaces with a delay, and what counts of each.
#[derive(Debug, Default)]
pub(super) struct Debounce(BTreeMap<String, Delayed>);

#[derive(Debug)]
struct Delayed {
    down: Duration,
    up: Duration,
    /// What counts; `None` before the first look.
    counts: Option<bool>,
    /// When the opposite begins to count.
    due: Option<Instant>,
}

impl Debounce {
    pub(super) fn new(delays: &[UpDownDelay]) -> Self {
        let delayed = |delay: &UpDownDelay| Delayed {
            down: delay.down,
            up: delay.up,
            counts: None,
            due: None,
        };
        let delays = delays.iter();
        Self(
            delays
                .map(|delay| (delay.interface.clone(), delayed(delay)))
                .collect(),
        )
    }

    /// Takes over how the interfaces are now.
    fn look(&mut self, now: Instant, is_up: impl Fn(&str) -> bool) {
        for (name, delayed) in &mut self.0 {
            let up = is_up(name);
            let Some(counts) = delayed.counts else {
                delayed.counts = Some(up);
                continue;
            };
            if up == counts {
                delayed.due = None;
                continue;
            }
            let wait = if up { delayed.up } else { delayed.down };
            let due = *delayed.due.get_or_insert(now + wait);
            if due <= now {
                delayed.counts = Some(up);
                delayed.due = None;
            }
        }
    }

    /// What counts, if this interface has a delay.
    fn counts(&self, name: &str) -> Option<bool> {
        self.0.get(name)?.counts
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.0.values().filter_map(|delayed| delayed.due).min()
    }
}

impl Core {
    /// Looks at the interfaces with a delay.
    pub(super) fn look_at_interfaces(&mut self) {
        let (now, picture) = (self.clock.now(), &self.picture);
        self.debounce.look(now, |name| {
            picture.by_name(name).is_some_and(|link| link.up)
        });
    }

    /// Whether an interface counts as up. One on top of another follows the other's delay.
    pub(super) fn counts_as_up(&self, name: &str) -> bool {
        let link = self.picture.by_name(name);
        let base = self.links.base_of(name).unwrap_or(name);
        match self.debounce.counts(base) {
            Some(up) => up && link.is_some(),
            None => link.is_some_and(|link| link.up),
        }
    }

    /// A delay is over: what it held back counts now.
    pub(super) fn delays_due(&mut self) {
        let now = self.clock.now();
        if self.debounce.next_due().is_some_and(|due| due <= now) {
            self.refresh_all();
            self.settle();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_counts_when_it_has_lasted() {
        let mut debounce = Debounce::new(&[UpDownDelay {
            interface: "eth0".to_owned(),
            down: Duration::from_secs(2),
            up: Duration::from_secs(5),
        }]);
        let at = |seconds: u64| Instant::from_millis(1000 * seconds);
        let mut look = |seconds, up| {
            debounce.look(at(seconds), |_| up);
            (debounce.counts("eth0"), debounce.next_due())
        };
        assert_eq!(look(10, true), (Some(true), None));
        assert_eq!(look(11, false), (Some(true), Some(at(13))));
        // A flap begins the delay anew.
        assert_eq!(look(12, true), (Some(true), None));
        assert_eq!(look(13, false), (Some(true), Some(at(15))));
        assert_eq!(look(15, false), (Some(false), None));
        assert_eq!(look(16, true), (Some(false), Some(at(21))));
        assert_eq!(look(21, true), (Some(true), None));
        assert_eq!(debounce.counts("eth1"), None);
    }
}
