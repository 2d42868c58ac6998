//! One virtual server: its configuration, what is known about its real servers, and what follows for the table.

mod orders;

use super::model::{Fate, Verdict};
use super::{Happening, RealServer, Setting, Touched, VirtualServer};
use crate::recovery::Influence;
use ipvs_netlink::{Destination, DestinationId, ServiceId, VirtualService};
use std::collections::BTreeMap;
use std::sync::Arc;

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

/// A real server with what is known of it.
#[derive(Debug)]
pub(crate) struct RealView<'a> {
    /// Its configuration.
    pub(crate) config: &'a RealServer,
    /// One for each of its checks.
    pub(crate) verdicts: &'a [Verdict],
    /// All of its checks say up.
    pub(crate) up: bool,
    /// What an operator has set.
    pub(crate) set: Option<Setting>,
    /// The change guard keeps it in the table though it is down.
    pub(crate) held: bool,
    /// Whether and how it should be in the table.
    pub(crate) presence: Presence,
    /// Why, outermost cause first.
    pub(crate) reasons: Vec<String>,
}

/// A virtual server with the verdicts about its real servers.
#[derive(Debug, Clone)]
pub(crate) struct ServerState {
    pub(super) config: Arc<VirtualServer>,
    /// What is known of each real server, in the order of the configuration.
    known: Vec<Known>,
    /// Positions of the real servers in the order of their addresses.
    by_address: Box<[u32]>,
    /// Sum of the weights of the real servers that are up.
    live_weight: u64,
    quorum_up: bool,
}

/// What is known of a real server.
#[derive(Debug, Clone)]
struct Known {
    /// One for each of its checks.
    verdicts: Box<[Verdict]>,
    /// All of its checks say up, and nothing holds it down.
    up: bool,
    /// The configured weight with what the checks add to it, or what an operator has set.
    weight: u32,
    /// What holds beside its checks.
    influence: Influence,
    /// What an operator has set.
    set: Option<Setting>,
    /// The change guard keeps it in the table though it is down.
    held: bool,
}

impl Known {
    fn new(
        server: &RealServer,
        verdicts: Box<[Verdict]>,
        influence: Influence,
        set: Option<Setting>,
    ) -> Self {
        let mut known = Self {
            verdicts,
            influence,
            up: true,
            weight: 0,
            set,
            held: false,
        };
        known.judge(server);
        known
    }

    fn judge(&mut self, server: &RealServer) {
        self.up = self.influence.held.is_none() && self.verdicts.iter().all(|verdict| verdict.up);
        if let Some(set) = self.set {
            self.weight = set.weight();
            return;
        }
        let configured = i64::from(server.destination.weight);
        let change = |verdict: &Verdict| {
            verdict.weight.map_or(0, |weight| {
                i64::from(weight.apply(server.destination.weight)).saturating_sub(configured)
            })
        };
        let changes = self.verdicts.iter().map(change);
        let weight = changes.fold(configured, i64::saturating_add);
        self.weight = u32::try_from(weight.clamp(0, i64::from(i32::MAX))).unwrap_or(0);
    }

    /// What it adds to the live weight.
    fn counts(&self) -> u64 {
        if self.serves() {
            u64::from(self.weight)
        } else {
            0
        }
    }

    /// It is up, or counts as if it were.
    const fn serves(&self) -> bool {
        self.up || self.held
    }
}

impl ServerState {
    /// A server of which nothing is known yet; `before` hands on what an earlier configuration knew of checks that stay.
    pub(super) fn new(
        config: Arc<VirtualServer>,
        before: Option<&Self>,
        fate: impl Fn(DestinationId, usize) -> Fate,
    ) -> Self {
        let known: Vec<Known> = config
            .real_servers
            .iter()
            .map(|server| {
                let id = server.destination.id;
                let old = before.and_then(|state| state.known_of(id));
                let start = |(index, check): (usize, &super::CheckStart)| {
                    let fate = fate(id, index);
                    let before = match fate {
                        Fate::Moved(before) => before,
                        _ => index,
                    };
                    let old = old.and_then(|(_, known)| known.verdicts.get(before));
                    match (fate, old) {
                        (Fate::Kept | Fate::Moved(_), Some(verdict)) => verdict.clone(),
                        (Fate::TakenOut, _) => {
                            Verdict::down("an earlier director had taken it out, and no check has succeeded since")
                        }
                        // A server that is down comes back by passing the new check, not by the change of it.
                        (_, Some(verdict)) if !verdict.up => {
                            Verdict::down("its check has changed and has not succeeded since")
                        }
                        // One that is up stays in use until the new check fails: a change of the file is no failure, not
                        // even with `alpha`. The monitor tells only what differs from this.
                        (_, Some(verdict)) => verdict.clone(),
                        _ => Verdict::start(check),
                    }
                };
                let influence = old.map_or(Influence::NONE, |(_, known)| known.influence.clone());
                let verdicts = server.checks.iter().enumerate().map(start).collect();
                let held = old.is_some_and(|(_, known)| known.held);
                let known = Known::new(server, verdicts, influence, old.and_then(|(_, known)| known.set));
                Known { held, ..known }
            })
            .collect();
        let mut by_address: Box<[u32]> =
            (0..u32::try_from(known.len()).unwrap_or(u32::MAX)).collect();
        by_address.sort_unstable_by_key(|position| id_at(&config, *position));
        Self {
            live_weight: known.iter().map(Known::counts).sum(),
            quorum_up: before.is_some_and(|state| state.quorum_up),
            config,
            known,
            by_address,
        }
    }

