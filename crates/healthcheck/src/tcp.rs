//! `TCP_CHECK`: the server accepts connections.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::time::Instant;

use crate::dial::{Dialer, Next};
use crate::outcome::{Detail, Outcome};
use crate::probe::{Attempt, Probe, ProbeKey};

/// Settings of a [`TcpProbe`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TcpSettings {
    /// Address and port to connect to.
    pub target: SocketAddr,
    /// Source address, interface, mark and `connect_timeout`.
    pub dialer: Dialer,
}

impl TcpSettings {
    /// A check of this address with everything else at its default.
    #[must_use]
    pub fn new(target: SocketAddr) -> Self {
        Self {
            target,
            dialer: Dialer::default(),
        }
    }
}

/// Opens a TCP connection and closes it (`TCP_CHECK`).
///
/// Checks whose settings differ only in the target share the memory of the dialer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TcpProbe {
    target: SocketAddr,
    dialer: Arc<Dialer>,
}

impl TcpProbe {
    /// A probe with these settings.
    #[must_use]
    pub fn new(settings: TcpSettings) -> Self {
        Self {
            target: settings.target,
            dialer: settings.dialer.shared(),
        }
    }

    async fn attempt(&self) -> Outcome {
        let start = Instant::now();
        let connection = self.dialer.connect_and(self.target, Next::Speak);
        let result = connection.await;
        Outcome::from_result(result.map(|_stream| Detail::Connected), start.elapsed())
    }
}

impl Probe for TcpProbe {
    fn run(&self) -> Attempt<'_> {
        Box::pin(self.attempt())
    }

    fn run_shared(self: Arc<Self>) -> Attempt<'static> {
        Box::pin(async move { self.attempt().await })
    }

    fn key(&self) -> Option<ProbeKey> {
        Some(ProbeKey::new(self.clone()))
    }

    fn host(&self) -> Option<IpAddr> {
        Some(self.target.ip())
    }
}
