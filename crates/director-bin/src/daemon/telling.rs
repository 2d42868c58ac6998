//! What the running daemon tells beyond single happenings.

use super::notice::Notice;
use super::notifier::CheckChange;
use super::running::Running;
use crate::lvs::{CheckId, Happening};

impl Running {
    /// Mails that a check has changed its mind.
    pub(super) fn mail_check(&mut self, id: &CheckId, follows: &[Happening], reason: &str) {
        let up = |happening: &Happening| matches!(happening, Happening::RealServerUp { .. });
        let down = |happening: &Happening| matches!(happening, Happening::RealServerDown { .. });
        // A server of which one check has just changed is up only if that has brought it up: before, either this check had
        // failed, or it fails now.
        let server_up = follows.iter().any(up);
        let change = CheckChange {
            id,
            passed: !self.model.is_down(id),
            server_up,
            server_changed: server_up || follows.iter().any(down),
            reason,
        };
        self.notifier.check(&self.plan, change);
    }

    /// Tells the real servers that count as up from the start (`rs_init_notifies`).
    pub(super) fn tell_initial_servers(&mut self) {
        if !self.plan.notices.initial_servers {
            return;
        }
        let mut notices = Vec::new();
        for server in &self.plan.virtual_servers {
            for real in &server.real_servers {
                if real.checks.iter().all(|check| !check.alpha) {
                    notices.push(Notice::RealServer {
                        virtual_server: server.name.to_string(),
                        real_server: real.destination.id,
                        up: true,
                        reason: "the director starts".to_owned(),
                    });
                }
            }
        }
        for notice in &notices {
            self.notifier.tell(&self.plan, notice);
        }
    }

    /// Writes all VRRP states into the FIFOs again, if that is wished after a reload.
    pub(super) fn tell_states(&mut self) {
        if let (true, Some(vrrp)) = (self.plan.notices.states_on_reload, &self.vrrp) {
            let snapshot = vrrp.engine.snapshots().latest();
            self.notifier.states(&self.plan.notices, &snapshot);
        }
    }
}
