//! The asynchronous client.

use super::{ClientError, LONGEST_LINE, decode, encode, is_absent};
use crate::{Request, Response};
use std::path::{Path, PathBuf};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

/// A connection to a director.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
    /// What has been read of the next line.
    line: Vec<u8>,
}

impl Client {
    /// Connects to the socket at `path`.
    ///
    /// # Errors
    /// As the blocking [`Client`](super::Client::connect).
    pub async fn connect(path: &Path) -> Result<Self, ClientError> {
        Self::find(&[path.to_owned()]).await
    }

    /// Connects to the first of `paths` where a director listens.
    ///
    /// # Errors
    /// As the blocking [`Client`](super::Client::connect).
    pub async fn find(paths: &[PathBuf]) -> Result<Self, ClientError> {
        for path in paths {
            match UnixStream::connect(path).await {
                Ok(stream) => {
                    return Ok(Self {
                        stream: BufReader::new(stream),
                        line: Vec::new(),
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

    /// Sends a request and waits for its (first) answer.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn call(&mut self, request: Request) -> Result<Response, ClientError> {
        self.send(request).await?;
        self.next_response().await?.ok_or(ClientError::Closed)
    }

    /// Sends a request.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn send(&mut self, request: Request) -> Result<(), ClientError> {
        let line = encode(request)?;
        Ok(self.stream.write_all(&line).await?)
    }

    /// The next answer; `None` if the director has closed the connection. May be cancelled
    /// without losing an answer.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn next_response(&mut self) -> Result<Option<Response>, ClientError> {
        let left = LONGEST_LINE.saturating_sub(self.line.len() as u64);
        (&mut self.stream)
            .take(left)
            .read_until(b'\n', &mut self.line)
            .await?;
        if self.line.is_empty() {
            return Ok(None);
        }
        let line = std::mem::take(&mut self.line);
        decode(&line).map(Some)
    }
}
