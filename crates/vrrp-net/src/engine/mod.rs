//! The handle of the engine and the commands it sends to the engine's thread.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use vrrp_proto::tracking::TrackerState;

use crate::State;
use crate::error::{OrderError, ReplaceError, StartError, Stopped};
use crate::event::{self, Events};
use crate::handover::{Handover, Held};
use crate::instance::Configuration;
use crate::settings::Settings;
use crate::snapshot::{Snapshot, SnapshotWatch};

mod applied;
mod check;
mod core;
mod debounce;
mod filter;
mod filter_guard;
mod foreign;
mod handover;
mod instance;
mod options;
mod publish;
mod quiet;
mod reconcile;
mod reload;
mod restore;
mod routing;
mod schedule;
mod sockets;
mod statics;
mod takeover;
mod thread;
mod timer;
mod track;
mod transmit;
mod virtual_links;

/// Commands wait here while the thread is busy; more than this many and the caller waits.
const COMMAND_CAPACITY: usize = 256;

/// Runs virtual routers on a thread of its own, in the network namespace of the thread that starts it.
///
/// Dropping the engine shuts it down as [`shutdown`](Self::shutdown) does, and waits for the end.
#[derive(Debug)]
pub struct Engine {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

/// Talks to a running [`Engine`]. Cheap to clone; usable from any runtime and thread.
#[derive(Debug, Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
}

/// What the engine's thread is told.
#[derive(Debug)]
pub(crate) enum Command {
    Replace(
        Box<Configuration>,
        oneshot::Sender<Result<(), crate::ConfigurationError>>,
    ),
    TrackerResult(String, TrackerState),
    Order(String, Order, oneshot::Sender<Result<State, OrderError>>),
    Refresh(oneshot::Sender<()>),
    HandOver(oneshot::Sender<Held>),
    Shutdown(oneshot::Sender<()>),
    Abort,
}

/// What an operator tells an instance, and with it all instances of its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Be master now. Refused, with a warning among the events, while a better master is heard.
    TakeOver,
    /// Let another router be master: resign, and accept any other master for `hold` or, if `None`, until
    /// [`TakeOver`](Self::TakeOver). Should nobody else come forward, it becomes master again after its master-down
    /// interval.
    StandDown {
        /// How long to accept a master of lower priority.
        hold: Option<Duration>,
    },
    /// As master, announce the addresses once more.
    Announce,
}

impl Engine {
    /// Checks the configuration, takes a predecessor's leftovers off the interfaces and starts the instances.
    /// Returns when the thread runs.
    ///
    /// # Errors
    /// See [`StartError`]; nothing has been changed then.
    pub fn start(
        settings: Settings,
        configuration: Configuration,
    ) -> Result<(Self, Events), StartError> {
        Self::start_from(settings, configuration, None)
    }

    /// Starts as [`start`](Self::start) does, and goes on where another engine stopped: instances keep their state and
    /// the time of their next advert, addresses in place are adopted. An instance is recognised by its interface, family
    /// and virtual router id, its name may differ; what else differs is treated as [`replace`](Self::replace) does.
    ///
    /// An instance whose part is missing, too old or of another protocol version starts afresh; each tells what it did
    /// by [`Event::Resumed`](crate::Event::Resumed) or [`Event::NotResumed`](crate::Event::NotResumed).
    ///
    /// # Errors
    /// See [`StartError`]; nothing has been changed then.
    pub fn resume(
        settings: Settings,
        configuration: Configuration,
        handover: Handover,
    ) -> Result<(Self, Events), StartError> {
        Self::start_from(settings, configuration, Some(handover))
    }

