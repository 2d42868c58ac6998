//! The stage: process 1 of the run's own namespaces (or a process of the user-mode Linux guest).
//! It makes the nodes, plays the steps, and sends records to its standard output.

mod children;
pub(crate) mod mounts;
mod network;
mod node;
mod play;
mod program;
mod watch;

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

use crate::record::Record;
use crate::scenario::{LoadError, Scenario};
use children::Children;
use node::{NodeError, NodeHandle};

pub(crate) use program::{OWN_NAME, is_keepalived};

/// What the program that was called wants played.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StageOrder {
    /// The scenario's directory, absolute.
    pub(crate) directory: PathBuf,
    /// The executable with the helpers, and what leads to them.
    pub(crate) executable: PathBuf,
    pub(crate) lab_arguments: Vec<String>,
    /// What runs as director; the executable itself if absent.
    pub(crate) director_program: Option<PathBuf>,
    pub(crate) slack: Option<Duration>,
    pub(crate) time_limit: Duration,
    /// Which kernel this is, for people.
    pub(crate) kernel: String,
}

/// Why the stage could not be set.
#[derive(Debug, Error)]
enum StageError {
    #[error("the stage was not told what to play: {0}")]
    Order(io::Error),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("cannot make a namespace: {0}")]
    Namespace(nix::Error),
    #[error(transparent)]
    Mount(#[from] mounts::MountError),
    #[error("cannot start the runtime: {0}")]
    Runtime(io::Error),
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error(transparent)]
    Network(#[from] network::NetworkError),
}

/// Where the stage's orders come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifeline {
    /// The first line of standard input; when it ends, so does the stage with all its processes.
    StandardInput,
    /// The environment of the guest, which ends with its own process 1.
    Guest,
}

/// Plays the scenario. Exit status 0: every step held; 1: one did not; 125: no stage.
pub(crate) fn run(lifeline: Lifeline) -> ExitCode {
    match prepare(lifeline) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            let _ = Record::Trouble {
                message: error.to_string(),
            }
            .send();
            ExitCode::from(125)
        }
    }
}

fn prepare(lifeline: Lifeline) -> Result<bool, StageError> {
    let order = receive_order(lifeline)?;
    // While this is still a single thread: what is unshared here holds for all.
    if lifeline == Lifeline::StandardInput {
        let _ =
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
        mounts::make_private()?;
        mounts::proc()?;
        end_with_standard_input();
    } else {
        unshare(CloneFlags::CLONE_NEWNS).map_err(StageError::Namespace)?;
        mounts::make_private()?;
        // Orphans would go to the guest's process 1, which does not know them.
        let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    }
    let scenario = Scenario::load(&order.directory)?;
    // The bridges' own namespace: that of this thread, the only one that touches the network.
    unshare(CloneFlags::CLONE_NEWNET).map_err(StageError::Namespace)?;
    mounts::stage(&scenario)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(StageError::Runtime)?;
    LocalSet::new().block_on(&runtime, set_and_play(&scenario, &order))
}

fn receive_order(lifeline: Lifeline) -> Result<StageOrder, StageError> {
    let mut text = String::new();
    let read = match lifeline {
        Lifeline::StandardInput => io::stdin().lock().read_line(&mut text).map(drop),
        Lifeline::Guest => {
            std::fs::read_to_string(crate::guest::STAGE_ORDER).map(|order| text = order)
        }
    };
    read.and_then(|()| Ok(serde_json::from_str(&text)?))
        .map_err(StageError::Order)
}

/// The caller holds the other end of standard input: when it is gone for whatever reason, process
/// 1 ends, and the kernel ends all others.
pub(crate) fn end_with_standard_input() {
    std::thread::spawn(|| {
        let mut rest = [0_u8; 64];
        while matches!(io::stdin().lock().read(&mut rest), Ok(1..)) {}
        std::process::exit(130);
    });
}

async fn set_and_play(scenario: &Scenario, order: &StageOrder) -> Result<bool, StageError> {
    let children = Children::default();
    tokio::task::spawn_local(children.clone().reap_orphans());
    let handle = network::connect().map_err(network::NetworkError::Socket)?;
    let (events, inbox) = mpsc::channel(4096);

    let mut bridges = BTreeMap::new();
    for (number, name) in scenario.networks.iter().enumerate() {
        let bridge = network::make_bridge(&handle, &format!("net{number}")).await?;
        bridges.insert(name.clone(), bridge);
    }
    let mut nodes = BTreeMap::new();
    let mut port = 0;
    for node in &scenario.nodes {
        let made = NodeHandle::create(node.clone(), children.clone(), events.clone()).await?;
        for interface in &node.interfaces {
            let Some(bridge) = bridges.get(&interface.network) else {
                continue;
            };
            let name = format!("port{port}");
            port += 1;
            network::plug(
                &handle,
                *bridge,
                &name,
                &interface.name,
                made.network.as_fd(),
            )
            .await?;
        }
        nodes.insert(node.name.clone(), made);
    }
    let mut player = play::Player::new(scenario, order, nodes, inbox);
    player.configure().await?;
    let played = tokio::time::timeout(order.time_limit, player.play()).await;
    Ok(match played {
        Ok(passed) => passed,
        Err(_) => {
            let message = format!(
                "the run was given up after {} seconds, its time limit",
                order.time_limit.as_secs()
            );
            let _ = Record::Trouble { message }.send();
            false
        }
    })
}
