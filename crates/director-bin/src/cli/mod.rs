//! The command line.

mod actions;
mod bridge;
mod check;
mod config;
mod connect;
mod doctor;
mod events;
mod explain;
mod genhash;
mod import;
mod ipvs;
mod keepalived;
mod manual;
mod metrics;
mod plan;
mod realserver;
mod schema;
mod status;
mod table;

pub(crate) use connect::{Connection, SocketArguments, fail};
pub(crate) use status::{server_colour, state_colour};
pub(crate) use table::{Colour, age, count, cut, duration};

use crate::exit::Exit;
use crate::{daemon, log, output, process};
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What the user typed.
#[derive(Debug, Parser)]
#[command(
    name = "director",
    version = crate::VERSION,
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
    Run(Box<RunArguments>),
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
    /// Watch it on a live screen, down to the reason of one real server
    Top(crate::top::TopArguments),
    /// Show what happened, with reasons
    Events(events::EventsArguments),
    /// Let the connections of a real server run out; then it is out of the table
    Drain(actions::DrainArguments),
    /// Take back a drain or a weight
    Undrain(actions::UndrainArguments),
    /// Give a real server another weight
    Weight(actions::WeightArguments),
    /// Give up mastership in order and do not take it back, or take part again
    Maintenance(actions::MaintenanceArguments),
    /// Let another router be master
    Failover(actions::FailoverArguments),
    /// Read the configuration again; all of it or nothing comes into force
    Reload(actions::ReloadArguments),
    /// Keep what `director reload --confirm` has brought
    Confirm(actions::ConfirmArguments),
    /// Make the checks of a real server, or all, now
    CheckNow(actions::CheckNowArguments),
    /// Change what the running director logs, of everything or of one part
    LogLevel(actions::LogLevelArguments),
    /// Print what operators have set as configuration
    Export(actions::ExportArguments),
    /// Print the metrics of the running director
    Metrics(metrics::MetricsArguments),
    /// Print the JSON schema of the control protocol, or hold a document against it
    ControlSchema(schema::SchemaArguments),
    /// Show what a start or reload with a file would change in the kernel; changes nothing
    Plan(plan::PlanArguments),
    /// The kernel's IPVS table, with the command line of ipvsadm
    Ipvs(ipvs::IpvsArguments),
    /// The digest of a page, for the keyword `digest`
    Genhash(genhash::GenhashArguments),
    /// Translate the file of another director (ipvsadm -S, ldirectord.cf, lvs.cf) to a keepalived.conf
    Import(import::ImportArguments),
    /// Find what usually keeps LVS from working, with evidence and remedy
    Doctor(doctor::DoctorArguments),
    /// Set up this machine as a real server of virtual addresses
    Realserver(realserver::RealServerArguments),
    /// Print the completion script of a shell
    Completions(manual::CompletionsArguments),
    /// Write the manual pages
    #[command(hide = true)]
    Man(manual::ManArguments),
    /// Takes over from a director until its service has been restarted
    #[command(hide = true)]
    Bridge(bridge::BridgeArguments),
    /// The process that `run --guardian` starts
    #[command(hide = true)]
    Guardian,
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
    #[command(flatten)]
    pub(crate) log: log::LogArguments,
    #[command(flatten)]
    pub(crate) process: process::ProcessArguments,
    /// Take over from the director that runs, without losing an advertisement or a connection; start as usual if none runs
    #[arg(long)]
    pub(crate) takeover: bool,
    /// Start a second process that takes the virtual addresses off should the director be killed
    #[arg(long)]
    pub(crate) guardian: bool,
    /// Serve metrics for Prometheus on this address, such as 127.0.0.1:9650
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) metrics: Option<std::net::SocketAddr>,
    /// Write keepalived's files there: keepalived.data on SIGUSR1, keepalived.stats on SIGUSR2, keepalived.json on SIGRTMIN+2
    #[arg(long, value_name = "DIR")]
    pub(crate) keepalived_files: Option<PathBuf>,
    /// A directory in which a file named ADDRESS or ADDRESS:PORT takes that real server out of use, as ldirectord has it
    #[arg(long, value_name = "DIR")]
    pub(crate) maintenance_dir: Option<PathBuf>,
}

impl RunArguments {
    /// The option that names the configuration file, under the name that the program was called by.
    pub(crate) fn config_option(&self) -> &'static str {
        match self.log.identity {
            Some(_) => "-f",
            None => "--config",
        }
    }
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
    // Before all other commands are described: scripts run this one often.
    if arguments.get(1).is_some_and(|word| word == "ipvs") {
        return ipvs::run_words(arguments.get(2..).unwrap_or_default());
    }
    if called_as(&arguments, "ipvsadm") {
        return ipvs::ipvsadm(arguments.get(1..).unwrap_or_default());
    }
    if called_as(&arguments, "genhash") {
        return genhash::alone(&arguments);
    }
    let arguments = match Arguments::try_parse_from(check_now(arguments)) {
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
        Command::Run(arguments) => match process::adopt_container() {
            Some(status) => status,
            None => daemon::run(*arguments).into(),
        },
        Command::Check(arguments) => check::run(&arguments).into(),
        Command::Compare(arguments) => config::compare(&arguments),
        Command::Fmt(arguments) => config::format(&arguments),
        Command::ConfigReference => config::reference(),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Status(arguments) => status::run(&arguments).into(),
        Command::Top(arguments) => crate::top::run(&arguments).into(),
        Command::Events(arguments) => events::run(&arguments).into(),
        Command::Drain(arguments) => actions::drain(arguments).into(),
        Command::Undrain(arguments) => actions::undrain(arguments).into(),
        Command::Weight(arguments) => actions::weight(arguments).into(),
        Command::Maintenance(arguments) => actions::maintenance(&arguments).into(),
        Command::Failover(arguments) => actions::failover(arguments).into(),
        Command::Reload(arguments) => actions::reload(&arguments).into(),
        Command::Confirm(arguments) => actions::confirm(&arguments).into(),
        Command::LogLevel(arguments) => actions::log_level(arguments).into(),
        Command::CheckNow(arguments) => actions::check_now(arguments).into(),
        Command::Export(arguments) => actions::export(&arguments).into(),
        Command::Metrics(arguments) => metrics::run(&arguments).into(),
        Command::ControlSchema(arguments) => schema::run(&arguments).into(),
        Command::Plan(arguments) => plan::run(&arguments).into(),
        Command::Ipvs(arguments) => ipvs::run(&arguments),
        Command::Genhash(arguments) => genhash::run(&arguments),
        Command::Import(arguments) => import::run(&arguments).into(),
        Command::Completions(arguments) => manual::completions(&arguments).into(),
        Command::Man(arguments) => manual::man(&arguments).into(),
        Command::Doctor(arguments) => doctor::run(&arguments).into(),
        Command::Realserver(arguments) => realserver::run(&arguments).into(),
        Command::Bridge(arguments) => bridge::run(&arguments).into(),
        Command::Guardian => crate::guardian::serve().into(),
        Command::Lab(arguments) => lab(arguments),
    }
}

/// `director check now` is `director check-now`, unless there is a file named `now`.
fn check_now(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let is = |at: usize, word: &str| arguments.get(at).is_some_and(|argument| argument == word);
    if is(1, "check") && is(2, "now") && !Path::new("now").exists() {
        arguments.splice(1..3, [OsString::from("check-now")]);
    }
    arguments
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
