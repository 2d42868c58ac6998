//! What clients of the control socket ask of the daemon.

use super::running::Running;
use crate::control::{Asked, Facts, Parts, problem};
use director_control::{ProblemKind, Request, Response};
use std::time::Instant;

impl Running {
    /// Everything at this moment.
    pub(super) fn facts(&mut self) -> Facts {
        let vrrp = self.vrrp.as_ref();
        let parts = Parts {
            plan: &self.plan,
            model: &self.model,
            vrrp: vrrp.map(|vrrp| vrrp.engine.snapshots().latest()),
            monitor: &self.monitor,
            hooks: self.hooks.ledger(),
            has_table: self.table.is_some(),
        };
        self.control.facts(parts)
    }

    /// Answers a request, now or when what it takes is ready.
    pub(super) async fn answer(&mut self, asked: Asked) {
        let Asked {
            request, answer, ..
        } = asked;
        // A client that has gone away does not want the answer.
        match request {
            Request::Status => {
                let facts = self.facts();
                self.control.with_snapshot(facts, move |snapshot| {
                    let snapshot = Box::new(snapshot);
                    let _ = answer.send(Response::Status { snapshot });
                });
            }
            other => {
                let message = format!("this version does not answer {other:?}");
                let _ = answer.send(problem(ProblemKind::BadRequest, message));
            }
        }
    }

    /// Twice a second: how late the loop is, and what time has brought.
    pub(super) fn beat(&mut self, due: Instant) {
        self.control.lag.observe(due, Instant::now());
        let vrrp = self.vrrp.as_ref();
        let vrrp = vrrp.map(|vrrp| vrrp.engine.snapshots().latest());
        self.control.peers(vrrp.as_deref());
    }
}
