//! The one task of a monitor: due times, the attempts that run, and the events to tell.

use std::collections::VecDeque;
use std::fmt;
use std::future::{poll_fn, ready};
use std::hash::{BuildHasher, Hash, RandomState};
use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::time::{Duration, Instant};

use hashbrown::HashTable;
use tokio::sync::{mpsc, oneshot};

use super::attempts::{Attempts, Ended};
use super::entry::Entry;
use super::names::{Name, Names, Number};
use super::queue::Admission;
use super::store::Store;
use super::wheel::Wheel;
use super::{Check, Event, MonitorSettings, Snapshot, Stats};
use crate::outcome::{Cause, Outcome, Weight};
use crate::schedule::{Tracker, Verdict};

/// A step of this size through all 64-bit values spreads any number of points evenly (the golden
/// ratio).
const GOLDEN_STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Commands taken before the due attempts have their turn.
const COMMANDS_AT_ONCE: usize = 1000;

/// Room that is kept for attempts that end together; a burst may need much more.
const ENDED_KEPT: usize = 256;

/// What the handle asks of the engine.
pub(super) enum Command<K> {
    Set(K, Check),
    Remove(K),
    CheckNow(K),
    Adopt(K, Verdict, Option<Weight>),
    Suspend(K),
    Resume(K),
    Report(K, Outcome),
    Snapshot(oneshot::Sender<Vec<Snapshot<K>>>),
    Stats(oneshot::Sender<Stats>),
}

pub(super) struct Engine<K> {
    settings: MonitorSettings,
    inbox: mpsc::UnboundedReceiver<Command<K>>,
    /// `None` once the reader is gone.
    pub(super) events: Option<mpsc::Sender<Event<K>>>,
    pub(super) names: Names<K>,
    pub(super) entries: Store<Entry>,
    /// Checks that may be shared, by the digest of their probe.
    shared: HashTable<u64>,
    wheel: Wheel,
    admission: Admission,
    attempts: Attempts,
    /// Checks that have lost their last name; they end unless another name takes them at once.
    orphans: Vec<u64>,
    /// Names whose owner is to be told something, in order.
    pub(super) outbox: VecDeque<Number>,
    phase: u64,
    started: u64,
    worst_lateness: Duration,
    pub(super) lost_events: u64,
}

