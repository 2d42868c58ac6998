//! The engine's thread: one runtime, a task for the timer, one for the kernel's notices, one per socket, and the
//! commands.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use tokio::io::unix::AsyncFd;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, oneshot, watch};

use super::Command;
use super::core::{Core, Later, Publication};
use super::debounce::Debounce;
use super::filter::Filter;
use super::options::InterfaceOptions;
use super::quiet::QuietTime;
use super::restore::Restorer;
use super::routing::{Entries, Statics};
use super::schedule::Schedule;
use super::sockets::Sockets;
use super::timer::{Clock, Timer};
use super::transmit::{Outbox, Pacer};
use super::virtual_links::VirtualLinks;
use crate::announce::Announcer;
use crate::error::StartError;
use crate::event::EventSender;
use crate::handover::{Handover, Held};
use crate::instance::Configuration;
use crate::kernel::AddressTable;
use crate::kernel::links::Picture;
use crate::kernel::netlink::Netlink;
use crate::kernel::notify::NoticeSocket;
use crate::nftables::TableWatch;
use crate::settings::Settings;
use crate::snapshot::Snapshot;
use crate::sys::{self, Inbox};
use crate::wire::{self, AdvertSocket};

type Shared = Rc<RefCell<Core>>;

/// What the thread does when a deadline comes, but for waiting, takes less, unless there are hundreds of routers; the kernel's least.
const TURN: std::time::Duration = std::time::Duration::from_micros(100);

pub(super) fn run(
    settings: Settings,
    configuration: Configuration,
    handover: Option<Handover>,
    events: EventSender,
    commands: mpsc::Receiver<Command>,
    snapshots: watch::Sender<Arc<Snapshot>>,
    ready: &SyncSender<Result<(), StartError>>,
) {
    let runtime = Builder::new_current_thread()
        .enable_io()
        .build_local(LocalOptions::default());
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(source) => {
            // Nobody listens only if the caller is gone, and then nobody minds.
            let _ = ready.send(Err(StartError::Thread {
                doing: "making a runtime",
                source,
            }));
            return;
        }
    };
    runtime.block_on(async {
        match start(settings, configuration, handover, events, snapshots) {
            Ok((shared, notices)) => {
                let _ = ready.send(Ok(()));
                serve(&shared, notices, commands).await;
            }
            Err(error) => {
                let _ = ready.send(Err(error));
            }
        }
    });
}

fn start(
    settings: Settings,
    configuration: Configuration,
    handover: Option<Handover>,
    events: EventSender,
    snapshots: watch::Sender<Arc<Snapshot>>,
) -> Result<(Shared, AsyncFd<NoticeSocket>), StartError> {
    let clock = Clock::new();
    // Listening begins before the tables are read, so that no change falls between the two.
    let notices =
        NoticeSocket::open(settings.route_mark).map_err(netlink("subscribing to changes"))?;
    let notices = sys::watch(notices).map_err(thread("watching netlink"))?;
    let mut table = Netlink::open(settings.address_mark, settings.route_mark)
        .map_err(netlink("opening a socket"))?;
    let links = table.links().map_err(netlink("reading the interfaces"))?;
    let addresses = table
        .addresses()
        .map_err(netlink("reading the addresses"))?;
    let announcer = Announcer::open().map_err(privileged("opening a packet socket"))?;
    let timer = Timer::new().map_err(thread("making a timer"))?;
    let timer = sys::watch(timer).map_err(thread("watching the timer"))?;
    let inbox = wire::inbox().map_err(thread("making room for packets"))?;
    let now = clock.now();
    let mut core = Core {
        clock,
        table: Box::new(table),
        picture: Picture::new(links, addresses),
        sockets: Sockets::new(&settings),
        announcer,
        timer: Rc::new(timer),
        events,
        instances: BTreeMap::new(),
        names: BTreeMap::new(),
        next_id: 0,
        routes: BTreeMap::new(),
        groups: BTreeMap::new(),
        trackers: BTreeMap::new(),
        applied: BTreeMap::new(),
        virtual_keys: BTreeSet::new(),
        whole: false,
        leftovers: BTreeSet::new(),
        inheritance: None,
        restorer: Restorer::default(),
        statics: Statics::default(),
        entries: Entries::default(),
        links: VirtualLinks::default(),
        options: InterfaceOptions::default(),
        filter: Filter::default(),
        debounce: Debounce::new(&settings.up_down_delays),
        schedule: Schedule::new(&settings, now),
        pacer: Pacer::new(&settings),
        touched: VecDeque::new(),
        later: Later::default(),
        deadlines: BTreeSet::new(),
        quiet: QuietTime::new(now),
        armed: None,
        thread_priority: settings.realtime_priority.unwrap_or(0),
        wall_clock_due: None,
        publication: Publication {
            sender: snapshots,
            last: now,
            due: None,
        },
        ignored: BTreeMap::new(),
        malformed: BTreeMap::new(),
        foreign: BTreeMap::new(),
        outbox: Outbox::with_room(),
        inbox: Rc::new(RefCell::new(inbox)),
        settings,
    };
    core.schedule();
    match handover {
        Some(handover) => {
            // This is no start: others count on it.
            core.schedule = Schedule::default();
            core.inherit(handover);
        }
        None => core.remove_marked_entries(),
    }
    core.find_leftovers();
    core.replace(configuration)?;
    core.silence_local_igmp();
    core.settle();
    if core.settings.reclaim_marked {
        core.remove_left_links();
        core.remove_left_table();
    }
    core.publish(false);
    Ok((Rc::new(RefCell::new(core)), notices))
}

