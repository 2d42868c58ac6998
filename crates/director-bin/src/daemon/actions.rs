//! What operators may do: each with who did it and why, and a way back.

use super::notice::Moment;
use super::running::Running;
use crate::control::target::ServerTarget;
use crate::control::{Clock, server_of, setting};
use crate::lvs::{CheckId, GuardChange, Touched};
use crate::output;
use director_control::snapshot::Maintenance;
use director_control::{
    Action, ActionOutcome, Order, Override, OverrideKind, Problem, ProblemKind, Timestamp, Who,
};
use ipvs_netlink::DestinationId;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest time that anything may be set for.
const LONGEST: f64 = 10.0 * 366.0 * 86_400.0;

/// What was or would be changed, and what else is to be known.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) changes: Vec<String>,
    pub(super) notes: Vec<String>,
}

type Done = Result<Told, Problem>;

impl Running {
    /// Does what an operator wants, or says what it would do.
    pub(super) async fn order(&mut self, order: Order, who: Who) -> Result<ActionOutcome, Problem> {
        let started = Instant::now();
        let until = until(&order)?;
        let told = match &order.action {
            Action::Drain {
                target,
                deadline_seconds,
            } => {
                let deadline = deadline_seconds.map(later).transpose()?;
                let kind = OverrideKind::Drain {
                    deadline,
                    ended: None,
                };
                self.set_servers(target, &kind, until, &order, &who)
            }
            Action::Weight {
                target,
                weight: Some(weight),
            } => {
                if i32::try_from(*weight).is_err() {
                    return Err(bad(format!(
                        "weight {weight} is above {}, the kernel's limit",
                        i32::MAX
                    )));
                }
                let kind = OverrideKind::Weight { weight: *weight };
                self.set_servers(target, &kind, until, &order, &who)
            }
            Action::Undrain { target }
            | Action::Weight {
                target,
                weight: None,
            } => self.take_back(target, &order, &who),
            Action::Maintenance { on: true } => self.begin_maintenance(until, &order, &who).await,
            Action::Maintenance { on: false } => self.end_maintenance(&order, &who).await,
            Action::Failover { instance } => {
                self.fail_over(instance.as_deref(), until, &order, &who)
                    .await
            }
            Action::Reload { confirm_seconds } => {
                let limit = confirm_seconds.map(seconds).transpose()?;
                self.ordered_reload(limit, &order, &who).await
            }
            Action::Confirm => self.confirm(&order, &who),
            Action::CheckNow { target } => self.check_now(target.as_deref(), &order, &who),
            Action::LogLevel { subsystem, level } => {
                let wanted = (subsystem.as_deref(), level.as_deref());
                self.change_log_level(wanted, until, &order, &who)
            }
        }?;
        Ok(ActionOutcome {
            done: !order.dry_run,
            changes: told.changes,
            notes: told.notes,
            took_seconds: started.elapsed().as_secs_f64(),
        })
    }

    /// The real servers that a word names.
    fn servers(&self, word: &str) -> Result<Vec<(Arc<str>, DestinationId)>, Problem> {
        let target = ServerTarget::parse(word).map_err(|error| bad(error.to_string()))?;
        let mut found = Vec::new();
        for server in &self.plan.virtual_servers {
            let services: Vec<String> = server
                .services
                .iter()
                .map(|service| service.id.to_string())
                .collect();
            for real in &server.real_servers {
                let id = real.destination.id;
                if target.names(&server.name, &services, id.address_and_port()) {
                    found.push((Arc::clone(&server.name), id));
                }
            }
        }
        if found.is_empty() {
            return Err(Problem::new(
                ProblemKind::NotFound,
                format!("there is no real server {word}; `director status` shows what there is"),
            ));
        }
        Ok(found)
    }

    fn set_servers(
        &mut self,
        target: &str,
        kind: &OverrideKind,
        until: Option<Timestamp>,
        order: &Order,
        who: &Who,
    ) -> Done {
        let servers = self.servers(target)?;
        let mut told = Told::default();
        let mut wished = Vec::new();
        for (virtual_server, id) in servers {
            let new = Override {
                virtual_server: virtual_server.to_string(),
                real_server: id.to_string(),
                kind: kind.clone(),
                reason: order.reason.clone(),
                by: Some(who.clone()),
                since: Clock::now().wall,
                until,
            };
            told.changes
                .push(format!("{virtual_server}: {id} gets {}", effect(kind)));
            wished.push(new);
        }
        self.keeps_serving(&wished, order.force)?;
        if order.dry_run {
            return Ok(told);
        }
        for new in &wished {
            self.control.overrides.put(new.clone());
        }
        self.remember()?;
        let why = because(who, order.reason.as_deref());
        for new in &wished {
            let (virtual_server, server, what) =
                (&new.virtual_server, &new.real_server, effect(kind));
            tracing::info!(
                event = "override_set", virtual_server, real_server = %server, set = %new.kind, %who, reason = order.reason,
                "{virtual_server}: real server {server} gets {what}, {why}"
            );
        }
        self.apply_overrides(&why);
        told.notes.extend(self.what_is_left(&wished));
        Ok(told)
    }

