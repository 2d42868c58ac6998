//! Stands in for TLS in a build without it. It cannot be made, so it never has to do anything.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use tokio::net::TcpStream;

use super::{InvalidTls, TlsSettings};
use crate::outcome::Cause;

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
    ) -> Result<TcpStream, Cause> {
        match self.0 {}
    }

    pub(crate) fn certificate_expires(&self, _stream: &TcpStream) -> Option<SystemTime> {
        match self.0 {}
    }

    pub(crate) async fn close(&self, _stream: TcpStream) {
        match self.0 {}
    }
}
