//! Finding the running director.

use super::default_state_dir;
use crate::control::places;
use crate::exit::Exit;
use crate::output;
use director_control::client::{Client, ClientError};
use director_control::{ProblemKind, Request, Response};
use std::path::PathBuf;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct SocketArguments {
    /// The control socket of the director, if it is not found by itself
    #[arg(long, value_name = "SOCKET")]
    control: Option<PathBuf>,
    /// The state directory of the director
    #[arg(long, value_name = "DIR", default_value_os_t = default_state_dir())]
    state_dir: PathBuf,
}

impl SocketArguments {
    /// Connects to the director.
    pub(crate) fn connect(&self) -> Result<Client, ClientError> {
        Client::find(&self.paths())
    }

    /// Where to look.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        match (&self.control, std::env::var_os("DIRECTOR_CONTROL")) {
            (None, Some(path)) => vec![path.into()],
            (given, _) => places(given.as_deref(), &self.state_dir),
        }
    }

    /// Asks one thing.
    pub(crate) fn ask(&self, request: Request) -> Result<Response, ClientError> {
        self.connect()?.call(request)
    }
}

/// Says why there is no answer.
pub(crate) fn fail(error: &ClientError) -> Exit {
    output::report(error);
    if let ClientError::Problem(problem) = error {
        for reason in &problem.reasons {
            output::print_error(format_args!("  - {reason}\n"));
        }
        if problem.kind == ProblemKind::Precondition {
            return Exit::Other;
        }
    }
    Exit::Failure
}

/// The director answered with something else than what was asked for.
pub(crate) fn unexpected(response: &Response) -> Exit {
    output::print_error(format_args!(
        "director: error: the director answered something else than what it was asked: {response:?}\n"
    ));
    Exit::Failure
}
