//! The referee's knowledge of the world and its judgement of expectations. No I/O and no clock:
//! events come in with their time, see [`World::observe`] and [`judge`].

mod shares;
mod traffic;
mod world;

use std::time::Duration;

use crate::clock::Moment;
use crate::event::Ending;
use crate::ipvs::ServiceKey;
use crate::scenario::What;
use crate::scenario::duration::Seconds;

pub(crate) use traffic::{Traffic, TrafficCount};
pub(crate) use world::World;

/// Whether an expectation holds, and what was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Judgement {
    Holds(String),
    NotYet(String),
    /// It cannot come true any more.
    Never(String),
}

impl Judgement {
    pub(crate) fn holds(&self) -> bool {
        matches!(self, Self::Holds(_))
    }

    pub(crate) fn seen(&self) -> &str {
        let (Self::Holds(seen) | Self::NotYet(seen) | Self::Never(seen)) = self;
        seen
    }

    fn from_problems(problems: Vec<String>, seen: String) -> Self {
        if problems.is_empty() {
            Self::Holds(seen)
        } else {
            Self::NotYet(problems.join("; "))
        }
    }
}

/// The frame in which an expectation is judged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    /// When the step's first action was done.
    pub(crate) step_began: Moment,
    pub(crate) now: Moment,
    /// The scenario's allowance for a busy machine.
    pub(crate) slack: Duration,
}

/// Judges one expectation against what is known.
pub(crate) fn judge(world: &World, what: &What, frame: Frame) -> Judgement {
    let since = |mark: &Option<String>| {
        mark.as_ref()
            .and_then(|name| world.mark(name))
            .unwrap_or(frame.step_began)
    };
    match what {
        What::Address {
            address,
            on,
            not_on,
            label,
        } => {
            let holders = world.holders(*address);
            let mut problems = Vec::new();
            for node in on {
                match world.address(node, *address) {
                    None => problems.push(match holders.as_slice() {
                        [] => format!("no watched node has {address}"),
                        holders => format!("{address} is on {}", holders.join(", ")),
                    }),
                    Some(fact) if label.is_some() && fact.label != *label => {
                        let found = fact.label.as_deref().unwrap_or(&fact.interface);
                        problems.push(format!("{address} on {node} has the label {found}"));
                    }

                    Some(_) => {}
                }
            }
            for node in not_on
                .iter()
                .filter(|node| world.address(node, *address).is_some())
            {
                problems.push(format!("{address} is on {node}"));
            }
            problems.dedup();
            Judgement::from_problems(problems, format!("{address} on {}", holders.join(", ")))
        }
        What::Table {
            nodes,
            service,
            present,
            scheduler,
            destinations,
            forward,
        } => {
            let mut problems = Vec::new();
            for node in nodes {
                problems.extend(table_problem(world, node, service, *present).or_else(|| {
                    let found = world.table(node)?.service(service)?;
                    let mut wrong = Vec::new();
                    if scheduler
                        .as_ref()
                        .is_some_and(|wished| *wished != found.scheduler)
                    {
                        wrong.push(format!("scheduler {}", found.scheduler));
                    }
                    let has: std::collections::BTreeMap<_, _> = found
                        .destinations
                        .iter()
                        .map(|d| (d.address, d.weight))
                        .collect();
                    if destinations.as_ref().is_some_and(|wished| *wished != has) {
                        wrong.push(if has.is_empty() {
                            "no destination".to_owned()
                        } else {
                            has.iter()
                                .map(|(address, weight)| format!("{address} weight {weight}"))
                                .collect::<Vec<_>>()
                                .join(", ")
                        });
                    }
                    if let Some(wished) = forward {
                        for other in found.destinations.iter().filter(|d| d.forward != *wished) {
                            wrong.push(format!("{} is {}", other.address, other.forward.name()));
                        }
                    }
                    (!wrong.is_empty())
                        .then(|| format!("{node}: {service} has {}", wrong.join(", ")))
                }));
            }
            Judgement::from_problems(problems, "the tables are as expected".to_owned())
        }
        What::Shares {
            requests,
            scheduler,
            weights,
            address,
            tolerance,
            since: mark,
        } => {
            let promise = shares::Promise {
                scheduler,
                weights,
                tolerance: *tolerance,
            };
            world
                .traffic
                .shares(since(mark), *address, *requests, &promise)
        }
        What::NoFailures {
            requests,
            since: mark,
        } => world.traffic.no_failures(since(mark), *requests),
        What::Failures {
            at_least,
            since: mark,
        } => world.traffic.failures(since(mark), *at_least),
        What::AnsweredBy {
            servers,
            requests,
            address,
            since: mark,
        } => world
            .traffic
            .answered_by(since(mark), *address, *requests, servers),
        What::AddressesUsed {
            addresses,
            requests,
        } => world
            .traffic
            .addresses_used(frame.step_began, addresses, *requests),
        What::Gap {
            address,
            at_most,
            since: mark,
        } => {
            let (gap, answered) = world.traffic.gap(since(mark), frame, *address);
            let mut seen = format!("{address} was silent for {}", Seconds(gap));
            if gap > at_most.value {
                seen.push_str(&format!(
                    ", the limit allows {} of slack",
                    Seconds(frame.slack)
                ));
            }
            if gap > at_most.value + frame.slack {
                Judgement::Never(seen)
            } else if answered {
                Judgement::Holds(seen)
            } else {
                Judgement::NotYet(format!("no good answer from {address} yet"))
            }
        }
        What::Running(process) => match world.ending(process) {
            None if world.pid(process).is_some() => Judgement::Holds(format!("{process} runs")),
            None => Judgement::NotYet(format!("{process} was never started")),
            Some(ending) => Judgement::NotYet(format!("{process} {ending}")),
        },
        What::Exited {
            process,
            status,
            signal,
        } => match world.ending(process) {
            None => Judgement::NotYet(format!("{process} is running")),
            Some(ending) => {
                let Ending {
                    status: was,
                    signal: by,
                } = ending;
                let seen = format!("{process} {ending}");
                let fits = status.is_none_or(|wished| *was == Some(wished))
                    && signal
                        .as_ref()
                        .is_none_or(|wished| by.as_ref() == Some(wished));
                if fits {
                    Judgement::Holds(seen)
                } else {
                    Judgement::Never(seen)
                }
            }
        },
        What::File {
            node,
            path,
            contains,
        } => match world.file(node, path) {
            None => Judgement::NotYet(format!("there is no {path} on {node}")),
            Some(content) if content.contains(contains.as_str()) => {
                Judgement::Holds(format!("{path} contains it"))
            }
            Some(content) => {
                let start: String = content.chars().take(200).collect();
                Judgement::NotYet(format!("{path} holds {start:?}"))
            }
        },
        What::Log {
            process,
            contains,
            since: mark,
        } => {
            if world
                .log_since(process, since(mark))
                .any(|line| line.contains(contains.as_str()))
            {
                Judgement::Holds("it was logged".to_owned())
            } else {
                Judgement::NotYet(format!("{process} has not logged that"))
            }
        }
    }
}

fn table_problem(world: &World, node: &str, key: &ServiceKey, present: bool) -> Option<String> {
    let found = world.table(node).and_then(|table| table.service(key));
    match (found.is_some(), present) {
        (true, false) => Some(format!("{node} has {key}")),
        (false, true) if world.table(node).is_none() => Some(format!("{node} has no IPVS table")),
        (false, true) => Some(format!("{node} has no {key}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