    /// Takes the verdict of one check; `None` if there is no such check.
    pub(super) fn observe(
        &mut self,
        id: DestinationId,
        index: usize,
        mut verdict: Verdict,
        touched: &mut Touched,
    ) -> Option<Vec<Happening>> {
        let reason = verdict.reason.to_string();
        let first = self
            .known
            .first()
            .and_then(|known| known.verdicts.get(index));
        if let Some(first) = first.filter(|first| first.reason == verdict.reason) {
            verdict.reason = Arc::clone(&first.reason);
        }
        let take = |known: &mut Known| {
            *known.verdicts.get_mut(index)? = verdict;
            Some(())
        };
        self.alter(id, take, reason, touched)
    }

    /// Takes what holds for a real server beside its checks; `None` if there is no such server.
    pub(super) fn influence(
        &mut self,
        id: DestinationId,
        influence: Influence,
        touched: &mut Touched,
    ) -> Option<Vec<Happening>> {
        touched.server(&self.config.name, id);
        let reason = "flap_damping holds it down no longer".to_owned();
        let take = |known: &mut Known| {
            known.influence = influence;
            Some(())
        };
        self.alter(id, take, reason, touched)
    }

    fn alter(
        &mut self,
        id: DestinationId,
        take: impl FnOnce(&mut Known) -> Option<()>,
        reason: String,
        touched: &mut Touched,
    ) -> Option<Vec<Happening>> {
        let position = self.position(id)?;
        let server = self.config.real_servers.get(position)?;
        let known = self.known.get_mut(position)?;
        let (was_up, was_weight, counted) = (known.up, known.weight, known.counts());
        take(known)?;
        known.judge(server);
        let (up, weight) = (known.up, known.weight);
        self.live_weight = self
            .live_weight
            .saturating_sub(counted)
            .saturating_add(known.counts());
        let virtual_server = self.config.name.to_string();
        let mut happenings = Vec::new();
        match (was_up, up) {
            (false, true) => happenings.push(Happening::RealServerUp {
                virtual_server,
                real_server: id,
                reason,
            }),
            (true, false) => happenings.push(Happening::RealServerDown {
                virtual_server,
                real_server: id,
                reason,
            }),
            (true, true) if was_weight != weight => happenings.push(Happening::WeightChanged {
                virtual_server,
                real_server: id,
                from: was_weight,
                to: weight,
                reason,
            }),
            _ => {}
        }
        let quorum = self.judge_quorum();
        if quorum.is_some() && self.config.sorry_server.is_some() {
            touched.everything(&self.config.name);
        } else if !happenings.is_empty() {
            touched.server(&self.config.name, id);
        }
        happenings.extend(quorum);
        Some(happenings)
    }

    /// Brings the quorum up to date. It begins as missing, which is not told; what is told at a start is that it is there.
    pub(super) fn judge_quorum(&mut self) -> Option<Happening> {
        let weight = self.live_weight;
        let gain = u64::from(self.config.quorum).saturating_add(u64::from(self.config.hysteresis));
        let keep = u64::from(self.config.quorum)
            .saturating_sub(u64::from(self.config.hysteresis))
            .max(1);
        if !self.quorum_up && weight >= gain {
            self.quorum_up = true;
            Some(Happening::QuorumGained {
                virtual_server: self.config.name.to_string(),
                weight,
                needed: gain,
            })
        } else if self.quorum_up && weight < keep {
            self.quorum_up = false;
            let sorry_server = self.config.sorry_server.as_ref();
            Some(Happening::QuorumLost {
                virtual_server: self.config.name.to_string(),
                weight,
                needed: keep,
                sorry_server: sorry_server.map(|sorry| sorry.destination.id),
            })
        } else {
            None
        }
    }

