//! The running daemon and its loop.

use super::answer::Legacy;
use super::chores::Chores;
use super::mastership::with_maintenance;
use super::notice::Moment;
use super::notifier::Notifier;
use super::recover::Recovering;
use super::service_manager::ServiceManager;
use super::sessions::Sessions;
use super::signals::{Signals, Wish};
use super::suspend::Suspension;
use super::table::{AUDIT, Pass, problem};
use super::takeover::Predecessor;
use super::{report, start, unconfirmed};
use crate::cli::RunArguments;
use crate::config::{Memory, Plan};
use crate::control::{Control, Incoming};
use crate::exit::Exit;
use crate::guardian::Guardian;
use crate::kernel::{IpvsTable, Marks};
use crate::log::RateLimit;
use crate::lvs::{CheckId, Fate, Happening, Model, Touched, Verdict, taken_out};
use crate::process::FileMask;
use crate::state::StateDirectory;
use crate::track::{Report, Trackers};
use healthcheck::{Monitor, MonitorSettings};
use keepalived_conf::SourceMap;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior};
use vrrp_net::Engine;
use vrrp_proto::State;

/// Verdicts taken together before the table is brought up to date.
const VERDICTS_AT_ONCE: usize = 4096;

/// After this time a start needs no more of the memory that it has taken for the while.
const SETTLED: Duration = Duration::from_secs(2);

/// The same where there are virtual routers: by then those whose master is gone have become masters.
const ELECTED: Duration = Duration::from_secs(5);

/// Results of tracking scripts that may wait.
const REPORTS: usize = 256;

/// What the daemon is started with.
pub(super) struct Parts {
    pub(super) arguments: RunArguments,
    pub(super) state: StateDirectory,
    pub(super) table: Option<IpvsTable>,
    pub(super) control: Control,
    pub(super) guardian: Option<Rc<RefCell<Guardian>>>,
    pub(super) memory: Memory,
    pub(super) file_mask: FileMask,
}

/// The VRRP engine and what it tells.
pub(super) struct Vrrp {
    pub(super) engine: Engine,
    pub(super) events: vrrp_net::Events,
    snapshots: vrrp_net::SnapshotWatch,
    /// Events that were dropped, as far as that has been said.
    missed: u64,
}

impl Vrrp {
    fn new(engine: Engine, events: vrrp_net::Events) -> Self {
        Self {
            snapshots: engine.snapshots(),
            engine,
            events,
            missed: 0,
        }
    }
}

/// What there is to be done.
enum Turn {
    Signal(Wish),
    /// An event of the engine; `None` once it has ended.
    Vrrp(Option<vrrp_net::Event>),
    /// Instances stand otherwise than before.
    Snapshot,
    Verdict(healthcheck::Event<CheckId>),
    Report(Report),
    LateGroups,
    Addresses,
    Recovery,
    Audit,
    Chores,
    Incoming(Incoming),
}

/// The running daemon.
pub(super) struct Running {
    pub(super) arguments: RunArguments,
    pub(super) state: StateDirectory,
    /// What is in force.
    pub(super) plan: Arc<Plan>,
    /// What of its files need not be read again while they say the same.
    pub(super) memory: Memory,
    /// What the files of scripts may not grant.
    pub(super) file_mask: FileMask,
    pub(super) model: Model,
    /// The kernel's table; `None` while there are no virtual servers.
    pub(super) table: Option<IpvsTable>,
    /// The firewall marks of groups.
    pub(super) marks: Marks,
    /// `None` without instances and without the privilege to run them.
    pub(super) vrrp: Option<Vrrp>,
    pub(super) monitor: Monitor<CheckId>,
    pub(super) verdicts: healthcheck::Events<CheckId>,
    pub(super) trackers: Trackers,
    reports: mpsc::Receiver<Report>,
    /// What `BFD_CHECK` hears from.
    pub(super) sessions: Sessions,
    /// Scripts, FIFOs and mail.
    pub(super) notifier: Notifier,
    signals: Signals,
    audit: Interval,
    pub(super) chores: Chores,
    pub(super) service_manager: ServiceManager,
    pub(super) control: Control,
    pub(super) pass: Pass,
    pub(super) suspension: Suspension,
    /// When memory that reloads have left free is given back.
    pub(super) release_memory_at: Option<Instant>,
    pub(super) recovering: Recovering,
    /// Who takes the addresses off after a crash.
    guardian: Option<Rc<RefCell<Guardian>>>,
    /// Lines about packets and failed checks.
    pub(super) rate: RateLimit,
}

