//! Reload: all of the new file or nothing of it.

use super::actions::{Told, because};
use super::mastership::with_maintenance;
use super::notice::{Moment, Notice};
use super::notify::Announced;
use super::running::{Running, start_vrrp};
use super::table::problem;
use super::{report, service_manager, start, unconfirmed};
use crate::config::{Loaded, Memory, Plan};
use crate::control::{self, Undo, changes};
use crate::kernel::TableError;
use crate::lvs::{CheckId, Fate, Happening, Model, Touched, exceeds};
use crate::output;
use director_control::{Order, Problem, ProblemKind, Timestamp, Who, snapshot};
use ipvs_netlink::DestinationId;
use keepalived_conf::Severity;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

impl Running {
    /// Reads the configuration again and goes over to it. If anything stands in the way, the running one stays in force.
    pub(super) async fn reload(&mut self) {
        // All of it is in the log.
        let _ = self.reload_unless_confirmed(None, false).await;
    }

    /// Reads the configuration as a reload does, and leaves it at that. What it takes of the program is in memory afterwards,
    /// and so is room in the heap: most of the time of a reload would go into page faults.
    pub(super) fn rehearse_reload(&self) {
        let _ = start::load_for(&self.arguments, Some((&self.plan, &self.memory)));
    }

    /// What an operator has ordered, or what it would do.
    pub(super) async fn ordered_reload(
        &mut self,
        confirm: Option<Duration>,
        order: &Order,
        who: &Who,
    ) -> Result<Told, Problem> {
        if order.dry_run {
            return self.planned_reload();
        }
        let why = because(who, order.reason.as_deref());
        tracing::info!(event = "reload_ordered", %who, reason = order.reason, "a reload is ordered {why}");
        let changes = self.reload_unless_confirmed(confirm, order.force).await?;
        let notes = confirm.map(|limit| {
            format!(
                "it goes back in {} unless `director confirm` keeps it",
                crate::cli::duration(limit)
            )
        });
        Ok(Told {
            changes,
            notes: notes.into_iter().collect(),
        })
    }

    /// What a reload would change; changes nothing.
    pub(super) fn planned_reload(&mut self) -> Result<Told, Problem> {
        let loaded = start::load_for(&self.arguments, Some((&self.plan, &self.memory)));
        if loaded.diagnostics.has_errors() {
            return Err(refusal(&loaded, loaded.summary()));
        }
        let mut plan = loaded.plan;
        plan.share_with(&self.plan);
        let mut told = Told {
            changes: changes::plans(&self.plan, &plan),
            notes: loaded
                .diagnostics
                .iter()
                .map(|diagnostic| diagnostic.message.clone())
                .collect(),
        };
        let (model, _) = self.model_of(&plan);
        if let Some(table) = &mut self.table {
            match table.difference(&plan.wished(&model), false) {
                Ok(difference) => told.changes.extend(changes::table(&difference)),
                Err(error) => told.notes.push(output::chain(&error)),
            }
        }
        Ok(told)
    }

    /// Keeps what the last reload has brought.
    pub(super) fn confirm(&mut self, order: &Order, who: &Who) -> Result<Told, Problem> {
        let mut told = Told::default();
        if self.control.undo.is_none() {
            // Who confirms too late must not believe that the new configuration is kept.
            return Err(Problem::new(
                ProblemKind::Failed,
                "nothing waits to be confirmed: it was confirmed before, its time is over and it went back, or a later reload has replaced it; `director events` tells",
            ));
        }
        told.changes
            .push("the configuration in force stays in force".to_owned());
        if !order.dry_run {
            self.control.undo = None;
            self.control.configuration.pending = None;
            self.end_waiting();
            let why = because(who, order.reason.as_deref());
            tracing::info!(event = "reload_confirmed", %who, reason = order.reason, "the reload is confirmed {why}");
        }
        Ok(told)
    }

