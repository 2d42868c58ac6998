//! A plan without one of its halves (keepalived's `-P` and `-C`).

use super::{Checks, Plan};

impl Plan {
    /// Only the instances are left.
    pub(crate) fn leave_out_virtual_servers(&mut self) {
        self.virtual_servers.clear();
        self.checks = Checks::default();
        self.omega.clear();
        self.sync = None;
        self.timeouts = None;
        self.flush_at_start = false;
        self.flush_at_stop = false;
    }

    /// Only the virtual servers are left.
    pub(crate) fn leave_out_instances(&mut self) {
        self.vrrp = vrrp_net::Configuration::default();
        self.watched.clear();
        self.notify_deleted.clear();
        self.strict.clear();
        self.interfaces.clear();
    }
}
