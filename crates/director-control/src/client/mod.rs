//! Talking to a running director.
//!
//! A connection carries one call after the other. [`Client`] blocks; with the feature `tokio`
//! there is `tokio::Client` with the same names.

#[cfg(feature = "tokio")]
pub mod tokio;

use crate::{Call, Reply, Request, Response, VERSION};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest line of either side, in octets. A snapshot of 100,000 real servers is about 80 MB.
pub const LONGEST_LINE: u64 = 256 << 20;

/// The call has brought no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody listens at any of the places.
    #[error("no director listens at {}; is it running, and with the same --state-dir?", list(.0))]
    NotRunning(Vec<PathBuf>),
    /// The socket is there and cannot be used.
    #[error("the director's socket {path} cannot be used{}", hint(.source))]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The connection broke.
    #[error("the director has not answered")]
    Io(#[from] io::Error),
    /// The director closed the connection.
    #[error("the director has closed the connection")]
    Closed,
    /// The answer is not of this protocol.
    #[error("the director's answer is not understood")]
    Malformed(#[source] serde_json::Error),
    /// The director speaks another version.
    #[error(
        "the director speaks version {0} of the control protocol, this program {VERSION}; use the command of the same release"
    )]
    Version(u32),
    /// The director answered that it cannot.
    #[error(transparent)]
    Problem(crate::Problem),
}

fn list(paths: &[PathBuf]) -> String {
    let each = paths.iter().map(|path| path.display().to_string());
    each.collect::<Vec<_>>().join(" or ")
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "; use it as root or as a member of its group",
        _ => "",
    }
}

/// Where a director listens, best first: `DIRECTOR_CONTROL`, `/run/director/control.sock`, and
/// `control.sock` in the usual state directory.
#[must_use]
pub fn default_paths() -> Vec<PathBuf> {
    if let Some(path) = std::env::var_os("DIRECTOR_CONTROL") {
        return vec![path.into()];
    }
    vec![
        "/run/director/control.sock".into(),
        "/var/lib/director/control.sock".into(),
    ]
}

/// A connection to a director; blocks.
#[derive(Debug)]
pub struct Client {
    reader: BufReader<UnixStream>,
}

impl Client {
    /// Connects to the socket at `path`.
    ///
    /// # Errors
    /// [`ClientError::NotRunning`] if nobody listens there, [`ClientError::Connect`] if it may not
    /// be used.
    pub fn connect(path: &Path) -> Result<Self, ClientError> {
        Self::find(&[path.to_owned()])
    }

    /// Connects to the first of `paths` where a director listens.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub fn find(paths: &[PathBuf]) -> Result<Self, ClientError> {
        for path in paths {
            match UnixStream::connect(path) {
                Ok(stream) => {
                    return Ok(Self {
                        reader: BufReader::new(stream),
                    });
                }
                Err(error) if is_absent(&error) => {}
                Err(source) => {
                    let path = path.clone();
                    return Err(ClientError::Connect { path, source });
                }
            }
        }
        Err(ClientError::NotRunning(paths.to_vec()))
    }

    /// How long to wait for an answer; `None` waits for ever, as at the beginning.
    ///
    /// # Errors
    /// If the limit is zero.
    pub fn set_patience(&self, limit: Option<Duration>) -> Result<(), ClientError> {
        self.reader.get_ref().set_read_timeout(limit)?;
        Ok(self.reader.get_ref().set_write_timeout(limit)?)
    }

    /// Sends a request and waits for its (first) answer.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn call(&mut self, request: Request) -> Result<Response, ClientError> {
        self.send(request)?;
        self.next_response()?.ok_or(ClientError::Closed)
    }

    /// Sends a request.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn send(&mut self, request: Request) -> Result<(), ClientError> {
        let line = encode(request)?;
        Ok(self.reader.get_mut().write_all(&line)?)
    }

    /// The next answer; `None` if the director has closed the connection.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn next_response(&mut self) -> Result<Option<Response>, ClientError> {
        let mut line = Vec::new();
        let read = (&mut self.reader)
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(None);
        }
        decode(&line).map(Some)
    }
}

impl AsFd for Client {
    /// The socket, such as to ask which process listens there.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.get_ref().as_fd()
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::NotADirectory
    )
}

fn encode(request: Request) -> Result<Vec<u8>, ClientError> {
    let call = Call {
        version: VERSION,
        request,
    };
    let mut line = serde_json::to_vec(&call).map_err(ClientError::Malformed)?;
    line.push(b'\n');
    Ok(line)
}

fn decode(line: &[u8]) -> Result<Response, ClientError> {
    #[derive(serde::Deserialize)]
    struct Versioned {
        version: u32,
    }
    let reply = match serde_json::from_slice::<Reply>(line) {
        Ok(reply) => reply,
        // A newer one may have answers that this one cannot read.
        Err(error) => match serde_json::from_slice::<Versioned>(line) {
            Ok(Versioned { version }) if version != VERSION => {
                return Err(ClientError::Version(version));
            }
            _ => return Err(ClientError::Malformed(error)),
        },
    };
    if reply.version != VERSION {
        return Err(ClientError::Version(reply.version));
    }
    match reply.response {
        Response::Problem { problem } => Err(ClientError::Problem(problem)),
        response => Ok(response),
    }
}
