//! Keeping the kernel's table in step while the daemon runs: verdicts, sync daemons, repair.

use super::report;
use super::running::Running;
use crate::kernel::TableError;
use crate::lvs::{Delta, VirtualServer};
use crate::output;
use keepalived_conf::SourceMap;
use std::sync::Arc;
use std::time::Duration;

/// How often a part of the table is read to see whether somebody else has changed what is ours.
pub(super) const AUDIT: Duration = Duration::from_secs(1);

/// Steps from the beginning of one pass over the table to the next one, so that a service which somebody else changes again
/// and again is repaired, and told, no more often than every ten seconds.
const PASS: usize = 10;

/// Where the audit is.
#[derive(Debug, Default)]
pub(super) struct Pass {
    steps: usize,
    over: bool,
}

impl Pass {
    /// How many of so many services are to be read in this step; none while the pass waits for its time to end.
    fn step(&mut self, services: usize) -> Option<usize> {
        self.steps = self.steps.saturating_add(1);
        if self.over && self.steps <= PASS {
            return None;
        }
        if self.over {
            (self.steps, self.over) = (1, false);
        }
        // A little more than needed, so that the pass is over in its time though servers are added meanwhile.
        Some(services.div_ceil(PASS.saturating_sub(2)).max(1))
    }
}

impl Running {
    /// Brings the table to what follows from the change, and tells what that took.
    pub(super) fn change_table(&mut self, delta: Delta) {
        let Some(table) = &mut self.table else { return };
        let result = if table.is_unsure() {
            table.replace(self.plan.wished(&self.model), false)
        } else {
            table.change(delta)
        };
        match result {
            Ok(changes) => report::changes(&changes),
            Err(error) => report::table_error(&error),
        }
    }

    /// Takes note of an instance's state; the sync daemons follow it.
    pub(super) fn follow_instance(&mut self, instance: &Arc<str>, master: bool) {
        if !self.model.set_master(instance, master) {
            return;
        }
        let Some(sync) = &self.plan.sync else { return };
        if sync.instance.as_deref() != Some(&**instance) {
            return;
        }
        let daemons = sync.wished(|name| self.model.is_master(name));
        self.change_table(Delta {
            daemons: Some(daemons),
            ..Delta::default()
        });
    }

    /// Repairs what somebody else has changed in our services.
    pub(super) fn audit_table(&mut self) {
        let Some(table) = &mut self.table else { return };
        let Some(services) = self.pass.step(table.service_count()) else {
            return;
        };
        let result = if table.is_unsure() {
            self.pass.over = true;
            table.replace(self.plan.wished(&self.model), false)
        } else {
            table.audit(services).map(|(changes, over)| {
                self.pass.over = over;
                changes
            })
        };
        match result {
            Ok(changes) if changes.is_empty() => {}
            Ok(changes) => report::repaired(&changes),
            Err(error) => {
                self.pass.over = true;
                report::table_error(&error);
            }
        }
    }
}

/// Why the kernel's table cannot be what the file wants, with the line that asks for it.
pub(super) fn problem(
    error: &TableError,
    servers: &[Arc<VirtualServer>],
    sources: &SourceMap,
) -> String {
    let text = output::chain(error);
    let place = error.refused().and_then(|(service, destination)| {
        let mut servers = servers.iter();
        let of = servers.find(|server| server.services.iter().any(|known| known.id == service))?;
        sources.locate(*of.place_of(destination))
    });
    match place {
        Some(place) => format!("{}:{}: {text}", place.path.display(), place.line),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_reads_everything_once_and_then_waits() {
        let mut pass = Pass::default();
        let mut begun = Vec::new();
        let mut left = 0_usize;
        for step in 0..40 {
            if left == 0 && pass.over {
                // Nothing to do until the next pass.
            } else if left == 0 {
                left = 1000;
            }
            match pass.step(1000) {
                Some(services) => {
                    if left == 0 {
                        left = 1000;
                    }
                    if left == 1000 {
                        begun.push(step);
                    }
                    left = left.saturating_sub(services);
                    pass.over = left == 0;
                }
                None => assert_eq!(left, 0),
            }
        }
        assert_eq!(begun, [0, 10, 20, 30]);
    }
}
