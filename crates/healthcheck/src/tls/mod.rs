//! TLS of probes. Certificates are **not** verified unless asked for, as in keepalived.

#[cfg(not(any(feature = "tls-rustls", feature = "tls-openssl")))]
mod absent;
#[cfg(any(feature = "tls-rustls", feature = "tls-openssl"))]
mod connector;
#[cfg(feature = "tls-openssl")]
mod openssl;
#[cfg(feature = "tls-rustls")]
mod rustls;
mod settings;
#[cfg(any(feature = "tls-rustls", feature = "tls-openssl"))]
mod validity;

pub use settings::{InvalidTls, Pem, TlsSettings, Verification};

#[cfg(not(any(feature = "tls-rustls", feature = "tls-openssl")))]
pub(crate) use absent::Connector;
#[cfg(any(feature = "tls-rustls", feature = "tls-openssl"))]
pub(crate) use connector::Connector;
