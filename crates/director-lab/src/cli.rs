//! The command line: `director lab ...` and the stand-alone `director-lab ...`.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::options::{IpvsChoice, Program};

/// Arguments of `director lab`, to be flattened into a program's own clap parser.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Command {
    /// Play a scenario and say whether every step held
    Run(RunArgs),
}

#[derive(Debug, Clone, clap::Args)]
struct RunArgs {
    /// Directory with scenario.toml and the nodes' own files
    directory: PathBuf,
    /// Where IPVS comes from
    #[arg(long, value_enum, default_value_t)]
    ipvs: IpvsChoice,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command. Exit status: 0 every step held, 1 a step failed, 2 the scenario or the command
/// line is wrong, 77 something the run needs is missing, 125 the laboratory itself failed,
/// 130 interrupted.
#[must_use]
pub fn run(args: Args, program: &Program) -> ExitCode {
    let Command::Run(arguments) = args.command;
    let _ = (arguments.directory, arguments.ipvs, arguments.json, program);
    ExitCode::from(125)
}
