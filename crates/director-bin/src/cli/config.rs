//! `director compare`, `fmt` and `config-reference`: what the configuration library answers.

use super::check::Format;
use crate::output;
use keepalived_conf::{FileSystem, Options, cli};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct CompareArguments {
    /// The file of one node
    #[arg(value_name = "A")]
    first: PathBuf,
    /// The file of the other node
    #[arg(value_name = "B")]
    second: PathBuf,
    /// How findings are shown
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Let warnings fail the comparison
    #[arg(long)]
    deny_warnings: bool,
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
        format,
        deny_warnings,
    } = arguments;
    let options = Options::default();
    let format = format.for_stdout();
    show(cli::compare(
        first,
        second,
        &mut FileSystem,
        &options,
        format,
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
