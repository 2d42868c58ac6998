//! Everything known about the nodes at one moment, built from events.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use super::Traffic;
use crate::clock::Moment;
use crate::event::{AddressFact, Ending, Event, Happening, Request};
use crate::ipvs::Table;
use crate::scenario::duration::Seconds;
use crate::scenario::{ProcessId, Role, Scenario};

/// Log lines kept for each process.
const KEPT_LINES: usize = 5_000;

/// Something worth a line in the timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) node: String,
    pub(crate) text: String,
}

#[derive(Debug, Default)]
pub(crate) struct World {
    nodes: BTreeMap<String, NodeFacts>,
    processes: BTreeMap<ProcessId, ProcessFacts>,
    pub(crate) traffic: Traffic,
    /// Per client and address.
    outages: BTreeMap<(ProcessId, Option<IpAddr>), Outage>,
    marks: BTreeMap<String, Moment>,
    files: BTreeMap<(String, String), String>,
}

#[derive(Debug, Default)]
struct NodeFacts {
    role: Role,
    addresses: BTreeSet<AddressFact>,
    links: BTreeMap<String, bool>,
    table: Option<Table>,
}

#[derive(Debug, Default)]
struct ProcessFacts {
    /// How often it was started.
    lives: u64,
    pid: Option<u32>,
    ending: Option<Ending>,
    log: VecDeque<(Moment, String)>,
}

/// Good answers in a row that end an outage.
const STEADY: u32 = 10;

/// Failures of an address that belong together.
#[derive(Debug, Default)]
struct Outage {
    last_good: Option<Moment>,
    failed: u64,
    good_in_a_row: u32,
    /// The longest time between two good answers of this outage.
    silence: Duration,
}

impl Outage {
    /// Takes in a request; a line for the timeline at the begin and at the end of an outage.
    fn take(&mut self, request: &Request) -> Option<String> {
        let to = request
            .address
            .map_or_else(|| "the name".to_owned(), |a| a.to_string());
        if request.by.is_none() {
            self.failed += 1;
            self.good_in_a_row = 0;
            let error = request.error.as_deref().unwrap_or("no answer");
            return (self.failed == 1)
                .then(|| format!("request {} to {to} fails: {error}", request.sequence));
        }
        let silence = self
            .last_good
            .map_or(Duration::ZERO, |last| request.finished.since(last));
        self.last_good = Some(request.finished);
        if self.failed == 0 {
            return None;
        }
        self.silence = self.silence.max(silence);
        self.good_in_a_row += 1;
        if self.good_in_a_row < STEADY {
            return None;
        }
        let ended = std::mem::replace(
            self,
            Self {
                last_good: self.last_good,
                ..Self::default()
            },
        );
        Some(format!(
            "{to} answers steadily again; {} requests failed, longest silence {}",
            ended.failed,
            Seconds(ended.silence)
        ))
    }
}

