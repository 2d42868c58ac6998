//! Lets real servers come back as the file asks: `slow_start` and `flap_damping`.

use super::notice::Moment;
use super::running::Running;
use crate::lvs::{Happening, Touched};
use crate::recovery::{Influence, Recovery};
use ipvs_netlink::DestinationId;
use std::sync::Arc;
use std::time::Instant;

/// A real server of a virtual server.
type ServerId = (Arc<str>, DestinationId);

/// Real servers that have failed lately or are coming back.
#[derive(Debug, Default)]
pub(super) struct Recovering(Recovery<ServerId>);

impl Recovering {
    /// Waits until there is something to do; for ever if nobody is coming back.
    pub(super) async fn due(&self) {
        match self.0.poll_timeout() {
            Some(due) => tokio::time::sleep_until(due.into()).await,
            None => std::future::pending().await,
        }
    }
}

impl Running {
    /// What follows for the servers that went down or came up: notes it in the model, and tells what that changes.
    pub(super) fn recover(
        &mut self,
        happenings: &[Happening],
        touched: &mut Touched,
    ) -> Vec<Happening> {
        let now = Instant::now();
        let mut changes = Vec::new();
        for happening in happenings {
            let (virtual_server, real_server, up) = match happening {
                Happening::RealServerUp {
                    virtual_server,
                    real_server,
                    ..
                } => (virtual_server, *real_server, true),
                Happening::RealServerDown {
                    virtual_server,
                    real_server,
                    ..
                } => (virtual_server, *real_server, false),
                _ => continue,
            };
            let Some((name, server)) = self.model.real_server(virtual_server, real_server) else {
                continue;
            };
            if server.recovery.is_off() {
                continue;
            }
            let id = (Arc::clone(name), real_server);
            let influence = if up {
                self.recovering.0.came_up(now, &id)
            } else {
                self.recovering.0.went_down(now, &id, server.recovery)
            };
            if let Some(influence) = influence {
                tell(&id, &influence);
                changes.push((id, influence));
            }
        }
        let mut follows = self.influence(changes, touched);
        let fewer = happenings.iter().any(|happening| {
            matches!(
                happening,
                Happening::RealServerDown { .. } | Happening::QuorumLost { .. }
            )
        });
        if fewer {
            follows.extend(self.let_up(touched));
        }
        follows
    }

    /// A server that fails too often is better than none: where the quorum is missing nobody is held down.
    fn let_up(&mut self, touched: &mut Touched) -> Vec<Happening> {
        let model = &self.model;
        let lacks_quorum = |(name, _): &ServerId| {
            let state = model.state(name);
            state.is_some_and(|state| !state.quorum_up())
        };
        let changes = self
            .recovering
            .0
            .let_up(Instant::now(), |id| lacks_quorum(id));
        for ((virtual_server, real_server), _) in &changes {
            tracing::warn!(event = "recovered", %virtual_server, %real_server, "{virtual_server}: {real_server} is held down no longer: the quorum is missing");
        }
        let mut happenings = self.influence(changes, touched);
        // They begin with a small weight.
        happenings.extend(self.recover(&happenings, touched));
        happenings
    }

    /// Time has passed: weights grow, and servers are held down no longer.
    pub(super) fn take_recovery(&mut self) {
        let changes = self.recovering.0.handle_timeout(Instant::now());
        for ((virtual_server, real_server), influence) in &changes {
            if *influence == Influence::NONE {
                tracing::info!(event = "recovered", %virtual_server, %real_server, "{virtual_server}: {real_server} is treated as always again");
            }
        }
        let mut touched = Touched::default();
        let mut happenings = self.influence(changes, &mut touched);
        // A server that is let up begins with a small weight.
        happenings.extend(self.recover(&happenings, &mut touched));
        self.change_table(self.model.delta(&touched));
        self.tell(&happenings, Moment::Running);
    }

    /// Another configuration is in force.
    pub(super) fn replace_recovery(&mut self) {
        let model = &self.model;
        let changes = self.recovering.0.replace(Instant::now(), |(name, id)| {
            model
                .real_server(name, *id)
                .map(|(_, server)| server.recovery)
        });
        let mut touched = Touched::default();
        let nothing = changes.is_empty();
        let mut happenings = self.influence(changes, &mut touched);
        happenings.extend(self.let_up(&mut touched));
        if nothing && happenings.is_empty() {
            return;
        }
        self.change_table(self.model.delta(&touched));
        self.tell(&happenings, Moment::Running);
    }

    fn influence(
        &mut self,
        changes: Vec<(ServerId, Influence)>,
        touched: &mut Touched,
    ) -> Vec<Happening> {
        let model = &mut self.model;
        let each = changes.into_iter();
        each.flat_map(|((name, id), influence)| model.influence(&name, id, influence, touched))
            .collect()
    }
}

/// Logs what begins to hold for a server.
fn tell((virtual_server, real_server): &ServerId, influence: &Influence) {
    match &influence.held {
        Some(reason) => {
            tracing::warn!(event = "held_down", %virtual_server, %real_server, reason, "{virtual_server}: {real_server}: {reason}");
        }
        None if influence.share < 100 => {
            let share = influence.share;
            tracing::info!(event = "slow_start", %virtual_server, %real_server, share, "{virtual_server}: {real_server} begins with {share}% of its weight");
        }
        None => {}
    }
}