impl<K: Clone + Eq + Hash + fmt::Debug + Send + Sync + 'static> Engine<K> {
    pub(super) fn new(
        settings: MonitorSettings,
        inbox: mpsc::UnboundedReceiver<Command<K>>,
        events: mpsc::Sender<Event<K>>,
    ) -> Self {
        let phase = settings
            .seed
            .unwrap_or_else(|| RandomState::new().hash_one(0_u8));
        Self {
            admission: Admission::new(settings.concurrency, settings.per_host),
            settings,
            inbox,
            events: Some(events),
            names: Names::default(),
            entries: Store::default(),
            shared: HashTable::new(),
            wheel: Wheel::new(now()),
            attempts: Attempts::default(),
            orphans: Vec::new(),
            outbox: VecDeque::new(),
            phase,
            started: 0,
            worst_lateness: Duration::ZERO,
            lost_events: 0,
        }
    }

    /// Runs until every handle is gone.
    pub(super) async fn run(mut self) {
        let mut alarm = pin!(tokio::time::sleep(Duration::ZERO));
        let mut ended = Vec::new();
        loop {
            self.start_due(now());
            let due = self.wheel.next().map(tokio::time::Instant::from);
            if let Some(due) = due
                && alarm.deadline() != due
            {
                alarm.as_mut().reset(due);
            }
            let events = self.events.clone();
            tokio::select! {
                biased;
                command = self.inbox.recv() => match command {
                    Some(command) => {
                        self.obey(command);
                        // A configuration comes as many commands.
                        for _ in 0..COMMANDS_AT_ONCE {
                            let Ok(command) = self.inbox.try_recv() else { break };
                            self.obey(command);
                        }
                        if self.inbox.is_empty() {
                            self.end_orphans();
                        }
                    }
                    None => return,
                },
                permit = reserve(events.as_ref()), if !self.outbox.is_empty() => match permit {
                    Some(permit) => {
                        if let Some(event) = self.next_event() {
                            permit.send(event);
                        }
                    }
                    None => self.events = None,
                },
                () = poll_fn(|context| self.attempts.poll_ended(context, &mut ended)) => {
                    let now = now();
                    for ended in ended.drain(..) {
                        self.finish(ended, now);
                    }
                    ended.shrink_to(ENDED_KEPT);
                }
                () = alarm.as_mut(), if due.is_some() => {}
            }
        }
    }

    fn obey(&mut self, command: Command<K>) {
        match command {
            Command::Set(id, check) => self.set(id, check),
            Command::Remove(id) => {
                if let Some((name, entry)) = self.names.remove(&id) {
                    self.leave(entry, name);
                }
            }
            Command::CheckNow(id) => {
                if let Some(entry) = self.entry_of(&id) {
                    self.with_entry(entry, |check, now| check.tracker.check_now(now));
                }
            }
            Command::Adopt(id, verdict, weight) => {
                let number = self.names.number_of(&id);
                if let Some(name) = number.and_then(|number| self.names.get_mut(number)) {
                    name.told = (verdict, weight);
                    if let Some(check) = self.entries.get_mut(name.entry) {
                        check.tracker.adopt(verdict, weight);
                    }
                }
            }
            Command::Suspend(id) => self.suspend(&id, true),
            Command::Resume(id) => self.suspend(&id, false),
            Command::Report(id, outcome) => {
                if let Some(entry) = self.entry_of(&id) {
                    self.observe(entry, outcome, now());
                }
            }
            Command::Snapshot(reply) => {
                self.end_orphans();
                let _ = reply.send(self.snapshot());
            }
            Command::Stats(reply) => {
                self.end_orphans();
                let _ = reply.send(Stats {
                    checks: self.entries.len(),
                    running: self.admission.running(),
                    waiting: self.admission.waiting(),
                    started: self.started,
                    worst_lateness: self.worst_lateness,
                    lost_events: self.lost_events,
                });
            }
        }
    }

    fn entry_of(&self, id: &K) -> Option<u64> {
        let name = self.names.get(self.names.number_of(id)?)?;
        Some(name.entry)
    }

    /// Changes an entry and puts its new due time into the wheel.
    fn with_entry(&mut self, entry: u64, change: impl FnOnce(&mut Entry, Instant)) {
        if let Some(check) = self.entries.get_mut(entry) {
            change(check, now());
        }
        self.schedule(entry);
    }

    fn set(&mut self, id: K, check: Check) {
        let now = now();
        let number = self.names.number_of(&id);
        let mut verdict = None;
        if let Some((number, name)) = number.and_then(|at| Some((at, self.names.get(at)?))) {
            let entry = name.entry;
            let old = self.entries.get(entry);
            if old.is_some_and(|old| old.does(&check)) {
                return;
            }
            // The same probe under new rules: what is known of the server stays known.
            verdict = old
                .filter(|old| old.runs_probe_of(&check))
                .map(|old| (old.tracker.verdict(), old.tracker.weight()));
            self.leave(entry, number);
        }
        let key = check.probe.as_ref().and_then(|probe| probe.key());
        // Zero and one are as good as the same.
        let digest = key.as_ref().map(|key| key.digest().max(1));
        let digest = digest.and_then(NonZeroU64::new);
        let existing = digest.and_then(|digest| {
            let is_same = |number: &u64| {
                let other = self.entries.get(*number);
                other.is_some_and(|other| other.does(&check))
            };
            self.shared.find(digest.get(), is_same).copied()
        });
        let entry = existing.unwrap_or_else(|| self.insert(check, digest, verdict, now));
        let Some(state) = self.entries.get_mut(entry) else {
            return;
        };
        let assumed_up = !state.tracker.policy().alpha;
        let number = match number {
            Some(number) => {
                if let Some(name) = self.names.get_mut(number) {
                    name.entry = entry;
                }
                number
            }
            None => self.names.insert(Name {
                id,
                entry,
                suspended: false,
                queued: false,
                told: (Verdict::Unknown { assumed_up }, None),
            }),
        };
        state.names.push(number);
        self.settle_suspension(entry);
        self.tell(number);
    }

    fn insert(
        &mut self,
        check: Check,
        shared_as: Option<NonZeroU64>,
        verdict: Option<(Verdict, Option<Weight>)>,
        now: Instant,
    ) -> u64 {
        self.phase = self.phase.wrapping_add(GOLDEN_STEP);
        let mut tracker = Tracker::new(check.policy, now, self.phase);
        if let Some((verdict, weight)) = verdict {
            tracker.adopt(verdict, weight);
        }
        let entry = Entry::new(check.probe, shared_as, tracker);
        let number = self.entries.insert(entry);
        if let Some(digest) = shared_as {
            let entries = &self.entries;
            self.shared.insert_unique(digest.get(), number, |number| {
                let entry = entries.get(*number);
                let digest = entry.and_then(|entry| entry.shared_as);
                digest.map_or(0, NonZeroU64::get)
            });
        }
        number
    }

    /// Takes a name off a check, and ends the check if it was the last one.
    fn leave(&mut self, entry: u64, name: Number) {
        let Some(state) = self.entries.get_mut(entry) else {
            return;
        };
        state.names.remove(name);
        if !state.names.as_slice().is_empty() {
            self.settle_suspension(entry);
            return;
        }
        self.orphans.push(entry);
    }

    /// Ends checks that nobody wants any more. Only once all commands are taken: in a new
    /// configuration a check may go over to another name.
    fn end_orphans(&mut self) {
        while let Some(entry) = self.orphans.pop() {
            let orphan = self.entries.get(entry);
            if orphan.is_none_or(|orphan| !orphan.names.as_slice().is_empty()) {
                continue;
            }
            let Some(gone) = self.entries.remove(entry) else {
                continue;
            };
            let digest = gone.shared_as.map_or(0, NonZeroU64::get);
            if let Ok(found) = self.shared.find_entry(digest, |other| *other == entry) {
                found.remove();
            }
            if let Some(slot) = gone.running {
                self.attempts.cancel(slot);
                self.admission.release(gone.host);
            }
        }
    }

    fn suspend(&mut self, id: &K, suspended: bool) {
        let Some(number) = self.names.number_of(id) else {
            return;
        };
        let Some(name) = self.names.get_mut(number) else {
            return;
        };
        name.suspended = suspended;
        let entry = name.entry;
        self.settle_suspension(entry);
        self.tell(number);
    }

    /// A check rests while all its names are suspended.
    fn settle_suspension(&mut self, entry: u64) {
        let names = &self.names;
        let Some(state) = self.entries.get_mut(entry) else {
            return;
        };
        let suspended = |number: &Number| names.get(*number).is_some_and(|name| name.suspended);
        let all = state.names.as_slice().iter().all(suspended);
        if all && !state.tracker.is_suspended() {
            state.tracker.suspend();
            if let Some(slot) = state.running.take() {
                self.attempts.cancel(slot);
                self.admission.release(state.host);
                state.tracker.cancel(now());
            }
        } else if !all && state.tracker.is_suspended() {
            state.tracker.resume(now());
        }
        self.schedule(entry);
    }

    /// Puts the due time of a check into the wheel, if it is not there already.
    fn schedule(&mut self, entry: u64) {
        let Some(state) = self.entries.get_mut(entry) else {
            return;
        };
        if state.probe.is_none() || state.waiting {
            return;
        }
        let due = state.tracker.poll_timeout();
        let slice = due.map(|due| self.wheel.slice(due));
        if slice == state.scheduled {
            return;
        }
        state.scheduled = slice;
        if let Some(slice) = slice {
            self.wheel.insert(slice, entry);
        }
    }

    /// Starts what is due, as far as the limits allow.
    fn start_due(&mut self, now: Instant) {
        while let Some((entry, host)) = self.admission.next() {
            let state = self.entries.get_mut(entry);
            let due = state.and_then(|state| {
                state.waiting = false;
                state.tracker.poll_timeout()
            });
            match due {
                Some(due) => self.start(entry, due, now),
                None => self.admission.decline(host),
            }
        }
        while let Some((slice, due)) = self.wheel.take_due(now) {
            for entry in due {
                let Some(state) = self.entries.get_mut(entry) else {
                    continue;
                };
                if state.scheduled == Some(slice) {
                    state.scheduled = None;
                    self.start(entry, self.wheel.end(slice), now);
                }
            }
        }
    }

    fn start(&mut self, entry: u64, due: Instant, now: Instant) {
        let Some(state) = self.entries.get_mut(entry) else {
            return;
        };
        let Some(probe) = state.probe.clone() else {
            return;
        };
        if !self.admission.admit(entry, state.host) {
            state.waiting = true;
            return;
        }
        let late = now.saturating_duration_since(due);
        self.worst_lateness = self.worst_lateness.max(late);
        state.tracker.start(now);
        self.started += 1;
        let started = catch_unwind(AssertUnwindSafe(|| probe.run_shared()));
        let attempt = started.unwrap_or_else(|_panic| Box::pin(ready(panicked())));
        let slot = self.attempts.start(entry, attempt);
        state.running = Some(slot);
    }

    fn finish(&mut self, ended: Ended, now: Instant) {
        let Some(state) = self.entries.get_mut(ended.check) else {
            return;
        };
        state.running = None;
        self.admission.release(state.host);
        let outcome = ended.outcome.unwrap_or_else(panicked);
        self.observe(ended.check, outcome, now);
    }

    /// Takes a result, and tells who wants to know.
    fn observe(&mut self, entry: u64, outcome: Outcome, now: Instant) {
        let wall = (self.settings.wall_clock)();
        let Some(state) = self.entries.get_mut(entry) else {
            return;
        };
        state.attempts += 1;
        state.latency.observe(outcome.took());
        if !outcome.is_up() {
            state.failures += 1;
        }
        let change = state.tracker.observe(now, &outcome);
        let certificate = state.certificate_warning(&outcome, wall);
        let tell_failure =
            change.is_none() && !outcome.is_up() && state.tracker.policy().log_all_failures;
        state.saw(outcome, wall);
        if let Some(change) = change {
            state.apply(change, now, wall);
            self.tell_change(entry);
        } else if tell_failure {
            self.tell_failure(entry, wall);
        }
        if let Some(expires) = certificate {
            self.tell_certificate(entry, expires, wall);
        }
        self.schedule(entry);
    }
}

fn panicked() -> Outcome {
    Outcome::from_result(Err(Cause::Panicked), Duration::ZERO)
}

async fn reserve<T>(sender: Option<&mpsc::Sender<T>>) -> Option<mpsc::Permit<'_, T>> {
    sender?.reserve().await.ok()
}

/// The clock of the runtime, which tests can hold.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