    /// Goes back if the time of a reload that nobody has confirmed is over.
    pub(super) async fn revert_if_unconfirmed(&mut self, now: Timestamp) {
        if self.control.undo.as_ref().is_none_or(|undo| undo.at > now) {
            return;
        }
        let Some(undo) = self.control.undo.take() else {
            return;
        };
        self.control.configuration.pending = None;
        let started = Instant::now();
        let file = self.arguments.config.display().to_string();
        let plan = Arc::unwrap_or_clone(undo.plan);
        // It is of the file that nobody has confirmed.
        self.memory = Memory::default();
        let result = self.go_over(plan, Origin::Memory, true).await;
        let (changes, reasons) = match result {
            Ok(changes) => {
                self.keep_before();
                let why = unconfirmed::not_confirmed(&file, undo.at);
                self.control.configuration.not_the_file = Some(why);
                tracing::warn!(
                    event = "reload_reverted",
                    file,
                    "nobody has confirmed the reload: the configuration before it is in force again, {file} is another one"
                );
                (changes, Vec::new())
            }
            Err(reason) => {
                tracing::error!(
                    event = "revert_failed",
                    file,
                    reason,
                    "nobody has confirmed the reload, but the configuration before it cannot be brought back: {reason}"
                );
                (Vec::new(), vec![reason])
            }
        };
        let reload = snapshot::Reload {
            at: now,
            done: reasons.is_empty(),
            changes,
            reasons,
            took_seconds: started.elapsed().as_secs_f64(),
        };
        self.control.configuration.note(reload, undo.digest);
        start::announce(&self.plan);
    }

    async fn reload_unless_confirmed(
        &mut self,
        confirm: Option<Duration>,
        force: bool,
    ) -> Result<Vec<String>, Problem> {
        service_manager::reloading();
        let started = Instant::now();
        let loaded = start::load_for(&self.arguments, Some((&self.plan, &self.memory)));
        let before = (
            Arc::clone(&self.plan),
            self.control.configuration.digest.clone(),
        );
        let until = confirm.map(|limit| control::Clock::now().wall.plus(limit));
        let (result, sources) = if loaded.diagnostics.has_errors() {
            report::errors(&loaded);
            let refusal = refusal(&loaded, loaded.summary());
            (Err(refusal), loaded.sources)
        } else {
            report::warnings(&loaded);
            let Loaded {
                plan,
                sources,
                memory,
                ..
            } = loaded;
            let written = self.written_waiting();
            // Before anything changes: if this goes wrong badly, the next start knows.
            if let Some(until) = until {
                self.begin_waiting(&control::digest(&sources), until);
            }
            let gone_over = self.go_over(plan, Origin::File, force).await;
            if gone_over.is_ok() {
                self.memory = memory;
            }
            match (&gone_over, until) {
                (Ok(_), Some(_)) => unconfirmed::keep(&self.state, &sources),
                (Ok(_), None) => {
                    self.end_waiting();
                    unconfirmed::keep(&self.state, &sources);
                }
                (Err(_), Some(_)) => self.wait_as_before(written),
                (Err(_), None) => {}
            }
            let result = gone_over.map_err(|problem| Problem::new(ProblemKind::Failed, problem));
            (result, sources)
        };
        let took = started.elapsed();
        let digest = control::digest(&sources);
        let now = control::Clock::now().wall;
        let (changes, reasons) = match &result {
            Ok(changes) => {
                let of_table = changes.iter().filter(|change| change.starts_with("IPVS: "));
                report::reload_done(&self.arguments, of_table.count(), took);
                (changes.clone(), Vec::new())
            }
            Err(problem) => {
                report::reload_refused(&self.arguments, &problem.message);
                let all = problem.reasons.is_empty().then(|| problem.message.clone());
                (
                    Vec::new(),
                    all.into_iter().chain(problem.reasons.clone()).collect(),
                )
            }
        };
        let done = reasons.is_empty();
        let reload = snapshot::Reload {
            at: now,
            done,
            changes,
            reasons,
            took_seconds: took.as_secs_f64(),
        };
        self.control.configuration.note(reload, digest);
        if done {
            // A reload that is not to be confirmed says that all is well, of earlier ones too.
            let earlier = self.control.undo.take();
            self.control.configuration.pending = None;
            self.control.configuration.not_the_file = None;
            if let Some(at) = until {
                let (plan, digest) = earlier.map_or(before, |undo| (undo.plan, undo.digest));
                self.control.configuration.pending = Some(snapshot::PendingReload {
                    reverts_at: at,
                    reverts_to: digest.clone(),
                });
                self.control.undo = Some(Undo { plan, digest, at });
            }
        }
        start::announce(&self.plan);
        result
    }