    fn start_from(
        settings: Settings,
        configuration: Configuration,
        handover: Option<Handover>,
    ) -> Result<(Self, Events), StartError> {
        let (events_in, events_out) = event::channel(settings.event_capacity);
        let (commands_in, commands_out) = mpsc::channel(COMMAND_CAPACITY);
        let (snapshot_in, snapshots) = watch::channel(Arc::new(Snapshot::default()));
        let (ready_in, ready_out) = std::sync::mpsc::sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("vrrp".to_owned())
            .spawn(move || {
                thread::run(
                    settings,
                    configuration,
                    handover,
                    events_in,
                    commands_out,
                    snapshot_in,
                    &ready_in,
                );
            })
            .map_err(|source| StartError::Thread {
                doing: "making a thread",
                source,
            })?;
        match ready_out.recv() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(error),
            Err(_) => return Err(StartError::Died),
        }
        let handle = Handle {
            commands: commands_in,
            snapshots,
        };
        Ok((
            Self {
                handle,
                thread: Some(thread),
            },
            events_out,
        ))
    }

    /// A handle to give away.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// See [`Handle::replace`].
    ///
    /// # Errors
    /// See [`ReplaceError`]; the running configuration stays in force then.
    pub async fn replace(&self, configuration: Configuration) -> Result<(), ReplaceError> {
        self.handle.replace(configuration).await
    }

    /// See [`Handle::tracker_result`].
    ///
    /// # Errors
    /// [`Stopped`] after the end.
    pub async fn tracker_result(&self, name: &str, state: TrackerState) -> Result<(), Stopped> {
        self.handle.tracker_result(name, state).await
    }

    /// See [`Handle::order`].
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn order(&self, instance: &str, order: Order) -> Result<State, OrderError> {
        self.handle.order(instance, order).await
    }

    /// See [`Handle::refresh`].
    ///
    /// # Errors
    /// [`Stopped`] after the end.
    pub async fn refresh(&self) -> Result<Arc<Snapshot>, Stopped> {
        self.handle.refresh().await
    }

    /// See [`Handle::hand_over`].
    ///
    /// # Errors
    /// [`Stopped`] after the end.
    pub async fn hand_over(&self) -> Result<Held, Stopped> {
        self.handle.hand_over().await
    }

    /// The latest snapshot, and notice of newer ones.
    #[must_use]
    pub fn snapshots(&self) -> SnapshotWatch {
        self.handle.snapshots()
    }

    /// Resigns where it is master (the priority-0 advert goes before the addresses do), takes all virtual addresses
    /// off and ends the thread. Returns when all is gone.
    pub async fn shutdown(mut self) {
        let (done_in, done_out) = oneshot::channel();
        if self
            .handle
            .commands
            .send(Command::Shutdown(done_in))
            .await
            .is_ok()
        {
            // An error says that the thread has ended already, which is what is wanted.
            let _ = done_out.await;
        }
        self.join();
    }

    /// Ends the thread at once: no resignation, and the addresses stay. What a crash looks like, for tests and for a
    /// program that is about to be replaced by its successor.
    pub fn abort(mut self) {
        // Fails only when the thread has ended or is buried in commands; dropping the sender ends it then.
        let _ = self.handle.commands.try_send(Command::Abort);
        self.join();
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            // The thread's panic has been printed by the panic hook; there is nothing to add here.
            let _ = thread.join();
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.thread.is_some() {
            let (done, _) = oneshot::channel();
            let mut command = Command::Shutdown(done);
            // A full queue is drained by the thread within moments.
            while let Err(mpsc::error::TrySendError::Full(back)) =
                self.handle.commands.try_send(command)
            {
                command = back;
                std::thread::yield_now();
            }
            self.join();
        }
    }
}

impl Handle {
    /// Goes over to another configuration: an unchanged instance is not touched, an unchanged address never removed,
    /// an address may move between instances, a removed instance resigns, adverts go on throughout.
    ///
    /// # Errors
    /// See [`ReplaceError`]; the running configuration stays in force then.
    pub async fn replace(&self, configuration: Configuration) -> Result<(), ReplaceError> {
        let (answer_in, answer_out) = oneshot::channel();
        let command = Command::Replace(Box::new(configuration), answer_in);
        self.commands
            .send(command)
            .await
            .map_err(|_| ReplaceError::Stopped)?;
        answer_out
            .await
            .map_err(|_| ReplaceError::Stopped)?
            .map_err(ReplaceError::Configuration)
    }

    /// Tells the state of a tracker. Unknown names and repeated states change nothing.
    ///
    /// # Errors
    /// [`Stopped`] after the end.
    pub async fn tracker_result(&self, name: &str, state: TrackerState) -> Result<(), Stopped> {
        self.commands
            .send(Command::TrackerResult(name.to_owned(), state))
            .await
            .map_err(|_| Stopped)
    }

    /// Gives an instance an order and tells its state afterwards. Why it did not follow is among the events.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn order(&self, instance: &str, order: Order) -> Result<State, OrderError> {
        let (answer_in, answer_out) = oneshot::channel();
        self.commands
            .send(Command::Order(instance.to_owned(), order, answer_in))
            .await
            .map_err(|_| OrderError::Stopped)?;
        answer_out.await.map_err(|_| OrderError::Stopped)?
    }

    /// A snapshot as of now. Those that [`snapshots`](Self::snapshots) brings follow every change at once, but their
    /// counters, and the times of what was heard last, may be as old as
    /// [`counter_interval`](Settings::counter_interval).
    ///
    /// # Errors
    /// [`Stopped`] after the end.
    pub async fn refresh(&self) -> Result<Arc<Snapshot>, Stopped> {
        let (answer_in, answer_out) = oneshot::channel();
        self.commands
            .send(Command::Refresh(answer_in))
            .await
            .map_err(|_| Stopped)?;
        answer_out.await.map_err(|_| Stopped)?;
        Ok(self.snapshots().latest())
    }

    /// Brings everything up to date, then stops the engine where it stands: no resignation, the addresses stay. See
    /// [`Held`] for how it goes on, and [`Engine::resume`] for the successor.
    ///
    /// # Errors
    /// [`Stopped`] after the end.
    pub async fn hand_over(&self) -> Result<Held, Stopped> {
        let (answer_in, answer_out) = oneshot::channel();
        self.commands
            .send(Command::HandOver(answer_in))
            .await
            .map_err(|_| Stopped)?;
        answer_out.await.map_err(|_| Stopped)
    }

    /// The latest snapshot, and notice of newer ones.
    #[must_use]
    pub fn snapshots(&self) -> SnapshotWatch {
        SnapshotWatch::new(self.snapshots.clone())
    }
}
