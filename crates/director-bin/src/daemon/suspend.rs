//! `ha_suspend`: lets checks rest while the virtual address is not on this machine.

use super::running::Running;
use crate::kernel::{AddressWatch, local_addresses};
use crate::lvs::suspended;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Which virtual servers rest, and how to learn when that changes.
#[derive(Debug, Default)]
pub(super) struct Suspension {
    watch: Option<AddressWatch>,
    resting: BTreeSet<Arc<str>>,
}

impl Suspension {
    /// Waits until addresses have changed; for ever if nobody wants to know.
    pub(super) async fn changed(&mut self) {
        let Some(watch) = &self.watch else {
            return std::future::pending().await;
        };
        if let Err(error) = watch.changed().await {
            let reason = crate::output::chain(&error);
            tracing::error!(
                event = "addresses_unknown",
                reason,
                "changes of addresses are not told any more, checks with ha_suspend go on: {reason}"
            );
            self.watch = None;
        }
    }
}

impl Running {
    /// Brings checks to rest or lets them go on, as the addresses of this machine are now. After a reload too: checks that
    /// are new do not rest by themselves.
    pub(super) fn suspend_checks(&mut self) {
        let wanted = self
            .plan
            .virtual_servers
            .iter()
            .any(|server| server.ha_suspend);
        if !wanted && self.suspension.resting.is_empty() {
            self.suspension.watch = None;
            return;
        }
        // Listening begins before the addresses are read, so that no change is missed between.
        let listening = match &self.suspension.watch {
            Some(_) => Ok(()),
            None => AddressWatch::open().map(|watch| self.suspension.watch = Some(watch)),
        };
        let resting = match listening.and_then(|()| local_addresses()) {
            Ok(present) => suspended(&self.plan.virtual_servers, &present),
            Err(error) => {
                let reason = crate::output::chain(&error);
                tracing::error!(
                    event = "addresses_unknown",
                    reason,
                    "the addresses of this machine cannot be read, checks with ha_suspend go on: {reason}"
                );
                BTreeSet::new()
            }
        };
        for name in &resting {
            for (id, _) in self.plan.checks.of(name) {
                self.monitor.suspend(id);
            }
            if !self.suspension.resting.contains(name) {
                tracing::info!(
                    event = "checks_suspended",
                    virtual_server = %name,
                    "{name}: checks rest, its address is not on this machine"
                );
            }
        }
        for name in self.suspension.resting.difference(&resting) {
            for (id, _) in self.plan.checks.of(name) {
                self.monitor.resume(id);
            }
            if self.model.virtual_server(name).is_some() {
                tracing::info!(
                    event = "checks_resumed",
                    virtual_server = %name,
                    "{name}: checks go on"
                );
            }
        }
        self.suspension.resting = resting;
    }
}
