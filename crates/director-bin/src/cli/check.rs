//! `director check`: what a file says, without this machine unless asked.

use crate::config::{self, Against};
use crate::exit::Exit;
use crate::output;
use clap::ValueEnum;
use keepalived_conf::{Code, Level, Levels, Severity, cli, render};
use serde_json::Value;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct CheckArguments {
    /// Configuration files, each checked by itself
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How problems are shown
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Let warnings fail the check
    #[arg(long)]
    deny_warnings: bool,
    /// Look at this machine too: scripts, users, interfaces, who may read the file
    #[arg(long)]
    this_machine: bool,
    /// Lines that begin with `@ID` count for this configuration id [default: the host's name up to the first dot]
    #[arg(short = 'i', long, value_name = "ID")]
    config_id: Option<String>,
    #[command(flatten)]
    levels: LevelArguments,
}

/// Severities chosen per code.
#[derive(Debug, clap::Args)]
pub(super) struct LevelArguments {
    /// Do not report this code, such as KC0410
    #[arg(long, value_name = "CODE")]
    allow: Vec<Code>,
    /// Report this code as a warning
    #[arg(long, value_name = "CODE")]
    warn: Vec<Code>,
    /// Report this code as an error
    #[arg(long, value_name = "CODE")]
    deny: Vec<Code>,
}

impl LevelArguments {
    /// The strictest choice counts if a code is named twice.
    pub(super) fn levels(&self) -> Levels {
        let mut levels = Levels::new();
        for (codes, level) in [
            (&self.allow, Level::Allow),
            (&self.warn, Level::Warn),
            (&self.deny, Level::Deny),
        ] {
            for code in codes {
                levels.set(*code, level);
            }
        }
        levels
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Format {
    /// With an excerpt of the file
    #[default]
    Human,
    /// One line each, as compilers write them
    Concise,
    /// An array of objects
    Json,
    /// SARIF 2.1.0, for code review tools
    Sarif,
}

impl Format {
    /// For the configuration library, coloured on a terminal.
    pub(super) fn for_stdout(self) -> cli::Format {
        match self {
            Self::Human => cli::Format::Human(output::style(&std::io::stdout())),
            Self::Concise => cli::Format::Concise,
            Self::Json => cli::Format::Json,
            Self::Sarif => cli::Format::Sarif,
        }
    }
}

/// Exit: success without errors (and without denied warnings), failure with them, other if a file cannot be read.
pub(super) fn run(arguments: &CheckArguments) -> Exit {
    let mut options = config::options();
    if arguments.config_id.is_some() {
        options.config_id.clone_from(&arguments.config_id);
    }
    options.levels = arguments.levels.levels();
    let against = if arguments.this_machine {
        Against::ThisMachine
    } else {
        Against::Nothing
    };
    let mut exit = Exit::Success;
    let mut reports = Vec::new();
    for path in &arguments.files {
        let loaded = config::examine(path, against, options.clone());
        let unreadable = loaded.unreadable();
        let human = arguments.format == Format::Human;
        match unreadable {
            // There is no text to show an excerpt of.
            Some(problem) if human => {
                output::print_error(format_args!("director: error: {problem}\n"));
            }
            _ if arguments.format == Format::Sarif => reports.push(render::sarif_with(
                &loaded.diagnostics,
                &loaded.sources,
                config::title,
            )),
            _ => reports.push(cli::report(
                &loaded.diagnostics,
                &loaded.sources,
                arguments.format.for_stdout(),
            )),
        }
        if human && unreadable.is_none() {
            reports.push(format!("{}: {}\n", path.display(), loaded.summary()));
        }
        let denied = arguments.deny_warnings && loaded.diagnostics.count(Severity::Warning) > 0;
        if unreadable.is_some() {
            exit = Exit::Other;
        } else if (loaded.diagnostics.has_errors() || denied) && exit == Exit::Success {
            exit = Exit::Failure;
        }
    }
    let text = match arguments.format {
        Format::Human | Format::Concise => Ok(reports.concat()),
        Format::Json => one_array(&reports),
        Format::Sarif => one_log(reports),
    };
    match text {
        Ok(text) => output::print(text),
        Err(error) => {
            output::report(&error);
            return Exit::Other;
        }
    }
    exit
}

/// The arrays of several files as one.
fn one_array(reports: &[String]) -> Result<String, serde_json::Error> {
    let mut all: Vec<Value> = Vec::new();
    for report in reports {
        all.append(&mut serde_json::from_str(report)?);
    }
    let lines: Vec<String> = all.iter().map(|one| format!("\n  {one}")).collect();
    let end = if lines.is_empty() { "]\n" } else { "\n]\n" };
    Ok(format!("[{}{end}", lines.join(",")))
}

/// The SARIF logs of several files as one log with one run.
fn one_log(reports: Vec<String>) -> Result<String, serde_json::Error> {
    const RULES: &str = "/runs/0/tool/driver/rules";
    const RESULTS: &str = "/runs/0/results";
    let mut reports = reports.into_iter();
    let first = reports.next().unwrap_or_default();
    if reports.len() == 0 {
        return Ok(first);
    }
    let mut log: Value = serde_json::from_str(&first)?;
    for report in reports {
        let mut other: Value = serde_json::from_str(&report)?;
        for pointer in [RULES, RESULTS] {
            let more = other.pointer_mut(pointer).map(Value::take);
            let (Some(Value::Array(all)), Some(Value::Array(more))) =
                (log.pointer_mut(pointer), more)
            else {
                continue;
            };
            for one in more {
                if pointer == RESULTS || !all.contains(&one) {
                    all.push(one);
                }
            }
        }
    }
    Ok(format!("{log}\n"))
}
