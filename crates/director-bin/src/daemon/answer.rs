//! What clients of the control socket ask of the daemon.

use super::running::Running;
use crate::control::explain::explain;
use crate::control::{Asked, Facts, Journal, Parts, problem};
use director_control::{Event, ProblemKind, Request, Response, Snapshot};
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
            Request::Explain { target } => {
                let facts = self.facts();
                let journal = self.control.journal.clone();
                self.control.with_snapshot(facts, move |snapshot| {
                    let _ = answer.send(explanation(&snapshot, &target, &journal));
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

fn explanation(snapshot: &Snapshot, target: &str, journal: &Journal) -> Response {
    let history = |wanted: &dyn Fn(&Event) -> bool, count: usize| {
        let mut events = journal.recent(wanted, count);
        events.reverse();
        events
    };
    let explanations = explain(snapshot, target, &history);
    if explanations.is_empty() {
        let message = format!(
            "there is no real server, virtual server, address, instance, group or tracker {target}; \
             `director status` shows what there is"
        );
        return problem(ProblemKind::NotFound, message);
    }
    Response::Explanation { explanations }
}
