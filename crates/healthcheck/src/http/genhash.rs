//! The digest of a page, for the keyword `digest`.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use super::exchange::Question;
use super::response::Consumer;
use super::{
    BodyDigest, Header, HttpProtocol, HttpSettings, InvalidHttp, Md5Digest, Request,
    ResponseReader, StatusCode,
};
use crate::dial::Dialer;
use crate::outcome::Cause;
use crate::tls::{Connector, InvalidTls, TlsSettings};

/// What to take the digest of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GenhashSettings {
    /// Address and port to connect to.
    pub target: SocketAddr,
    /// Source address, interface, mark, and the limit on connecting.
    pub dialer: Dialer,
    /// What stands in the request line.
    pub path: String,
    /// The `Host` field; the address and port of the target if `None`.
    pub virtual_host: Option<String>,
    /// Version of the request.
    pub protocol: HttpProtocol,
    /// TLS, if wanted.
    pub tls: Option<TlsSettings>,
    /// Limit on the whole answer.
    pub timeout: Duration,
    /// Octets of a body that are read, at most.
    pub body_limit: u64,
    /// Keep the body, not only its digest.
    pub keep_body: bool,
}

impl GenhashSettings {
    /// The digest of a page over plain HTTP.
    #[must_use]
    pub fn new(target: SocketAddr, path: impl Into<String>) -> Self {
        Self {
            target,
            dialer: Dialer::default(),
            path: path.into(),
            virtual_host: None,
            protocol: HttpProtocol::default(),
            tls: None,
            timeout: crate::dial::DEFAULT_CONNECT_TIMEOUT,
            body_limit: HttpSettings::DEFAULT_BODY_LIMIT,
            keep_body: false,
        }
    }
}

/// A page and its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Genhash {
    /// The MD5 digest of the body as it came over the wire.
    pub digest: Md5Digest,
    /// The status code.
    pub status: StatusCode,
    /// Status line and header fields, with the empty line that ends them.
    pub header: Vec<u8>,
    /// Octets of the body.
    pub body_bytes: u64,
    /// The body, if it was to be kept.
    pub body: Option<Vec<u8>>,
}

/// The digest could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenhashError {
    /// The settings cannot be used.
    #[error(transparent)]
    Settings(#[from] InvalidHttp),
    /// The server did not give the page.
    #[error(transparent)]
    Server(#[from] Cause),
}

impl From<InvalidTls> for GenhashError {
    fn from(error: InvalidTls) -> Self {
        Self::Settings(error.into())
    }
}

struct Collector {
    status: StatusCode,
    digest: BodyDigest,
    seen: u64,
    limit: u64,
    body: Option<Vec<u8>>,
}

impl Consumer for Collector {
    fn header(&mut self, header: &Header) -> ControlFlow<()> {
        self.status = header.status;
        ControlFlow::Continue(())
    }

    fn body(&mut self, octets: &[u8]) -> ControlFlow<()> {
        self.seen += octets.len() as u64;
        if self.seen > self.limit {
            return ControlFlow::Break(());
        }
        self.digest.update(octets);
        if let Some(body) = &mut self.body {
            body.extend_from_slice(octets);
        }
        ControlFlow::Continue(())
    }
}

/// Asks for a page, whatever its status, and takes the digest of its body, as the program
/// `genhash` does.
///
/// # Errors
/// If the settings cannot be used or the server does not give the whole page.
pub async fn genhash(settings: &GenhashSettings) -> Result<Genhash, GenhashError> {
    let host = settings.virtual_host.as_deref();
    for text in [Some(settings.path.as_str()), host].into_iter().flatten() {
        if !Request::is_safe(text) {
            return Err(InvalidHttp::UnsafeText(text.to_owned()).into());
        }
    }
    let connector = settings.tls.as_ref().map(Connector::new).transpose()?;
    let target = settings.target;
    let request = Request {
        protocol: settings.protocol,
        path: &settings.path,
        virtual_host: host,
        target,
    }
    .encode();
    let mut reader = ResponseReader::keeping_header();
    let mut collector = Collector {
        status: StatusCode::new(0),
        digest: BodyDigest::default(),
        seen: 0,
        limit: settings.body_limit,
        body: settings.keep_body.then(Vec::new),
    };
    let question = Question {
        dialer: &settings.dialer,
        connector: connector.as_ref(),
        target,
        host,
        request: &request,
        limit: settings.timeout,
    };
    question.ask(&mut reader, &mut collector).await?;
    if collector.seen > settings.body_limit {
        let url = format!("http://{target}{}", settings.path);
        return Err(Cause::TooLong {
            url,
            limit: settings.body_limit,
        }
        .into());
    }
    Ok(Genhash {
        digest: collector.digest.finish(),
        status: collector.status,
        header: reader.raw_header().unwrap_or_default().to_vec(),
        body_bytes: collector.seen,
        body: collector.body,
    })
}
