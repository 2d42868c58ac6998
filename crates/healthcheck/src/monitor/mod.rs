//! Many checks at once, and their verdicts as a stream.

mod attempts;
mod engine;
mod entry;
mod event;
mod latency;
mod names;
mod queue;
mod store;
mod telling;
mod wheel;

pub use event::{Event, Events, Snapshot, Stats};
pub use latency::Latency;

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::{mpsc, oneshot};

use crate::outcome::{Outcome, Weight};
use crate::probe::Probe;
use crate::schedule::{Policy, Verdict};
use engine::{Command, Engine};

/// A probe and the rules for running it.
#[derive(Clone, Debug)]
pub struct Check {
    pub(crate) probe: Option<Arc<dyn Probe>>,
    pub(crate) policy: Arc<Policy>,
}

impl Check {
    /// A check that runs a probe.
    #[must_use]
    pub fn new(probe: impl Probe, policy: impl Into<Arc<Policy>>) -> Self {
        Self {
            probe: Some(Arc::new(probe)),
            policy: policy.into(),
        }
    }

    /// A check that runs a probe which is already shared. Checks with equal rules take less
    /// memory if they share these too.
    #[must_use]
    pub fn shared(probe: Arc<dyn Probe>, policy: impl Into<Arc<Policy>>) -> Self {
        Self {
            probe: Some(probe),
            policy: policy.into(),
        }
    }

    /// A check that is fed from outside with [`Monitor::report`], such as a BFD session
    /// (`BFD_CHECK`). Nothing is run; retry, rise and alpha apply as always.
    #[must_use]
    pub fn fed(policy: impl Into<Arc<Policy>>) -> Self {
        Self {
            probe: None,
            policy: policy.into(),
        }
    }

    /// True if another check would do exactly the same: then the monitor runs only one of them,
    /// and a replacement keeps the state.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        self.policy == other.policy
            && match (&self.probe, &other.probe) {
                (None, None) => true,
                (Some(a), Some(b)) => same_probe(a, b),
                _ => false,
            }
    }
}

fn same_probe(a: &Arc<dyn Probe>, b: &Arc<dyn Probe>) -> bool {
    Arc::ptr_eq(a, b) || a.key().is_some_and(|key| b.key() == Some(key))
}

/// Limits of a [`Monitor`].
#[derive(Clone, Debug)]
pub struct MonitorSettings {
    /// Attempts that run at the same time, at most. Each needs a file descriptor.
    pub concurrency: usize,
    /// Attempts that run at the same time against one host, at most.
    pub per_host: usize,
    /// Events that wait for the reader. When it is slower than that, the changes of one check
    /// are merged into its newest one; none is lost.
    pub event_capacity: usize,
    /// Start of the sequence that spreads the checks over time; `None` draws one.
    pub seed: Option<u64>,
    /// Gives the time of day that is written into events. Tests put their own here.
    pub wall_clock: fn() -> SystemTime,
}

impl Default for MonitorSettings {
    fn default() -> Self {
        Self {
            concurrency: 4096,
            per_host: 64,
            event_capacity: 1024,
            seed: None,
            wall_clock: SystemTime::now,
        }
    }
}

/// Runs many checks, each under a name of the caller's choice, and tells when their verdicts
/// change. Clones share the same monitor; it stops, and cancels what runs, when the last one is
/// dropped.
///
/// Checks are spread evenly over their interval, in slices of 50 ms: those of one slice start
/// together. A check costs a few hundred octets while it waits; attempts run on the task of the
/// monitor.
pub struct Monitor<K> {
    commands: mpsc::UnboundedSender<Command<K>>,
}

impl<K> Clone for Monitor<K> {
    fn clone(&self) -> Self {
        Self {
            commands: self.commands.clone(),
        }
    }
}

impl<K> fmt::Debug for Monitor<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor").finish_non_exhaustive()
    }
}

impl<K: Clone + Eq + Hash + fmt::Debug + Send + Sync + 'static> Monitor<K> {
    /// Starts a monitor on the current tokio runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn spawn(settings: MonitorSettings) -> (Self, Events<K>) {
        let (commands, inbox) = mpsc::unbounded_channel();
        let (sender, receiver) = mpsc::channel(settings.event_capacity.max(1));
        tokio::spawn(Engine::new(settings, inbox, sender).run());
        (Self { commands }, Events::new(receiver))
    }

    /// Adds a check, or replaces the one of that name. If the new one is the
    /// [same as](Check::same_as) the old one, nothing changes and its state is kept. A new
    /// subscriber to a check that has a verdict is told that verdict at once.
    pub fn set(&self, id: K, check: Check) {
        self.send(Command::Set(id, check));
    }

    /// Removes a check, and cancels its attempt if nobody else wants it.
    pub fn remove(&self, id: K) {
        self.send(Command::Remove(id));
    }

    /// Makes the next attempt now.
    pub fn check_now(&self, id: K) {
        self.send(Command::CheckNow(id));
    }

    /// Lets a check that has just been set go on from what another monitor knew of it, so that
    /// retries apply from its first result on. Nothing is told of it.
    pub fn adopt(&self, id: K, verdict: Verdict, weight: Option<Weight>) {
        self.send(Command::Adopt(id, verdict, weight));
    }

    /// Stops the attempts of a check; its verdict stays (`ha_suspend`). A check that is shared
    /// goes on while anybody wants it, but tells nothing to those who suspended it.
    pub fn suspend(&self, id: K) {
        self.send(Command::Suspend(id));
    }

    /// Lets the attempts of a suspended check go on.
    pub fn resume(&self, id: K) {
        self.send(Command::Resume(id));
    }

    /// Feeds a result to a check, as if an attempt had given it; see [`Check::fed`].
    pub fn report(&self, id: K, outcome: Outcome) {
        self.send(Command::Report(id, outcome));
    }

    /// The state of every check; names that share one stand together. Empty if the monitor has ended.
    pub async fn snapshot(&self) -> Vec<Snapshot<K>> {
        let (sender, receiver) = oneshot::channel();
        self.send(Command::Snapshot(sender));
        receiver.await.unwrap_or_default()
    }

    /// Counters of the monitor as a whole.
    pub async fn stats(&self) -> Stats {
        let (sender, receiver) = oneshot::channel();
        self.send(Command::Stats(sender));
        receiver.await.unwrap_or_default()
    }

    fn send(&self, command: Command<K>) {
        // The engine ends only with its runtime; then there is nobody left to tell.
        let _ = self.commands.send(command);
    }
}