    /// What is known of the servers of another plan.
    fn model_of(&mut self, plan: &Plan) -> (Model, Vec<Happening>) {
        let mut model = self.model.clone();
        let mut happenings = model.replace(&plan.virtual_servers, |id| fate(plan, &self.plan, id));
        let why = "as before the reload";
        happenings.extend(
            self.control
                .set_in(&mut model, why, &mut Touched::default()),
        );
        happenings.extend(model.judge_guard(plan.change_guard, &mut Touched::default()));
        (model, happenings)
    }

    /// Brings kernel, VRRP, checks and scripts to `plan`; tells what that changed.
    async fn go_over(
        &mut self,
        mut plan: Plan,
        from: Origin,
        force: bool,
    ) -> Result<Vec<String>, String> {
        self.check_privileges(&plan)?;
        self.check_guard(&plan, force)?;
        plan.share_with(&self.plan);
        let (model, happenings) = self.model_of(&plan);
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
        let changes = changes.map_err(|error| self.located(&error, from))?;
        let marked = self.marks.replace(plan.marks.as_ref());
        let marked = marked.map_err(|error| output::chain(&error));
        let gone_over = match marked {
            Ok(()) => self.replace_vrrp(&plan).await,
            problem => problem,
        };
        if let Err(problem) = gone_over {
            if let Err(error) = self.marks.replace(self.plan.marks.as_ref()) {
                report::marks_error(&error);
            }
            let back = self.plan.delta_from(&plan, &model, &self.model);
            if let Some(Err(error)) = self.table.as_mut().map(|table| table.change(back)) {
                report::table_error(&error);
            }
            return Err(problem);
        }
        // From here on nothing can fail.
        let mut told = changes::plans(&self.plan, &plan);
        report::changes(&changes);
        self.model = model;
        let before = std::mem::replace(&mut self.plan, Arc::new(plan));
        self.file_mask.follow(self.plan.umask);
        // Not at once: reloads often come one after the other.
        self.release_memory_at = Instant::now().checked_add(Duration::from_secs(30));
        self.replace_checks(&before);
        self.suspend_checks();
        self.replace_recovery();
        self.trackers.replace(self.plan.watched.clone());
        self.notifier.change(&self.plan.notices);
        self.tell(&happenings, Moment::Running);
        self.tell_deleted(&before);
        self.tell_states();
        self.stand_down().await;
        self.tell_guard();
        told.extend(changes::table(&changes));
        Ok(told)
    }

    /// Why the kernel has refused, with the line of the file. What was not read again has its place of an earlier reading, so
    /// the file is read once more, whole.
    fn located(&self, error: &TableError, from: Origin) -> String {
        if from == Origin::Memory || error.refused().is_none() {
            return output::chain(error);
        }
        let loaded = start::load_for(&self.arguments, None);
        problem(error, &loaded.plan.virtual_servers, &loaded.sources)
    }

