//! What to ask for and what answer to want.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use super::{InvalidPattern, Md5Digest, Pattern, StatusRanges};
use crate::dial::Dialer;
use crate::tls::{InvalidTls, TlsSettings};

/// Version of the request, and whether it asks the server to close (`http_protocol`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HttpProtocol {
    /// HTTP/1.0 without a `Connection` field.
    #[default]
    Http10,
    /// HTTP/1.0 with `Connection: close` (`1.0C`).
    Http10Close,
    /// HTTP/1.0 with `Connection: keep-alive` (`1.0K`).
    Http10KeepAlive,
    /// HTTP/1.1 with `Connection: close`.
    Http11,
    /// HTTP/1.1 with `Connection: keep-alive` (`1.1K`).
    Http11KeepAlive,
}

/// The word after `http_protocol` is not a known one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown HTTP protocol `{0}`, use one of 1.0, 1.0C, 1.0K, 1.1, 1.1K")]
pub struct UnknownHttpProtocol(pub String);

impl FromStr for HttpProtocol {
    type Err = UnknownHttpProtocol;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "1.0" => Self::Http10,
            "1.0C" | "1.0c" => Self::Http10Close,
            "1.0K" | "1.0k" => Self::Http10KeepAlive,
            "1.1" | "1.1C" | "1.1c" => Self::Http11,
            "1.1K" | "1.1k" => Self::Http11KeepAlive,
            _ => return Err(UnknownHttpProtocol(text.to_owned())),
        })
    }
}

impl fmt::Display for HttpProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http10 => "1.0",
            Self::Http10Close => "1.0C",
            Self::Http10KeepAlive => "1.0K",
            Self::Http11 => "1.1",
            Self::Http11KeepAlive => "1.1K",
        })
    }
}

/// One page to ask for and the answer it must give (`url { }`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HttpUrl {
    /// What stands in the request line, from the first `/` on (`path`).
    pub path: String,
    /// The `Host` field for this page (`virtualhost`), before that of the check.
    pub virtual_host: Option<String>,
    /// The wanted status codes (`status_code`), always checked; 200 to 299 unless said otherwise.
    pub status: StatusRanges,
    /// The wanted MD5 digest of the body as it comes over the wire (`digest`).
    pub digest: Option<Md5Digest>,
    /// The expression that the answer must match, or must not (`regex`).
    pub regex: Option<Pattern>,
}

impl HttpUrl {
    /// A page that must answer with a status of 200 to 299.
    #[must_use]
    pub fn new(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            virtual_host: None,
            status: StatusRanges::default(),
            digest: None,
            regex: None,
        }
    }
}

/// Settings of an [`HttpProbe`](super::HttpProbe) (`HTTP_GET`, `SSL_GET`).
///
/// Every attempt asks for all pages in their order, each over a connection of its own, and ends
/// at the first wrong answer. So recovery never waits between pages: `fast_recovery` of
/// keepalived is always in force.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HttpSettings {
    /// Address and port to connect to.
    pub target: SocketAddr,
    /// Source address, interface, mark and `connect_timeout`.
    pub dialer: Dialer,
    /// The pages; at least one.
    pub urls: Vec<HttpUrl>,
    /// The `Host` field for pages that have none of their own (`virtualhost`); the address and
    /// port of the target if `None`.
    pub virtual_host: Option<String>,
    /// Version of the request.
    pub protocol: HttpProtocol,
    /// TLS, which makes it an `SSL_GET`.
    pub tls: Option<TlsSettings>,
    /// Limit on one whole answer, from the request to its last octet; `connect_timeout` if
    /// `None`.
    pub answer_timeout: Option<Duration>,
    /// Octets of a body that are read, at most. A longer answer fails if its digest or text
    /// matters, and is not read to its end otherwise.
    pub body_limit: u64,
}

impl HttpSettings {
    /// The limit on the octets of a body where nothing else is said: 4 MiB.
    pub const DEFAULT_BODY_LIMIT: u64 = 4 << 20;

    /// A plain HTTP check of one or more pages.
    #[must_use]
    pub fn new(target: SocketAddr, urls: Vec<HttpUrl>) -> Self {
        Self {
            target,
            dialer: Dialer::default(),
            urls,
            virtual_host: None,
            protocol: HttpProtocol::default(),
            tls: None,
            answer_timeout: None,
            body_limit: Self::DEFAULT_BODY_LIMIT,
        }
    }

    /// The virtual host of a page: its own, else that of the check.
    pub(super) fn host<'a>(&'a self, url: &'a HttpUrl) -> Option<&'a str> {
        url.virtual_host.as_deref().or(self.virtual_host.as_deref())
    }
}

/// The settings of an HTTP check cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidHttp {
    /// There is no page to ask for.
    #[error("no page to check, give at least one url with a path")]
    NoUrl,
    /// The path or host would break the request apart.
    #[error("`{0}` holds a blank or control character, which cannot stand in an HTTP request")]
    UnsafeText(String),
    /// The expression cannot be compiled.
    #[error(transparent)]
    Pattern(#[from] InvalidPattern),
    /// The TLS settings cannot be used.
    #[error(transparent)]
    Tls(#[from] InvalidTls),
}