impl Core {
    /// A timer that is late too much raises the priority of the thread.
    pub(super) fn note_lateness(&mut self, late: std::time::Duration) {
        let Some(auto) = self.settings.auto_priority else {
            return;
        };
        if late < auto.lateness || self.thread_priority >= auto.most {
            return;
        }
        let priority = self.thread_priority.saturating_add(1);
        let message = match sys::schedule_realtime(priority) {
            Ok(()) => format!("the timer was {late:?} late, real-time priority is {priority} now"),
            Err(error) => format!(
                "the timer was {late:?} late, and real-time priority {priority} is not to be had, give CAP_SYS_NICE: {error}"
            ),
        };
        self.thread_priority = priority;
        self.warn(None, message);
    }

    /// Real-time scheduling and locked memory are wishes: without them the engine runs all the same.
    fn schedule(&self) {
        // Where the kernel cannot, its ordinary turns must do.
        let _ = sys::take_short_turns(TURN);
        if let Some(priority) = self.settings.realtime_priority
            && let Err(error) = sys::schedule_realtime(priority)
        {
            self.warn(
                None,
                format!("cannot get real-time priority {priority}, give CAP_SYS_NICE: {error}"),
            );
        }
        if !self.settings.processors.is_empty()
            && let Err(error) = keep_to(&self.settings.processors)
        {
            let numbers = &self.settings.processors;
            self.warn(
                None,
                format!("cannot keep to processors {numbers:?}: {error}"),
            );
        }
        if self.settings.lock_memory
            && let Err(error) = sys::lock_memory()
        {
            self.warn(
                None,
                format!("cannot lock memory, give CAP_IPC_LOCK: {error}"),
            );
        }
    }
}

/// Lets the calling thread run on these processors only.
fn keep_to(processors: &[usize]) -> io::Result<()> {
    let mut set = nix::sched::CpuSet::new();
    for number in processors {
        set.set(*number)?;
    }
    nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &set)?;
    Ok(())
}

fn thread(doing: &'static str) -> impl Fn(io::Error) -> StartError {
    move |source| StartError::Thread { doing, source }
}

fn netlink(doing: &'static str) -> impl Fn(io::Error) -> StartError {
    move |source| match source.kind() {
        io::ErrorKind::PermissionDenied => StartError::Privilege { doing },
        _ => StartError::Netlink { doing, source },
    }
}

fn privileged(doing: &'static str) -> impl Fn(io::Error) -> StartError {
    move |source| match source.kind() {
        io::ErrorKind::PermissionDenied => StartError::Privilege { doing },
        _ => StartError::Thread { doing, source },
    }
}

/// Does something to the core, then all that follows from it: adverts first, word of it last.
fn enter<T>(shared: &Shared, step: impl FnOnce(&mut Core) -> T) -> T {
    let mut core = shared.borrow_mut();
    core.events.hold();
    core.read_quiet();
    let result = step(&mut core);
    core.settle();
    for socket in core.sockets.take_new() {
        let key = socket.get_ref().key();
        let inbox = Rc::clone(&core.inbox);
        let reader = tokio::task::spawn_local(read_adverts(Rc::clone(shared), socket, inbox));
        core.sockets.set_reader(&key, reader);
    }
    if let Some(watch) = core.filter.guard.unread() {
        let reader = tokio::task::spawn_local(read_table_notices(Rc::clone(shared), watch));
        core.filter.guard.set_reader(reader);
    }
    result
}

