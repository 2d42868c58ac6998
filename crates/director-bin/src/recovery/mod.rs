//! How a real server comes back: with a weight that grows (`slow_start`), and not at once if it failed too often
//! (`flap_damping`). Both are off unless the file asks for them.
//!
//! A pure function of what happened and when: the caller gives the time, tells the model what comes out, and calls
//! [`Recovery::handle_timeout`] at the time that [`Recovery::poll_timeout`] names.

mod damping;
mod ramp;

pub(crate) use damping::Damping;

use damping::Failures;
use ramp::Ramp;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What the file asks for at one real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct RecoverySettings {
    /// Time in which the weight grows to its full value (`slow_start`).
    pub(crate) slow_start: Option<Duration>,
    /// Holding down after many failures (`flap_damping`, `flap_limit`).
    pub(crate) damping: Option<Damping>,
}

impl RecoverySettings {
    /// True if nothing is asked for.
    pub(crate) const fn is_off(&self) -> bool {
        self.slow_start.is_none() && self.damping.is_none()
    }
}

/// What holds for a real server beside its checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Influence {
    /// Share of its weight that it gets, in per cent; 100 is all.
    pub(crate) share: u8,
    /// Why it stays down whatever its checks say.
    pub(crate) held: Option<String>,
}

impl Influence {
    /// None: its checks decide alone.
    pub(crate) const NONE: Self = Self {
        share: 100,
        held: None,
    };

    /// The weight to program. A server that has a weight keeps at least 1.
    pub(crate) fn weight(&self, full: u32) -> u32 {
        if full == 0 {
            return 0;
        }
        let scaled = u64::from(full) * u64::from(self.share) / 100;
        u32::try_from(scaled).unwrap_or(full).max(1)
    }
}

/// Real servers that have failed lately or are coming back.
#[derive(Debug, Clone)]
pub(crate) struct Recovery<I> {
    servers: BTreeMap<I, State>,
}

impl<I> Default for Recovery<I> {
    fn default() -> Self {
        Self {
            servers: BTreeMap::new(),
        }
    }
}

#[derive(Debug, Clone)]
struct State {
    settings: RecoverySettings,
    failures: Option<Failures>,
    /// It is down, and was up before.
    down: bool,
    ramp: Option<Ramp>,
}

impl State {
    fn influence(&self, now: Instant) -> Influence {
        Influence {
            share: self.ramp.as_ref().map_or(100, |ramp| ramp.share(now)),
            held: self.failures.as_ref().and_then(Failures::held),
        }
    }

    fn next(&self) -> Option<Instant> {
        let ramp = self.ramp.as_ref().map(Ramp::next);
        let release = self.failures.as_ref().map(Failures::next);
        ramp.into_iter().chain(release).min()
    }
}

impl<I: Ord + Clone> Recovery<I> {
    /// A real server went down. Tells what holds for it now if that is something.
    pub(crate) fn went_down(
        &mut self,
        now: Instant,
        server: &I,
        settings: RecoverySettings,
    ) -> Option<Influence> {
        if settings.is_off() {
            return None;
        }
        let state = self.servers.entry(server.clone()).or_insert(State {
            settings,
            failures: None,
            down: true,
            ramp: None,
        });
        state.down = true;
        let had_ramp = state.ramp.take().is_some();
        if let Some(damping) = settings.damping {
            let failures = state
                .failures
                .get_or_insert_with(|| Failures::none(damping, now));
            failures.add(now);
        }
        let influence = state.influence(now);
        (had_ramp || influence.held.is_some()).then_some(influence)
    }

    /// A real server came up. After an outage its weight begins to grow; tells what holds for it then.
    pub(crate) fn came_up(&mut self, now: Instant, server: &I) -> Option<Influence> {
        let state = self.servers.get_mut(server)?;
        let was_down = std::mem::take(&mut state.down);
        if was_down && let Some(duration) = state.settings.slow_start {
            state.ramp = Some(Ramp::new(duration, now));
            return Some(state.influence(now));
        }
        None
    }

    /// When to call [`handle_timeout`](Self::handle_timeout); `None` if nothing is going on.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.servers.values().filter_map(State::next).min()
    }

    /// Time has passed: weights grow, and servers are held down no longer.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Vec<(I, Influence)> {
        let mut changes = Vec::new();
        self.servers.retain(|server, state| {
            if state.next().is_none_or(|next| next > now) {
                return state.down || state.ramp.is_some() || state.failures.is_some();
            }
            let held = state
                .failures
                .as_ref()
                .is_some_and(|failures| failures.held().is_some());
            if let Some(failures) = &mut state.failures {
                failures.pass(now);
            }
            state
                .failures
                .take_if(|failures| failures.is_forgotten(now));
            let ramp = state.ramp.as_mut().map(|ramp| ramp.pass(now));
            state.ramp.take_if(|ramp| ramp.is_over());
            let influence = state.influence(now);
            if ramp.is_some() || held != influence.held.is_some() {
                changes.push((server.clone(), influence));
            }
            state.down || state.ramp.is_some() || state.failures.is_some()
        });
        changes
    }

    /// Lets up those of these servers that are held down. Their failures are not forgotten.
    pub(crate) fn let_up(
        &mut self,
        now: Instant,
        which: impl Fn(&I) -> bool,
    ) -> Vec<(I, Influence)> {
        let of_them = self.servers.iter_mut().filter(|(server, _)| which(server));
        let held = of_them.filter_map(|(server, state)| {
            let let_up = state.failures.as_mut().is_some_and(Failures::let_up);
            let_up.then(|| (server.clone(), state.influence(now)))
        });
        held.collect()
    }

    /// Another configuration: servers that are gone are forgotten, and what is no longer asked for ends; what goes
    /// on follows the new settings. Tells what changes.
    pub(crate) fn replace(
        &mut self,
        now: Instant,
        settings: impl Fn(&I) -> Option<RecoverySettings>,
    ) -> Vec<(I, Influence)> {
        let mut changes = Vec::new();
        self.servers.retain(|server, state| {
            let Some(new) = settings(server) else {
                return false;
            };
            let before = state.influence(now);
            match new.slow_start {
                Some(duration) if state.settings.slow_start != Some(duration) => {
                    if let Some(ramp) = &mut state.ramp {
                        ramp.follow(duration, now);
                    }
                }
                Some(_) => {}
                None => state.ramp = None,
            }
            match new.damping {
                Some(damping) if state.settings.damping != Some(damping) => {
                    if let Some(failures) = &mut state.failures {
                        failures.follow(damping, now);
                    }
                }
                Some(_) => {}
                None => state.failures = None,
            }
            state.settings = new;
            let after = state.influence(now);
            if before != after {
                changes.push((server.clone(), after));
            }
            !new.is_off()
        });
        changes
    }

    /// What holds for a server now.
    #[cfg(test)]
    fn influence(&self, now: Instant, server: &I) -> Influence {
        self.servers
            .get(server)
            .map_or(Influence::NONE, |state| state.influence(now))
    }
}

#[cfg(test)]
mod tests;