    /// Refuses what would leave a virtual server without its quorum.
    fn keeps_serving(&self, wished: &[Override], force: bool) -> Result<(), Problem> {
        if force {
            return Ok(());
        }
        let mut model = self.model.clone();
        let mut touched = Touched::default();
        for set in wished {
            if let Some(id) = server_of(set) {
                model.set(
                    &set.virtual_server,
                    id,
                    Some(setting(set)),
                    "",
                    &mut touched,
                );
            }
        }
        let mut reasons = Vec::new();
        for set in wished {
            let name = &set.virtual_server;
            let (Some(now), Some(then)) = (self.model.state(name), model.state(name)) else {
                continue;
            };
            if now.quorum_up() && !then.quorum_up() {
                let sorry = then.config().sorry_server.as_ref();
                let then_what = sorry.map_or_else(
                    || "and has no sorry server".to_owned(),
                    |sorry| format!("and the sorry server {} would answer", sorry.destination.id),
                );
                let text = format!(
                    "{name} would lose its quorum: live weight {} of {}, {then_what}",
                    then.live_weight(),
                    then.config().quorum
                );
                if !reasons.contains(&text) {
                    reasons.push(text);
                }
            }
        }
        if reasons.is_empty() {
            return Ok(());
        }
        Err(Problem {
            kind: ProblemKind::Precondition,
            message: format!("{}; --force does it all the same", reasons.join("; ")),
            reasons: Vec::new(),
        })
    }

    fn take_back(&mut self, target: &str, order: &Order, who: &Who) -> Done {
        // What is set may be for a server that a reload has removed.
        let wanted = ServerTarget::parse(target).map_err(|error| bad(error.to_string()))?;
        let services = |name: &str| -> Vec<String> {
            let config = self.model.virtual_server(name);
            let services = config.into_iter().flat_map(|config| &config.services);
            services.map(|service| service.id.to_string()).collect()
        };
        let by_order = |set: &&Override| !matches!(set.kind, OverrideKind::Maintenance { .. });
        let found: Vec<Override> = self
            .control
            .overrides
            .servers
            .iter()
            .filter(by_order)
            .filter(|set| {
                server_of(set).is_some_and(|id| {
                    let name = &set.virtual_server;
                    wanted.names(name, &services(name), id.address_and_port())
                })
            })
            .cloned()
            .collect();
        let mut told = Told::default();
        if found.is_empty() {
            self.servers(target)?;
            told.notes.push(format!("nothing is set for {target}"));
            return Ok(told);
        }
        for set in &found {
            let (name, server) = (&set.virtual_server, &set.real_server);
            told.changes
                .push(format!("{name}: {server} is not {} any more", set.kind));
        }
        if order.dry_run {
            return Ok(told);
        }
        for set in &found {
            self.control
                .overrides
                .take_back(&set.virtual_server, &set.real_server);
        }
        self.remember()?;
        let why = because(who, order.reason.as_deref());
        for set in &found {
            told_back(set, &why);
        }
        self.apply_overrides(&why);
        Ok(told)
    }

    /// Brings the model and the table to what is set now.
    pub(super) fn apply_overrides(&mut self, why: &str) {
        let mut touched = Touched::default();
        let happenings = self.control.set_in(&mut self.model, why, &mut touched);
        self.change_table(self.model.delta(&touched));
        self.tell(&happenings, Moment::Running);
    }

    /// Says when the change guard begins to hold, and when it lets go.
    pub(super) fn tell_guard(&mut self) {
        let Some(change) = self.model.guard_change(Clock::now().wall) else {
            return;
        };
        let GuardChange {
            held,
            down,
            all,
            limit,
        } = change;
        if held {
            tracing::error!(
                event = "guard_holds",
                down,
                all,
                limit,
                "{down} of {all} real servers are down at once, more than change_guard allows ({limit}%): all of them stay in the table"
            );
        } else {
            let what = match down {
                0 => "",
                _ => ": those are out of the table now",
            };
            tracing::warn!(
                event = "guard_released",
                down,
                all,
                limit,
                "{down} of {all} real servers are down, which change_guard allows ({limit}%){what}"
            );
        }
    }

