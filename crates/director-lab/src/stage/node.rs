//! A node: a thread with a network, mount and host-name namespace of its own.
//!
//! Whatever the thread opens or starts belongs to the node. Nothing outside the thread refers to
//! its namespaces, so they end with the stage.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use rtnetlink::Handle;
use thiserror::Error;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command as Process};
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;

use super::children::{Children, kill_tree, send_signal};
use super::mounts::{self, MountError};
use super::network::{self, NetworkError};
use super::program::CommandLine;
use super::watch::{self, Reporter};
use crate::event::{Ending, Event, Happening, Request};
use crate::ipvs::Table;
use crate::scenario::{Node, ProcessId, Role};

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
            .spawn(move || live(node, children, events, inbox, ready))
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

/// The node's thread.
fn live(
    node: Node,
    children: Children,
    events: mpsc::Sender<Event>,
    inbox: mpsc::Receiver<Demand>,
    ready: oneshot::Sender<Result<File, NodeError>>,
) {
    let entered = enter(&node).and_then(|()| {
        let namespaces = |source| NodeError::Namespaces {
            node: node.name.clone(),
            source,
        };
        let network = File::open("/proc/thread-self/ns/net").map_err(namespaces)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(namespaces)?;
        Ok((network, runtime))
    });
    match entered {
        Ok((network, runtime)) => {
            if ready.send(Ok(network)).is_err() {
                return;
            }
            let reporter = Reporter {
                node: node.name.clone(),
                events,
            };
            let agent = Agent {
                node,
                children,
                reporter,
                running: Arc::default(),
            };
            LocalSet::new().block_on(&runtime, agent.serve(inbox));
        }
        Err(error) => {
            let _ = ready.send(Err(error));
        }
    }
}

fn enter(node: &Node) -> Result<(), NodeError> {
    let name = || node.name.clone();
    let flags = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS;
    unshare(flags)
        .and_then(|()| nix::unistd::sethostname(&node.name))
        .map_err(|errno| NodeError::Namespaces {
            node: name(),
            source: errno.into(),
        })?;
    mounts::node(node).map_err(|source| NodeError::Mount {
        node: name(),
        source,
    })
}

type Running = Arc<std::sync::Mutex<BTreeMap<String, u32>>>;

struct Agent {
    node: Node,
    children: Children,
    reporter: Reporter,
    /// Process ids by name.
    running: Running,
}

impl Agent {
    async fn serve(self, mut inbox: mpsc::Receiver<Demand>) {
        let Ok(handle) = network::connect() else {
            return;
        };
        while let Some(demand) = inbox.recv().await {
            match demand {
                Demand::Configure(reply) => {
                    let _ = reply.send(self.configure(&handle).await);
                }
                Demand::Start {
                    name,
                    line,
                    environment,
                    requests,
                    reply,
                } => {
                    let _ = reply.send(self.start(name, &line, &environment, requests).await);
                }
                Demand::Signal {
                    name,
                    signal,
                    tree,
                    reply,
                } => {
                    let _ = reply.send(self.signal(&name, signal, tree));
                }
                Demand::Link {
                    interface,
                    up,
                    reply,
                } => {
                    let done = network::set_link(&handle, &interface, up).await;
                    let _ = reply.send(done.map_err(|source| NodeError::Network {
                        node: self.node.name.clone(),
                        source,
                    }));
                }
                Demand::Run { line, reply } => {
                    let command = self.command(&line, &BTreeMap::new());
                    let children = self.children.clone();
                    let node = self.node.name.clone();
                    tokio::task::spawn_local(async move {
                        let _ = reply.send(run(command, &children, node, &line).await);
                    });
                }
                Demand::Copy { from, to, reply } => {
                    let base = std::path::Path::new(mounts::SCENARIO);
                    let done = std::fs::copy(base.join(&from), base.join(&to)).map(drop);
                    let _ = reply.send(done.map_err(|source| NodeError::Io {
                        node: self.node.name.clone(),
                        doing: format!("copy {from} to {to}"),
                        source,
                    }));
                }
                Demand::ReadFile(path) => {
                    let content = read_start(&std::path::Path::new(mounts::SCENARIO).join(&path));
                    let node = self.node.name.clone();
                    self.reporter
                        .send(Happening::File {
                            node,
                            path,
                            content,
                        })
                        .await;
                }
                Demand::ReadTable(reply) => {
                    let _ = reply.send(watch::read_table());
                }
            }
        }
    }

    async fn configure(&self, handle: &Handle) -> Result<(), NodeError> {
        let network = |source| NodeError::Network {
            node: self.node.name.clone(),
            source,
        };
        network::configure(handle, &self.node)
            .await
            .map_err(network)?;
        watch::addresses(handle, self.reporter.clone())
            .await
            .map_err(|source| network(NetworkError::Socket(source)))?;
        if self.node.role == Role::Director {
            tokio::task::spawn_local(watch::table(self.reporter.clone()));
        }
        Ok(())
    }

    fn command(&self, line: &CommandLine, environment: &BTreeMap<String, String>) -> Process {
        let mut command = Process::new(&line.program);
        command
            .args(&line.arguments)
            .current_dir(mounts::SCENARIO)
            .env("PATH", crate::tools::search_path())
            .env("HOME", "/run/tmp")
            .env("TMPDIR", "/run/tmp")
            // Where services of systemd keep their state.
            .env("STATE_DIRECTORY", "/run/director")
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        command
    }

