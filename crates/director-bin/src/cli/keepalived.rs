//! Called by the name `keepalived`: the configuration test (`-t`) with keepalived's options and exit status.

use crate::exit::Exit;
use crate::output;
use clap::Parser;
use keepalived_conf::{FileSystem, Options, cli};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// Those of keepalived's options that concern the configuration test.
#[derive(Debug, Parser)]
#[command(
    name = "keepalived",
    version,
    about = "director in the place of keepalived; under this name it serves the configuration test"
)]
struct Arguments {
    /// Test the configuration; the report goes to the file if one is given
    #[arg(short = 't', long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    config_test: Option<Option<PathBuf>>,
    /// The configuration file
    #[arg(
        short = 'f',
        long,
        value_name = "FILE",
        default_value = "/etc/keepalived/keepalived.conf"
    )]
    use_file: PathBuf,
    /// Lines that begin with `@ID` count for this configuration id
    #[arg(short = 'i', long, value_name = "ID")]
    config_id: Option<String>,
}

pub(super) fn run(arguments: &[OsString]) -> ExitCode {
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
    let Some(report) = arguments.config_test else {
        output::print_error(format_args!(
            "keepalived: under this name director serves the configuration test (-t) only; \
             start it with `director run --config {}`\n",
            arguments.use_file.display()
        ));
        return Exit::Other.into();
    };
    let mut options = Options::default();
    options.check_scripts = true;
    if arguments.config_id.is_some() {
        options.config_id = arguments.config_id;
    }
    let outcome = cli::keepalived_test(&arguments.use_file, &mut FileSystem, &options);
    match report {
        None => output::print_error(format_args!("{}", outcome.text)),
        Some(path) => {
            if let Err(error) = std::fs::write(&path, &outcome.text) {
                output::print_error(format_args!(
                    "keepalived: cannot write {}: {error}\n",
                    path.display()
                ));
                return Exit::Failure.into();
            }
        }
    }
    ExitCode::from(outcome.status)
}
