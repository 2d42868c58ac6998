//! One request and its answer over an open connection.

use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::{Header, ResponseError, ResponseReader, Step};
use crate::outcome::{Cause, Wanted};

/// Takes an answer as it comes.
pub(super) trait Consumer {
    /// The header is there. Breaking off ends the exchange.
    fn header(&mut self, header: &Header) -> ControlFlow<()>;
    /// Some octets of the body. Breaking off ends the exchange.
    fn body(&mut self, octets: &[u8]) -> ControlFlow<()>;
}

/// Sends the request and hands the answer to the consumer until it is complete.
pub(super) async fn exchange(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    target: SocketAddr,
    request: &[u8],
    limit: Duration,
    reader: &mut ResponseReader,
    consumer: &mut impl Consumer,
) -> Result<(), Cause> {
    let mut wanted = Wanted::RequestSent;
    let work = run(stream, target, request, reader, consumer, &mut wanted);
    match timeout(limit, work).await {
        Ok(result) => result,
        Err(_elapsed) => Err(Cause::Timeout {
            target,
            wanted,
            after: limit,
        }),
    }
}

async fn run(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    target: SocketAddr,
    request: &[u8],
    reader: &mut ResponseReader,
    consumer: &mut impl Consumer,
    wanted: &mut Wanted,
) -> Result<(), Cause> {
    let broken = |wanted, error: io::Error| Cause::Broken {
        target,
        wanted,
        error: error.into(),
    };
    let sent = async {
        stream.write_all(request).await?;
        stream.flush().await
    };
    if let Err(error) = sent.await {
        return Err(broken(*wanted, error));
    }
    *wanted = Wanted::HttpHeader;
    let mut buffer = [0_u8; 4096];
    loop {
        let length = match stream.read(&mut buffer).await {
            Ok(length) => length,
            // TLS without a farewell: the length of the answer tells whether it is complete.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            Err(error) => return Err(broken(*wanted, error)),
        };
        if length == 0 {
            return match reader.closed() {
                Ok(()) => Ok(()),
                Err(_cut_off) => Err(Cause::Closed {
                    target,
                    wanted: *wanted,
                }),
            };
        }
        let had_header = reader.header().is_some();
        let mut flow = ControlFlow::Continue(());
        let mut held = Vec::new();
        let octets = buffer.get(..length).unwrap_or_default();
        let step = reader
            .receive(octets, |body| {
                if had_header {
                    if flow.is_continue() {
                        flow = consumer.body(body);
                    }
                } else {
                    held.extend_from_slice(body);
                }
            })
            .map_err(|error| protocol(target, &error))?;
        if !had_header && let Some(header) = reader.header() {
            *wanted = Wanted::HttpBody;
            flow = consumer.header(header);
            if flow.is_continue() && !held.is_empty() {
                flow = consumer.body(&held);
            }
        }
        if flow.is_break() || step == Step::Complete {
            return Ok(());
        }
    }
}

fn protocol(target: SocketAddr, error: &ResponseError) -> Cause {
    Cause::Protocol {
        target,
        protocol: "HTTP",
        problem: error.to_string(),
    }
}
