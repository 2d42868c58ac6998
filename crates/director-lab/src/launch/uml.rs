//! The stage on a kernel of its own: user-mode Linux, an ordinary process, with this machine's
//! files as its root file system.

use std::io::{self, BufRead};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{LabError, Stage, cpu, part, registers, start_first_process};
use crate::guest;
use crate::stage::{StageOrder, mounts};
use crate::tools;

/// A user-mode Linux kernel with its modules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Guest {
    kernel: PathBuf,
    version: String,
    modules: PathBuf,
}

const KERNEL: &str = "linux.uml";
const MODULES: &str = "/usr/lib/uml/modules";

impl Guest {
    /// Finds the kernel; what is missing, and how to get it, otherwise.
    pub(super) fn find() -> Result<Self, Vec<String>> {
        let install = "install it with `apt install user-mode-linux`";
        let Some(kernel) = tools::find(Path::new(KERNEL)) else {
            return Err(vec![format!(
                "IPVS: the running kernel has none (`modprobe ip_vs` fails), and the user-mode \
                 Linux kernel {KERNEL} is not installed; {install}"
            )]);
        };
        let version = Command::new(&kernel)
            .arg("--version")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()
            .and_then(|output| String::from_utf8(output.stdout).ok())
            .and_then(|text| text.lines().next().map(|line| line.trim().to_owned()))
            .filter(|version| !version.is_empty());
        let Some(version) = version else {
            return Err(vec![format!(
                "a user-mode Linux that runs here: {} does not",
                kernel.display()
            )]);
        };
        let modules = Path::new(MODULES).join(&version);
        if !modules.join("modules.dep").is_file() {
            return Err(vec![format!(
                "the modules of user-mode Linux {version} in {}; {install}",
                modules.display()
            )]);
        }
        Ok(Self {
            kernel,
            version,
            modules,
        })
    }

    pub(super) fn describe(&self) -> String {
        format!("user-mode Linux {}, with real IPVS", self.version)
    }
}

/// What the guest's host process is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UmlOrder {
    kernel: PathBuf,
    /// MiB.
    memory: u32,
    cpu: Option<usize>,
    modules: PathBuf,
    stage: StageOrder,
}

pub(super) fn start(guest: &Guest, order: StageOrder, memory: u32) -> Result<Stage, LabError> {
    let command = part(&order, "guest-kernel");
    let limit = order.time_limit;
    let order = UmlOrder {
        kernel: guest.kernel.clone(),
        memory: memory.max(128),
        cpu: cpu::choose(KERNEL),
        modules: guest.modules.clone(),
        stage: order,
    };
    let line = serde_json::to_vec(&order)
        .map_err(|error| LabError::Trouble(format!("cannot write the order: {error}")))?;
    start_first_process(command, line, limit)
}

#[derive(Debug, Error)]
enum BootError {
    #[error("the guest's kernel was not told what to do: {0}")]
    Order(#[from] io::Error),
    #[error("the order for the guest's kernel is damaged: {0}")]
    Damaged(#[from] serde_json::Error),
    #[error(transparent)]
    Mount(#[from] mounts::MountError),
    #[error("cannot start {}: {source}", .kernel.display())]
    Kernel { kernel: PathBuf, source: io::Error },
}

/// Process 1 of the guest's host processes: they all end with it.
pub(crate) fn run_guest_kernel() -> ExitCode {
    match boot() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = crate::record::Record::Trouble {
                message: error.to_string(),
            }
            .send();
            ExitCode::from(125)
        }
    }
}

fn boot() -> Result<(), BootError> {
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let order: UmlOrder = serde_json::from_str(&line)?;
    // The guest's memory is a file here, and so is all it needs to begin with.
    mounts::make_private()?;
    mounts::proc()?;
    mounts::tmpfs(
        mounts::STAGE,
        &format!("mode=755,size={}m", order.memory + 64),
    )?;
    std::fs::create_dir(guest::DIRECTORY)?;
    // The kernel's command line splits at blanks, which a path may hold.
    std::os::unix::fs::symlink(&order.stage.executable, guest::INIT)?;
    let orders = guest::GuestOrder {
        modules: order.modules.clone(),
        stage: order.stage.clone(),
    };
    std::fs::write(guest::ORDER, serde_json::to_vec(&orders)?)?;
    crate::stage::end_with_standard_input();

    if let Some(cpu) = order.cpu {
        let mut only = CpuSet::new();
        if only.set(cpu).is_ok() {
            let _ = sched_setaffinity(Pid::from_raw(0), &only);
        }
    }
    let records = io::stdout().as_fd().try_clone_to_owned()?;
    let console = io::stderr().as_fd().try_clone_to_owned()?;
    let mut command = Command::new(&order.kernel);
    command.env_clear();
    if registers::write(Path::new(guest::REGISTERS))? {
        command.env("LD_PRELOAD", guest::REGISTERS);
    }
    command
        .arg(format!("mem={}M", order.memory))
        .args(["rootfstype=hostfs", "rootflags=/", "ro", "quiet", "loglevel=4"])
        .args(["noreboot", "panic=-1"])
        // Start-up measurements that take seconds and serve no one here.
        .arg("initcall_blacklist=raid6_select_algo,init_btrfs_fs,calibrate_xor_blocks,register_xor_blocks")
        .arg(format!("uml_dir={}/", guest::DIRECTORY))
        // The console goes to standard output; the first line of the second serial port, which
        // carries the records, goes to what is standard input elsewhere.
        .args(["con=null", "con0=null,fd:1", "ssl=null", "ssl1=null,fd:0"])
        .arg(format!("init={}", guest::INIT))
        // Words that mean nothing to the kernel become arguments of its process 1. Not behind `--`:
        // user-mode Linux adds words of its own at the end.
        .args(&order.stage.lab_arguments)
        .args(["helper", "guest-init"])
        .env("TMPDIR", guest::DIRECTORY)
        .env("HOME", "/root")
        .env("PATH", tools::search_path())
        .current_dir("/")
        .stdin(Stdio::from(records))
        .stdout(Stdio::from(console))
        .process_group(0);
    let status = command.status().map_err(|source| BootError::Kernel {
        kernel: order.kernel.clone(),
        source,
    })?;
    let _ = status;
    Ok(())
}