    /// Writes what is set. If that fails nothing is done: it would be forgotten at the next start.
    fn remember(&mut self) -> Result<(), Problem> {
        self.control.overrides.write().map_err(|error| {
            Problem::new(
                ProblemKind::Failed,
                format!("what is set cannot be written to the state directory, make room: {error}"),
            )
        })
    }

    /// What still holds draining servers.
    fn what_is_left(&self, wished: &[Override]) -> Vec<String> {
        let draining = |set: &&Override| matches!(set.kind, OverrideKind::Drain { .. });
        let persistent = |set: &Override| {
            let config = self.model.virtual_server(&set.virtual_server)?;
            config
                .services
                .first()?
                .persistence
                .as_ref()
                .map(|persistence| persistence.timeout)
        };
        let notes = wished.iter().filter(draining).filter_map(|set| {
            let timeout = persistent(set)?;
            Some(format!(
                "{} is persistent: clients of {} come back to it until they have been away for {timeout} s",
                set.virtual_server, set.real_server
            ))
        });
        notes.collect()
    }

    fn check_now(&mut self, target: Option<&str>, order: &Order, who: &Who) -> Done {
        let servers = target.map(|target| self.servers(target)).transpose()?;
        let ids: Vec<CheckId> = match servers {
            None => self.plan.checks.iter().map(|(id, _)| id).collect(),
            Some(servers) => {
                let of = |(name, server): &(Arc<str>, DestinationId)| {
                    let checks = self.plan.checks.of(name).map(|(id, _)| id);
                    let server = *server;
                    checks
                        .filter(move |id| id.real_server == server)
                        .collect::<Vec<_>>()
                };
                servers.iter().flat_map(of).collect()
            }
        };
        let mut told = Told::default();
        if ids.is_empty() {
            told.notes.push("there is no check".to_owned());
            return Ok(told);
        }
        told.changes.push(match ids.as_slice() {
            [one] => format!("{one} is made now"),
            many => format!("{} are made now", output::count(many.len(), "check")),
        });
        if !order.dry_run {
            let why = because(who, order.reason.as_deref());
            let target = target.unwrap_or("everything");
            tracing::info!(event = "check_now_ordered", target, %who, reason = order.reason, "checks of {target} are made now, ordered {why}");
            for id in ids {
                self.monitor.check_now(id);
            }
        }
        Ok(told)
    }

    /// Twice a second: takes back what has had its time, and ends drains.
    pub(super) async fn keep_overrides(&mut self) {
        let now = Clock::now().wall;
        let due = self
            .control
            .overrides
            .next()
            .is_some_and(|next| next <= now);
        if due {
            self.take_back_what_is_over(now).await;
        }
        if self.control.overrides.is_draining() {
            self.watch_drains();
        }
        if self.control.take_named(&self.plan) {
            self.apply_overrides("by the maintenance directory");
        }
        self.take_back_log_levels(now);
        self.revert_if_unconfirmed(now).await;
    }

    async fn take_back_what_is_over(&mut self, now: Timestamp) {
        let is_over = |until: Option<Timestamp>| until.is_some_and(|until| until <= now);
        let all = std::mem::take(&mut self.control.overrides.servers);
        let (over, stays): (Vec<_>, Vec<_>) = all.into_iter().partition(|set| is_over(set.until));
        self.control.overrides.servers = stays;
        for set in &over {
            told_back(set, "its time is over");
        }
        for set in &mut self.control.overrides.servers {
            if let OverrideKind::Drain { deadline, ended } = &mut set.kind
                && ended.is_none()
                && is_over(*deadline)
            {
                *ended = Some(now);
                let (name, server) = (&set.virtual_server, &set.real_server);
                tracing::warn!(
                    event = "drain_deadline", virtual_server = name, real_server = %server,
                    "{name}: real server {server} is taken out, the deadline of its drain has come; what was left is cut"
                );
            }
        }
        let orders = &mut self.control.overrides;
        if orders
            .maintenance
            .as_ref()
            .is_some_and(|node| is_over(node.until))
        {
            orders.maintenance = None;
            tracing::info!(
                event = "maintenance_ended",
                reason = "its time is over",
                "the node is not in maintenance any more, its time is over"
            );
            self.take_part_again().await;
        }
        let orders = &mut self.control.overrides;
        orders.stood_down.retain(|_, node| !is_over(node.until));
        if let Err(problem) = self.remember() {
            let reason = problem.message;
            tracing::error!(event = "overrides_not_written", reason, "{reason}");
        }
        self.apply_overrides("its time is over");
    }

