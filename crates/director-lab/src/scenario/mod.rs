//! Scenarios: a topology, the processes on it, and a story with expectations.

mod check;
pub(crate) mod duration;
mod expectation;
pub(crate) mod format;
mod load;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use crate::ipvs::Forward;
pub(crate) use expectation::{Expectation, What};
pub use load::{LoadError, Problem};

/// A checked scenario, see [`Scenario::load`] and the chapter on the format in `docs/lab.md`.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Absolute path of the scenario's directory.
    pub(crate) directory: PathBuf,
    pub(crate) name: String,
    pub(crate) description: String,
    /// The story needs an IPVS table.
    pub(crate) ipvs: bool,
    /// Added to every deadline: what a busy machine may need to notice things.
    pub(crate) slack: Duration,
    /// Names of the layer-2 networks.
    pub(crate) networks: Vec<String>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) steps: Vec<Step>,
}

impl Scenario {
    /// Reads `scenario.toml` in the directory and checks it, including the files it names.
    ///
    /// # Errors
    ///
    /// [`LoadError`] lists everything that is wrong, each with file, line and column.
    pub fn load(directory: &Path) -> Result<Self, LoadError> {
        load::load(directory)
    }

    /// The scenario's name; that of its directory unless it says otherwise.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// One or two sentences on what it shows.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Whether its nodes need a kernel with IPVS.
    #[must_use]
    pub fn needs_ipvs(&self) -> bool {
        self.ipvs
    }

    /// The titles of its steps, in order.
    pub fn step_titles(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().map(|step| step.title.as_str())
    }

    /// The configuration files of the directors, each with the name of its node; without nodes that run another program as
    /// director.
    pub(crate) fn director_files(&self) -> impl Iterator<Item = (&str, PathBuf)> {
        self.nodes.iter().flat_map(|node| {
            node.processes
                .iter()
                .filter_map(|process| match &process.kind {
                    ProcessKind::Director {
                        config,
                        program: None,
                    } => Some((node.name.as_str(), self.directory.join(config))),
                    _ => None,
                })
        })
    }

    pub(crate) fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == name)
    }

    pub(crate) fn process(&self, id: &ProcessId) -> Option<&Process> {
        self.node(&id.node)?
            .processes
            .iter()
            .find(|process| process.name == id.process)
    }
}

/// What a node is in the story; the addresses and IPVS tables of directors are watched and shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    Client,
    Director,
    RealServer,
    NameServer,
    #[default]
    Other,
}

#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) interfaces: Vec<Interface>,
    /// Addresses on `lo` besides the usual ones: a real server's virtual addresses.
    pub(crate) loopback: Vec<Prefix>,
    /// Below `/proc/sys`, with dots, as `sysctl -w` takes them.
    pub(crate) sysctls: Vec<(String, String)>,
    pub(crate) routes: Vec<Route>,
    /// For the node's `/etc/resolv.conf`.
    pub(crate) name_server: Option<IpAddr>,
    pub(crate) processes: Vec<Process>,
}

#[derive(Debug, Clone)]
pub(crate) struct Interface {
    pub(crate) name: String,
    pub(crate) network: String,
    pub(crate) addresses: Vec<Prefix>,
}

#[derive(Debug, Clone)]
pub(crate) struct Route {
    /// `None` is the default route.
    pub(crate) to: Option<Prefix>,
    pub(crate) via: IpAddr,
}

/// An address with its prefix length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Prefix {
    pub(crate) address: IpAddr,
    pub(crate) length: u8,
}

impl Prefix {
    /// `172.16.1.2/24`; without a length the address alone.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse().ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            Some(length) => length
                .trim()
                .parse()
                .ok()
                .filter(|length| *length <= longest)?,
            None => longest,
        };
        Some(Self { address, length })
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// `node/process`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct ProcessId {
    pub(crate) node: String,
    pub(crate) process: String,
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.node, self.process)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) name: String,
    pub(crate) kind: ProcessKind,
    /// Started before the first step.
    pub(crate) autostart: bool,
    /// A start is complete once a line of output contains this.
    pub(crate) ready: Option<String>,
    pub(crate) environment: BTreeMap<String, String>,
}

#[derive(Debug, Clone)]
pub(crate) enum ProcessKind {
    /// The director program with its configuration; `program` overrides the run's own choice.
    Director {
        config: String,
        program: Option<PathBuf>,
    },
    /// The built-in web server.
    Web {
        listen: Vec<SocketAddr>,
        name: String,
    },
    /// The built-in client.
    Client {
        url: String,
        rate: f64,
        timeout: Duration,
    },
    /// Debian's bind9.
    Named {
        config: String,
    },
    Nginx {
        config: String,
    },
    Command(Vec<String>),
}

#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) title: String,
    pub(crate) actions: Vec<Action>,
    pub(crate) expectations: Vec<Expectation>,
}

#[derive(Debug, Clone)]
pub(crate) enum Action {
    Start(ProcessId),
    /// SIGTERM.
    Stop(ProcessId),
    /// SIGKILL, to the process and all its descendants.
    Kill(ProcessId),
    /// SIGHUP.
    Reload(ProcessId),
    Link {
        node: String,
        interface: String,
        up: bool,
    },
    Run {
        node: String,
        command: Vec<String>,
        status: i32,
        /// What it prints is part of the timeline.
        show: bool,
    },
    /// Replaces a file in the node's own copy of the scenario.
    Copy {
        node: String,
        from: String,
        to: String,
    },
    Mark(String),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(process) => write!(f, "start {process}"),
            Self::Stop(process) => write!(f, "stop {process} (SIGTERM)"),
            Self::Kill(process) => write!(f, "kill {process} (SIGKILL)"),
            Self::Reload(process) => write!(f, "reload {process} (SIGHUP)"),
            Self::Link {
                node,
                interface,
                up,
            } => {
                write!(
                    f,
                    "{node}: set {interface} {}",
                    if *up { "up" } else { "down" }
                )
            }
            Self::Run { node, command, .. } => write!(f, "{node}: run {}", command.join(" ")),
            Self::Copy { node, from, to } => write!(f, "{node}: copy {from} over {to}"),
            Self::Mark(name) => write!(f, "mark {name}"),
        }
    }
}