impl Running {
    /// Starts everything, the services before the addresses. On failure nothing is left behind, and the text says why.
    pub(super) async fn start(
        parts: Parts,
        plan: Plan,
        sources: SourceMap,
        predecessor: Option<Predecessor>,
    ) -> Result<Self, String> {
        let signals =
            Signals::listen().map_err(|error| format!("signals cannot be received: {error}"))?;
        let mut table = parts.table;
        let mut from_down = BTreeSet::new();
        let (mut predecessor, inheritance) = predecessor.map(Predecessor::split).unzip();
        let inheritance = inheritance.unwrap_or_default();
        // The first thing: the predecessor stands still.
        let resumed = match inheritance.vrrp {
            Some(vrrp) => Some(resume_vrrp(&plan, vrrp)?),
            None => None,
        };
        if let Some(table) = table.as_mut().filter(|_| predecessor.is_none()) {
            let inherited = table
                .inherited()
                .map_err(|error| crate::output::chain(&error))?;
            from_down = taken_out(&plan.virtual_servers, &inherited);
            report::adopted(from_down.len());
        }
        let mut model = Model::default();
        let happenings = model.replace(&plan.virtual_servers, |id| {
            if from_down.contains(id) {
                Fate::TakenOut
            } else {
                Fate::New
            }
        });
        inheritance.lvs.give_to(&mut model);
        let guarded = model.judge_guard(plan.change_guard, &mut Touched::default());
        let Parts {
            arguments,
            state,
            mut control,
            guardian,
            memory,
            file_mask,
            ..
        } = parts;
        let mut happenings = if predecessor.is_some() {
            // The predecessor has told them.
            Vec::new()
        } else {
            happenings
        };
        happenings.extend(guarded);
        let set = control.set_in(&mut model, "as before the start", &mut Touched::default());
        if predecessor.is_none() {
            happenings.extend(set);
        }
        if let Some(table) = &mut table {
            let changes = table
                .replace(plan.wished(&model), plan.flush_at_start)
                .map_err(|error| problem(&error, &plan.virtual_servers, &sources))?;
            report::changes(&changes);
        }
        let mut marks = Marks::of(state.file(Marks::RECORD));
        let marked = marks
            .replace(plan.marks.as_ref())
            .map_err(|error| crate::output::chain(&error));
        let started = match (marked, resumed) {
            (Err(problem), _) => Err(problem),
            (Ok(()), Some(vrrp)) => Ok(Some(vrrp)),
            (Ok(()), None) => start_vrrp(&plan),
        };
        let vrrp = match started {
            Ok(vrrp) => vrrp,
            Err(problem) => {
                let ours = table.as_mut().filter(|_| predecessor.is_none());
                if let Some(Err(error)) = ours.map(|table| table.clear(false)) {
                    report::table_error(&error);
                }
                if predecessor.is_none() {
                    marks.clear();
                }
                return Err(problem);
            }
        };
        // The services come first: this is for later.
        unconfirmed::keep(&state, &sources);
        drop(sources);
        let (monitor, verdicts) = Monitor::spawn(MonitorSettings::default());
        for (id, check) in plan.checks.iter() {
            let check = if from_down.contains(&id) {
                check.check_from_down()
            } else {
                check.check()
            };
            monitor.set(id, check);
        }
        inheritance.lvs.give_to_monitor(&monitor);
        let (sender, reports) = mpsc::channel(REPORTS);
        let mut trackers = Trackers::new(sender);
        trackers.replace(plan.watched.clone());
        let mut audit = tokio::time::interval_at(tokio::time::Instant::now() + AUDIT, AUDIT);
        audit.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Control::check_keepalived_files(&arguments);
        control.observe_directory(&arguments);
        if let Err(error) = control.serve_metrics(&arguments) {
            let reason = crate::output::chain(&error);
            tracing::error!(event = "metrics_unavailable", reason, "{reason}");
        }
        control.listen(&arguments, predecessor.is_some());
        let rate = RateLimit::new(Duration::from_secs(10), 1024);
        let notifier = Notifier::start(&plan.notices);
        let elects = !plan.vrrp.instances.is_empty();
        let settled = if elects { ELECTED } else { SETTLED };
        let mut running = Self {
            arguments,
            state,
            plan: Arc::new(plan),
            memory,
            file_mask,
            model,
            table,
            marks,
            vrrp,
            monitor,
            verdicts,
            trackers,
            reports,
            sessions: Sessions::default(),
            notifier,
            signals,
            audit,
            chores: Chores::new(),
            service_manager: ServiceManager::new(),
            control,
            pass: Pass::default(),
            suspension: Suspension::default(),
            // Once it is at rest.
            release_memory_at: Instant::now().checked_add(settled),
            recovering: Recovering::default(),
            guardian,
            rate,
        };
        match &mut predecessor {
            Some(predecessor) => predecessor.release(),
            None => {
                running.stand_down().await;
                // After a predecessor, sessions have a moment to come up here too.
                running.feed_all_checks();
            }
        }
        running.tell_guard();
        running.tell_guardian();
        running.suspend_checks();
        running.tell(&happenings, Moment::Start);
        if predecessor.is_none() {
            running.tell_initial_servers();
        }
        Ok(running)
    }

