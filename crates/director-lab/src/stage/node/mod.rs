//! A node: a thread with a network, mount and host-name namespace of its own.
//!
//! Whatever the thread opens or starts belongs to the node. Nothing outside the thread refers to
//! its namespaces, so they end with the stage.

mod agent;
mod output;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;

use nix::sys::signal::Signal;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use super::children::Children;
use super::mounts::MountError;
use super::network::NetworkError;
use super::program::CommandLine;
use crate::event::Event;
use crate::ipvs::Table;
use crate::scenario::Node;

/// A node could not be made or did not do what it was asked.
#[derive(Debug, Error)]
pub(crate) enum NodeError {
    #[error("node {node}: cannot make its namespaces: {source}")]
    Namespaces { node: String, source: io::Error },
    #[error("node {node}: {source}")]
    Mount { node: String, source: MountError },
    #[error("node {node}: {source}")]
    Network { node: String, source: NetworkError },
    #[error("{process} cannot be started with {program}: {source}")]
    Start {
        process: String,
        program: String,
        source: io::Error,
    },
    #[error("{process} is not running")]
    NotRunning { process: String },
    #[error("node {node}: cannot {doing}: {source}")]
    Io {
        node: String,
        doing: String,
        source: io::Error,
    },
    #[error("node {node} has stopped answering")]
    Gone { node: String },
}

/// What a node can be asked.
enum Demand {
    Configure(oneshot::Sender<Result<(), NodeError>>),
    Start {
        name: String,
        line: CommandLine,
        environment: BTreeMap<String, String>,
        requests: bool,
        reply: oneshot::Sender<Result<(), NodeError>>,
    },
    Signal {
        name: String,
        signal: Signal,
        tree: bool,
        reply: oneshot::Sender<Result<(), NodeError>>,
    },
    Link {
        interface: String,
        up: bool,
        reply: oneshot::Sender<Result<(), NodeError>>,
    },
    Run {
        line: CommandLine,
        reply: oneshot::Sender<Result<RunResult, NodeError>>,
    },
    Copy {
        from: String,
        to: String,
        reply: oneshot::Sender<Result<(), NodeError>>,
    },
    ReadFile(String),
    ReadTable(oneshot::Sender<Option<Table>>),
}

/// A command that was run to its end.
#[derive(Debug)]
pub(crate) struct RunResult {
    pub(crate) status: Option<i32>,
    pub(crate) output: String,
}

/// The runner's end of a node.
#[derive(Debug)]
pub(crate) struct NodeHandle {
    name: String,
    /// The node's network namespace.
    pub(crate) network: File,
    demands: mpsc::Sender<Demand>,
}

impl std::fmt::Debug for Demand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Demand")
    }
}

impl NodeHandle {
    /// Makes the node's namespaces in a thread of its own.
    pub(crate) async fn create(
        node: Node,
        children: Children,
        events: mpsc::Sender<Event>,
    ) -> Result<Self, NodeError> {
        let name = node.name.clone();
        let (ready, is_ready) = oneshot::channel();
        let (demands, inbox) = mpsc::channel(64);
        std::thread::Builder::new()
            .name(format!("node {name}"))
            .spawn(move || agent::live(node, children, events, inbox, ready))
            .map_err(|source| NodeError::Namespaces {
                node: name.clone(),
                source,
            })?;
        match is_ready.await {
            Ok(Ok(network)) => Ok(Self {
                name,
                network,
                demands,
            }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(NodeError::Gone { node: name }),
        }
    }

    async fn ask<T>(
        &self,
        demand: impl FnOnce(oneshot::Sender<T>) -> Demand,
    ) -> Result<T, NodeError> {
        let gone = || NodeError::Gone {
            node: self.name.clone(),
        };
        let (reply, answer) = oneshot::channel();
        self.demands.send(demand(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())
    }

    /// Addresses, routes and sysctls; from then on changes are reported.
    pub(crate) async fn configure(&self) -> Result<(), NodeError> {
        self.ask(Demand::Configure).await?
    }

    pub(crate) async fn start(
        &self,
        name: &str,
        line: CommandLine,
        environment: BTreeMap<String, String>,
        requests: bool,
    ) -> Result<(), NodeError> {
        let name = name.to_owned();
        self.ask(|reply| Demand::Start {
            name,
            line,
            environment,
            requests,
            reply,
        })
        .await?
    }

    pub(crate) async fn signal(&self, name: &str, signal: Signal) -> Result<(), NodeError> {
        let name = name.to_owned();
        self.ask(|reply| Demand::Signal {
            name,
            signal,
            tree: false,
            reply,
        })
        .await?
    }

    /// SIGKILL for a process and all that belongs to it.
    pub(crate) async fn kill(&self, name: &str) -> Result<(), NodeError> {
        let name = name.to_owned();
        self.ask(|reply| Demand::Signal {
            name,
            signal: Signal::SIGKILL,
            tree: true,
            reply,
        })
        .await?
    }

    pub(crate) async fn set_link(&self, interface: &str, up: bool) -> Result<(), NodeError> {
        let interface = interface.to_owned();
        self.ask(|reply| Demand::Link {
            interface,
            up,
            reply,
        })
        .await?
    }

    pub(crate) async fn run(&self, line: CommandLine) -> Result<RunResult, NodeError> {
        self.ask(|reply| Demand::Run { line, reply }).await?
    }

    pub(crate) async fn copy(&self, from: &str, to: &str) -> Result<(), NodeError> {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.ask(|reply| Demand::Copy { from, to, reply }).await?
    }

    /// The content comes as an event.
    pub(crate) async fn read_file(&self, path: &str) {
        let _ = self.demands.send(Demand::ReadFile(path.to_owned())).await;
    }

    pub(crate) async fn table(&self) -> Option<Table> {
        self.ask(Demand::ReadTable).await.ok().flatten()
    }
}