async fn serve(
    shared: &Shared,
    notices: AsyncFd<NoticeSocket>,
    mut commands: mpsc::Receiver<Command>,
) {
    enter(shared, |_| ());
    let notices = Rc::new(notices);
    let watch = || {
        let timer = Rc::clone(&shared.borrow().timer);
        [
            tokio::task::spawn_local(keep_time(Rc::clone(shared), timer)),
            tokio::task::spawn_local(read_notices(Rc::clone(shared), Rc::clone(&notices))),
        ]
    };
    let mut tasks = watch();
    let done = loop {
        match commands.recv().await {
            Some(Command::Replace(configuration, answer)) => {
                let result = enter(shared, |core| {
                    let result = core.replace(*configuration);
                    core.settle();
                    core.publish(false);
                    result
                });
                // The caller may have stopped waiting.
                let _ = answer.send(result);
            }
            Some(Command::TrackerResult(name, state)) => enter(shared, |core| {
                let now = core.clock.now();
                core.on_tracker(&name, state, now);
            }),
            Some(Command::Order(instance, order, answer)) => {
                let result = enter(shared, |core| core.order(&instance, order));
                let _ = answer.send(result);
            }
            Some(Command::Refresh(answer)) => {
                enter(shared, Core::refresh_snapshot);
                let _ = answer.send(());
            }
            Some(Command::HandOver(answer)) => {
                for task in &tasks {
                    task.abort();
                }
                let handover = shared.borrow_mut().hold();
                let (verdict, word) = oneshot::channel();
                // The caller may have stopped waiting: then the sender of the word is gone with the answer.
                let _ = answer.send(Held { handover, verdict });
                if let Ok(left_out) = word.await {
                    shared.borrow_mut().resign(&left_out);
                    return;
                }
                enter(shared, Core::carry_on);
                tasks = watch();
            }
            Some(Command::Shutdown(done)) => break Some(done),
            Some(Command::Abort) => return,
            None => break None,
        }
    };
    for task in &tasks {
        task.abort();
    }
    shared.borrow_mut().shut_down();
    if let Some(done) = done {
        let _ = done.send(());
    }
}

async fn keep_time(shared: Shared, timer: Rc<AsyncFd<Timer>>) {
    loop {
        let Ok(mut guard) = timer.readable().await else {
            return;
        };
        guard.clear_ready();
        drop(guard);
        enter(&shared, |core| {
            core.await_takeover();
            let now = core.clock.now();
            core.on_timer(now);
        });
    }
}

async fn read_notices(shared: Shared, socket: Rc<AsyncFd<NoticeSocket>>) {
    loop {
        let Ok(mut guard) = socket.readable().await else {
            return;
        };
        match socket.get_ref().read() {
            Ok((notices, more)) => {
                if !more {
                    guard.clear_ready();
                }
                enter(&shared, |core| core.on_notices(&notices));
            }
            Err(error) => {
                guard.clear_ready();
                shared
                    .borrow()
                    .warn(None, format!("cannot read the kernel's notices: {error}"));
            }
        }
        tokio::task::yield_now().await;
    }
}

/// Other tables change all the time on some machines: that is no step of the core.
async fn read_table_notices(shared: Shared, socket: Rc<AsyncFd<TableWatch>>) {
    loop {
        let Ok(mut guard) = socket.readable().await else {
            return;
        };
        let read = shared.borrow().read_table_notices(socket.get_ref());
        match read {
            Ok(notices) => {
                if !notices.more {
                    guard.clear_ready();
                }
                if notices.changed || notices.overrun {
                    enter(&shared, |core| core.table_changed(notices));
                }
            }
            Err(error) => {
                guard.clear_ready();
                shared.borrow().warn(
                    None,
                    format!("cannot read the notices of nftables: {error}"),
                );
            }
        }
        tokio::task::yield_now().await;
    }
}

/// Takes a batch of adverts at a time, and lets the timers have their turn between two.
async fn read_adverts(
    shared: Shared,
    socket: Rc<AsyncFd<AdvertSocket>>,
    inbox: Rc<RefCell<Inbox>>,
) {
    let key = socket.get_ref().key();
    loop {
        let Ok(mut guard) = socket.readable().await else {
            return;
        };
        let more = enter(&shared, |core| {
            let now = core.clock.now();
            let read = socket
                .get_ref()
                .receive(&mut inbox.borrow_mut(), |received, _| {
                    core.on_packet(key, received, now);
                });
            match read {
                Ok(more) => more,
                // Errors of the link, such as its going down, are told by netlink.
                Err(error) => error.kind() != io::ErrorKind::WouldBlock,
            }
        });
        if more {
            drop(guard);
            tokio::task::yield_now().await;
        } else {
            guard.clear_ready();
        }
    }
}
