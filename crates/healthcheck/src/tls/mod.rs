//! TLS of probes. Certificates are **not** verified unless asked for, as in keepalived.

#[cfg(not(feature = "tls-rustls"))]
mod absent;
#[cfg(feature = "tls-rustls")]
mod rustls;
mod settings;
#[cfg(feature = "tls-rustls")]
mod validity;

pub use settings::{InvalidTls, Pem, TlsSettings, Verification};

#[cfg(not(feature = "tls-rustls"))]
pub(crate) use absent::Connector;
#[cfg(feature = "tls-rustls")]
pub(crate) use rustls::Connector;
