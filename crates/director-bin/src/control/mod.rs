//! The control socket: what the daemon is doing and why, and what an operator tells it to do.
//!
//! The daemon's loop is the one owner of the truth. Clients have a task each; what they ask goes to the loop, which answers
//! from what it knows. For a snapshot it only gives away the facts, and another thread does the work.

mod build;
pub(crate) mod changes;
mod config_state;
pub(crate) mod explain;
mod facts;
pub(crate) mod journal;
mod kernel;
mod lag;
mod overrides;
mod peers;
#[cfg(test)]
pub(crate) mod sample;
mod session;
mod socket;
pub(crate) mod target;
mod upkeep;

pub(crate) use build::master_down;
pub(crate) use config_state::{ConfigState, digest};
pub(crate) use facts::{Clock, Facts, TrackerFact};
pub(crate) use journal::Journal;
pub(crate) use lag::LagMeter;
pub(crate) use overrides::{Overrides, server_of, setting};
pub(crate) use session::{Asked, Incoming};
pub(crate) use socket::{check_group, places};

use crate::cli::RunArguments;
use crate::config::{Loaded, Plan};
use crate::daemon::LevelsUntil;
use crate::lvs::{CheckId, Happening, Model, Touched};
use crate::metrics::{Listener, MetricsError};
use crate::script::HookLedger;
use crate::state::StateDirectory;
use crate::track::Report;
use director_control::snapshot::{self, TrackerValue};
use director_control::{Override, OverrideKind, Problem, ProblemKind, Response, Timestamp};
use healthcheck::Monitor;
use ipvs_netlink::{DestinationId, ServiceId};
use kernel::KernelReader;
pub(crate) use peers::PeerBook;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use vrrp_net::TrackerState;

/// Requests that may wait for the loop.
const WAITING: usize = 64;

/// How long a time of day is trusted.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// The daemon's side of the control socket, and what is remembered only to be told.
pub(crate) struct Control {
    asked: mpsc::Receiver<Incoming>,
    /// Kept, so that waiting for requests never ends.
    sender: mpsc::Sender<Incoming>,
    served: Option<(socket::ControlSocket, JoinHandle<()>)>,
    metrics: Option<Listener>,
    pub(crate) journal: Journal,
    director: snapshot::Director,
    file: PathBuf,
    pub(crate) configuration: ConfigState,
    pub(crate) lag: LagMeter,
    peers: PeerBook,
    trackers: BTreeMap<String, TrackerFact>,
    kernel: KernelReader,
    /// What operators have set.
    pub(crate) overrides: Overrides,
    /// For which real servers something is set in the model.
    applied: BTreeSet<(String, DestinationId)>,
    /// What to go back to unless the last reload is confirmed.
    pub(crate) undo: Option<Undo>,
    /// Log levels that go back by themselves.
    pub(crate) levels_until: Option<LevelsUntil>,
    named: Option<(watch::Receiver<upkeep::Named>, JoinHandle<()>)>,
    /// A count of connections is on its way.
    counting: bool,
}

/// What a reload that is not confirmed goes back to.
pub(crate) struct Undo {
    pub(crate) plan: Arc<Plan>,
    pub(crate) digest: String,
    pub(crate) at: Timestamp,
}

