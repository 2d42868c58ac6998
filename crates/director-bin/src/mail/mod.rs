//! Alerts by mail (`smtp_alert`): collected, written as keepalived writes them, and brought to the mail server.
//!
//! What is sent when is decided by [`outbox`], which is given the time; [`message`] and [`reply`] are text in, text out; the
//! connection is in [`client`]. A mail server that is slow or gone holds nothing up: one task of its own talks to it.

mod client;
mod message;
mod outbox;
mod reply;
mod sender;
#[cfg(test)]
mod server_tests;
mod tls;

pub(crate) use message::Alert;
pub(crate) use sender::Mailer;
pub(crate) use tls::{connector, system_authorities};

use keepalived_conf::model::Secret;
use std::fmt;
use std::time::Duration;
use tokio_rustls::TlsConnector;

/// Where mail goes, from whom and to whom.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MailSettings {
    /// Name of this machine in subjects (`router_id`).
    pub(crate) router_id: String,
    /// Name or address of the mail server.
    pub(crate) host: String,
    /// Its port.
    pub(crate) port: u16,
    /// The sender, as it stands in the header.
    pub(crate) from: String,
    /// The recipients, as they stand in the header; at least one.
    pub(crate) to: Vec<String>,
    /// What we call ourselves to the server.
    pub(crate) helo_name: String,
    /// Limit on connecting and on each reply.
    pub(crate) timeout: Duration,
    /// How the connection is protected.
    pub(crate) protection: Protection,
    /// Who we are to the server, if it wants to know.
    pub(crate) credentials: Option<Credentials>,
    /// How long alerts are collected into one mail; zero sends each by itself.
    pub(crate) batch_delay: Duration,
}

/// How the connection to the mail server is protected.
#[derive(Clone)]
pub(crate) enum Protection {
    /// Not at all, as with keepalived.
    Plain,
    /// By the command STARTTLS (RFC 3207); without it nothing is sent.
    StartTls(TlsConnector),
    /// From the first octet on (RFC 8314).
    Tls(TlsConnector),
}

impl fmt::Debug for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "Plain",
            Self::StartTls(_) => "StartTls",
            Self::Tls(_) => "Tls",
        })
    }
}

impl PartialEq for Protection {
    /// Two connectors count as equal only if they are the same one: certificates may have been renewed.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Plain, Self::Plain) => true,
            (Self::StartTls(one), Self::StartTls(two)) | (Self::Tls(one), Self::Tls(two)) => {
                std::ptr::eq(one.config().as_ref(), two.config().as_ref())
            }
            _ => false,
        }
    }
}

/// User and password at the mail server. `Debug` does not show the password.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Credentials {
    /// The user.
    pub(crate) user: String,
    /// The password.
    pub(crate) password: Secret,
}
