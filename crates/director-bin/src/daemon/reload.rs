//! Reload: all of the new file or nothing of it.

use super::notify::Announced;
use super::running::{Running, start_vrrp};
use super::table::problem;
use super::{report, service_manager, start};
use crate::config::{Against, Plan, load};
use crate::control;
use crate::lvs::{CheckId, Fate};
use crate::output;
use director_control::snapshot;
use keepalived_conf::SourceMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

impl Running {
    /// Reads the configuration again and goes over to it. If anything stands in the way, the running one stays in force.
    pub(super) async fn reload(&mut self) {
        service_manager::reloading();
        let started = Instant::now();
        let loaded = load(&self.arguments.config, Against::ThisMachine);
        let digest = control::digest(&loaded);
        let result = if loaded.diagnostics.has_errors() {
            report::errors(&loaded);
            Err(loaded.summary())
        } else {
            report::warnings(&loaded);
            self.go_over(loaded.plan, &loaded.sources).await
        };
        let took = started.elapsed();
        let (done, reasons) = match &result {
            Ok(changes) => {
                report::reload_done(&self.arguments, *changes, took);
                (true, Vec::new())
            }
            Err(problem) => {
                report::reload_refused(&self.arguments, problem);
                (false, vec![problem.clone()])
            }
        };
        let reload = snapshot::Reload {
            at: control::Clock::now().wall,
            done,
            changes: Vec::new(),
            reasons,
            took_seconds: took.as_secs_f64(),
        };
        self.control.configuration.note(reload, digest);
        start::announce(&self.plan);
    }

    /// Brings kernel, VRRP, checks and scripts to `plan`; tells how many changes the kernel's table took.
    async fn go_over(&mut self, mut plan: Plan, sources: &SourceMap) -> Result<usize, String> {
        self.check_privileges(&plan)?;
        plan.share_with(&self.plan);
        let kept = |id: &CheckId| {
            let now = plan.checks.get(id);
            let before = self.plan.checks.get(id);
            now.zip(before)
                .is_some_and(|(now, before)| now.same_as(before))
        };
        let mut model = self.model.clone();
        let happenings = model.replace(&plan.virtual_servers, |id| {
            if kept(id) { Fate::Kept } else { Fate::New }
        });
        if self.table.is_none() {
            let needed = !plan.virtual_servers.is_empty() || plan.sync.is_some();
            self.table =
                start::connect(&self.state, needed).map_err(|error| output::chain(&error))?;
        }
        let changes = match &mut self.table {
            Some(table) if table.is_unsure() => table.replace(plan.wished(&model), false),
            Some(table) => table.change(plan.delta_from(&self.plan, &self.model, &model)),
            None => Ok(Vec::new()),
        };
        let changes = changes.map_err(|error| problem(&error, &plan.virtual_servers, sources))?;
        if let Err(problem) = self.replace_vrrp(&plan).await {
            let back = self.plan.delta_from(&plan, &model, &self.model);
            if let Some(Err(error)) = self.table.as_mut().map(|table| table.change(back)) {
                report::table_error(&error);
            }
            return Err(problem);
        }
        // From here on nothing can fail.
        report::changes(&changes);
        self.model = model;
        let before = std::mem::replace(&mut self.plan, Arc::new(plan));
        self.replace_checks(&before);
        self.suspend_checks();
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
                "vrrp_rt_priority, vrrp_no_swap and dynamic_interfaces take effect at the next start"
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

    /// Tells the monitor what has changed, which can only be in virtual servers that are not the same as before.
    fn replace_checks(&self, before: &Plan) {
        let (now, then) = (&self.plan.virtual_servers, &before.virtual_servers);
        let same: BTreeSet<*const _> = then.iter().map(Arc::as_ptr).collect();
        let stays: BTreeSet<*const _> = now.iter().map(Arc::as_ptr).collect();
        for server in then
            .iter()
            .filter(|server| !stays.contains(&Arc::as_ptr(server)))
        {
            for (id, _) in before.checks.of(&server.name) {
                if self.plan.checks.get(&id).is_none() {
                    self.monitor.remove(id);
                }
            }
        }
        for server in now
            .iter()
            .filter(|server| !same.contains(&Arc::as_ptr(server)))
        {
            for (id, check) in self.plan.checks.of(&server.name) {
                if before.checks.get(&id).is_some_and(|old| old.same_as(check)) {
                    continue;
                }
                let check = if self.model.is_down(&id) {
                    check.check_from_down()
                } else {
                    check.check()
                };
                self.monitor.set(id, check);
            }
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