    /// Asks the kernel, elsewhere, what draining servers still hold.
    fn watch_drains(&mut self) {
        let servers = self.control.overrides.servers.iter();
        let draining =
            servers.filter(|set| matches!(set.kind, OverrideKind::Drain { ended: None, .. }));
        let mut wanted = Vec::new();
        for set in draining {
            let config = self.model.virtual_server(&set.virtual_server);
            let services = config.into_iter().flat_map(|config| &config.services);
            let ids: Vec<_> = services.map(|service| service.id).collect();
            if let Some(server) = server_of(set)
                && !ids.is_empty()
            {
                wanted.push((set.virtual_server.clone(), server, ids));
            }
        }
        self.control.count_connections(wanted);
    }

    /// Draining servers of which nothing is left.
    pub(super) fn drained(&mut self, empty: &[(String, DestinationId)]) {
        let now = Clock::now().wall;
        let mut any = false;
        for (virtual_server, server) in empty {
            let server = server.to_string();
            let found = self
                .control
                .overrides
                .servers
                .iter_mut()
                .find(|set| set.virtual_server == *virtual_server && set.real_server == server);
            if let Some(OverrideKind::Drain { ended, .. }) = found.map(|set| &mut set.kind)
                && ended.is_none()
            {
                *ended = Some(now);
                any = true;
                tracing::info!(
                    event = "drained",
                    virtual_server,
                    real_server = server,
                    "{virtual_server}: real server {server} is drained, nothing is left of it"
                );
            }
        }
        if any {
            if let Err(problem) = self.remember() {
                let reason = problem.message;
                tracing::error!(event = "overrides_not_written", reason, "{reason}");
            }
            self.apply_overrides("it is drained");
        }
    }
}

/// What a setting is called in a sentence.
fn effect(kind: &OverrideKind) -> String {
    match kind {
        OverrideKind::Weight { weight } => format!("weight {weight}"),
        OverrideKind::Drain { deadline: None, .. } => {
            "no new connections until it is drained".to_owned()
        }
        OverrideKind::Drain {
            deadline: Some(deadline),
            ..
        } => format!("no new connections, and is taken out at {deadline} at the latest"),
        OverrideKind::Maintenance { .. } => "no new connections".to_owned(),
    }
}

fn told_back(set: &Override, why: &str) {
    let (name, server) = (&set.virtual_server, &set.real_server);
    tracing::info!(
        event = "override_removed", virtual_server = name, real_server = %server, set = %set.kind, reason = why,
        "{name}: real server {server} is not {} any more, {why}", set.kind
    );
}

/// `by root: new kernel`
pub(super) fn because(who: &Who, reason: Option<&str>) -> String {
    reason.map_or_else(
        || format!("by {who}"),
        |reason| format!("by {who}: {reason}"),
    )
}

/// For the record.
pub(super) fn record(order: &Order, who: &Who, until: Option<Timestamp>) -> Maintenance {
    Maintenance {
        since: Clock::now().wall,
        until,
        reason: order.reason.clone(),
        by: who.clone(),
    }
}

pub(super) fn bad(message: String) -> Problem {
    Problem::new(ProblemKind::BadRequest, message)
}

fn seconds(number: f64) -> Result<Duration, Problem> {
    if !(0.0..=LONGEST).contains(&number) {
        return Err(bad(format!(
            "{number} s is no duration between 0 s and 10 years"
        )));
    }
    Ok(Duration::from_secs_f64(number))
}

fn later(number: f64) -> Result<Timestamp, Problem> {
    Ok(Clock::now().wall.plus(seconds(number)?))
}

fn until(order: &Order) -> Result<Option<Timestamp>, Problem> {
    let Some(number) = order.for_seconds else {
        return Ok(None);
    };
    match order.action {
        Action::Drain { .. }
        | Action::Weight { .. }
        | Action::Maintenance { on: true }
        | Action::Failover { .. }
        | Action::LogLevel { .. } => later(number).map(Some),
        _ => Err(bad(
            "this is done at once, so there is no time for it to last".to_owned(),
        )),
    }
}
