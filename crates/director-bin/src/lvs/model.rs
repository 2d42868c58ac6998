//! All virtual servers together.

use super::server::ServerState;
use super::{CheckStart, Happening, Standing, VirtualServer};
use healthcheck::Weight;
use ipvs_netlink::{DestinationId, Table, VirtualService};
use std::collections::BTreeMap;
use std::fmt;

/// Which check of which real server of which virtual server.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct CheckId {
    /// Name of the virtual server.
    pub(crate) virtual_server: String,
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
    /// The weight it asks for, if it does.
    pub(crate) weight: Option<Weight>,
    /// What it saw.
    pub(crate) reason: String,
}

impl Verdict {
    /// What holds before the first attempt.
    pub(super) fn start(check: &CheckStart) -> Self {
        let reason = if check.alpha {
            "no check has succeeded yet"
        } else {
            "no check has failed yet"
        };
        Self {
            up: !check.alpha,
            weight: None,
            reason: reason.to_owned(),
        }
    }
}

/// The configuration of all virtual servers and the verdicts about their real servers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    servers: BTreeMap<String, ServerState>,
}

impl Model {
    /// Takes another configuration. Verdicts of checks for which `keep` says so stay, as do the
    /// quorum states. A check that has changed starts anew, from where its server stood if that was
    /// down. Tells what that changes.
    pub(crate) fn replace(
        &mut self,
        config: Vec<VirtualServer>,
        keep: impl Fn(&CheckId) -> bool,
    ) -> Vec<Happening> {
        let before = std::mem::take(&mut self.servers);
        let mut happenings = Vec::new();
        for config in config {
            let name = config.name.clone();
            let old = before.get(&name);
            let kept = |real_server, index| {
                keep(&CheckId {
                    virtual_server: name.clone(),
                    real_server,
                    index,
                })
            };
            let mut state = ServerState::new(config, old, kept);
            happenings.extend(state.judge_quorum());
            self.servers.insert(name, state);
        }
        happenings
    }

    /// Takes the verdict of a check and tells what it changes. A verdict about a check that is not configured changes
    /// nothing.
    pub(crate) fn observe(&mut self, check: &CheckId, verdict: Verdict) -> Vec<Happening> {
        let state = self.servers.get_mut(&check.virtual_server);
        state
            .and_then(|state| state.observe(check.real_server, check.index, verdict))
            .unwrap_or_default()
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
            .flat_map(ServerState::wished)
            .collect()
    }

    /// The services of one virtual server as they should be.
    pub(crate) fn wished_of(&self, virtual_server: &str) -> Vec<VirtualService> {
        self.servers
            .get(virtual_server)
            .map(ServerState::wished)
            .unwrap_or_default()
    }

    /// What a stop changes for this virtual server (`omega`).
    pub(crate) fn farewell(&self, virtual_server: &str) -> Vec<Happening> {
        self.servers
            .get(virtual_server)
            .map(ServerState::farewell)
            .unwrap_or_default()
    }

    /// Every virtual server with what is known of it, by name.
    pub(crate) fn states(&self) -> impl Iterator<Item = &ServerState> {
        self.servers.values()
    }

    /// Every virtual server with whether its quorum is there, and its servers with their reasons.
    pub(crate) fn standings(&self) -> impl Iterator<Item = (&str, bool, Vec<Standing>)> {
        self.servers
            .iter()
            .map(|(name, state)| (name.as_str(), state.quorum_up(), state.standings()))
    }
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
