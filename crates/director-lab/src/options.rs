//! How a laboratory is to be run.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// The executable that plays the parts of the laboratory, and how it is asked to.
///
/// The runner starts itself again inside the namespaces (and inside user-mode Linux), and nodes
/// run small helpers (web server, client) of the same executable. `executable` called with
/// `lab_arguments` must therefore end up in [`crate::cli::run`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Absolute path of the executable, normally that of [`std::env::current_exe`].
    pub executable: PathBuf,
    /// What stands before the laboratory's own arguments: `["lab"]` for `director lab ...`, nothing
    /// for the stand-alone `director-lab`.
    pub lab_arguments: Vec<OsString>,
}

impl Program {
    /// Names the executable and the arguments which lead to [`crate::cli::run`].
    pub fn new<A: Into<OsString>>(
        executable: impl Into<PathBuf>,
        lab_arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        Self {
            executable: executable.into(),
            lab_arguments: lab_arguments.into_iter().map(Into::into).collect(),
        }
    }
}

/// Which kernel gives the nodes their IPVS table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
#[non_exhaustive]
pub enum IpvsChoice {
    /// The running kernel if the scenario needs no IPVS or the kernel has it, else user-mode Linux.
    #[default]
    Auto,
    /// The running kernel; the run is skipped when it lacks IPVS.
    Host,
    /// User-mode Linux, whatever the running kernel has.
    Uml,
    /// The running kernel, without asking for IPVS.
    None,
}

/// Options of one run, see [`crate::Lab::run`].
#[derive(Debug, Clone)]
pub struct Options {
    /// The executable that plays the laboratory's parts.
    pub program: Program,
    /// What runs as `kind = "director"`: `director`'s own executable (called with
    /// `run --config FILE`) or keepalived (called with its options). Without it,
    /// [`Program::executable`].
    pub director_program: Option<PathBuf>,
    /// Where IPVS comes from.
    pub ipvs: IpvsChoice,
    /// Added to every deadline of the scenario; without it the scenario's own `slack`.
    pub slack: Option<Duration>,
    /// Memory of the user-mode Linux guest in MiB, 128 or more; only what is used is taken.
    pub guest_memory: u32,
    /// The whole run is given up after this time.
    pub time_limit: Duration,
}

impl Options {
    /// Sensible values for everything but the executable.
    pub fn new(program: Program) -> Self {
        Self {
            program,
            director_program: None,
            ipvs: IpvsChoice::Auto,
            slack: None,
            guest_memory: 768,
            time_limit: Duration::from_secs(900),
        }
    }
}
