//! Stands in for TLS in a build without it. It cannot be made, so it never has to do anything.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use tokio::net::TcpStream;

use super::{InvalidTls, TlsSettings};
use crate::outcome::Cause;

/// A session that is never made.
pub(crate) struct Session {
    pub(crate) stream: TcpStream,
    pub(crate) certificate_expires: Option<SystemTime>,
}

#[derive(Clone, Debug)]
pub(crate) struct Connector(Infallible);

impl Connector {
    pub(crate) const fn new(_settings: &TlsSettings) -> Result<Self, InvalidTls> {
        Err(InvalidTls::NotBuilt)
    }

    pub(crate) async fn handshake(
        &self,
        _stream: TcpStream,
        _target: SocketAddr,
        _host: Option<&str>,
        _limit: Duration,
    ) -> Result<Session, Cause> {
        match self.0 {}
    }

    pub(crate) async fn close(&self, _session: Session) {
        match self.0 {}
    }
}
