//! The listener of `--metrics`: answers `GET /metrics`, one request a connection, everything bounded.

use super::page::page;
use super::text::Format;
use crate::control::Incoming;
use director_control::{Request, Response, Who};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;

/// Clients at the same time.
const CLIENTS: usize = 16;

/// Longest head of a request, in octets.
const LONGEST_HEAD: usize = 8192;

/// How long a client may take for its request, and to read the answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Nobody can ask for metrics.
#[derive(Debug, thiserror::Error)]
#[error("metrics cannot be served on {address}; choose another address with --metrics")]
pub(crate) struct MetricsError {
    address: SocketAddr,
    source: io::Error,
}

/// The listener; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    task: JoinHandle<()>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Listener {
    /// Listens on `address`.
    pub(crate) fn bind(
        address: SocketAddr,
        loop_: mpsc::Sender<Incoming>,
    ) -> Result<Self, MetricsError> {
        let failed = |source| MetricsError { address, source };
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
        let room = Arc::new(Semaphore::new(CLIENTS));
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                };
                // More than that at once are turned away by closing.
                let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
                    continue;
                };
                let loop_ = loop_.clone();
                tokio::spawn(async move {
                    // A client that goes away is no event.
                    let _ = tokio::time::timeout(PATIENCE, serve(stream, loop_)).await;
                    drop(permit);
                });
            }
        });
        Ok(Self { task })
    }
}

async fn serve(mut stream: TcpStream, loop_: mpsc::Sender<Incoming>) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        let mut octets = [0; 1024];
        let read = stream.read(&mut octets).await?;
        head.extend_from_slice(octets.get(..read).unwrap_or_default());
        if read == 0 || head.len() > LONGEST_HEAD {
            return answer(
                &mut stream,
                "400 Bad Request",
                "text/plain",
                "this is no request\n",
            )
            .await;
        }
    }
    let head = String::from_utf8_lossy(&head);
    let mut words = head.split_whitespace();
    let (method, path) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let path = path.split('?').next().unwrap_or_default();
    match (method, path) {
        ("GET", "/metrics") => {}
        ("GET", "/") => {
            return answer(
                &mut stream,
                "200 OK",
                "text/plain",
                "the metrics are at /metrics\n",
            )
            .await;
        }
        ("GET", _) => {
            return answer(
                &mut stream,
                "404 Not Found",
                "text/plain",
                "the metrics are at /metrics\n",
            )
            .await;
        }
        _ => {
            return answer(
                &mut stream,
                "405 Method Not Allowed",
                "text/plain",
                "only GET is served\n",
            )
            .await;
        }
    }
    let accept = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("accept").then_some(value)
    });
    let format = Format::wanted(accept.unwrap_or_default());
    let Some(snapshot) = ask(&loop_).await else {
        return answer(
            &mut stream,
            "503 Service Unavailable",
            "text/plain",
            "the director is stopping\n",
        )
        .await;
    };
    let text = tokio::task::spawn_blocking(move || page(&snapshot, format)).await;
    let text = text.map_err(io::Error::other)?;
    answer(&mut stream, "200 OK", format.content_type(), &text).await
}

async fn ask(loop_: &mpsc::Sender<Incoming>) -> Option<Box<director_control::Snapshot>> {
    let (answer, answered) = oneshot::channel();
    let nobody = Who {
        uid: u32::MAX,
        user: None,
        pid: 0,
        login: None,
    };
    let asked = Incoming::asked(Request::Status, nobody, answer);
    loop_.send(asked).await.ok()?;
    match answered.await.ok()? {
        Response::Status { snapshot } => Some(snapshot),
        _ => None,
    }
}

async fn answer(stream: &mut TcpStream, status: &str, kind: &str, text: &str) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        text.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await
}
