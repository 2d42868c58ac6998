//! TLS sessions, whatever library makes them.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

#[cfg(feature = "tls-openssl")]
use super::openssl;
#[cfg(feature = "tls-rustls")]
use super::rustls;
use super::{InvalidTls, TlsSettings};
use crate::outcome::{Cause, Wanted};

/// Limit on sending the farewell; the verdict is made by then.
const FAREWELL: Duration = Duration::from_millis(500);

/// What a session reads and writes.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// An open session.
pub(crate) struct Session {
    pub(crate) stream: Box<dyn Stream>,
    /// When the certificate of the server ends.
    pub(crate) certificate_expires: Option<SystemTime>,
}

/// Makes TLS sessions over open connections.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    library: Library,
    sni_name: Option<String>,
    compliant: bool,
}

#[derive(Clone, Debug)]
enum Library {
    #[cfg(feature = "tls-rustls")]
    Rustls(rustls::Client),
    #[cfg(feature = "tls-openssl")]
    OpenSsl(openssl::Client),
}

impl Library {
    fn new(settings: &TlsSettings) -> Result<Self, InvalidTls> {
        if settings.old_versions {
            return Self::for_old_versions(settings);
        }
        #[cfg(feature = "tls-rustls")]
        return rustls::Client::new(settings).map(Self::Rustls);
        #[cfg(not(feature = "tls-rustls"))]
        return openssl::Client::new(settings).map(Self::OpenSsl);
    }

    #[cfg(feature = "tls-openssl")]
    fn for_old_versions(settings: &TlsSettings) -> Result<Self, InvalidTls> {
        openssl::Client::new(settings).map(Self::OpenSsl)
    }

    #[cfg(not(feature = "tls-openssl"))]
    const fn for_old_versions(_settings: &TlsSettings) -> Result<Self, InvalidTls> {
        Err(InvalidTls::OldVersions)
    }
}

impl Connector {
    pub(crate) fn new(settings: &TlsSettings) -> Result<Self, InvalidTls> {
        Ok(Self {
            library: Library::new(settings)?,
            sni_name: settings.sni_name.clone(),
            compliant: settings.compliant,
        })
    }

    /// Shakes hands. `host` is the virtual host, which names the server unless the settings do.
    pub(crate) async fn handshake(
        &self,
        stream: TcpStream,
        target: SocketAddr,
        host: Option<&str>,
        limit: Duration,
    ) -> Result<Session, Cause> {
        let name = self.sni_name.as_deref().or_else(|| host.map(without_port));
        let work = async {
            match &self.library {
                #[cfg(feature = "tls-rustls")]
                Library::Rustls(client) => client.handshake(stream, target, name).await,
                #[cfg(feature = "tls-openssl")]
                Library::OpenSsl(client) => client.handshake(stream, target, name).await,
            }
        };
        match timeout(limit, work).await {
            Ok(result) => result,
            Err(_elapsed) => Err(Cause::Timeout {
                target,
                wanted: Wanted::TlsHandshake,
                after: limit,
            }),
        }
    }

    /// Ends the session, with a farewell if the settings want one.
    pub(crate) async fn close(&self, mut session: Session) {
        if self.compliant {
            // The server may be gone already, which is no failure.
            let _ = timeout(FAREWELL, session.stream.shutdown()).await;
        }
    }
}

/// The host without the port that may stand behind it.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.parse::<u16>().is_ok() => name,
        _ => host,
    }
}
