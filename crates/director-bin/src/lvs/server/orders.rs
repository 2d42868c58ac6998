//! What operators, the change guard and a predecessor say of a virtual server, beside configuration and checks.

use super::{Known, ServerState};
use crate::lvs::{Happening, Setting, Touched};
use ipvs_netlink::DestinationId;

impl ServerState {
    /// Sets something for a real server, or takes it back; `None` if there is no such server or nothing new is set.
    pub(in crate::lvs) fn set(
        &mut self,
        id: DestinationId,
        set: Option<Setting>,
        reason: &str,
        touched: &mut Touched,
    ) -> Option<Vec<Happening>> {
        let position = self.position(id)?;
        let server = self.config.real_servers.get(position)?;
        let known = self.known.get_mut(position)?;
        if known.set == set {
            return None;
        }
        let (from, counted) = (known.weight, known.counts());
        known.set = set;
        known.judge(server);
        let (to, up) = (known.weight, known.up);
        self.live_weight = self
            .live_weight
            .saturating_sub(counted)
            .saturating_add(known.counts());
        let changed = Happening::WeightChanged {
            virtual_server: self.config.name.to_string(),
            real_server: id,
            from,
            to,
            reason: reason.to_owned(),
        };
        let quorum = self.judge_quorum();
        if quorum.is_some() && self.config.sorry_server.is_some() {
            touched.everything(&self.config.name);
        } else {
            touched.server(&self.config.name, id);
        }
        let told = (up && from != to).then_some(changed);
        Some(told.into_iter().chain(quorum).collect())
    }

    /// Keeps servers that are down in the table, or does so no more.
    pub(in crate::lvs) fn hold(&mut self, held: bool) -> Option<Happening> {
        for known in &mut self.known {
            known.held = held;
        }
        self.live_weight = self.known.iter().map(Known::counts).sum();
        self.judge_quorum()
    }

    /// Whether a verdict would turn a real server that is up down.
    pub(in crate::lvs) fn would_fail(&self, id: DestinationId, up: bool) -> bool {
        !up && self.known_of(id).is_some_and(|(_, known)| known.up)
    }

    /// The same as [`down_of`](Self::down_of), if anybody wants to know.
    pub(in crate::lvs) fn down_if(&self, wanted: bool) -> (usize, usize) {
        if wanted { self.down_of() } else { (0, 0) }
    }

    /// Real servers that are down, and all.
    pub(in crate::lvs) fn down_of(&self) -> (usize, usize) {
        let down = self.known.iter().filter(|known| !known.up).count();
        (down, self.known.len())
    }

    /// What is set for a real server; `None` if there is no such server.
    pub(in crate::lvs) fn setting(&self, id: DestinationId) -> Option<Option<Setting>> {
        self.known_of(id).map(|(_, known)| known.set)
    }

    /// It was up before: nothing is gained, but what is there may be kept.
    pub(in crate::lvs) fn resume_quorum(&mut self) {
        self.quorum_up = true;
        // Telling that it is lost is left to the next verdict.
        let _ = self.judge_quorum();
    }
}