/// Connections by virtual server, real server, and the services in which to look.
pub(crate) type Draining = Vec<(String, DestinationId, Vec<ServiceId>)>;

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
    pub(crate) fn new(
        arguments: &RunArguments,
        loaded: &Loaded,
        journal: Journal,
        state: &StateDirectory,
    ) -> Self {
        let (sender, asked) = mpsc::channel(WAITING);
        let now = Clock::now().wall;
        let node = std::fs::read_to_string("/proc/sys/kernel/hostname");
        Self {
            asked,
            sender,
            served: None,
            metrics: None,
            journal,
            director: snapshot::Director {
                version: crate::VERSION.to_owned(),
                pid: std::process::id(),
                node: node.map(|name| name.trim().to_owned()).unwrap_or_default(),
                started: now,
                log_levels: None,
                log_levels_until: None,
            },
            file: arguments.config.clone(),
            configuration: ConfigState::new(digest(&loaded.sources), now),
            lag: LagMeter::default(),
            peers: PeerBook::default(),
            trackers: BTreeMap::new(),
            kernel: KernelReader::default(),
            overrides: Overrides::read(state.file("overrides")),
            applied: BTreeSet::new(),
            undo: None,
            levels_until: None,
            named: None,
            counting: false,
        }
    }

    /// What an earlier director has left of a reload that was to be confirmed.
    pub(crate) fn resume_waiting(&mut self, undo: Option<Undo>, not_the_file: Option<String>) {
        self.configuration.pending = undo.as_ref().map(|undo| snapshot::PendingReload {
            reverts_at: undo.at,
            reverts_to: undo.digest.clone(),
        });
        self.configuration.not_the_file = not_the_file;
        self.undo = undo;
    }

    /// Says at the start, not when a signal asks for them, that keepalived's files have no place.
    pub(crate) fn check_keepalived_files(arguments: &RunArguments) {
        if let Some(folder) = arguments.keepalived_files.as_deref()
            && !folder.is_dir()
        {
            let folder = folder.display();
            tracing::warn!(
                event = "keepalived_files",
                "--keepalived-files: {folder} is no directory; make it, or SIGUSR1 and SIGUSR2 will write nothing"
            );
        }
    }

    /// Watches the maintenance directory, if there is one.
    pub(crate) fn observe_directory(&mut self, arguments: &RunArguments) {
        let directory = arguments.maintenance_dir.clone();
        self.named = directory.map(upkeep::observe);
    }

    /// Serves metrics, if that is wanted.
    pub(crate) fn serve_metrics(&mut self, arguments: &RunArguments) -> Result<(), MetricsError> {
        if let Some(address) = arguments.metrics {
            self.metrics = Some(Listener::bind(address, self.sender.clone())?);
        }
        Ok(())
    }

    /// Begins to listen. Without a socket the daemon works as well, only nobody can ask it.
    pub(crate) fn listen(&mut self, arguments: &RunArguments, taking_over: bool) {
        let places = places(arguments.control.as_deref(), &arguments.state_dir);
        let group = arguments.control_group.as_deref();
        let socket = match socket::ControlSocket::bind(&places, group, taking_over) {
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
    pub(crate) async fn next(&mut self) -> Option<Incoming> {
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
            overrides: self.overrides.clone(),
            clock: Clock::now(),
            director: snapshot::Director {
                log_levels: Some(crate::log::levels()),
                log_levels_until: self.levels_until.as_ref().map(|until| until.at),
                ..self.director.clone()
            },
            configuration: self.configuration.clone(),
            loop_lag: self.lag.lag(Instant::now()),
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

    /// Routers that an instance has heard.
    pub(crate) fn heard(&self, instance: &str) -> Vec<IpAddr> {
        self.peers
            .of(instance)
            .map(|(address, _)| address)
            .collect()
    }

    /// Sets in the model what is set, and takes back there what is not set any more.
    pub(crate) fn set_in(
        &mut self,
        model: &mut Model,
        why: &str,
        touched: &mut Touched,
    ) -> Vec<Happening> {
        let mut wished = BTreeMap::new();
        for set in &self.overrides.servers {
            if let Some(server) = server_of(set)
                && let Some(first) = self.overrides.of(&set.virtual_server, &set.real_server)
            {
                wished.insert((set.virtual_server.clone(), server), setting(first));
            }
        }
        let mut happenings = Vec::new();
        for (virtual_server, server) in &self.applied {
            if !wished.contains_key(&(virtual_server.clone(), *server)) {
                happenings.extend(model.set(virtual_server, *server, None, why, touched));
            }
        }
        for ((virtual_server, server), setting) in &wished {
            happenings.extend(model.set(virtual_server, *server, Some(*setting), why, touched));
        }
        self.applied = wished.into_keys().collect();
        happenings
    }

    /// Has the preconditions of an order looked at elsewhere; it comes back with what was found.
    pub(crate) fn look_at<F>(&self, asked: Asked, looking: F)
    where
        F: Future<Output = Result<Vec<String>, Problem>> + Send + 'static,
    {
        let sender = self.sender.clone();
        tokio::spawn(async move {
            match looking.await {
                Ok(notes) => {
                    let asked = Asked {
                        looked_at: Some(notes),
                        ..asked
                    };
                    // At the end of the daemon the answer is dropped, which says so.
                    let _ = sender.send(Incoming::Asked(asked)).await;
                }
                Err(problem) => {
                    let _ = asked.answer.send(Response::Problem { problem });
                }
            }
        });
    }

    /// Counts, elsewhere, what draining servers hold; one count at a time. Those that hold nothing come back as a request.
    pub(crate) fn count_connections(&mut self, draining: Draining) {
        if self.counting || draining.is_empty() {
            return;
        }
        self.counting = true;
        let (kernel, sender) = (self.kernel.clone(), self.sender.clone());
        tokio::spawn(async move {
            let counted = tokio::task::spawn_blocking(move || kernel.idle(draining)).await;
            let empty = counted.ok().and_then(Result::ok).unwrap_or_default();
            let _ = sender.send(Incoming::Drained(empty)).await;
        });
    }

    /// A count has come.
    pub(crate) const fn counted(&mut self) {
        self.counting = false;
    }

    /// When it is time to look after what is set, if ever.
    pub(crate) fn due(&self) -> Option<Instant> {
        let now = Clock::now();
        if self.named.is_some() || self.overrides.is_draining() {
            return Some(now.instant);
        }
        let times = [
            self.overrides.next(),
            self.undo.as_ref().map(|undo| undo.at),
            self.levels_until.as_ref().map(|until| until.at),
        ];
        let next = times.into_iter().flatten().min()?;
        let left = next
            .unix_milliseconds()
            .saturating_sub(now.wall.unix_milliseconds());
        let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
        // Somebody may set the clock meanwhile.
        now.instant.checked_add(left.min(LOOK_AGAIN))
    }

    /// Takes note of a change in the maintenance directory; true if there was one.
    pub(crate) fn take_named(&mut self, plan: &Plan) -> bool {
        let Some((named, _)) = &mut self.named else {
            return false;
        };
        if !named.has_changed().unwrap_or(false) {
            return false;
        }
        let named = named.borrow_and_update().clone();
        let by_file = |set: &Override| matches!(set.kind, OverrideKind::Maintenance { .. });
        let before: Vec<Override> = self
            .overrides
            .servers
            .iter()
            .filter(|set| by_file(set))
            .cloned()
            .collect();
        self.overrides.servers.retain(|set| !by_file(set));
        for server in &plan.virtual_servers {
            for real in &server.real_servers {
                let id = real.destination.id;
                let Some(file) = named.file(id.address_and_port()) else {
                    continue;
                };
                let (virtual_server, real_server) = (server.name.to_string(), id.to_string());
                let known = before.iter().find(|set| {
                    set.virtual_server == virtual_server && set.real_server == real_server
                });
                let file = file.display().to_string();
                if known.is_none() {
                    tracing::info!(
                        event = "override_set",
                        virtual_server,
                        real_server,
                        file,
                        "{virtual_server}: real server {real_server} is in maintenance by {file}"
                    );
                }
                self.overrides
                    .servers
                    .push(known.cloned().unwrap_or_else(|| Override {
                        virtual_server,
                        real_server,
                        kind: OverrideKind::Maintenance { file },
                        reason: None,
                        by: None,
                        since: Clock::now().wall,
                        until: None,
                    }));
            }
        }
        true
    }

    /// Leaves address and files to a successor.
    pub(crate) fn give_up(&mut self) {
        self.metrics = None;
        self.journal.detach();
    }

    /// The successor has failed: takes them back.
    pub(crate) fn take_back(&mut self, arguments: &RunArguments, state: &StateDirectory) {
        state.keep(&self.journal);
        if let Err(error) = self.serve_metrics(arguments) {
            let reason = crate::output::chain(&error);
            tracing::error!(event = "metrics_unavailable", reason, "{reason}");
        }
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