    /// Runs until it is told to stop.
    pub(super) async fn run(mut self) -> Exit {
        report::started(&self.arguments, &self.plan);
        start::announce(&self.plan);
        if self.arguments.process.dump {
            self.log_status();
        }
        loop {
            let turn = self.next_turn().await;
            let begun = Instant::now();
            if !matches!(turn, Turn::Audit | Turn::Chores) {
                self.chores.stir();
            }
            match turn {
                Turn::Signal(Wish::Stop(signal)) => return self.stop(signal).await,
                Turn::Signal(wish) => self.obey(wish).await,
                Turn::Vrrp(Some(event)) => self.take_vrrp(&event),
                Turn::Vrrp(None) => {
                    self.vrrp = None;
                    tracing::error!(
                        event = "vrrp_ended",
                        "the VRRP thread has ended unexpectedly, stopping"
                    );
                    self.stop("the VRRP thread has ended").await;
                    return Exit::Failure;
                }
                Turn::Snapshot => {}
                Turn::Verdict(event) => self.take_verdicts(event),
                Turn::Report(report) => self.take_report(&report).await,
                Turn::LateGroups => self.notifier.tell_late_groups(&self.plan, Instant::now()),
                Turn::Addresses => self.suspend_checks(),
                Turn::Recovery => self.take_recovery(),
                Turn::Audit => self.audit_table(),
                Turn::Chores => self.chores().await,
                Turn::Incoming(incoming) => {
                    if self.incoming(incoming).await {
                        return self.leave().await;
                    }
                }
            }
            self.control.lag.observe(begun, Instant::now());
        }
    }

    /// Waits for what is to be done next. Nothing is lost if this is given up.
    async fn next_turn(&mut self) -> Turn {
        let chores = self.chores_due();
        let ignore_interrupt = self.arguments.process.ignore_sigint;
        tokio::select! {
                wish = self.signals.next(ignore_interrupt) => Turn::Signal(wish),
                turn = next_vrrp(&mut self.vrrp) => turn,
                Some(event) = self.verdicts.next() => Turn::Verdict(event),
                Some(report) = self.reports.recv() => Turn::Report(report),
                () = wait_until(self.notifier.groups_due()) => Turn::LateGroups,
                () = self.suspension.changed() => Turn::Addresses,
                () = self.recovering.due() => Turn::Recovery,
                _ = self.audit.tick(), if self.table.is_some() => Turn::Audit,
                () = wait_until(chores) => Turn::Chores,
                Some(incoming) = self.control.next() => Turn::Incoming(incoming),
        }
    }

    async fn obey(&mut self, wish: Wish) {
        match wish {
            Wish::Stop(_) => {}
            Wish::Reload => self.reload().await,
            Wish::Status => {
                self.refresh_vrrp().await;
                self.log_status();
                self.write_legacy(Legacy::Data);
            }
            Wish::Legacy(which) => {
                self.refresh_vrrp().await;
                self.write_legacy(which);
            }
            Wish::Talkative => self.set_log_levels("debug"),
            Wish::Usual => self.set_log_levels(&self.arguments.log.log_level.to_string()),
        }
    }

    /// Has the engine count up to now.
    pub(super) async fn refresh_vrrp(&self) {
        if let Some(vrrp) = &self.vrrp {
            // The engine has ended: the loop learns that from its events.
            let _ = vrrp.engine.refresh().await;
        }
    }

