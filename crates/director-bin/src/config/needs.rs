//! What a configuration asks of the daemon's privileges, besides those for addresses and the IPVS table.

use keepalived_conf::model::{Checker, CheckerKind};

/// What is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// A script, or the reader of a FIFO, runs as another user than the daemon.
    pub(crate) other_users: bool,
    /// A check comes from a port below 1024.
    pub(crate) low_ports: bool,
    /// Packets of a check carry a firewall mark.
    pub(crate) marks: bool,
    /// There is a `PING_CHECK`.
    pub(crate) pings: bool,
}

impl Needs {
    pub(super) fn note(&mut self, checker: &Checker) {
        self.pings |= matches!(checker.kind, CheckerKind::Ping);
        if let Some(source) = &checker.source {
            self.low_ports |= source
                .bind_port
                .is_some_and(|port| (1..1024).contains(&port));
            self.marks |= *source.fwmark != 0;
        }
    }
}
