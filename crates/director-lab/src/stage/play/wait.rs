//! Waiting until what a step expects holds, or cannot hold any more.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Player;
use super::events::{attend, send};
use crate::clock::Moment;
use crate::judge::{Frame, Judgement, judge};
use crate::record::{Failure, Record, milliseconds};
use crate::scenario::duration::Seconds;
use crate::scenario::{Expectation, Role, Step, What};

/// How often files that a step waits for are read again, and open gaps judged anew.
const TICK: Duration = Duration::from_millis(200);
/// Log lines shown of each node concerned when a step fails.
const SHOWN_LINES: usize = 20;

/// Progress of one expectation of the current step.
struct Pending<'a> {
    expectation: &'a Expectation,
    /// When it began to hold, if it does.
    holds_since: Option<Moment>,
    last: Judgement,
    announced: bool,
}

impl Player<'_> {
    /// Waits until all expectations hold at once.
    pub(super) async fn wait_for(&mut self, step: &Step, began: Moment) -> Option<Failure> {
        let mut pending: Vec<Pending<'_>> = step
            .expectations
            .iter()
            .map(|expectation| Pending {
                expectation,
                holds_since: None,
                last: Judgement::NotYet(String::new()),
                announced: false,
            })
            .collect();
        self.events.drain();
        loop {
            // What happened up to now is judged as of the newest event, what did not as of now.
            let now = Moment::now();
            let mut wake = now + TICK;
            let mut failed = Vec::new();
            let mut done = true;
            for waiting in &mut pending {
                let frame = Frame {
                    step_began: began,
                    now,
                    slack: self.slack,
                };
                waiting.last = judge(&self.events.world, &waiting.expectation.what, frame);
                let deadline = began + waiting.expectation.within.value + self.slack;
                if waiting.last.holds() {
                    let since = *waiting.holds_since.get_or_insert(self.events.now);
                    let must = waiting
                        .expectation
                        .holds_for
                        .as_ref()
                        .map(|span| span.value);
                    let proven = since + must.unwrap_or_default();
                    if proven > now {
                        wake = wake.min(proven);
                        done = false;
                        continue;
                    }
                    if !waiting.announced {
                        waiting.announced = true;
                        self.announce(waiting, since, began);
                    }
                    continue;
                }
                waiting.holds_since = None;
                // A window of requests may fit, not fit and fit again; once is enough to tell.
                waiting.announced &= waiting.expectation.what.is_about_traffic();
                done = false;
                if matches!(waiting.last, Judgement::Never(_)) || now >= deadline {
                    failed.push((
                        describe(waiting.expectation, self.slack),
                        waiting.last.seen().to_owned(),
                    ));
                } else {
                    wake = wake.min(deadline);
                }
            }
            if done {
                return None;
            }
            if !failed.is_empty() {
                let concerned: BTreeSet<&str> = step
                    .expectations
                    .iter()
                    .zip(&pending)
                    .filter(|(_, pending)| !pending.last.holds())
                    .flat_map(|(expectation, _)| self.concerned(&expectation.what))
                    .collect();
                let concerned: Vec<&str> = concerned.into_iter().collect();
                return Some(self.failure(failed, &concerned));
            }
            self.read_files(&pending).await;
            self.events.pump(wake).await;
            self.events.drain();
        }
    }

    fn announce(&self, waiting: &Pending<'_>, since: Moment, began: Moment) {
        let mut text = waiting.expectation.what.to_string();
        if let Some(span) = &waiting.expectation.holds_for {
            text.push_str(&format!(", for {}", Seconds(span.value)));
        }
        let after = since.since(began);
        let mut limit = waiting.expectation.within.to_string();
        if after > waiting.expectation.within.value {
            limit.push_str(&format!(" + {} slack", Seconds(self.slack)));
        }
        send(&Record::Held {
            at: self.at(since),
            text,
            seen: waiting.last.seen().to_owned(),
            after: milliseconds(after),
            limit,
        });
    }

    /// Asks for the files that expectations wait for; they come as events.
    async fn read_files(&mut self, pending: &[Pending<'_>]) {
        for waiting in pending {
            let What::File { node, path, .. } = &waiting.expectation.what else {
                continue;
            };
            if let Some(handle) = self.nodes.get(node) {
                attend(&mut self.events, handle.read_file(path)).await;
            }
        }
    }

    /// The nodes whose logs explain why something did not come true.
    fn concerned<'w>(&'w self, what: &'w What) -> Vec<&'w str> {
        if !what.is_about_traffic() {
            return what.nodes();
        }
        self.scenario
            .nodes
            .iter()
            .filter(|node| matches!(node.role, Role::Director | Role::Client))
            .map(|node| node.name.as_str())
            .collect()
    }

    pub(super) fn failure(&self, what: Vec<(String, String)>, nodes: &[&str]) -> Failure {
        let mut failure = Failure::default();
        for (expected, seen) in what {
            failure.expected.push(expected);
            failure.seen.push(seen);
        }
        for node in nodes {
            let lines = self
                .events
                .world
                .last_lines(node, SHOWN_LINES)
                .into_iter()
                .map(|(at, process, text)| {
                    format!(
                        "{:>8.2}  {}: {text}",
                        self.at(at) as f64 / 1000.0,
                        process.process
                    )
                })
                .collect();
            failure.logs.insert((*node).to_owned(), lines);
        }
        failure
    }
}

fn describe(expectation: &Expectation, slack: Duration) -> String {
    format!(
        "{} within {} (+ {} slack)",
        expectation.what,
        expectation.within,
        Seconds(slack)
    )
}
