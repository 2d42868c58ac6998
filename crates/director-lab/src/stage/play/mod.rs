//! Plays the steps: does what they say, takes in events, and waits until the expectations hold.

mod events;
mod wait;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::sync::mpsc;

use self::events::{Events, attend, send};
use super::StageOrder;
use super::node::{NodeError, NodeHandle};
use super::program::{self, READY_WITHIN};
use crate::clock::Moment;
use crate::event::Event;
use crate::ipvs::Table;
use crate::judge::World;
use crate::record::{Failure, Record, milliseconds};
use crate::scenario::{Action, ProcessId, ProcessKind, Role, Scenario, Step, What};

/// How long a process may take to end before it is started again.
const ENDS_WITHIN: Duration = Duration::from_secs(30);

pub(super) struct Player<'a> {
    scenario: &'a Scenario,
    order: &'a StageOrder,
    nodes: BTreeMap<String, NodeHandle>,
    events: Events,
    slack: Duration,
    shown_tables: BTreeMap<String, Table>,
}

impl<'a> Player<'a> {
    pub(super) fn new(
        scenario: &'a Scenario,
        order: &'a StageOrder,
        nodes: BTreeMap<String, NodeHandle>,
        inbox: mpsc::Receiver<Event>,
    ) -> Self {
        Self {
            scenario,
            order,
            nodes,
            events: Events {
                inbox,
                world: World::new(scenario),
                began: None,
                now: Moment::now(),
            },
            slack: order.slack.unwrap_or(scenario.slack),
            shown_tables: BTreeMap::new(),
        }
    }

    /// Sets up every node.
    pub(super) async fn configure(&mut self) -> Result<(), NodeError> {
        for node in self.nodes.values() {
            attend(&mut self.events, node.configure()).await?;
        }
        Ok(())
    }

    /// Plays all steps up to the first that fails; whether every one held.
    pub(super) async fn play(&mut self) -> bool {
        send(&Record::Begin {
            scenario: self.scenario.name.clone(),
            description: self.scenario.description.clone(),
            kernel: self.order.kernel.clone(),
            nodes: self.node_lines(),
        });
        let mut passed = match self.start_all().await {
            Ok(()) => true,
            Err(seen) => {
                let failure = self.failure(vec![("the nodes start".to_owned(), seen)], &[]);
                self.begin_time();
                self.end_step(0, Some(failure), self.events.now);
                false
            }
        };
        self.begin_time();
        if passed {
            for (index, step) in self.scenario.steps.iter().enumerate() {
                let failure = self.step(index + 1, step).await;
                passed = failure.is_none();
                if !passed {
                    break;
                }
            }
        }
        let traffic = self.events.world.traffic.count(Moment::default()).into();
        send(&Record::End {
            at: self.at(Moment::now()),
            passed,
            traffic,
        });
        passed
    }

    fn begin_time(&mut self) {
        if self.events.began.is_none() {
            self.events.began = Some(Moment::now());
        }
    }

    fn node_lines(&self) -> Vec<String> {
        self.scenario
            .nodes
            .iter()
            .map(|node| {
                let addresses: Vec<String> = node
                    .interfaces
                    .iter()
                    .flat_map(|i| &i.addresses)
                    .map(|prefix| prefix.address.to_string())
                    .collect();
                format!("{} {}", node.name, addresses.join(" "))
            })
            .collect()
    }

    async fn start_all(&mut self) -> Result<(), String> {
        for node in &self.scenario.nodes {
            for process in node.processes.iter().filter(|process| process.autostart) {
                let id = ProcessId {
                    node: node.name.clone(),
                    process: process.name.clone(),
                };
                self.start(&id).await?;
            }
        }
        Ok(())
    }

    async fn step(&mut self, number: usize, step: &Step) -> Option<Failure> {
        self.events.drain();
        let began = Moment::now();
        self.events.now = began;
        send(&Record::StepBegin {
            at: self.at(began),
            number,
            title: step.title.clone(),
        });
        let mut failure = None;
        for action in &step.actions {
            send(&Record::Action {
                at: self.at(Moment::now()),
                text: action.to_string(),
            });
            if let Err(seen) = self.perform(action).await {
                let concerned = nodes_of(action);
                let concerned: Vec<&str> = concerned.iter().map(String::as_str).collect();
                failure = Some(self.failure(vec![(action.to_string(), seen)], &concerned));
                break;
            }
        }
        if failure.is_none() {
            failure = self.wait_for(step, began).await;
        }
        self.show_tables().await;
        self.end_step(number, failure.clone(), began);
        failure
    }

    fn end_step(&self, number: usize, failure: Option<Failure>, began: Moment) {
        let holders = self
            .addresses_of_interest()
            .into_iter()
            .map(|address| (address, self.events.world.holders(address)))
            .collect();
        let traffic = self.events.world.traffic.count(began).into();
        send(&Record::StepEnd {
            at: self.at(Moment::now()),
            number,
            failure,
            holders,
            traffic,
        });
    }

    fn addresses_of_interest(&self) -> BTreeSet<IpAddr> {
        self.scenario
            .steps
            .iter()
            .flat_map(|step| &step.expectations)
            .filter_map(|expectation| match &expectation.what {
                What::Address { address, .. } => Some(*address),
                _ => None,
            })
            .collect()
    }