    /// Whether this check says up now.
    pub(super) fn check_is_up(&self, server: DestinationId, index: usize) -> Option<bool> {
        let (_, known) = self.known_of(server)?;
        known.verdicts.get(index).map(|verdict| verdict.up)
    }

    /// What is told when the director stops and `omega` is set: everything that is up goes down.
    pub(super) fn farewell(&self) -> Vec<Happening> {
        let down = |(server, _): (&RealServer, &Known)| Happening::RealServerDown {
            virtual_server: self.config.name.to_string(),
            real_server: server.destination.id,
            reason: "the director stops".to_owned(),
        };
        let quorum = self.quorum_up.then(|| Happening::QuorumLost {
            virtual_server: self.config.name.to_string(),
            weight: 0,
            needed: u64::from(self.config.quorum),
            sorry_server: None,
        });
        let up = self.servers().filter(|(_, known)| known.up);
        up.map(down).chain(quorum).collect()
    }

    /// The services that it stands for.
    pub(super) fn service_ids(&self) -> impl Iterator<Item = ServiceId> {
        self.config.services.iter().map(|service| service.id)
    }

    /// The services of this virtual server as they should be in the kernel.
    pub(super) fn wished(&self) -> Vec<VirtualService> {
        let mut destinations: BTreeMap<DestinationId, Destination> = self
            .servers()
            .filter_map(|(server, known)| self.wished_real(server, known))
            .map(|destination| (destination.id, destination))
            .collect();
        if let Some(id) = self.sorry_id() {
            let wished = self.wished_sorry(destinations.get(&id).copied());
            destinations.extend(wished.map(|destination| (id, destination)));
        }
        let Some((last, others)) = self.config.services.split_last() else {
            return Vec::new();
        };
        let with = |service: &ipvs_netlink::Service| VirtualService {
            service: service.clone(),
            destinations: destinations.clone(),
        };
        let mut services: Vec<VirtualService> = others.iter().map(with).collect();
        services.push(VirtualService {
            service: last.clone(),
            destinations,
        });
        services
    }

    /// One destination of each of its services, as it should be.
    pub(super) fn wished_server(&self, id: DestinationId) -> Option<Destination> {
        let real = self
            .position(id)
            .and_then(|position| {
                self.config
                    .real_servers
                    .get(position)
                    .zip(self.known.get(position))
            })
            .and_then(|(server, known)| self.wished_real(server, known));
        if self.sorry_id() == Some(id) {
            self.wished_sorry(real)
        } else {
            real
        }
    }

    fn wished_real(&self, server: &RealServer, known: &Known) -> Option<Destination> {
        match self.presence(server, known) {
            Presence::Weight(weight) => Some(server.destination.with_weight(weight)),
            Presence::Absent => None,
        }
    }

    fn sorry_id(&self) -> Option<DestinationId> {
        let sorry = self.config.sorry_server.as_ref();
        sorry.map(|sorry| sorry.destination.id)
    }

    /// What stands in the place of the sorry server, where `real` would stand if there were none.
    fn wished_sorry(&self, real: Option<Destination>) -> Option<Destination> {
        let sorry = self.config.sorry_server.as_ref()?;
        if self.sorry_in_use() {
            Some(sorry.destination)
        } else if sorry.inhibit {
            real.or_else(|| Some(sorry.destination.with_weight(0)))
        } else {
            real
        }
    }

    /// Every server with its presence and why.
    pub(super) fn standings(&self) -> Vec<Standing> {
        let real = self.servers().map(|(server, known)| Standing {
            server: server.destination.id,
            presence: self.presence(server, known),
            reasons: self.reasons(server, known),
        });
        let sorry = self.config.sorry_server.iter().map(|sorry| {
            let (presence, what) = match (self.sorry_in_use(), sorry.inhibit) {
                (true, _) => (Presence::Weight(sorry.destination.weight), "is missing"),
                (false, true) => (Presence::Weight(0), "is there"),
                (false, false) => (Presence::Absent, "is there"),
            };
            Standing {
                server: sorry.destination.id,
                presence,
                reasons: vec![self.quorum_text(what)],
            }
        });
        real.chain(sorry).collect()
    }

