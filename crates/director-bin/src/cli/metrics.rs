//! `director metrics`: the metrics of the running director, without a listener.

use super::connect::{SocketArguments, fail, unexpected};
use crate::exit::Exit;
use crate::metrics::{Format, page};
use crate::output;
use director_control::{Request, Response};

#[derive(Debug, clap::Args)]
pub(super) struct MetricsArguments {
    /// The text format
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    socket: SocketArguments,
}

/// Exit: success if the director answered.
pub(super) fn run(arguments: &MetricsArguments) -> Exit {
    match arguments.socket.ask(Request::Status) {
        Ok(Response::Status { snapshot }) => {
            output::print(page(&snapshot, arguments.format));
            Exit::Success
        }
        Ok(other) => unexpected(&other),
        Err(error) => fail(&error),
    }
}