    /// Tables that differ from what was shown last; those with the same configuration together.
    async fn show_tables(&mut self) {
        if !self.scenario.ipvs {
            return;
        }
        let mut shown: Vec<(Table, Vec<String>)> = Vec::new();
        for node in self
            .scenario
            .nodes
            .iter()
            .filter(|node| node.role == Role::Director)
        {
            let Some(handle) = self.nodes.get(&node.name) else {
                continue;
            };
            let table = attend(&mut self.events, handle.table()).await;
            let Some(table) = table else { continue };
            let configured = table.without_counts();
            let before = self
                .shown_tables
                .insert(node.name.clone(), configured.clone());
            if before.as_ref() == Some(&configured) {
                continue;
            }
            match shown
                .iter_mut()
                .find(|(other, _)| other.without_counts() == configured)
            {
                Some((other, nodes)) => {
                    nodes.push(node.name.clone());
                    // The counts of the one that works tell more.
                    if table.connections() > other.connections() {
                        *other = table;
                    }
                }
                None => shown.push((table, vec![node.name.clone()])),
            }
        }
        for (table, nodes) in shown {
            send(&Record::Table {
                at: self.at(Moment::now()),
                nodes,
                text: table.to_string(),
            });
        }
    }

    async fn perform(&mut self, action: &Action) -> Result<(), String> {
        let tell = |error: NodeError| error.to_string();
        match action {
            Action::Start(process) => self.start(process).await,
            Action::Stop(process) => {
                let node = node_of(&self.nodes, &process.node)?;
                attend(
                    &mut self.events,
                    node.signal(&process.process, Signal::SIGTERM),
                )
                .await
                .map_err(tell)
            }
            Action::Reload(process) => {
                let node = node_of(&self.nodes, &process.node)?;
                attend(
                    &mut self.events,
                    node.signal(&process.process, Signal::SIGHUP),
                )
                .await
                .map_err(tell)
            }
            Action::Kill(process) => {
                let node = node_of(&self.nodes, &process.node)?;
                attend(&mut self.events, node.kill(&process.process))
                    .await
                    .map_err(tell)
            }
            Action::Link {
                node,
                interface,
                up,
            } => {
                let handle = node_of(&self.nodes, node)?;
                attend(&mut self.events, handle.set_link(interface, *up))
                    .await
                    .map_err(tell)
            }
            Action::Copy { node, from, to } => {
                let handle = node_of(&self.nodes, node)?;
                attend(&mut self.events, handle.copy(from, to))
                    .await
                    .map_err(tell)
            }
            Action::Mark(name) => {
                self.events.world.set_mark(name, Moment::now());
                Ok(())
            }
            Action::Run {
                node,
                command,
                status,
                show,
            } => {
                let handle = node_of(&self.nodes, node)?;
                let line = program::command_of(command);
                let result = attend(&mut self.events, handle.run(line))
                    .await
                    .map_err(tell)?;
                if result.status == Some(*status) {
                    let shown = result.output.lines().filter(|_| *show);
                    for line in shown {
                        send(&Record::Note {
                            at: self.at(Moment::now()),
                            node: node.clone(),
                            text: line.to_owned(),
                        });
                    }
                    return Ok(());
                }
                let shown: String = result.output.chars().take(2000).collect();
                Err(match result.status {
                    Some(code) => format!("exit status {code}: {}", shown.trim()),
                    None => format!("it was ended by a signal: {}", shown.trim()),
                })
            }
        }
    }

    /// Starts a process, once an earlier life of it is over, and waits until it is at work.
    async fn start(&mut self, id: &ProcessId) -> Result<(), String> {
        let process = self
            .scenario
            .process(id)
            .ok_or_else(|| format!("there is no process {id}"))?;
        let until = Moment::now() + ENDS_WITHIN;
        while self.events.world.pid(id).is_some() {
            if !self.events.pump(until).await {
                return Err(format!("{id} is still running"));
            }
        }
        let line = program::command_line(process, self.order);
        let requests = matches!(process.kind, ProcessKind::Client { .. });
        let lives = self.events.world.lives(id);
        let began = Moment::now();
        let node = self
            .nodes
            .get(&id.node)
            .ok_or_else(|| format!("there is no node {}", id.node))?;
        let starting = node.start(&id.process, line, process.environment.clone(), requests);
        attend(&mut self.events, starting)
            .await
            .map_err(|error| error.to_string())?;
        let until = Moment::now() + READY_WITHIN;
        while self.events.world.lives(id) == lives {
            if !self.events.pump(until).await {
                return Err(format!("{id} did not start"));
            }
        }
        let Some(ready) = program::ready_line(process) else {
            return Ok(());
        };
        loop {
            if self
                .events
                .world
                .log_since(id, began)
                .any(|line| line.contains(&ready))
            {
                return Ok(());
            }
            if let Some(ending) = self.events.world.ending(id) {
                let said: Vec<&str> = self.events.world.log_since(id, began).collect();
                return Err(format!("{id} {ending}: {}", said.join(" | ")));
            }
            if !self.events.pump(until).await {
                return Err(format!(
                    "{id} has not said {ready:?} in {} s",
                    READY_WITHIN.as_secs()
                ));
            }
        }
    }

    fn at(&self, moment: Moment) -> u64 {
        milliseconds(moment.since(self.events.began.unwrap_or(moment)))
    }
}

fn nodes_of(action: &Action) -> Vec<String> {
    match action {
        Action::Start(process)
        | Action::Stop(process)
        | Action::Kill(process)
        | Action::Reload(process) => vec![process.node.clone()],
        Action::Link { node, .. } | Action::Run { node, .. } | Action::Copy { node, .. } => {
            vec![node.clone()]
        }
        Action::Mark(_) => Vec::new(),
    }
}

fn node_of<'n>(
    nodes: &'n BTreeMap<String, NodeHandle>,
    name: &str,
) -> Result<&'n NodeHandle, String> {
    let node = nodes.get(name);
    node.ok_or_else(|| format!("there is no node {name}"))
}
