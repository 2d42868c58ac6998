//! `director compare`, `fmt` and `config-reference`: what the configuration library answers.

use super::check::{Format, LevelArguments};
use crate::output;
use keepalived_conf::compare::Node;
use keepalived_conf::{FileSystem, Options, cli};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct CompareArguments {
    /// The file of one node
    #[arg(value_name = "A")]
    first: PathBuf,
    /// The file of the other node; may be the same file, if it differs by `@ID` lines
    #[arg(value_name = "B")]
    second: PathBuf,
    /// Lines of A that begin with `@ID` count for this configuration id
    #[arg(long, value_name = "ID")]
    first_id: Option<String>,
    /// Lines of B that begin with `@ID` count for this configuration id
    #[arg(long, value_name = "ID")]
    second_id: Option<String>,
    /// How findings are shown
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Let warnings fail the comparison
    #[arg(long)]
    deny_warnings: bool,
    #[command(flatten)]
    levels: LevelArguments,
}

#[derive(Debug, clap::Args)]
pub(super) struct FormatArguments {
    /// The configuration file; the formatted text goes to standard output
    file: PathBuf,
    /// Only say whether the file is formatted
    #[arg(long, conflicts_with = "diff")]
    check: bool,
    /// Print the changes as a unified diff
    #[arg(long)]
    diff: bool,
}

pub(super) fn compare(arguments: &CompareArguments) -> ExitCode {
    let CompareArguments {
        first,
        second,
        first_id,
        second_id,
        format,
        deny_warnings,
        levels,
    } = arguments;
    let options = |config_id: &Option<String>| {
        let mut options = Options::default();
        options.config_id.clone_from(config_id);
        options.levels = levels.levels();
        options
    };
    let (first_options, second_options) = (options(first_id), options(second_id));
    show(cli::compare(
        Node {
            path: first,
            options: &first_options,
        },
        Node {
            path: second,
            options: &second_options,
        },
        &mut FileSystem,
        format.for_stdout(),
        *deny_warnings,
    ))
}

pub(super) fn format(arguments: &FormatArguments) -> ExitCode {
    let mode = match (arguments.check, arguments.diff) {
        (true, _) => cli::FmtMode::Check,
        (false, true) => cli::FmtMode::Diff,
        (false, false) => cli::FmtMode::Print,
    };
    show(cli::fmt(&arguments.file, &mut FileSystem, mode))
}

pub(super) fn reference() -> ExitCode {
    show(cli::config_reference())
}

fn show(outcome: cli::Outcome) -> ExitCode {
    output::print(outcome.text);
    ExitCode::from(outcome.status)
}
