//! All virtual servers together.

use super::delta::Part;
use super::guard::{Guard, GuardChange};
use super::server::ServerState;
use super::{CheckStart, Delta, Happening, RealServer, Setting, Standing, Touched, VirtualServer};
use crate::recovery::Influence;
use director_control::Timestamp;
use director_control::snapshot::Held;
use healthcheck::Weight;
use ipvs_netlink::{DestinationId, ServiceId, Table, VirtualService};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, LazyLock};

/// Which check of which real server of which virtual server.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct CheckId {
    /// Name of the virtual server.
    pub(crate) virtual_server: Arc<str>,
    /// The real server.
    pub(crate) real_server: DestinationId,
    /// Position among the real server's checks, from 0.
    pub(crate) index: usize,
}

impl fmt::Display for CheckId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} check {}",
            self.virtual_server,
            self.real_server,
            self.index.saturating_add(1)
        )
    }
}

/// What a check says about its real server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Passed or failed.
    pub(crate) up: bool,
    /// By an attempt; otherwise it is what holds before one.
    pub(crate) made: bool,
    /// The weight it asks for, if it does.
    pub(crate) weight: Option<Weight>,
    /// What it saw. Real servers of which the same was seen share the text.
    pub(crate) reason: Arc<str>,
}

impl Verdict {
    /// What holds before the first attempt.
    pub(super) fn start(check: &CheckStart) -> Self {
        static UP: LazyLock<Arc<str>> = LazyLock::new(|| "no check has failed yet".into());
        static DOWN: LazyLock<Arc<str>> = LazyLock::new(|| "no check has succeeded yet".into());
        Self {
            up: !check.alpha,
            made: false,
            weight: None,
            reason: Arc::clone(if check.alpha { &DOWN } else { &UP }),
        }
    }

    /// Down until the check succeeds.
    pub(super) fn down(reason: &str) -> Self {
        Self {
            up: false,
            made: false,
            weight: None,
            reason: reason.into(),
        }
    }

    /// What an attempt has found.
    pub(crate) fn made(up: bool, weight: Option<Weight>, reason: &str) -> Self {
        Self {
            up,
            made: true,
            weight,
            reason: reason.into(),
        }
    }
}

/// What becomes of a check at a start or reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is the one that ran before, and its verdict holds.
    Kept,
    /// It is the one that ran before at this position, and its verdict holds.
    Moved(usize),
    /// It is new. If another one stood in its place and said down, its server has to pass the new one first.
    New,
    /// It is new, and a killed predecessor had taken its server out.
    TakenOut,
}

/// The configuration of all virtual servers and the verdicts about their real servers. A clone costs no more than a list of
/// the virtual servers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    servers: BTreeMap<Arc<str>, Arc<ServerState>>,
    /// VRRP instances that are master.
    masters: BTreeSet<Arc<str>>,
    guard: Guard,
}

impl Model {
    /// Takes another configuration. A virtual server that is the same `Arc` as before stays as it is, with all that is known
    /// of it; of the others the quorum states stay, and the verdicts that `fate` keeps. Tells what that changes.
    pub(crate) fn replace(
        &mut self,
        config: &[Arc<VirtualServer>],
        fate: impl Fn(&CheckId) -> Fate,
    ) -> Vec<Happening> {
        let mut before = std::mem::take(&mut self.servers);
        let mut happenings = Vec::new();
        for config in config {
            let old = before.remove(&config.name);
            if let Some(old) = old.as_ref().filter(|old| Arc::ptr_eq(&old.config, config)) {
                self.servers
                    .insert(Arc::clone(&config.name), Arc::clone(old));
                continue;
            }
            let of_check = |real_server, index| {
                fate(&CheckId {
                    virtual_server: Arc::clone(&config.name),
                    real_server,
                    index,
                })
            };
            let mut state = ServerState::new(Arc::clone(config), old.as_deref(), of_check);
            happenings.extend(state.judge_quorum());
            self.servers
                .insert(Arc::clone(&config.name), Arc::new(state));
        }
        happenings
    }

