//! `director check`: what a file says, without this machine.

use crate::config::{Against, load};
use crate::exit::Exit;
use crate::output;
use clap::ValueEnum;
use keepalived_conf::{Severity, cli, render};
use std::fs::File;
use std::io::IsTerminal;
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
        let colour = std::io::stdout().is_terminal();
        match self {
            Self::Human => cli::Format::Human(render::Style::new(colour, colour)),
            Self::Concise => cli::Format::Concise,
            Self::Json => cli::Format::Json,
            Self::Sarif => cli::Format::Sarif,
        }
    }
}

/// Exit: success without errors (and without denied warnings), failure with them, other if a file cannot be read.
pub(super) fn run(arguments: &CheckArguments) -> Exit {
    let mut exit = Exit::Success;
    for path in &arguments.files {
        if let Err(error) = File::open(path) {
            output::print_error(format_args!(
                "director: error: {} cannot be read: {error}\n",
                path.display()
            ));
            exit = Exit::Other;
            continue;
        }
        let loaded = load(path, Against::Nothing);
        output::print(cli::report(
            &loaded.diagnostics,
            &loaded.sources,
            arguments.format.for_stdout(),
        ));
        if arguments.format == Format::Human {
            output::print_line(format_args!("{}: {}", path.display(), loaded.summary()));
        }
        let denied = arguments.deny_warnings && loaded.diagnostics.count(Severity::Warning) > 0;
        if (loaded.diagnostics.has_errors() || denied) && exit == Exit::Success {
            exit = Exit::Failure;
        }
    }
    exit
}
