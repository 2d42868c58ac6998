//! Finding the running director.

use super::default_state_dir;
use crate::control::places;
use crate::exit::Exit;
use crate::output;
use director_control::client::{Client, ClientError};
use director_control::{Action, ProblemKind, Request, Response};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The same where the director reads its configuration, which may be large and name hosts.
const PATIENCE_WITH_READING: Duration = Duration::from_secs(120);

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
    pub(crate) fn connect(&self) -> Result<Connection, ClientError> {
        let paths = self.paths();
        // Directors of several network namespaces share the usual places; the one of this namespace is meant.
        let near = paths.iter().find_map(|path| {
            let client = Client::find(std::slice::from_ref(path)).ok()?;
            is_of_this_namespace(&client).then_some(client)
        });
        Connection::new(match near {
            Some(client) => client,
            None => Client::find(&paths)?,
        })
    }

    /// Where to look.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        match (&self.control, std::env::var_os("DIRECTOR_CONTROL")) {
            (None, Some(path)) => vec![path.into()],
            (given, _) => places(given.as_deref(), &self.state_dir),
        }
    }

    /// The state directory of the director that these arguments mean, unless they name a socket.
    pub(crate) fn state_dir(&self) -> Option<&Path> {
        let named = self.control.is_some() || std::env::var_os("DIRECTOR_CONTROL").is_some();
        (!named).then_some(&self.state_dir)
    }

    /// Asks one thing.
    pub(crate) fn ask(&self, request: Request) -> Result<Response, ClientError> {
        self.connect()?.call(request)
    }
}

/// `false` also where nobody may look, as in a process of somebody else.
fn is_of_this_namespace(client: &Client) -> bool {
    let namespace = |process: &str| {
        let path = format!("/proc/{process}/ns/net");
        std::fs::metadata(path).map(|found| found.ino()).ok()
    };
    let Ok(peer) = getsockopt(client, PeerCredentials) else {
        return false;
    };
    let own = namespace("self");
    own.is_some() && own == namespace(&peer.pid().to_string())
}

/// A connection that does not wait for ever for a director that is stopped or stuck.
#[derive(Debug)]
pub(crate) struct Connection {
    client: Client,
    patience: Option<Duration>,
}

impl Connection {
    fn new(client: Client) -> Result<Self, ClientError> {
        let mut connection = Self {
            client,
            patience: None,
        };
        connection.set_patience(Some(PATIENCE))?;
        Ok(connection)
    }

    /// How long to wait for each answer; `None` waits for ever.
    pub(crate) fn set_patience(&mut self, limit: Option<Duration>) -> Result<(), ClientError> {
        self.client.set_patience(limit)?;
        self.patience = limit;
        Ok(())
    }

    /// Sends a request and waits for its (first) answer.
    pub(crate) fn call(&mut self, request: Request) -> Result<Response, ClientError> {
        if let Some(limit) = patience_for(&request) {
            self.set_patience(Some(limit))?;
        }
        let answer = self.client.call(request);
        answer.map_err(|error| self.explain(error))
    }

    /// Sends a request.
    pub(crate) fn send(&mut self, request: Request) -> Result<(), ClientError> {
        let sent = self.client.send(request);
        sent.map_err(|error| self.explain(error))
    }

    /// The next answer; `None` if the director has closed the connection.
    pub(crate) fn next_response(&mut self) -> Result<Option<Response>, ClientError> {
        let next = self.client.next_response();
        next.map_err(|error| self.explain(error))
    }

    /// Says of a time that is over who was silent for how long.
    fn explain(&self, error: ClientError) -> ClientError {
        match (error, self.patience) {
            (ClientError::Io(error), Some(limit))
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) =>
            {
                let who = getsockopt(&self.client, PeerCredentials)
                    .map_or_else(|_| String::new(), |peer| format!(" (pid {})", peer.pid()));
                ClientError::Io(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!(
                        "the director{who} has not answered for {} s; it may be stopped or stuck",
                        limit.as_secs()
                    ),
                ))
            }
            (error, _) => error,
        }
    }
}

/// How long what may take longer than usual may take.
fn patience_for(request: &Request) -> Option<Duration> {
    match request {
        Request::Plan => Some(PATIENCE_WITH_READING),
        Request::Order { order } if matches!(order.action, Action::Reload { .. }) => {
            Some(PATIENCE_WITH_READING)
        }
        _ => None,
    }
}

/// Says what went wrong; of a time that is over, only the sentence that says all of it.
pub(crate) fn report(error: &ClientError) {
    match error {
        ClientError::Io(error) if error.kind() == io::ErrorKind::TimedOut => output::report(error),
        error => output::report(error),
    }
}

/// Says why there is no answer.
pub(crate) fn fail(error: &ClientError) -> Exit {
    report(error);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_director_that_is_silent_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let _listener = UnixListener::bind(&path).unwrap();
        let mut connection = Connection::new(Client::connect(&path).unwrap()).unwrap();
        assert_eq!(connection.patience, Some(PATIENCE));
        connection
            .set_patience(Some(Duration::from_millis(20)))
            .unwrap();
        let error = connection.call(Request::Status).unwrap_err();
        let wanted = format!("the director (pid {}) has not answered", std::process::id());
        let text = output::chain(&error);
        assert!(text.contains(&wanted), "{text}");
        assert_eq!(patience_for(&Request::Plan), Some(PATIENCE_WITH_READING));
    }
}