    /// Takes the verdict of a check, notes what it touches, and tells what it changes. A verdict about a check that is not
    /// configured changes nothing.
    pub(crate) fn observe(
        &mut self,
        check: &CheckId,
        verdict: Verdict,
        touched: &mut Touched,
    ) -> Vec<Happening> {
        let state = self.servers.get(&check.virtual_server);
        let fails = state.is_some_and(|state| state.would_fail(check.real_server, verdict.up));
        let mut happenings = Vec::new();
        // Before the quorum is judged by it: what is held is not lost.
        if fails && !self.guard.held && self.guard.is_too_many(self.guard.down.saturating_add(1)) {
            happenings.extend(self.hold(true, touched));
        }
        let Some(state) = self.servers.get_mut(&check.virtual_server) else {
            return happenings;
        };
        let state = Arc::make_mut(state);
        let (before, _) = state.down_if(self.guard.limit.is_some());
        let follows = state.observe(check.real_server, check.index, verdict, touched);
        let (after, _) = state.down_if(self.guard.limit.is_some());
        happenings.extend(follows.unwrap_or_default());
        self.guard.down = self.guard.down.saturating_add(after).saturating_sub(before);
        if self.guard.held && !self.guard.is_too_many(self.guard.down) {
            happenings.extend(self.hold(false, touched));
        }
        happenings
    }

    /// Sets the share of real servers that may be down at once, in per cent, and counts anew. To be called after
    /// [`replace`](Self::replace) and whenever something else than a verdict has turned servers up or down.
    pub(crate) fn judge_guard(
        &mut self,
        limit: Option<u8>,
        touched: &mut Touched,
    ) -> Vec<Happening> {
        self.guard.limit = limit;
        if limit.is_none() && !self.guard.held {
            return Vec::new();
        }
        let counts = self.servers.values().map(|state| state.down_of());
        let (down, all) = counts.fold((0, 0), |(down, all), (more_down, more)| {
            (down + more_down, all + more)
        });
        (self.guard.down, self.guard.all) = (down, all);
        let too_many = self.guard.is_too_many(down);
        if too_many || self.guard.held {
            self.hold(too_many, touched)
        } else {
            Vec::new()
        }
    }

    fn hold(&mut self, held: bool, touched: &mut Touched) -> Vec<Happening> {
        self.guard.held = held;
        let mut happenings = Vec::new();
        for (name, state) in &mut self.servers {
            if state.down_of().0 > 0 || held {
                touched.everything(name);
            }
            happenings.extend(Arc::make_mut(state).hold(held));
        }
        happenings
    }

    /// Whether the change guard has begun to hold or let go since this was asked last.
    pub(crate) fn guard_change(&mut self, now: Timestamp) -> Option<GuardChange> {
        self.guard.change(now)
    }

    /// What the change guard holds, if it does.
    pub(crate) const fn held(&self) -> Option<&Held> {
        self.guard.told.as_ref()
    }

    /// Takes what holds for a real server beside its checks, notes what it touches, and tells what it changes.
    pub(crate) fn influence(
        &mut self,
        virtual_server: &str,
        real_server: DestinationId,
        influence: Influence,
        touched: &mut Touched,
    ) -> Vec<Happening> {
        self.servers
            .get_mut(virtual_server)
            .and_then(|state| Arc::make_mut(state).influence(real_server, influence, touched))
            .unwrap_or_default()
    }

    /// A real server with the name of its virtual server.
    pub(crate) fn real_server(
        &self,
        virtual_server: &str,
        id: DestinationId,
    ) -> Option<(&Arc<str>, &RealServer)> {
        let (name, state) = self.servers.get_key_value(virtual_server)?;
        Some((name, state.real_server(id)?))
    }

    /// Sets something for a real server in place of what follows from configuration and checks, or takes it back. A server
    /// that is not configured is left out.
    pub(crate) fn set(
        &mut self,
        virtual_server: &str,
        real_server: DestinationId,
        set: Option<Setting>,
        reason: &str,
        touched: &mut Touched,
    ) -> Vec<Happening> {
        let state = self.servers.get_mut(virtual_server);
        // What is so already must not make the virtual server another one.
        state
            .filter(|state| state.setting(real_server).is_some_and(|known| known != set))
            .and_then(|state| Arc::make_mut(state).set(real_server, set, reason, touched))
            .unwrap_or_default()
    }

