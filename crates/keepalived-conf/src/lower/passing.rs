//! Virtual servers that are looked at and dropped while the file is read.

use super::{Visit, finish_lvs};
use crate::check;
use crate::expand::Reader;
use crate::model::{CheckerKind, Config, Family, RealServer, VirtualServer, VirtualServerTarget};

/// What stays of the virtual servers that were dropped.
#[derive(Debug, Default)]
pub(super) struct Passing {
    /// A server like those that are dropped was kept: it stands for them where the configuration is
    /// judged as a whole.
    example: bool,
    /// What is compared between virtual servers.
    pub(super) passed: Vec<check::Target>,
}

impl Passing {
    /// Shows the last virtual server read and drops it, if nothing that may follow in the file can
    /// change what is to be said about it.
    pub(super) fn pass(
        &mut self,
        config: &mut Config,
        reader: &mut Reader<'_>,
        visit: &mut Visit<'_>,
    ) {
        if !config.virtual_server.last().is_some_and(stands_alone) {
            return;
        }
        if !self.example {
            self.example = true;
            return;
        }
        // The example may be the last one still; it is kept.
        if config.virtual_server.len() < 2 {
            return;
        }
        let Some(mut server) = config.virtual_server.pop() else {
            return;
        };
        finish_lvs::alone(&mut server, &config.global_defs, reader);
        check::virtual_server(&mut server, reader);
        self.passed.push(check::Target::of(&server));
        visit(config, &server);
    }
}

/// True if the server refers to nothing outside its block.
pub(crate) fn stands_alone(server: &VirtualServer) -> bool {
    let VirtualServerTarget::Address { address, .. } = &server.target.value else {
        return false;
    };
    let family = Family::of(address);
    let quiet = |real: &RealServer| {
        real.notify_up.is_none()
            && real.notify_down.is_none()
            && Family::of(&real.address) == family
            && real.checkers.iter().all(|checker| {
                matches!(
                    checker.kind,
                    CheckerKind::Tcp
                        | CheckerKind::Ping
                        | CheckerKind::Udp(_)
                        | CheckerKind::Http(_)
                        | CheckerKind::Dns(_)
                )
            })
    };
    server.quorum_up.is_none()
        && server.quorum_down.is_none()
        && !server.smtp_alert.is_written()
        && !server.real_server.is_empty()
        && server.real_server.iter().all(quiet)
}
