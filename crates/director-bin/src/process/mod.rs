//! What the program is to the system around it: process 1 of a container, a daemon with pid files, in a namespace.

mod container;
mod daemonise;
mod file_mask;
mod pid_file;
mod sys;

pub(crate) use container::{adopt_container, in_container};
pub(crate) use daemonise::{Side, daemonise, started};
pub(crate) use file_mask::FileMask;
pub(crate) use pid_file::PidFiles;

use clap::ValueEnum;
use nix::sched::{CloneFlags, setns};
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use nix::sys::stat::{Mode, umask};
use std::fs::File;
use std::path::PathBuf;

/// Half of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Only the instances with their addresses
    Vrrp,
    /// Only the virtual servers with their checks
    Lvs,
}

#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Process")]
pub(crate) struct ProcessArguments {
    /// Write the process id to this file, and refuse to start if the process of an existing one lives
    #[arg(long, value_name = "FILE")]
    pub(crate) pid_file: Vec<PathBuf>,
    /// Run in this network namespace, as `ip netns` names it
    #[arg(long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// Run only a part of the configuration
    #[arg(long, value_enum)]
    pub(crate) only: Option<Part>,
    /// Lines that begin with `@ID` count for this id; default the host's name up to the first dot
    #[arg(long, value_name = "ID")]
    pub(crate) config_id: Option<String>,
    /// Leave the IPVS services in the kernel at the stop
    #[arg(long)]
    pub(crate) keep_services: bool,
    /// Go on when SIGINT comes
    #[arg(long)]
    pub(crate) ignore_sigint: bool,
    /// Mode bits that new files never get, in octal
    #[arg(skip)]
    pub(crate) umask: Option<u32>,
    /// Let a crash leave a core file.
    #[arg(skip)]
    pub(crate) core_dump: bool,
    /// Log state and services once everything runs.
    #[arg(skip)]
    pub(crate) dump: bool,
    /// Files named by `include` must exist and be readable.
    #[arg(skip)]
    pub(crate) all_config: bool,
    /// Options that were given and mean nothing here, with the reason.
    #[arg(skip)]
    pub(crate) without_meaning: Vec<(&'static str, &'static str)>,
}

/// The process cannot be set up as asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PrepareError {
    /// No such namespace, or no right to enter it.
    #[error(
        "the network namespace {0} cannot be entered; `ip netns list` shows what there is, and CAP_SYS_ADMIN is needed"
    )]
    Namespace(String, #[source] std::io::Error),
}

impl ProcessArguments {
    /// What must be done before anything of the network is touched and before there are threads with a namespace of their
    /// own.
    pub(crate) fn prepare(&self) -> Result<(), PrepareError> {
        if let Some(mask) = self.umask {
            umask(Mode::from_bits_truncate(mask));
        }
        if self.core_dump {
            // A limit that cannot be raised leaves things as they are.
            let _ = setrlimit(Resource::RLIMIT_CORE, RLIM_INFINITY, RLIM_INFINITY);
        }
        let Some(name) = &self.namespace else {
            return Ok(());
        };
        let failed = |error| PrepareError::Namespace(name.clone(), error);
        if name.contains('/') {
            return Err(failed(std::io::ErrorKind::InvalidInput.into()));
        }
        let file = File::open(PathBuf::from("/run/netns").join(name)).map_err(failed)?;
        setns(file, CloneFlags::CLONE_NEWNET).map_err(|error| failed(error.into()))
    }
}