impl World {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let nodes = scenario
            .nodes
            .iter()
            .map(|node| {
                (
                    node.name.clone(),
                    NodeFacts {
                        role: node.role,
                        ..NodeFacts::default()
                    },
                )
            })
            .collect();
        Self {
            nodes,
            ..Self::default()
        }
    }

    /// Takes in an event; what people want to read about it comes back.
    pub(crate) fn observe(&mut self, event: Event) -> Vec<Note> {
        let Event { at, what } = event;
        let note = |node: &str, text: String| Note {
            node: node.to_owned(),
            text,
        };
        match what {
            Happening::Address {
                node,
                fact,
                present,
            } => {
                let facts = self.nodes.entry(node.clone()).or_default();
                // An address that is announced again may have got another label.
                facts.addresses.retain(|known| {
                    known.prefix != fact.prefix || known.interface != fact.interface
                });
                let text = if present {
                    let label = fact
                        .label
                        .as_ref()
                        .map(|l| format!(" as {l}"))
                        .unwrap_or_default();
                    format!(
                        "{} appears on {}{label}",
                        fact.prefix.address, fact.interface
                    )
                } else {
                    format!("{} leaves {}", fact.prefix.address, fact.interface)
                };
                let interesting =
                    facts.role == Role::Director && !is_link_local(fact.prefix.address);
                if present {
                    facts.addresses.insert(fact);
                }
                if interesting {
                    vec![note(&node, text)]
                } else {
                    Vec::new()
                }
            }
            Happening::Link {
                node,
                interface,
                up,
            } => {
                let facts = self.nodes.entry(node.clone()).or_default();
                let before = facts.links.insert(interface.clone(), up);
                if before.is_none_or(|was| was == up) {
                    return Vec::new();
                }
                vec![note(
                    &node,
                    format!("{interface} is {}", if up { "up" } else { "down" }),
                )]
            }
            Happening::Table { node, table } => {
                let facts = self.nodes.entry(node.clone()).or_default();
                let changes = match &facts.table {
                    Some(before) => table.changes_since(before),
                    None => table.changes_since(&Table::default()),
                };
                facts.table = Some(table);
                changes
                    .into_iter()
                    .map(|text| note(&node, format!("table: {text}")))
                    .collect()
            }
            Happening::Started { process, pid } => {
                let facts = self.processes.entry(process.clone()).or_default();
                facts.lives += 1;
                facts.pid = Some(pid);
                facts.ending = None;
                vec![note(&process.node, format!("{} starts", process.process))]
            }
            Happening::Exited { process, ending } => {
                let text = format!("{} {ending}", process.process);
                let facts = self.processes.entry(process.clone()).or_default();
                facts.pid = None;
                facts.ending = Some(ending);
                vec![note(&process.node, text)]
            }
            Happening::Line { process, text } => {
                let log = &mut self.processes.entry(process).or_default().log;
                if log.len() >= KEPT_LINES {
                    log.pop_front();
                }
                log.push_back((at, text));
                Vec::new()
            }
            Happening::Request { process, request } => {
                let node = process.node.clone();
                let outage = self.outages.entry((process, request.address)).or_default();
                let text = outage.take(&request);
                self.traffic.push(request);
                text.map(|text| note(&node, text)).into_iter().collect()
            }
            Happening::File {
                node,
                path,
                content,
            } => {
                match content {
                    Some(content) => self.files.insert((node, path), content),
                    None => self.files.remove(&(node, path)),
                };
                Vec::new()
            }
        }
    }

    pub(crate) fn set_mark(&mut self, name: &str, at: Moment) {
        self.marks.insert(name.to_owned(), at);
    }

    pub(crate) fn mark(&self, name: &str) -> Option<Moment> {
        self.marks.get(name).copied()
    }

    pub(crate) fn address(&self, node: &str, address: IpAddr) -> Option<&AddressFact> {
        self.nodes
            .get(node)?
            .addresses
            .iter()
            .find(|fact| fact.prefix.address == address)
    }

    /// The nodes that hold an address, apart from real servers, which hide theirs.
    pub(crate) fn holders(&self, address: IpAddr) -> Vec<String> {
        self.nodes
            .iter()
            .filter(|(_, facts)| facts.role != Role::RealServer)
            .filter(|(_, facts)| {
                facts
                    .addresses
                    .iter()
                    .any(|fact| fact.prefix.address == address)
            })
            .map(|(name, _)| name.clone())
            .collect()
    }

    pub(crate) fn table(&self, node: &str) -> Option<&Table> {
        self.nodes.get(node)?.table.as_ref()
    }

    pub(crate) fn pid(&self, process: &ProcessId) -> Option<u32> {
        self.processes.get(process)?.pid
    }

    /// How often a process was started.
    pub(crate) fn lives(&self, process: &ProcessId) -> u64 {
        self.processes.get(process).map_or(0, |facts| facts.lives)
    }

    pub(crate) fn ending(&self, process: &ProcessId) -> Option<&Ending> {
        self.processes.get(process)?.ending.as_ref()
    }

    pub(crate) fn file(&self, node: &str, path: &str) -> Option<&str> {
        self.files
            .get(&(node.to_owned(), path.to_owned()))
            .map(String::as_str)
    }

    pub(crate) fn log_since(
        &self,
        process: &ProcessId,
        since: Moment,
    ) -> impl Iterator<Item = &str> {
        let log = self.processes.get(process).map(|facts| &facts.log);
        log.into_iter()
            .flatten()
            .filter(move |(at, _)| *at >= since)
            .map(|(_, text)| text.as_str())
    }

    /// The last lines of every process of a node, oldest first.
    pub(crate) fn last_lines(&self, node: &str, count: usize) -> Vec<(Moment, &ProcessId, &str)> {
        let mut lines: Vec<(Moment, &ProcessId, &str)> = self
            .processes
            .iter()
            .filter(|(process, _)| process.node == node)
            .flat_map(|(process, facts)| {
                facts
                    .log
                    .iter()
                    .map(move |(at, text)| (*at, process, text.as_str()))
            })
            .collect();
        lines.sort_by_key(|(at, ..)| *at);
        lines.split_off(lines.len().saturating_sub(count))
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(six) => six.is_unicast_link_local(),
    }
}
