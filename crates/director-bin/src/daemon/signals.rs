//! The signals that the daemon takes.

use super::answer::Legacy;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens to all of them.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    user: Signal,
    /// Log everything (`SIGRTMIN+22`, as systemd's own services do).
    talkative: Signal,
    /// Log what the command line says (`SIGRTMIN+23`).
    usual: Signal,
    user2: Signal,
    json: Signal,
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wish {
    /// Stop; the name of the signal.
    Stop(&'static str),
    /// Read the configuration again.
    Reload,
    /// Log how things stand, and write keepalived's file of it.
    Status,
    /// Write another of keepalived's files.
    Legacy(Legacy),
    /// Log all there is.
    Talkative,
    /// Log as the command line says.
    Usual,
}

impl Signals {
    /// Begins to listen.
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            user: signal(SignalKind::user_defined1())?,
            talkative: signal(SignalKind::from_raw(56))?,
            usual: signal(SignalKind::from_raw(57))?,
            user2: signal(SignalKind::user_defined2())?,
            json: signal(SignalKind::from_raw(libc::SIGRTMIN() + 2))?,
        })
    }

    /// The next one. Nothing is lost if this is given up.
    pub(super) async fn next(&mut self, ignore_interrupt: bool) -> Wish {
        tokio::select! {
            _ = self.terminate.recv() => Wish::Stop("SIGTERM"),
            _ = self.interrupt.recv(), if !ignore_interrupt => Wish::Stop("SIGINT"),
            _ = self.hang_up.recv() => Wish::Reload,
            _ = self.user.recv() => Wish::Status,
            _ = self.user2.recv() => Wish::Legacy(Legacy::Stats),
            _ = self.json.recv() => Wish::Legacy(Legacy::Json),
            _ = self.talkative.recv() => Wish::Talkative,
            _ = self.usual.recv() => Wish::Usual,
        }
    }
}