    /// A predecessor had this virtual server up: it stays so as long as its live weight keeps its quorum.
    pub(crate) fn resume_quorum(&mut self, virtual_server: &str) {
        if let Some(state) = self.servers.get_mut(virtual_server) {
            Arc::make_mut(state).resume_quorum();
        }
    }

    /// What is known of a virtual server.
    pub(crate) fn state(&self, name: &str) -> Option<&ServerState> {
        self.servers.get(name).map(|state| &**state)
    }

    /// Takes note of whether a VRRP instance is master; true if that is new.
    pub(crate) fn set_master(&mut self, instance: &Arc<str>, master: bool) -> bool {
        if master {
            self.masters.insert(Arc::clone(instance))
        } else {
            self.masters.remove(instance)
        }
    }

    /// Whether this VRRP instance is master.
    pub(crate) fn is_master(&self, instance: &str) -> bool {
        self.masters.contains(instance)
    }

    /// Whether this check says down now.
    pub(crate) fn is_down(&self, check: &CheckId) -> bool {
        let state = self.servers.get(&check.virtual_server);
        state.and_then(|state| state.check_is_up(check.real_server, check.index)) == Some(false)
    }

    /// The whole table as it should be.
    pub(crate) fn wished(&self) -> Table {
        self.servers
            .values()
            .flat_map(|state| state.wished())
            .collect()
    }

    /// What the verdicts that were noted mean for the table.
    pub(crate) fn delta(&self, touched: &Touched) -> Delta {
        let mut delta = Delta::default();
        for (name, part) in touched.parts() {
            let Some(state) = self.servers.get(name) else {
                continue;
            };
            match part {
                Part::Everything => delta.services.extend(state.wished()),
                Part::Servers(servers) => {
                    for server in servers {
                        let wished = state.wished_server(*server);
                        let each = state.config.services.iter();
                        delta
                            .destinations
                            .extend(each.map(|service| (service.id, *server, wished)));
                    }
                }
            }
        }
        delta
    }

    /// What it takes to come from here to `next`: only virtual servers that are not the same in both.
    pub(crate) fn delta_to(&self, next: &Self) -> Delta {
        let mut services: Vec<VirtualService> = Vec::new();
        let mut removed: Vec<ServiceId> = Vec::new();
        for (name, state) in &next.servers {
            let before = self.servers.get(name);
            if before.is_some_and(|before| Arc::ptr_eq(before, state)) {
                continue;
            }
            services.extend(state.wished());
            removed.extend(before.into_iter().flat_map(|before| before.service_ids()));
        }
        let gone = self
            .servers
            .iter()
            .filter(|(name, _)| !next.servers.contains_key(*name));
        removed.extend(gone.flat_map(|(_, state)| state.service_ids()));
        // A service may have gone over from one virtual server to another.
        let stays: BTreeSet<ServiceId> =
            services.iter().map(|service| service.service.id).collect();
        removed.retain(|id| !stays.contains(id));
        Delta {
            services,
            removed,
            ..Delta::default()
        }
    }

    /// The configuration of a virtual server.
    pub(crate) fn virtual_server(&self, name: &str) -> Option<&VirtualServer> {
        self.servers.get(name).map(|state| &*state.config)
    }

    /// What a stop changes for this virtual server (`omega`).
    pub(crate) fn farewell(&self, virtual_server: &str) -> Vec<Happening> {
        self.servers
            .get(virtual_server)
            .map(|state| state.farewell())
            .unwrap_or_default()
    }

    /// Every virtual server with what is known of it, by name.
    pub(crate) fn states(&self) -> impl Iterator<Item = &ServerState> {
        self.servers.values().map(|state| &**state)
    }

    /// Every virtual server with whether its quorum is there, and its servers with their reasons.
    pub(crate) fn standings(&self) -> impl Iterator<Item = (&str, bool, Vec<Standing>)> {
        self.servers
            .iter()
            .map(|(name, state)| (&**name, state.quorum_up(), state.standings()))
    }
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