    /// How many real servers are up, and how many there are.
    pub(crate) fn count_live(&self) -> (usize, usize) {
        let live = self.known.iter().filter(|known| known.up).count();
        (live, self.known.len())
    }

    /// The configuration of one of its real servers.
    pub(super) fn real_server(&self, id: DestinationId) -> Option<&RealServer> {
        self.known_of(id).map(|(server, _)| server)
    }

    /// Its configuration.
    pub(crate) fn config(&self) -> &VirtualServer {
        &self.config
    }

    /// The weights of all live real servers together.
    pub(crate) const fn live_weight(&self) -> u64 {
        self.live_weight
    }

    /// Every real server with what is known of it, in the order of the configuration.
    pub(crate) fn real_servers(&self) -> impl Iterator<Item = RealView<'_>> {
        self.servers().map(|(config, known)| RealView {
            config,
            verdicts: &known.verdicts,
            up: known.up,
            set: known.set,
            held: known.held && !known.up,
            presence: self.presence(config, known),
            reasons: self.reasons(config, known),
        })
    }

    fn presence(&self, server: &RealServer, known: &Known) -> Presence {
        match known.set {
            Some(Setting::Drained) => return Presence::Absent,
            Some(Setting::Drain) if known.up => return Presence::Weight(0),
            _ => {}
        }
        if known.serves() && !self.sorry_in_use() {
            // What an operator sets holds at once.
            Presence::Weight(match known.set {
                Some(_) => known.weight,
                None => known.influence.weight(known.weight),
            })
        } else if server.inhibit_on_failure {
            Presence::Weight(0)
        } else {
            Presence::Absent
        }
    }

    fn reasons(&self, server: &RealServer, known: &Known) -> Vec<String> {
        let mut reasons = Vec::new();
        let up = known.up;
        match known.set {
            Some(Setting::Drain) => reasons.push("an operator drains it".to_owned()),
            Some(Setting::Drained) => reasons.push("an operator has drained it".to_owned()),
            Some(Setting::Weight(weight)) => {
                reasons.push(format!("an operator has set weight {weight}"));
            }
            None => {}
        }
        if up && self.sorry_in_use() {
            reasons.push(format!(
                "{}, so the sorry server answers alone",
                self.quorum_text("is missing")
            ));
        }
        if known.held && !up {
            reasons.push("the change guard keeps it in the table".to_owned());
        }
        reasons.extend(known.influence.held.clone());
        if up && known.influence.share < 100 {
            let share = known.influence.share;
            reasons.push(format!(
                "slow_start gives it {share}% of its weight for now"
            ));
        }
        if server.checks.is_empty() {
            reasons.push("it has no check, so it counts as up".to_owned());
        }
        for (check, verdict) in server
            .checks
            .iter()
            .zip(&known.verdicts)
            .filter(|(_, verdict)| up || !verdict.up)
        {
            reasons.push(format!("{}: {}", check.kind, verdict.reason));
        }
        if !up && server.inhibit_on_failure {
            reasons.push("inhibit_on_failure keeps it with weight 0".to_owned());
        }
        reasons
    }

    fn quorum_text(&self, what: &str) -> String {
        format!(
            "the quorum of {} {what}, live weight {}",
            self.config.quorum, self.live_weight
        )
    }

    /// Whether enough real servers are up.
    pub(crate) const fn quorum_up(&self) -> bool {
        self.quorum_up
    }

    /// Whether the sorry server answers alone.
    pub(crate) fn sorry_in_use(&self) -> bool {
        !self.quorum_up && self.config.sorry_server.is_some()
    }

    fn servers(&self) -> impl Iterator<Item = (&RealServer, &Known)> {
        self.config.real_servers.iter().zip(&self.known)
    }

    fn position(&self, id: DestinationId) -> Option<usize> {
        let found = self
            .by_address
            .binary_search_by_key(&Some(id), |position| id_at(&self.config, *position));
        let position = *self.by_address.get(found.ok()?)?;
        usize::try_from(position).ok()
    }

    fn known_of(&self, id: DestinationId) -> Option<(&RealServer, &Known)> {
        let position = self.position(id)?;
        self.config
            .real_servers
            .get(position)
            .zip(self.known.get(position))
    }
}

fn id_at(config: &VirtualServer, position: u32) -> Option<DestinationId> {
    let position = usize::try_from(position).ok()?;
    let server = config.real_servers.get(position)?;
    Some(server.destination.id)
}