    async fn start(
        &self,
        name: String,
        line: &CommandLine,
        environment: &BTreeMap<String, String>,
        requests: bool,
    ) -> Result<(), NodeError> {
        let process = ProcessId {
            node: self.node.name.clone(),
            process: name.clone(),
        };
        let mut child = self
            .children
            .spawn(&mut self.command(line, environment))
            .map_err(|source| NodeError::Start {
                process: process.to_string(),
                program: line.program.display().to_string(),
                source,
            })?;
        let pid = child.id().unwrap_or_default();
        lock(&self.running).insert(name.clone(), pid);
        self.reporter
            .send(Happening::Started {
                process: process.clone(),
                pid,
            })
            .await;

        let output = child.stdout.take().map(|pipe| {
            tokio::task::spawn_local(pass_on(
                pipe,
                process.clone(),
                self.reporter.clone(),
                requests,
            ))
        });
        let errors = child.stderr.take().map(|pipe| {
            tokio::task::spawn_local(pass_on(pipe, process.clone(), self.reporter.clone(), false))
        });
        let (reporter, children, running) = (
            self.reporter.clone(),
            self.children.clone(),
            Arc::clone(&self.running),
        );
        tokio::task::spawn_local(async move {
            let ending = wait(&mut child, &children, pid).await;
            {
                let mut running = lock(&running);
                if running.get(&name) == Some(&pid) {
                    running.remove(&name);
                }
            }
            // Its last words come before its end, unless a child of it keeps the pipe open.
            let last_words = async {
                for reader in [output, errors].into_iter().flatten() {
                    let _ = reader.await;
                }
            };
            let _ = tokio::time::timeout(std::time::Duration::from_millis(200), last_words).await;
            reporter.send(Happening::Exited { process, ending }).await;
        });
        Ok(())
    }

    fn signal(&self, name: &str, signal: Signal, tree: bool) -> Result<(), NodeError> {
        let process = || format!("{}/{name}", self.node.name);
        let pid = lock(&self.running).get(name).copied();
        let pid = pid.ok_or_else(|| NodeError::NotRunning { process: process() })?;
        let sent = if tree {
            kill_tree(pid)
        } else {
            send_signal(pid, signal)
        };
        sent.map_err(|_| NodeError::NotRunning { process: process() })
    }
}

fn lock(
    running: &std::sync::Mutex<BTreeMap<String, u32>>,
) -> std::sync::MutexGuard<'_, BTreeMap<String, u32>> {
    running
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

async fn wait(child: &mut Child, children: &Children, pid: u32) -> Ending {
    let status = child
        .wait()
        .await
        .unwrap_or_else(|_| ExitStatus::from_raw(0));
    children.forget(pid);
    Ending {
        status: status.code(),
        signal: status
            .signal()
            .and_then(|number| Signal::try_from(number).ok())
            .map(|signal| signal.as_str().trim_start_matches("SIG").to_owned()),
    }
}

async fn run(
    mut command: Process,
    children: &Children,
    node: String,
    line: &CommandLine,
) -> Result<RunResult, NodeError> {
    let words: Vec<OsString> = line.arguments.clone();
    let failed = |source| NodeError::Io {
        node,
        doing: format!("run {} {words:?}", line.program.display()),
        source,
    };
    let mut child = match children.spawn(&mut command) {
        Ok(child) => child,
        Err(source) => return Err(failed(source)),
    };
    let pid = child.id().unwrap_or_default();
    let mut output = String::new();
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let collect = async {
        let mut text = String::new();
        if let Some(pipe) = stdout {
            text.push_str(&read_all(pipe).await);
        }
        text
    };
    let collect_errors = async {
        match stderr {
            Some(pipe) => read_all(pipe).await,
            None => String::new(),
        }
    };
    let (said, complained) = tokio::join!(collect, collect_errors);
    output.push_str(&said);
    output.push_str(&complained);
    let ending = wait(&mut child, children, pid).await;
    Ok(RunResult {
        status: ending.status,
        output,
    })
}

/// The most that is kept of a command's output or a file.
const MOST_TEXT: usize = 64 << 10;

async fn read_all(pipe: impl AsyncRead + Unpin) -> String {
    let mut text = String::new();
    let mut reader = BufReader::new(pipe);
    while let Some(line) = next_line(&mut reader).await {
        if text.len() < MOST_TEXT {
            text.push_str(&line);
            text.push('\n');
        }
    }
    text
}

fn read_start(path: &std::path::Path) -> Option<String> {
    use std::io::Read;
    let mut bytes = Vec::new();
    File::open(path)
        .ok()?
        .take(MOST_TEXT as u64)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Turns a process's output into events.
async fn pass_on(
    pipe: impl AsyncRead + Unpin,
    process: ProcessId,
    reporter: Reporter,
    requests: bool,
) {
    let mut reader = BufReader::new(pipe);
    while let Some(text) = next_line(&mut reader).await {
        let request = if requests {
            serde_json::from_str::<Request>(&text).ok()
        } else {
            None
        };
        let process = process.clone();
        reporter
            .send(match request {
                Some(request) => Happening::Request { process, request },
                None => Happening::Line { process, text },
            })
            .await;
    }
}

/// The longest line that is kept; more is cut off.
const LONGEST_LINE: usize = 8 << 10;

/// The next line without its end; `None` at the end of the stream.
async fn next_line(reader: &mut (impl AsyncBufRead + Unpin)) -> Option<String> {
    let mut line = Vec::new();
    loop {
        let buffer = reader.fill_buf().await.ok()?;
        if buffer.is_empty() {
            if line.is_empty() {
                return None;
            }
            break;
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let piece = buffer
            .get(..end.unwrap_or(buffer.len()))
            .unwrap_or_default();
        let room = LONGEST_LINE.saturating_sub(line.len());
        line.extend(piece.iter().take(room));
        let used = end.map_or(buffer.len(), |end| end + 1);
        reader.consume(used);
        if end.is_some() {
            break;
        }
    }
    Some(
        String::from_utf8_lossy(&line)
            .trim_end_matches('\r')
            .to_owned(),
    )
}
