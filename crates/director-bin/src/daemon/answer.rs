//! What clients of the control socket ask of the daemon.

use super::mastership::peers_answer;
use super::running::Running;
use crate::control::explain::explain;
use crate::control::{Asked, Facts, Incoming, Journal, Parts, problem};
use crate::legacy;
use crate::metrics::{Format, page};
use director_control::{
    Action, ActionOutcome, Event, Order, Problem, ProblemKind, Request, Response, Snapshot,
};
use std::sync::Arc;
use std::time::Instant;

/// A file that keepalived writes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Legacy {
    /// The state of everything, for people.
    Data,
    /// Counters of the instances.
    Stats,
    /// The instances, for programs.
    Json,
}

impl Running {
    /// Everything at this moment.
    pub(super) fn facts(&mut self) -> Facts {
        let vrrp = self.vrrp.as_ref();
        let parts = Parts {
            plan: &self.plan,
            model: &self.model,
            vrrp: vrrp.map(|vrrp| vrrp.engine.snapshots().latest()),
            monitor: &self.monitor,
            hooks: self.notifier.ledger(),
            has_table: self.table.is_some(),
        };
        self.control.facts(parts)
    }

    /// Takes what comes over the control socket or because of it. True if everything is a successor's now.
    pub(super) async fn incoming(&mut self, incoming: Incoming) -> bool {
        match incoming {
            Incoming::Asked(Asked {
                request:
                    Request::HandOver {
                        pid,
                        network_namespace,
                    },
                who,
                answer,
                ..
            }) => {
                let successor = (pid, network_namespace);
                return self.hand_over(successor, &who, answer).await;
            }
            Incoming::Asked(asked) => self.answer(asked).await,
            Incoming::TakenOver(_) => {}
            Incoming::Drained(empty) => {
                self.control.counted();
                self.drained(&empty);
            }
        }
        false
    }

    /// Answers a request, now or when what it takes is ready. A client that has gone away does not want the answer.
    async fn answer(&mut self, asked: Asked) {
        let Asked {
            request,
            who,
            answer,
            looked_at,
        } = asked;
        if let Request::Status | Request::Explain { .. } | Request::Metrics = &request {
            self.refresh_vrrp().await;
        }
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
                    // The history is read from text, which takes a while.
                    tokio::task::spawn_blocking(move || {
                        let _ = answer.send(explanation(&snapshot, &target, &journal));
                    });
                });
            }
            Request::Metrics => {
                let facts = self.facts();
                self.control.with_snapshot(facts, move |snapshot| {
                    let text = page(&snapshot, Format::Openmetrics);
                    let _ = answer.send(Response::Metrics { text });
                });
            }
            Request::Plan => {
                let started = Instant::now();
                let planned = self.planned_reload().map(|told| ActionOutcome {
                    done: false,
                    changes: told.changes,
                    notes: told.notes,
                    took_seconds: started.elapsed().as_secs_f64(),
                });
                let _ = answer.send(done(planned));
            }
            Request::Export => {
                let servers = self.plan.virtual_servers.iter().map(|server| &**server);
                let text = self.control.overrides.export(servers);
                let _ = answer.send(Response::Export { text });
            }
            Request::Order { order } => {
                let asked = Asked {
                    request: Request::Order {
                        order: order.clone(),
                    },
                    who: who.clone(),
                    answer,
                    looked_at: None,
                };
                if let Some(asked) = self.look_first(&order, asked, looked_at.as_ref()) {
                    let mut outcome = self.order(order, who).await;
                    if let Ok(outcome) = &mut outcome {
                        outcome.notes.extend(looked_at.into_iter().flatten());
                    }
                    let _ = asked.answer.send(done(outcome));
                }
            }
            other => {
                let message = format!("this version does not answer {other:?}");
                let _ = answer.send(problem(ProblemKind::BadRequest, message));
            }
        }
    }

    /// Giving up mastership needs somebody to take over, which takes a moment to find out: the order comes back after that.
    /// Gives `asked` back if it can be done at once.
    fn look_first(
        &self,
        order: &Order,
        asked: Asked,
        looked_at: Option<&Vec<String>>,
    ) -> Option<Asked> {
        let instance = match &order.action {
            Action::Failover { instance } => instance.as_deref(),
            Action::Maintenance { on: true } => None,
            _ => return Some(asked),
        };
        let candidates = self.candidates(instance);
        if order.force || looked_at.is_some() || candidates.is_empty() {
            return Some(asked);
        }
        self.control.look_at(asked, peers_answer(candidates));
        None
    }

    /// Writes one of keepalived's files, if they are wanted.
    pub(super) fn write_legacy(&mut self, which: Legacy) {
        let directory = self.arguments.keepalived_files.as_deref();
        let below = |name: &str| directory.map(|directory| directory.join(name));
        let configured = self.plan.state_dump_file.as_deref();
        let paths = match which {
            Legacy::Data => legacy::data_paths(configured, directory).map(Vec::from),
            Legacy::Stats => below("keepalived.stats").map(|path| vec![path]),
            Legacy::Json => below("keepalived.json").map(|path| vec![path]),
        };
        let Some(paths) = paths else {
            return;
        };
        let (facts, plan) = (self.facts(), Arc::clone(&self.plan));
        let processes = self.trackers.processes();
        self.control.with_snapshot(facts, move |snapshot| {
            let texts = match which {
                Legacy::Data => vec![
                    legacy::data(&snapshot, &plan),
                    legacy::check_data(&snapshot, &plan),
                ],
                Legacy::Stats => vec![legacy::stats(&snapshot.instances)],
                Legacy::Json => vec![legacy::json(&snapshot.instances, &processes, &plan)],
            };
            // keepalived writes none of what it does not run.
            for (path, text) in paths.iter().zip(texts).filter(|(_, text)| !text.is_empty()) {
                if let Err(error) = legacy::write(path, &text) {
                    let path = path.display();
                    tracing::error!(event = "file_not_written", %error, "{path} cannot be written: {error}");
                }
            }
        });
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

fn done(outcome: Result<ActionOutcome, Problem>) -> Response {
    match outcome {
        Ok(outcome) => Response::Done { outcome },
        Err(problem) => Response::Problem { problem },
    }
}
