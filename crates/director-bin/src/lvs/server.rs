//! One virtual server: its configuration, what is known about its real servers, and what follows for the table.

use super::model::Verdict;
use super::{Happening, RealServer, VirtualServer};
use ipvs_netlink::{Destination, DestinationId, VirtualService};
use std::collections::BTreeMap;

/// Whether and how something stands in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// In the table with this weight.
    Weight(u32),
    /// Not in the table.
    Absent,
}

/// A real server or sorry server as it should be, with the causes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Which server.
    pub(crate) server: DestinationId,
    /// In the table or not.
    pub(crate) presence: Presence,
    /// Why, outermost cause first.
    pub(crate) reasons: Vec<String>,
}

/// A virtual server with the verdicts about its real servers.
#[derive(Debug, Clone)]
pub(crate) struct ServerState {
    pub(super) config: VirtualServer,
    /// Verdicts by real server, one for each of its checks.
    verdicts: BTreeMap<DestinationId, Vec<Verdict>>,
    quorum_up: bool,
}

impl ServerState {
    /// A server of which nothing is known yet; `before` hands on what an earlier configuration knew of checks that stay.
    pub(super) fn new(
        config: VirtualServer,
        before: Option<&Self>,
        keep: impl Fn(DestinationId, usize) -> bool,
    ) -> Self {
        let changed = "its check has changed and has not succeeded since";
        let verdicts = config
            .real_servers
            .iter()
            .map(|server| {
                let id = server.destination.id;
                let known = before.and_then(|state| state.verdicts.get(&id));
                let start = |(index, check): (usize, &super::CheckStart)| {
                    match known.and_then(|known| known.get(index)) {
                        Some(verdict) if keep(id, index) => verdict.clone(),
                        // A server that is down comes back by passing the new check, not by the change of it.
                        Some(verdict) if !verdict.up => Verdict {
                            up: false,
                            weight: None,
                            reason: changed.to_owned(),
                        },
                        _ => Verdict::start(check),
                    }
                };
                (id, server.checks.iter().enumerate().map(start).collect())
            })
            .collect();
        Self {
            config,
            verdicts,
            quorum_up: before.is_some_and(|state| state.quorum_up),
        }
    }

    /// Takes the verdict of one check; `None` if there is no such check.
    pub(super) fn observe(
        &mut self,
        server: DestinationId,
        index: usize,
        verdict: Verdict,
    ) -> Option<Vec<Happening>> {
        let config = self.config.real_server(server)?;
        let (was_up, was_weight) = (self.is_up(config), self.live_weight(config));
        let reason = verdict.reason.clone();
        *self.verdicts.get_mut(&server)?.get_mut(index)? = verdict;
        let config = self.config.real_server(server)?;
        let (up, weight) = (self.is_up(config), self.live_weight(config));
        let virtual_server = self.config.name.clone();
        let mut happenings = Vec::new();
        match (was_up, up) {
            (false, true) => happenings.push(Happening::RealServerUp {
                virtual_server,
                real_server: server,
                reason,
            }),
            (true, false) => happenings.push(Happening::RealServerDown {
                virtual_server,
                real_server: server,
                reason,
            }),
            (true, true) if was_weight != weight => happenings.push(Happening::WeightChanged {
                virtual_server,
                real_server: server,
                from: was_weight,
                to: weight,
                reason,
            }),
            _ => {}
        }
        happenings.extend(self.judge_quorum());
        Some(happenings)
    }

    /// Brings the quorum up to date. It begins as missing, which is not told; what is told at a start is that it is there.
    pub(super) fn judge_quorum(&mut self) -> Option<Happening> {
        let weight = self.weight_sum();
        let gain = u64::from(self.config.quorum).saturating_add(u64::from(self.config.hysteresis));
        let keep = u64::from(self.config.quorum)
            .saturating_sub(u64::from(self.config.hysteresis))
            .max(1);
        let virtual_server = self.config.name.clone();
        if !self.quorum_up && weight >= gain {
            self.quorum_up = true;
            Some(Happening::QuorumGained {
                virtual_server,
                weight,
                needed: gain,
            })
        } else if self.quorum_up && weight < keep {
            self.quorum_up = false;
            let sorry_server = self
                .config
                .sorry_server
                .as_ref()
                .map(|sorry| sorry.destination.id);
            Some(Happening::QuorumLost {
                virtual_server,
                weight,
                needed: keep,
                sorry_server,
            })
        } else {
            None
        }
    }

    /// Whether this check says up now.
    pub(super) fn check_is_up(&self, server: DestinationId, index: usize) -> Option<bool> {
        self.verdicts
            .get(&server)?
            .get(index)
            .map(|verdict| verdict.up)
    }

    /// What is told when the director stops and `omega` is set: everything that is up goes down.
    pub(super) fn farewell(&self) -> Vec<Happening> {
        let reason = "the director stops".to_owned();
        let down = |server: &RealServer| Happening::RealServerDown {
            virtual_server: self.config.name.clone(),
            real_server: server.destination.id,
            reason: reason.clone(),
        };
        let servers = self
            .config
            .real_servers
            .iter()
            .filter(|server| self.is_up(server))
            .map(down);
        let quorum = self.quorum_up.then(|| Happening::QuorumLost {
            virtual_server: self.config.name.clone(),
            weight: 0,
            needed: u64::from(self.config.quorum),
            sorry_server: None,
        });
        servers.chain(quorum).collect()
    }

