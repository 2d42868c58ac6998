//! The command line.

use crate::exit::Exit;
use crate::{log, output};
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

/// What the user typed.
#[derive(Debug, Parser)]
#[command(
    name = "director",
    version,
    about = "The load-balancing director for Linux: VRRP, IPVS and health checks from one keepalived.conf",
    propagate_version = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the director in the foreground
    Run(RunArguments),
}

/// `director run`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RunArguments {
    /// The configuration file
    #[arg(short, long, value_name = "FILE", default_value = "/etc/keepalived/keepalived.conf")]
    pub(crate) config: PathBuf,
    /// Where the director keeps what it must know after a restart
    #[arg(long, value_name = "DIR", default_value = "/var/lib/director")]
    pub(crate) state_dir: PathBuf,
    /// How log lines are written to standard error
    #[arg(long, value_enum, default_value_t)]
    pub(crate) log_format: log::LogFormat,
    /// What is logged: error, warn, info, debug, trace, or pairs such as `info,vrrp_net=debug`
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub(crate) log_level: String,
}

/// Parses the command line and runs what it asks for.
pub(crate) fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    match Arguments::try_parse_from(arguments) {
        Ok(_) => Exit::Success,
        Err(error) => {
            drop(error.print());
            if error.use_stderr() { Exit::Other } else { Exit::Success }
        }
    }
}
