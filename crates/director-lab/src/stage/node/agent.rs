//! The node's thread: does what the handle asks, in the node's namespaces.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use rtnetlink::Handle;
use tokio::process::{Child, Command as Process};
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;

use super::output::{pass_on, read_all, read_start};
use super::{Demand, NodeError, RunResult};
use crate::event::{Ending, Event, Happening};
use crate::scenario::{Node, ProcessId, Role};
use crate::stage::children::{Children, kill_tree, send_signal};
use crate::stage::mounts;
use crate::stage::network::{self, NetworkError};
use crate::stage::program::CommandLine;
use crate::stage::watch::{self, Reporter};

/// The node's thread.
pub(super) fn live(
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
        let mut tables = watch::TableReader::default();
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
                    let _ = reply.send(tables.read());
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
            // For scripts of a scenario that call the program itself.
            .env("DIRECTOR", std::env::current_exe().unwrap_or_default())
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
