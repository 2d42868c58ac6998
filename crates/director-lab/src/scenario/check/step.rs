//! Steps: their actions and expectations.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::ops::Range;

use super::super::duration::Span;
use super::super::format;
use super::super::{Action, Expectation, ProcessKind, Scenario, Step, What};
use super::Checker;
use crate::ipvs::ServiceKey;

/// How long an expectation may take unless it says otherwise, in seconds.
const DEFAULT_WITHIN: u64 = 30;

impl Checker<'_> {
    pub(super) fn step(
        &mut self,
        raw: format::Step,
        scenario: &Scenario,
        marks: &mut BTreeSet<String>,
    ) -> Step {
        let mut actions = Vec::new();
        for action in raw.actions {
            let span = action.span();
            if let Some(action) = self.action(&span, action.into_inner(), scenario, marks) {
                actions.push(action);
            }
        }
        let mut expectations = Vec::new();
        for expect in raw.expect {
            let span = expect.span();
            if let Some(expectation) = self.expectation(&span, expect.into_inner(), scenario, marks)
            {
                expectations.push(expectation);
            }
        }
        Step {
            title: raw.title,
            actions,
            expectations,
        }
    }

    fn action(
        &mut self,
        span: &Range<usize>,
        raw: format::Action,
        scenario: &Scenario,
        marks: &mut BTreeSet<String>,
    ) -> Option<Action> {
        Some(match raw {
            format::Action::Start(id) => Action::Start(self.process_id(span, &id, scenario)?),
            format::Action::Stop(id) => Action::Stop(self.process_id(span, &id, scenario)?),
            format::Action::Kill(id) => Action::Kill(self.process_id(span, &id, scenario)?),
            format::Action::Reload(id) => Action::Reload(self.process_id(span, &id, scenario)?),
            format::Action::LinkDown(link) => self.link(span, &link, scenario, false)?,
            format::Action::LinkUp(link) => self.link(span, &link, scenario, true)?,
            format::Action::Run(run) => {
                self.known_node(span, &run.node, scenario)?;
                if run.command.is_empty() {
                    self.say(span.clone(), "`command` needs at least the program");
                }
                Action::Run {
                    node: run.node,
                    command: run.command,
                    status: run.status,
                    show: run.show,
                }
            }
            format::Action::Copy(copy) => {
                self.known_node(span, &copy.node, scenario)?;
                self.file_of_scenario(span, &copy.from);
                self.file_of_scenario(span, &copy.to);
                Action::Copy {
                    node: copy.node,
                    from: copy.from,
                    to: copy.to,
                }
            }
            format::Action::Mark(name) => {
                marks.insert(name.clone());
                Action::Mark(name)
            }
        })
    }

    fn link(
        &mut self,
        span: &Range<usize>,
        text: &str,
        scenario: &Scenario,
        up: bool,
    ) -> Option<Action> {
        let Some((node, interface)) = text.split_once('/') else {
            self.say(span.clone(), format!("`{text}` is not NODE/INTERFACE"));
            return None;
        };
        let known = self.known_node(span, node, scenario)?;
        if !known.interfaces.iter().any(|i| i.name == interface) {
            let names: Vec<&str> = known.interfaces.iter().map(|i| i.name.as_str()).collect();
            self.say(
                span.clone(),
                format!(
                    "{node} has no interface `{interface}`, it has {}",
                    names.join(", ")
                ),
            );
        }
        Some(Action::Link {
            node: node.to_owned(),
            interface: interface.to_owned(),
            up,
        })
    }

    fn expectation(
        &mut self,
        span: &Range<usize>,
        mut raw: format::Expect,
        scenario: &Scenario,
        marks: &BTreeSet<String>,
    ) -> Option<Expectation> {
        let on = self.nodes(span, raw.on.take(), scenario);
        let not_on = self.nodes(span, raw.not_on.take(), scenario);
        let (within, holds_for, label) =
            (raw.within.take(), raw.holds_for.take(), raw.label.take());
        let qualifiers = (!on.is_empty(), !not_on.is_empty(), label.is_some());
        let is_address = raw.address.is_some();
        let is_table = raw.ipvs.is_some();

        let mut found = Vec::new();
        if let Some(address) = raw.address.take() {
            if on.is_empty() && not_on.is_empty() {
                self.say(span.clone(), "`address` needs `on` or `not_on`");
            }
            found.push(What::Address {
                address,
                on: on.clone(),
                not_on,
                label,
            });
        }
        if let Some(ipvs) = raw.ipvs.take() {
            if on.is_empty() {
                self.say(span.clone(), "`ipvs` needs `on`");
            }
            found.extend(self.table(span, ipvs, on));
        }
        found.extend(raw.shares.take().map(|s| What::Shares {
            requests: s.requests,
            scheduler: s.scheduler,
            weights: s.weights,
            address: s.address,
            tolerance: s.tolerance,
            since: s.since,
        }));
        found.extend(raw.no_failures.take().map(|n| What::NoFailures {
            requests: n.requests,
            since: n.since,
        }));
        found.extend(raw.failures.take().map(|n| What::Failures {
            at_least: n.at_least,
            since: n.since,
        }));
        found.extend(raw.answered_by.take().map(|a| What::AnsweredBy {
            servers: a.servers,
            requests: a.requests,
            address: a.address,
            since: a.since,
        }));
        found.extend(raw.gap.take().map(|g| What::Gap {
            address: g.address,
            at_most: g.at_most,
            since: g.since,
        }));
        found.extend(raw.addresses_used.take().map(|a| What::AddressesUsed {
            addresses: a.addresses,
            requests: a.requests,
        }));
        if let Some(id) = raw.running.take() {
            found.push(What::Running(self.process_id(span, &id, scenario)?));
        }
        if let Some(exited) = raw.exited.take() {
            let process = self.process_id(span, &exited.process, scenario)?;
            let signal = exited
                .signal
                .map(|s| s.trim_start_matches("SIG").to_owned());
            found.push(What::Exited {
                process,
                status: exited.status,
                signal,
            });
        }
        if let Some(file) = raw.file.take() {
            self.known_node(span, &file.node, scenario)?;
            found.push(What::File {
                node: file.node,
                path: file.path,
                contains: file.contains,
            });
        }
        if let Some(log) = raw.log.take() {
            let process = self.process_id(span, &log.process, scenario)?;
            found.push(What::Log {
                process,
                contains: log.contains,
                since: log.since,
            });
        }

        let misplaced = [
            ("on", qualifiers.0 && !is_address && !is_table),
            ("not_on", qualifiers.1 && !is_address),
            ("label", qualifiers.2 && !is_address),
        ];
        for (key, _) in misplaced.into_iter().filter(|(_, wrong)| *wrong) {
            self.say(
                span.clone(),
                format!("`{key}` goes with `address` (`on` also with `ipvs`) only"),
            );
        }
        if found.len() != 1 {
            self.say(
                span.clone(),
                "an expectation is one of address, ipvs, shares, no_failures, failures, answered_by, \
                 addresses_used, gap, running, exited, file and log",
            );
            return None;
        }
        let what = found.pop()?;
        self.since(span, &what, marks);
        let within = within.unwrap_or_else(|| default_within(&what, scenario));
        if what.is_about_traffic() && slowest_client(scenario).is_none() {
            self.say(
                span.clone(),
                "this needs a process of kind = \"client\" on some node",
            );
        }
        if what.requests() > 100_000 {
            self.say(span.clone(), "`requests` must be 100000 or less");
        }
        Some(Expectation {
            what,
            within,
            holds_for,
        })
    }

    fn since(&mut self, span: &Range<usize>, what: &What, marks: &BTreeSet<String>) {
        let (What::Shares { since, .. }
        | What::NoFailures { since, .. }
        | What::Failures { since, .. }
        | What::AnsweredBy { since, .. }
        | What::Gap { since, .. }
        | What::Log { since, .. }) = what
        else {
            return;
        };
        if let Some(mark) = since.as_ref().filter(|mark| !marks.contains(*mark)) {
            let known: Vec<&str> = marks.iter().map(String::as_str).collect();
            let known = if known.is_empty() {
                "none so far".to_owned()
            } else {
                known.join(", ")
            };
            self.say(
                span.clone(),
                format!("no `mark = \"{mark}\"` stands before this; the marks are {known}"),
            );
        }
    }

    fn table(
        &mut self,
        span: &Range<usize>,
        raw: format::Ipvs,
        nodes: Vec<String>,
    ) -> Option<What> {
        let service: ServiceKey = match raw.service.parse() {
            Ok(service) => service,
            Err(error) => {
                self.say(span.clone(), error.to_string());
                return None;
            }
        };
        let destinations = raw.destinations.map(|all| {
            let mut destinations = BTreeMap::new();
            for (address, weight) in all {
                match address.parse::<SocketAddr>() {
                    Ok(address) => {
                        destinations.insert(address, weight);
                    }
                    Err(_) => self.say(
                        span.clone(),
                        format!("`{address}` is not a destination: write ADDRESS:PORT"),
                    ),
                }
            }
            destinations
        });
        Some(What::Table {
            nodes,
            service,
            present: raw.present.unwrap_or(true),
            scheduler: raw.scheduler,
            destinations,
            forward: raw.forward,
        })
    }
}

/// Time for the requests at the client's rate, twice, besides the usual wait.
fn default_within(what: &What, scenario: &Scenario) -> Span {
    let rate = slowest_client(scenario).unwrap_or(1.0).max(0.1);
    let requests = u32::try_from(what.requests()).unwrap_or(u32::MAX);
    Span::seconds(DEFAULT_WITHIN + (2.0 * f64::from(requests) / rate).ceil() as u64)
}

fn slowest_client(scenario: &Scenario) -> Option<f64> {
    let rates = scenario
        .nodes
        .iter()
        .flat_map(|node| &node.processes)
        .filter_map(|process| match process.kind {
            ProcessKind::Client { rate, .. } => Some(rate),
            _ => None,
        });
    rates.reduce(f64::min)
}
