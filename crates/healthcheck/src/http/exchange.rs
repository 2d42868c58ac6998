//! One request and its answer over a connection of its own.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

use super::response::Consumer;
use super::{ResponseError, ResponseReader};
use crate::dial::{Dialer, Next, connect_cause, never_connected};
use crate::outcome::{Cause, Wanted};
use crate::tls::Connector;

/// A request, and the way to the server.
pub(super) struct Question<'a> {
    pub(super) dialer: &'a Dialer,
    /// TLS, if wanted.
    pub(super) connector: Option<&'a Connector>,
    pub(super) target: SocketAddr,
    /// The virtual host, which names the server in TLS.
    pub(super) host: Option<&'a str>,
    pub(super) request: &'a [u8],
    /// Limit on the whole answer.
    pub(super) limit: Duration,
}

impl Question<'_> {
    /// Connects, sends the request, and hands the answer to the consumer until it is complete.
    /// Tells when the certificate of the server ends, over TLS.
    pub(super) async fn ask(
        &self,
        reader: &mut ResponseReader,
        consumer: &mut impl Consumer,
    ) -> Result<Option<SystemTime>, Cause> {
        let Some(connector) = self.connector else {
            let mut stream = self.dialer.connect_to_write(&self.target).await?;
            self.exchange(&mut stream, reader, consumer).await?;
            return Ok(None);
        };
        // Boxed, so that attempts without TLS do not make room for it.
        Box::pin(async move {
            let limit = self.dialer.connect_timeout;
            let stream = self.dialer.connect_and(self.target, Next::Speak).await?;
            let mut session = connector
                .handshake(stream, self.target, self.host, limit)
                .await?;
            self.exchange(&mut session.stream, reader, consumer).await?;
            let certificate_expires = session.certificate_expires;
            connector.close(session).await;
            Ok(certificate_expires)
        })
        .await
    }

    async fn exchange(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        reader: &mut ResponseReader,
        consumer: &mut impl Consumer,
    ) -> Result<(), Cause> {
        let mut wanted = Wanted::RequestSent;
        let work = self.run(stream, reader, consumer, &mut wanted);
        match timeout(self.limit, work).await {
            Ok(result) => result,
            Err(_elapsed) => Err(Cause::Timeout {
                target: self.target,
                wanted,
                after: self.limit,
            }),
        }
    }

    async fn run(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        reader: &mut ResponseReader,
        consumer: &mut impl Consumer,
        wanted: &mut Wanted,
    ) -> Result<(), Cause> {
        let target = self.target;
        let broken = |wanted, error: io::Error| Cause::Broken {
            target,
            wanted,
            error: error.into(),
        };
        let sent = async {
            stream.write_all(self.request).await?;
            stream.flush().await
        };
        match sent.await {
            Err(error) if never_connected(&error) => {
                return Err(connect_cause(target, error.into()));
            }
            Err(error) => return Err(broken(*wanted, error)),
            Ok(()) => {}
        }
        *wanted = Wanted::HttpHeader;
        loop {
            let received = poll_fn(|context| {
                receive(Pin::new(&mut *stream), context, |octets| {
                    take(octets, target, reader, consumer, wanted)
                })
            });
            match received.await {
                Ok(Some(taken)) => {
                    if taken?.is_break() {
                        return Ok(());
                    }
                }
                Ok(None) => {
                    return reader.closed().map_err(|_cut_off| Cause::Closed {
                        target,
                        wanted: *wanted,
                    });
                }
                Err(error) => return Err(broken(*wanted, error)),
            }
        }
    }
}

/// Hands over what has come; `None` at the end of the stream. The buffer stands on the stack of
/// the poll, so that an attempt that waits does not hold one.
fn receive<S: AsyncRead, T>(
    stream: Pin<&mut S>,
    context: &mut Context<'_>,
    take: impl FnOnce(&[u8]) -> T,
) -> Poll<io::Result<Option<T>>> {
    let mut space = [MaybeUninit::uninit(); 4096];
    let mut buffer = ReadBuf::uninit(&mut space);
    Poll::Ready(match ready!(stream.poll_read(context, &mut buffer)) {
        Ok(()) if buffer.filled().is_empty() => Ok(None),
        Ok(()) => Ok(Some(take(buffer.filled()))),
        // TLS without a farewell: the length of the answer tells whether it is complete.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    })
}

/// Reads on in the answer. Breaks off when it is complete or the consumer has seen enough.
fn take(
    octets: &[u8],
    target: SocketAddr,
    reader: &mut ResponseReader,
    consumer: &mut impl Consumer,
    wanted: &mut Wanted,
) -> Result<ControlFlow<()>, Cause> {
    let flow = reader
        .consume(octets, consumer)
        .map_err(|error| protocol(target, &error))?;
    if reader.header().is_some() {
        *wanted = Wanted::HttpBody;
    }
    Ok(flow)
}

fn protocol(target: SocketAddr, error: &ResponseError) -> Cause {
    Cause::Protocol {
        target,
        protocol: "HTTP",
        problem: error.to_string(),
    }
}
