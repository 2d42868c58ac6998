//! Reload: all of the new file or nothing of it.

use super::notify::Announced;
use super::running::{Running, start_vrrp};
use super::{report, service_manager, start};
use crate::config::{Against, Plan, load};
use crate::lvs::CheckId;
use crate::output;
use std::collections::BTreeSet;
use std::time::Instant;

impl Running {
    /// Reads the configuration again and goes over to it. If anything stands in the way, the running one stays in force.
    pub(super) async fn reload(&mut self) {
        service_manager::reloading();
        let started = Instant::now();
        let loaded = load(&self.arguments.config, Against::ThisMachine);
        let result = if loaded.diagnostics.has_errors() {
            report::errors(&loaded);
            Err(loaded.summary())
        } else {
            report::warnings(&loaded);
            self.go_over(loaded.plan).await
        };
        match result {
            Ok(changes) => report::reload_done(&self.arguments, changes, started.elapsed()),
            Err(problem) => report::reload_refused(&self.arguments, &problem),
        }
        start::announce(&self.plan);
    }

    /// Brings kernel, VRRP, checks and scripts to `plan`; tells how many changes the kernel's table took.
    async fn go_over(&mut self, plan: Plan) -> Result<usize, String> {
        self.check_privileges(&plan)?;
        let unchanged: BTreeSet<CheckId> = plan
            .checks
            .iter()
            .filter(|(id, check)| {
                self.plan
                    .checks
                    .get(id)
                    .is_some_and(|before| before.same_as(check))
            })
            .map(|(id, _)| id.clone())
            .collect();
        let mut model = self.model.clone();
        let happenings = model.replace(plan.virtual_servers.clone(), |id| unchanged.contains(id));
        if self.table.is_none() {
            let needed = !plan.virtual_servers.is_empty();
            self.table =
                start::connect(&self.state, needed).map_err(|error| output::chain(&error))?;
        }
        let changes = match &mut self.table {
            Some(table) => table
                .replace(&plan.wished(&model))
                .map_err(|error| output::chain(&error))?,
            None => Vec::new(),
        };
        if let Err(problem) = self.replace_vrrp(&plan).await {
            if let Some(Err(error)) = self
                .table
                .as_mut()
                .map(|table| table.replace(&self.plan.wished(&self.model)))
            {
                report::table_error(&error);
            }
            return Err(problem);
        }
        // From here on nothing can fail.
        report::changes(&changes);
        self.model = model;
        let before = std::mem::replace(&mut self.plan, plan);
        self.replace_checks(&before, &unchanged);
        self.trackers.replace(self.plan.watched.clone());
        self.tell(&happenings);
        self.tell_deleted(&before);
        Ok(changes.len())
    }

    /// What a start would say about privileges; they may have been given up since.
    fn check_privileges(&self, plan: &Plan) -> Result<(), String> {
        let missing = super::privileges::missing(
            !plan.vrrp.instances.is_empty(),
            !plan.virtual_servers.is_empty(),
        );
        missing
            .first()
            .map_or(Ok(()), |missing| Err(missing.to_string()))
    }

    async fn replace_vrrp(&mut self, plan: &Plan) -> Result<(), String> {
        if plan.vrrp_settings != self.plan.vrrp_settings {
            tracing::warn!(
                event = "restart_needed",
                "some of global_defs, garp_group and interface_up_down_delays changed in a way that takes effect at the next start"
            );
        }
        match &self.vrrp {
            Some(vrrp) => vrrp
                .engine
                .replace(plan.vrrp.clone())
                .await
                .map_err(|error| output::chain(&error)),
            None => {
                self.vrrp = start_vrrp(plan)?;
                Ok(())
            }
        }
    }

    fn replace_checks(&self, before: &Plan, unchanged: &BTreeSet<CheckId>) {
        for id in before
            .checks
            .keys()
            .filter(|id| !self.plan.checks.contains_key(id))
        {
            self.monitor.remove(id.clone());
        }
        for (id, check) in self
            .plan
            .checks
            .iter()
            .filter(|(id, _)| !unchanged.contains(id))
        {
            let check = if self.model.is_down(id) {
                check.check_from_down()
            } else {
                check.check()
            };
            self.monitor.set(id.clone(), check);
        }
    }

    /// Runs the scripts of instances that are gone: they saw it as FAULT, or as DELETED if they asked for that.
    fn tell_deleted(&mut self, before: &Plan) {
        let now: BTreeSet<&str> = self
            .plan
            .vrrp
            .instances
            .iter()
            .map(|instance| instance.name.as_str())
            .collect();
        for instance in before
            .vrrp
            .instances
            .iter()
            .filter(|instance| !now.contains(instance.name.as_str()))
        {
            let deleted = before.notify_deleted.contains(&instance.name);
            let state = if deleted {
                Announced::Deleted
            } else {
                Announced::Fault
            };
            let priority = instance.router.priority.value();
            for (object, hook) in before.hooks.for_instance(&instance.name, state, priority) {
                self.hooks.send(&object, hook);
            }
        }
    }
}