    /// Refuses a file that would take out more real servers at once than the running configuration allows.
    fn check_guard(&self, plan: &Plan, force: bool) -> Result<(), String> {
        let Some(limit) = self.plan.change_guard.filter(|_| !force) else {
            return Ok(());
        };
        let servers = |plan: &Plan| -> BTreeSet<(Arc<str>, DestinationId)> {
            let servers = plan.virtual_servers.iter();
            let each = servers.flat_map(|server| {
                let reals = server.real_servers.iter();
                reals.map(|real| (Arc::clone(&server.name), real.destination.id))
            });
            each.collect()
        };
        let (before, after) = (servers(&self.plan), servers(plan));
        let (gone, all) = (before.difference(&after).count(), before.len());
        if !exceeds(gone, all, limit) {
            return Ok(());
        }
        Err(format!(
            "it would take out {gone} of {all} real servers at once, more than change_guard allows ({limit}%); \
             `director reload --force` does it all the same"
        ))
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
                .replace(with_maintenance(&plan.vrrp))
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
                let known = before.checks.position(&id, check);
                if known == Some(id.index) {
                    continue;
                }
                let check = if known.is_none() && self.model.is_down(&id) {
                    check.check_from_down()
                } else {
                    check.check()
                };
                self.monitor.set(id, check);
            }
        }
        self.feed_all_checks();
    }

    /// Runs the scripts of instances that are gone: they saw it as FAULT, or as DELETED if they asked for that.
    fn tell_deleted(&mut self, before: &Plan) {
        // A name is but a label: what makes a virtual router are these.
        let identity = |instance: &vrrp_net::InstanceConfig| {
            let router = &instance.router;
            (
                instance.interface.clone(),
                router.family,
                router.version,
                router.vrid.value(),
            )
        };
        let instances = &self.plan.vrrp.instances;
        let names: BTreeSet<&str> = instances.iter().map(|now| &*now.name).collect();
        let gone = |instance: &&Arc<vrrp_net::InstanceConfig>| {
            !names.contains(&*instance.name)
                && !instances
                    .iter()
                    .any(|now| identity(now) == identity(instance))
        };
        for instance in before.vrrp.instances.iter().filter(gone) {
            let deleted = before.notify_deleted.contains(&*instance.name);
            let state = if deleted {
                Announced::Deleted
            } else {
                Announced::Fault
            };
            let base = instance.router.priority.value();
            let notice = Notice::Instance {
                name: instance.name.to_string(),
                state,
                previous: None,
                priority: self.notifier.priority(&instance.name).unwrap_or(base),
                reason: "it is not in the configuration any more".to_owned(),
            };
            self.notifier.tell(before, &notice);
        }
    }
}

/// Where a plan comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// The file as it is now.
    File,
    /// It was in force before.
    Memory,
}

/// Every reason why a file is refused.
fn refusal(loaded: &Loaded, message: String) -> Problem {
    let lines = loaded.lines(Severity::Error);
    Problem {
        kind: ProblemKind::Failed,
        message: format!("the configuration is refused: {message}"),
        reasons: lines.into_iter().map(|(_, line)| line).collect(),
    }
}

/// What becomes of a check: if it is in both plans, what is known of it stays known.
fn fate(plan: &Plan, before: &Plan, id: &CheckId) -> Fate {
    let known = plan
        .checks
        .get(id)
        .and_then(|check| before.checks.position(id, check));
    match known {
        Some(position) if position == id.index => Fate::Kept,
        Some(position) => Fate::Moved(position),
        None => Fate::New,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(checks: &str) -> Plan {
        let text = format!(
            "virtual_server 172.16.1.8 80 {{
                protocol TCP
                real_server 172.16.1.4 80 {{
                    {checks}
                }}
            }}"
        );
        let parsed = keepalived_conf::load_str(&text);
        let (plan, problems) = crate::config::plan(&parsed.config);
        assert!(problems.is_empty(), "{problems:?}");
        plan
    }

    #[test]
    fn a_check_that_is_in_both_files_is_kept_wherever_it_stands() {
        const TCP: &str = "TCP_CHECK {\nconnect_timeout 2\n}\n";
        const PING: &str = "PING_CHECK {\n}\n";
        const MISC: &str = "MISC_CHECK {\nmisc_path \"/bin/true\" root\n}\n";
        let before = planned(&format!("{TCP}{PING}"));
        let fates = |checks: String| {
            let plan = planned(&checks);
            let ids: Vec<CheckId> = plan.checks.iter().map(|(id, _)| id).collect();
            let of_each = ids.iter().map(|id| fate(&plan, &before, id));
            of_each.collect::<Vec<_>>()
        };
        assert_eq!(fates(format!("{TCP}{PING}")), [Fate::Kept, Fate::Kept]);
        assert_eq!(
            fates(format!("{MISC}{TCP}{PING}")),
            [Fate::New, Fate::Moved(0), Fate::Moved(1)]
        );
        assert_eq!(fates(PING.to_owned()), [Fate::Moved(1)]);
        assert_eq!(
            fates(format!("{}{PING}", TCP.replace('2', "3"))),
            [Fate::New, Fate::Kept]
        );
    }
}