    /// The services of this virtual server as they should be in the kernel.
    pub(super) fn wished(&self) -> Vec<VirtualService> {
        let mut destinations: BTreeMap<DestinationId, Destination> = BTreeMap::new();
        for server in &self.config.real_servers {
            if let Presence::Weight(weight) = self.presence(server) {
                destinations.insert(
                    server.destination.id,
                    server.destination.with_weight(weight),
                );
            }
        }
        if let Some(sorry) = &self.config.sorry_server {
            let id = sorry.destination.id;
            if self.sorry_in_use() {
                destinations.insert(id, sorry.destination);
            } else if sorry.inhibit {
                destinations
                    .entry(id)
                    .or_insert_with(|| sorry.destination.with_weight(0));
            }
        }
        let with = |service: &ipvs_netlink::Service| VirtualService {
            service: service.clone(),
            destinations: destinations.clone(),
        };
        self.config.services.iter().map(with).collect()
    }

    /// Every server with its presence and why.
    pub(super) fn standings(&self) -> Vec<Standing> {
        let real = self.config.real_servers.iter().map(|server| Standing {
            server: server.destination.id,
            presence: self.presence(server),
            reasons: self.reasons(server),
        });
        let sorry = self.config.sorry_server.iter().map(|sorry| {
            let weight = self.weight_sum();
            let (presence, reason) = match (self.sorry_in_use(), sorry.inhibit) {
                (true, _) => (
                    Presence::Weight(sorry.destination.weight),
                    self.quorum_text("is missing", weight),
                ),
                (false, true) => (Presence::Weight(0), self.quorum_text("is there", weight)),
                (false, false) => (Presence::Absent, self.quorum_text("is there", weight)),
            };
            Standing {
                server: sorry.destination.id,
                presence,
                reasons: vec![reason],
            }
        });
        real.chain(sorry).collect()
    }

    /// Its configuration.
    pub(crate) const fn config(&self) -> &VirtualServer {
        &self.config
    }

    /// What a check of a real server says, by its position.
    pub(crate) fn verdict(&self, server: &RealServer, index: usize) -> Option<&Verdict> {
        self.verdicts_of(server).get(index)
    }

    /// Whether and how a real server should be in the table.
    pub(crate) fn presence(&self, server: &RealServer) -> Presence {
        if self.is_up(server) && !self.sorry_in_use() {
            Presence::Weight(self.live_weight(server))
        } else if server.inhibit_on_failure {
            Presence::Weight(0)
        } else {
            Presence::Absent
        }
    }

    /// Why, outermost cause first.
    pub(crate) fn reasons(&self, server: &RealServer) -> Vec<String> {
        let mut reasons = Vec::new();
        let up = self.is_up(server);
        if up && self.sorry_in_use() {
            reasons.push(format!(
                "{}, so the sorry server answers alone",
                self.quorum_text("is missing", self.weight_sum())
            ));
        }
        if server.checks.is_empty() {
            reasons.push("it has no check, so it counts as up".to_owned());
        }
        let verdicts = self.verdicts_of(server);
        for (check, verdict) in server
            .checks
            .iter()
            .zip(verdicts)
            .filter(|(_, verdict)| up || !verdict.up)
        {
            reasons.push(format!("{}: {}", check.kind, verdict.reason));
        }
        if !up && server.inhibit_on_failure {
            reasons.push("inhibit_on_failure keeps it with weight 0".to_owned());
        }
        reasons
    }

    fn quorum_text(&self, what: &str, weight: u64) -> String {
        format!(
            "the quorum of {} {what}, live weight {weight}",
            self.config.quorum
        )
    }

    /// Whether enough real servers are up.
    pub(crate) const fn quorum_up(&self) -> bool {
        self.quorum_up
    }

    /// Whether the sorry server answers alone.
    pub(crate) const fn sorry_in_use(&self) -> bool {
        !self.quorum_up && self.config.sorry_server.is_some()
    }

    fn verdicts_of(&self, server: &RealServer) -> &[Verdict] {
        self.verdicts
            .get(&server.destination.id)
            .map_or(&[], Vec::as_slice)
    }

    /// Whether all of its checks say up.
    pub(crate) fn is_up(&self, server: &RealServer) -> bool {
        self.verdicts_of(server).iter().all(|verdict| verdict.up)
    }

    /// The configured weight with what the checks add to it.
    fn live_weight(&self, server: &RealServer) -> u32 {
        let configured = i64::from(server.destination.weight);
        let change = |verdict: &Verdict| {
            verdict.weight.map_or(0, |weight| {
                i64::from(weight.apply(server.destination.weight)).saturating_sub(configured)
            })
        };
        let weight = self
            .verdicts_of(server)
            .iter()
            .map(change)
            .fold(configured, i64::saturating_add);
        u32::try_from(weight.clamp(0, i64::from(i32::MAX))).unwrap_or(0)
    }

    /// The weights of all live real servers together.
    pub(crate) fn weight_sum(&self) -> u64 {
        let live = self
            .config
            .real_servers
            .iter()
            .filter(|server| self.is_up(server));
        live.map(|server| u64::from(self.live_weight(server))).sum()
    }
}
