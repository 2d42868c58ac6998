//! A web server that names itself.
//!
//! `GET /` answers `NAME COUNT`, with the number of the request; `GET /health` always answers `ok`,
//! so that its digest is known. Every connection is closed after its answer.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

/// The longest request, and the time it may take.
const LONGEST_REQUEST: usize = 8 << 10;
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves until it is ended by a signal.
pub(crate) fn run(name: &str, listen: &[SocketAddr]) -> io::Result<()> {
    let runtime = super::runtime()?;
    LocalSet::new().block_on(&runtime, async {
        let count = Rc::new(Cell::new(0_u64));
        let mut listeners = Vec::new();
        for address in listen {
            let listener = TcpListener::bind(address).await.map_err(|error| {
                io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
            })?;
            listeners.push(listener);
        }
        let mut tasks = Vec::new();
        for listener in listeners {
            let (name, count) = (name.to_owned(), Rc::clone(&count));
            tasks.push(tokio::task::spawn_local(accept(listener, name, count)));
        }
        let addresses: Vec<String> = listen.iter().map(SocketAddr::to_string).collect();
        super::say(&format!("{name}: listening on {}", addresses.join(", ")))?;
        for task in tasks {
            let _ = task.await;
        }
        Ok(())
    })
}

async fn accept(listener: TcpListener, name: String, count: Rc<Cell<u64>>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (name, count) = (name.clone(), Rc::clone(&count));
                tokio::task::spawn_local(async move {
                    let _ = tokio::time::timeout(PATIENCE, answer(stream, &name, &count)).await;
                });
            }
            // Out of file descriptors, or a client that went away: the next may do better.
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

async fn answer(mut stream: TcpStream, name: &str, count: &Cell<u64>) -> io::Result<()> {
    let mut request = Vec::new();
    let mut buffer = [0_u8; 1024];
    while !request.windows(4).any(|four| four == b"\r\n\r\n") {
        let read = stream.read(&mut buffer).await?;
        // A TCP check connects and goes away; it is not a request.
        if read == 0 || request.len() > LONGEST_REQUEST {
            return Ok(());
        }
        request.extend_from_slice(buffer.get(..read).unwrap_or_default());
    }
    let body = if path(&request) == Some("/health") {
        "ok\n".to_owned()
    } else {
        count.set(count.get() + 1);
        format!("{name} {}\n", count.get())
    };
    let response = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\
         X-Served-By: {name}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(response.as_bytes()).await?;
    stream.shutdown().await?;
    // Reading to the end lets the client close first, so that no reset overtakes the answer.
    while stream.read(&mut buffer).await? > 0 {}
    Ok(())
}

/// The path of a request, without the query.
fn path(request: &[u8]) -> Option<&str> {
    let line = request.split(|byte| *byte == b'\r').next()?;
    let target = std::str::from_utf8(line).ok()?.split(' ').nth(1)?;
    target.split('?').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_found() {
        assert_eq!(
            path(b"GET /health?x=1 HTTP/1.1\r\nHost: a\r\n\r\n"),
            Some("/health")
        );
        assert_eq!(path(b"\r\n\r\n"), None);
        assert_eq!(path(b"\xff\xff /x"), None);
    }
}
