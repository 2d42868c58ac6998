//! The control socket: what the daemon is doing and why, and what an operator tells it to do.
//!
//! The daemon's loop is the one owner of the truth. Clients have a task each; what they ask goes to the loop, which answers
//! from what it knows. For a snapshot it only gives away the facts, and another thread does the work.

mod build;
mod config_state;
pub(crate) mod explain;
mod facts;
mod journal;
mod kernel;
mod lag;
mod peers;
#[cfg(test)]
pub(crate) mod sample;
mod session;
mod socket;
mod target;

pub(crate) use config_state::{ConfigState, digest};
pub(crate) use facts::{Clock, Facts, TrackerFact};
pub(crate) use journal::Journal;
pub(crate) use lag::{BEAT, LagMeter};
pub(crate) use session::Asked;
pub(crate) use socket::places;

use crate::cli::RunArguments;
use crate::config::{Loaded, Plan};
use crate::lvs::{CheckId, Model};
use crate::script::HookLedger;
use crate::track::Report;
use director_control::snapshot::{self, TrackerValue};
use director_control::{Problem, ProblemKind, Response};
use healthcheck::Monitor;
use kernel::KernelReader;
use peers::PeerBook;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use vrrp_net::TrackerState;

/// Requests that may wait for the loop.
const WAITING: usize = 64;

/// The daemon's side of the control socket, and what is remembered only to be told.
pub(crate) struct Control {
    asked: mpsc::Receiver<Asked>,
    /// Kept, so that waiting for requests never ends.
    sender: mpsc::Sender<Asked>,
    served: Option<(socket::ControlSocket, JoinHandle<()>)>,
    pub(crate) journal: Journal,
    director: snapshot::Director,
    file: PathBuf,
    pub(crate) configuration: ConfigState,
    pub(crate) lag: LagMeter,
    peers: PeerBook,
    trackers: BTreeMap<String, TrackerFact>,
    kernel: KernelReader,
}

/// What of the daemon goes into a snapshot.
pub(crate) struct Parts<'a> {
    pub(crate) plan: &'a Arc<Plan>,
    pub(crate) model: &'a Model,
    pub(crate) vrrp: Option<Arc<vrrp_net::Snapshot>>,
    pub(crate) monitor: &'a Monitor<CheckId>,
    pub(crate) hooks: &'a HookLedger,
    pub(crate) has_table: bool,
}

impl Control {
    /// What there is before the daemon runs.
    pub(crate) fn new(arguments: &RunArguments, loaded: &Loaded, journal: Journal) -> Self {
        let (sender, asked) = mpsc::channel(WAITING);
        let now = Clock::now().wall;
        let node = std::fs::read_to_string("/proc/sys/kernel/hostname");
        Self {
            asked,
            sender,
            served: None,
            journal,
            director: snapshot::Director {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                pid: std::process::id(),
                node: node.map(|name| name.trim().to_owned()).unwrap_or_default(),
                started: now,
            },
            file: arguments.config.clone(),
            configuration: ConfigState::new(digest(loaded), now),
            lag: LagMeter::default(),
            peers: PeerBook::default(),
            trackers: BTreeMap::new(),
            kernel: KernelReader::default(),
        }
    }

    /// Begins to listen. Without a socket the daemon works as well, only nobody can ask it.
    pub(crate) fn listen(&mut self, arguments: &RunArguments) {
        let places = places(arguments.control.as_deref(), &arguments.state_dir);
        let group = arguments.control_group.as_deref();
        let socket = match socket::ControlSocket::bind(&places, group, false) {
            Ok(socket) => socket,
            Err(error) => return socket::absent(&error),
        };
        let listening = socket.listener.try_clone().and_then(|listener| {
            session::serve(listener, self.journal.clone(), self.sender.clone())
        });
        match listening {
            Ok(task) => {
                let path = socket.path.display().to_string();
                tracing::info!(
                    event = "control_ready",
                    path,
                    "the control socket is {path}"
                );
                self.served = Some((socket, task));
            }
            Err(source) => {
                let path = socket.path.clone();
                socket::absent(&socket::SocketError::Unusable { path, source });
            }
        }
    }

    /// The next request.
    pub(crate) async fn next(&mut self) -> Option<Asked> {
        self.asked.recv().await
    }

    /// Takes note of a tracker's state.
    pub(crate) fn tracker(&mut self, report: &Report) {
        let value = match report.state {
            TrackerState::Pending => TrackerValue::Pending,
            TrackerState::Up => TrackerValue::Up,
            TrackerState::Down => TrackerValue::Down,
            TrackerState::Value(value) => TrackerValue::Value(value.into()),
        };
        let fact = TrackerFact {
            kind: report.kind,
            value,
            reason: report.reason.clone(),
            since: Clock::now().wall,
        };
        self.trackers.insert(report.name.clone(), fact);
    }

    /// Takes note of whom the VRRP engine hears.
    pub(crate) fn peers(&mut self, vrrp: Option<&vrrp_net::Snapshot>) {
        if let Some(vrrp) = vrrp {
            self.peers.observe(vrrp);
        }
    }

    /// Everything at this moment.
    pub(crate) fn facts(&mut self, parts: Parts<'_>) -> Facts {
        self.peers(parts.vrrp.as_deref());
        Facts {
            clock: Clock::now(),
            director: self.director.clone(),
            configuration: self.configuration.clone(),
            loop_lag: self.lag.lag(),
            plan: Arc::clone(parts.plan),
            model: parts.model.clone(),
            vrrp: parts.vrrp,
            peers: self.peers.clone(),
            trackers: self.trackers.clone(),
            hooks: parts.hooks.clone(),
            monitor: parts.monitor.clone(),
            journal: self.journal.clone(),
            has_table: parts.has_table,
        }
    }

    /// Builds the snapshot elsewhere and hands it to `then`.
    pub(crate) fn with_snapshot(
        &self,
        facts: Facts,
        then: impl FnOnce(snapshot::Snapshot) + Send + 'static,
    ) {
        let (kernel, file) = (self.kernel.clone(), self.file.clone());
        tokio::spawn(async move { then(build::snapshot(facts, &file, &kernel).await) });
    }

    /// The end: nobody is served any more.
    pub(crate) fn close(&mut self) {
        if let Some((socket, task)) = self.served.take() {
            task.abort();
            drop(socket);
        }
        self.journal.flush();
    }
}

/// A refusal.
pub(crate) fn problem(kind: ProblemKind, message: impl Into<String>) -> Response {
    Response::Problem {
        problem: Problem::new(kind, message),
    }
}