    /// Takes this verdict and all that wait behind it, then brings the table up to date once.
    fn take_verdicts(&mut self, first: healthcheck::Event<CheckId>) {
        let mut touched = Touched::default();
        let mut happenings = Vec::new();
        let mut changed = Vec::new();
        let mut next = Some(first);
        let mut taken = 0_usize;
        while let Some(event) = next {
            if let healthcheck::Event::Changed {
                id,
                to,
                weight,
                reason,
                ..
            } = &event
            {
                let verdict = Verdict::made(to.is_up(), *weight, &reason.to_string());
                let was_down = self.model.is_down(id);
                let follows = self.model.observe(id, verdict, &mut touched);
                if was_down == to.is_up() {
                    changed.push((id.clone(), follows.clone(), reason.to_string()));
                }
                happenings.extend(follows);
            } else {
                report::failed_check(&event, &mut self.rate);
            }
            taken = taken.saturating_add(1);
            next = (taken < VERDICTS_AT_ONCE)
                .then(|| self.verdicts.try_next())
                .flatten();
        }
        happenings.extend(self.recover(&happenings, &mut touched));
        self.tell_guard();
        // The table first: nobody should be sent to a dead server while the log is written.
        self.change_table(self.model.delta(&touched));
        self.tell(&happenings, Moment::Running);
        for (id, follows, reason) in changed {
            self.mail_check(&id, &follows, &reason);
        }
    }

    /// Logs what happened, and tells scripts, FIFOs and mail.
    pub(super) fn tell(&mut self, happenings: &[Happening], moment: Moment) {
        for happening in happenings {
            report::happening(happening);
            self.notifier.happening(&self.plan, happening, moment);
        }
    }

    fn take_vrrp(&mut self, event: &vrrp_net::Event) {
        report::vrrp(event, &mut self.rate);
        if let Some(guardian) = &self.guardian {
            guardian.borrow_mut().note(event);
        }
        if let vrrp_net::Event::Transition { instance, to, .. } = event {
            self.follow_instance(instance, *to == State::Master);
        }
        self.notifier.vrrp(&self.plan, event);
    }

    /// Tells the guardian all that is held.
    fn tell_guardian(&self) {
        if let (Some(guardian), Some(vrrp)) = (&self.guardian, &self.vrrp) {
            let snapshot = vrrp.engine.snapshots().latest();
            guardian.borrow_mut().know(&snapshot);
        }
    }

    async fn take_report(&mut self, report: &Report) {
        report::tracker(report);
        self.control.tracker(report);
        self.feed_checks(report);
        if let Some(vrrp) = &self.vrrp {
            // The engine has ended: the loop learns that from its events.
            let _ = vrrp.engine.tracker_result(&report.name, report.state).await;
        }
    }

    /// Says what was missed.
    pub(super) fn tell_missed(&mut self) {
        let Some(vrrp) = &mut self.vrrp else { return };
        let missed = vrrp.events.missed();
        if missed > vrrp.missed {
            let count = missed.saturating_sub(vrrp.missed);
            tracing::warn!(
                event = "vrrp_events_missed",
                count,
                "VRRP events not taken in time, so not logged and no scripts run for them: {count}"
            );
            vrrp.missed = missed;
            self.tell_guardian();
        }
    }

    fn log_status(&self) {
        let now = Instant::now();
        if let Some(vrrp) = &self.vrrp {
            report::vrrp_status(&vrrp.engine.snapshots().latest(), now);
        }
        report::lvs_status(&self.model);
    }
}

/// Starts the VRRP engine. Without instances it still clears what a predecessor has left, if it may.
pub(super) fn start_vrrp(plan: &Plan) -> Result<Option<Vrrp>, String> {
    let needed = !plan.vrrp.instances.is_empty();
    if !needed && !super::privileges::missing(true, false).is_empty() {
        return Ok(None);
    }
    match Engine::start(plan.vrrp_settings.clone(), with_maintenance(&plan.vrrp)) {
        Ok((engine, events)) => Ok(Some(Vrrp::new(engine, events))),
        Err(_) if !needed => Ok(None),
        Err(error) => Err(crate::output::chain(&error)),
    }
}

/// Goes on where a predecessor stands still.
fn resume_vrrp(plan: &Plan, handover: vrrp_net::Handover) -> Result<Vrrp, String> {
    let (settings, configuration) = (plan.vrrp_settings.clone(), with_maintenance(&plan.vrrp));
    match Engine::resume(settings, configuration, handover) {
        Ok((engine, events)) => Ok(Vrrp::new(engine, events)),
        Err(error) => Err(crate::output::chain(&error)),
    }
}

async fn wait_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

async fn next_vrrp(vrrp: &mut Option<Vrrp>) -> Turn {
    let Some(vrrp) = vrrp else {
        return std::future::pending().await;
    };
    tokio::select! {
        event = vrrp.events.recv() => Turn::Vrrp(event),
        // After the end only the events count.
        Some(_) = vrrp.snapshots.changed() => Turn::Snapshot,
    }
}
