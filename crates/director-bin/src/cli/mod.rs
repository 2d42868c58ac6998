//! The command line.

mod check;
mod config;
mod connect;
mod events;
mod explain;
mod import;
mod ipvs;
mod keepalived;
mod plan;
mod schema;
mod status;
mod table;

pub(crate) use table::duration;

use crate::exit::Exit;
use crate::{daemon, log, output};
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What the user typed.
#[derive(Debug, Parser)]
#[command(
    name = "director",
    version,
    about = "The load-balancing director for Linux: VRRP, IPVS and health checks from one keepalived.conf",
    disable_help_subcommand = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the director in the foreground
    Run(RunArguments),
    /// Check configuration files; needs no privilege and changes nothing
    Check(check::CheckArguments),
    /// Compare the files of two nodes that are to be a pair
    Compare(config::CompareArguments),
    /// Format a configuration file
    Fmt(config::FormatArguments),
    /// Print the reference of all keywords, in Markdown
    ConfigReference,
    /// Explain why a server, address or instance is as it is, or the code of a diagnostic
    Explain(explain::ExplainArguments),
    /// Show everything at a glance: instances, servers, their states and reasons
    Status(status::StatusArguments),
    /// Show what happened, with reasons
    Events(events::EventsArguments),
    /// Print the JSON schema of the control protocol, or hold a document against it
    ControlSchema(schema::SchemaArguments),
    /// Show what a start or reload with a file would change in the kernel; changes nothing
    Plan(plan::PlanArguments),
    /// The kernel's IPVS table, with the command line of ipvsadm
    Ipvs(ipvs::IpvsArguments),
    /// Translate the file of another director (ipvsadm -S, ldirectord.cf, lvs.cf) to a keepalived.conf
    Import(import::ImportArguments),
    /// Rehearse a cluster in network namespaces on this machine, with real IPVS
    Lab(director_lab::cli::Args),
}

/// `director run`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RunArguments {
    /// The configuration file
    #[arg(
        short,
        long,
        value_name = "FILE",
        default_value = "/etc/keepalived/keepalived.conf"
    )]
    pub(crate) config: PathBuf,
    /// Where the director keeps what it must know after a restart
    #[arg(long, value_name = "DIR", default_value_os_t = default_state_dir())]
    pub(crate) state_dir: PathBuf,
    /// The control socket; usually /run/director/control.sock, or in the state directory if that is another one than usual
    #[arg(long, value_name = "SOCKET")]
    pub(crate) control: Option<PathBuf>,
    /// Let the members of this group use the control socket, too
    #[arg(long, value_name = "GROUP")]
    pub(crate) control_group: Option<String>,
    /// How log lines are written to standard error
    #[arg(long, value_enum, default_value_t)]
    pub(crate) log_format: log::LogFormat,
    /// What is logged: error, warn, info, debug, trace, or pairs such as `info,vrrp_net=debug`
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub(crate) log_level: String,
}

/// What systemd's `StateDirectory=` has made, or the usual place.
fn default_state_dir() -> PathBuf {
    std::env::var_os("STATE_DIRECTORY").map_or_else(|| "/var/lib/director".into(), PathBuf::from)
}

/// Parses the command line and runs what it asks for.
pub(crate) fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if called_as(&arguments, "keepalived") {
        return keepalived::run(&arguments);
    }
    if called_as(&arguments, "ipvsadm") {
        return ipvs::ipvsadm(arguments.get(1..).unwrap_or_default());
    }
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            drop(error.print());
            return if error.use_stderr() {
                Exit::Other
            } else {
                Exit::Success
            }
            .into();
        }
    };
    match arguments.command {
        Command::Run(arguments) => daemon::run(arguments).into(),
        Command::Check(arguments) => check::run(&arguments).into(),
        Command::Compare(arguments) => config::compare(&arguments),
        Command::Fmt(arguments) => config::format(&arguments),
        Command::ConfigReference => config::reference(),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Status(arguments) => status::run(&arguments).into(),
        Command::Events(arguments) => events::run(&arguments).into(),
        Command::ControlSchema(arguments) => schema::run(&arguments).into(),
        Command::Plan(arguments) => plan::run(&arguments).into(),
        Command::Ipvs(arguments) => ipvs::run(&arguments),
        Command::Import(arguments) => import::run(&arguments).into(),
        Command::Lab(arguments) => lab(arguments),
    }
}

/// Whether the program was called by this name, through a link for instance.
fn called_as(arguments: &[OsString], name: &str) -> bool {
    arguments
        .first()
        .and_then(|program| Path::new(program).file_name())
        .is_some_and(|called| called == name)
}

fn lab(arguments: director_lab::cli::Args) -> ExitCode {
    match std::env::current_exe() {
        Ok(executable) => {
            director_lab::cli::run(arguments, &director_lab::Program::new(executable, ["lab"]))
        }
        Err(error) => {
            output::print_error(format_args!(
                "director: error: cannot find its own executable: {error}\n"
            ));
            Exit::Failure.into()
        }
    }
}
