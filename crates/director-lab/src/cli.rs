//! The command line: `director lab ...` and the stand-alone `director-lab ...`.

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use crate::launch::{Lab, LabError, run_guest_kernel, write_registers_library};
use crate::options::{IpvsChoice, Options, Program};
use crate::scenario::{LoadError, Scenario};
use crate::stage::{self, Lifeline};
use crate::timeline::Timeline;
use crate::{guest, helper};

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
    /// Check a scenario's file and its directors' configuration files without playing it
    Check {
        /// Directories with scenario.toml
        #[arg(required = true)]
        directories: Vec<PathBuf>,
    },
    /// Parts that the laboratory runs by itself
    #[command(hide = true)]
    Helper {
        #[command(subcommand)]
        part: Part,
    },
}

#[derive(Debug, Clone, clap::Args)]
struct RunArgs {
    /// Directory with scenario.toml and the nodes' own files
    directory: PathBuf,
    /// Where IPVS comes from
    #[arg(long, value_enum, default_value_t)]
    ipvs: IpvsChoice,
    /// What runs as director, such as `keepalived`; this program itself if not given
    #[arg(long, value_name = "PROGRAM")]
    director_program: Option<PathBuf>,
    /// Print the report as JSON instead of the timeline
    #[arg(long)]
    json: bool,
    /// Seconds added to every deadline instead of the scenario's own allowance
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=3600))]
    slack: Option<u64>,
    /// Give up after this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 900,
          value_parser = clap::value_parser!(u64).range(1..=86400))]
    time_limit: u64,
    /// Memory of the user-mode Linux guest in MiB
    #[arg(long, value_name = "MIB", default_value_t = 768,
          value_parser = clap::value_parser!(u32).range(128..=65536))]
    guest_memory: u32,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Part {
    Stage,
    GuestKernel,
    /// Writes the library that user-mode Linux needs on some processors, if there is one.
    GuestLibrary {
        file: PathBuf,
    },
    GuestInit,
    GuestStage,
    Web {
        #[arg(long)]
        name: String,
        #[arg(long, required = true)]
        listen: Vec<SocketAddr>,
    },
    Client {
        #[arg(long)]
        url: String,
        #[arg(long)]
        rate: f64,
        #[arg(long)]
        timeout_ms: u64,
    },
}

/// Something is missing that the run needs.
const SKIPPED: u8 = 77;
/// The laboratory itself failed.
const BROKEN: u8 = 125;

/// Runs the command. Exit status: 0 every step held, 1 a step failed, 2 the scenario or the command
/// line is wrong, 77 something the run needs is missing, 125 the laboratory itself failed.
#[must_use]
pub fn run(args: Args, program: &Program) -> ExitCode {
    match args.command {
        Command::Run(arguments) => play(arguments, program),
        Command::Check { directories } => check(&directories, program),
        Command::Helper { part } => match part {
            Part::Stage => stage::run(Lifeline::StandardInput),
            Part::GuestKernel => run_guest_kernel(),
            Part::GuestLibrary { file } => finish(write_registers_library(&file).map(drop)),
            Part::GuestInit => guest::run(),
            Part::GuestStage => stage::run(Lifeline::Guest),
            Part::Web { name, listen } => finish(helper::web::run(&name, &listen)),
            Part::Client {
                url,
                rate,
                timeout_ms,
            } => finish(helper::client::run(
                &url,
                rate,
                Duration::from_millis(timeout_ms),
            )),
        },
    }
}

fn finish(done: io::Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn complain(message: &str) {
    let _ = writeln!(io::stderr(), "{message}");
}

fn check(directories: &[PathBuf], program: &Program) -> ExitCode {
    let mut wrong = false;
    for directory in directories {
        match Scenario::load(directory) {
            Ok(scenario) => {
                let steps = scenario.step_titles().count();
                let refused = refused_files(&scenario, program);
                wrong |= refused > 0;
                let verdict = match refused {
                    0 => "no problem".to_owned(),
                    1 => "a node's configuration has errors".to_owned(),
                    many => format!("the configurations of {many} nodes have errors"),
                };
                let _ = writeln!(
                    io::stdout(),
                    "{}: {steps} steps, {verdict}",
                    scenario.name()
                );
            }
            Err(error) => {
                wrong = true;
                refuse(&error);
            }
        }
    }
    if wrong {
        ExitCode::from(2)
    } else {
        ExitCode::SUCCESS
    }
}

/// Has the director check its nodes' configuration files, which prints what is wrong with them; tells how many have errors.
/// The stand-alone laboratory has no director to ask.
fn refused_files(scenario: &Scenario, program: &Program) -> usize {
    if program.lab_arguments.is_empty() {
        return 0;
    }
    let refused = |(node, file): &(&str, PathBuf)| {
        let status = std::process::Command::new(&program.executable)
            .args(["check", "--format", "concise", "--config-id", node])
            .arg(file)
            .status();
        match status {
            Ok(status) => !status.success(),
            Err(error) => {
                complain(&format!("cannot check {}: {error}", file.display()));
                true
            }
        }
    };
    scenario.director_files().filter(refused).count()
}

fn refuse(error: &LoadError) {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    complain(&format!("{error}{}", cause.unwrap_or_default()));
}

fn play(arguments: RunArgs, program: &Program) -> ExitCode {
    let scenario = match Scenario::load(&arguments.directory) {
        Ok(scenario) => scenario,
        Err(error) => {
            refuse(&error);
            return ExitCode::from(2);
        }
    };
    let mut options = Options::new(program.clone());
    options.director_program = arguments.director_program;
    options.ipvs = arguments.ipvs;
    options.slack = arguments.slack.map(Duration::from_secs);
    options.time_limit = Duration::from_secs(arguments.time_limit);
    options.guest_memory = arguments.guest_memory;

    // https://no-color.org
    let colour = io::stdout().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let mut timeline = Timeline::new(io::stdout(), colour);
    let played = Lab::run_observed(&scenario, &options, |record| {
        if !arguments.json {
            // A reader that went away does not stop the run; its verdict is the exit status.
            let _ = timeline.show(record);
        }
    });
    match played {
        Ok(report) => {
            if arguments.json {
                let mut out = io::stdout().lock();
                let _ = serde_json::to_writer_pretty(&mut out, &report);
                let _ = writeln!(out);
            }
            if report.passed {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(LabError::Unavailable(missing)) => {
            let mut message = format!("{}: skipped, this machine lacks", scenario.name());
            for item in missing {
                message.push_str("\n  ");
                message.push_str(&item);
            }
            complain(&message);
            ExitCode::from(SKIPPED)
        }
        Err(error) => {
            complain(&format!("{}: {error}", scenario.name()));
            ExitCode::from(BROKEN)
        }
    }
}
