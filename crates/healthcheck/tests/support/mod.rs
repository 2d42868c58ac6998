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

use healthcheck::Dialer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Longer than any good answer takes, even on a busy machine.
pub(crate) const PATIENT: Duration = Duration::from_secs(20);
/// The limit for answers that never come.
pub(crate) const SHORT: Duration = Duration::from_millis(300);

pub(crate) fn dialer(limit: Duration) -> Dialer {
    Dialer::with_timeout(limit)
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
