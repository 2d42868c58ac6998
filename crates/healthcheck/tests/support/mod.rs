//! Servers that behave, and servers that do not.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot set up its server has failed"
)]

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use healthcheck::{Dialer, Outcome, Probe};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Longer than any good answer takes, even on a busy machine.
pub(crate) const PATIENT: Duration = Duration::from_secs(20);
/// The limit for answers that never come.
pub(crate) const SHORT: Duration = Duration::from_millis(300);

pub(crate) fn dialer(limit: Duration) -> Dialer {
    Dialer::with_timeout(limit)
}

/// No attempt may take longer, even on a busy machine; a limit that does not hold takes for ever.
pub(crate) const BOUND: Duration = Duration::from_secs(60);
/// Memory that the attempts of one test program may take beyond what it began with.
pub(crate) const MEMORY: u64 = 48 << 20;

/// Peak of resident memory of this process so far, in octets.
pub(crate) fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes << 10
}

/// Makes one attempt, which must end in time and take no more memory than it may.
pub(crate) async fn bounded(probe: &impl Probe) -> Outcome {
    let before = peak();
    let outcome = tokio::time::timeout(BOUND, probe.run()).await;
    let outcome = outcome.expect("the attempt does not end");
    let grown = peak().saturating_sub(before);
    assert!(grown < MEMORY, "{grown} octets of memory");
    outcome
}

/// A server on loopback that treats each connection as told.
pub(crate) async fn serve<F, T>(mut treat: T) -> SocketAddr
where
    T: FnMut(TcpStream) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(treat(stream));
        }
    });
    address
}

/// Reads a request up to its empty line.
pub(crate) async fn read_request(stream: &mut TcpStream) -> Vec<u8> {
    let mut request = Vec::new();
    let mut buffer = [0; 1024];
    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(length) => request.extend_from_slice(&buffer[..length]),
        }
    }
    request
}

/// An HTTP server that gives the same octets to everybody and closes.
pub(crate) async fn http(answer: impl Into<Vec<u8>>) -> SocketAddr {
    let answer = answer.into();
    serve(move |mut stream| {
        let answer = answer.clone();
        async move {
            read_request(&mut stream).await;
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
            // Whatever the client does next, it must not meet a reset.
            let _ = stream.read(&mut [0; 64]).await;
        }
    })
    .await
}

/// Never ends by itself.
pub(crate) async fn forever() {
    std::future::pending::<()>().await;
}

/// An address where nobody listens.
pub(crate) fn closed_port() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}
