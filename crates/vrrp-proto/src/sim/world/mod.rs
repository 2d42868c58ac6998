//! The run itself: nodes, packets under way, and time.

use alloc::collections::{BinaryHeap, VecDeque};
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::net::IpAddr;
use core::time::Duration;

mod checks;
mod replace;
mod traffic;

use super::clock::Clock;
use super::invariants::{Broken, Cause, Violation, Witness};
use super::network::Network;
use super::random::Random;
use super::scenario::{Disturbance, Scenario};
use crate::group::SyncGroup;
use crate::machine::{Action, Event, Fault, State, Transition, VirtualRouter};
use crate::time::UnixTime;
use crate::wire::MAX_ENCODED_LEN;

/// The wall clock at the start of every simulation.
const WALL_CLOCK: u64 = 1_700_000_000_000_000;

/// What a run did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Events handled.
    pub steps: u64,
    /// Packets delivered.
    pub packets: u64,
    /// Changes of state.
    pub transitions: u64,
    /// Times two masters on a link heard each other, however short.
    pub overlaps: u64,
    /// Depends on every action and its time; equal for equal runs.
    pub fingerprint: u64,
}

/// A run of a [`Scenario`].
#[derive(Debug)]
pub struct Simulation {
    scenario: Scenario,
    random: Random,
    now: u64,
    nodes: Vec<Machine>,
    network: Network,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    /// What is queued, by its number.
    pending: VecDeque<Option<Pending>>,
    first_pending: u64,
    violation: Option<Violation>,
    summary: Summary,
    trace: Option<Vec<String>>,
    buffer: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Pending {
    Disturbance(usize),
    Quiet,
    Resume(usize),
    Succeed(usize),
    Packet {
        to: usize,
        epoch: u32,
        packet: Rc<Packet>,
    },
}

/// A packet under way: for IPv4 the datagram, for IPv6 what follows the header.
#[derive(Debug)]
struct Packet {
    link: usize,
    from: usize,
    source: IpAddr,
    destination: IpAddr,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Machine {
    clock: Clock,
    running: bool,
    /// Grows with every crash; packets for an earlier life are lost.
    epoch: u32,
    stalled: bool,
    inbox: Vec<Rc<Packet>>,
    slots: Vec<Slot>,
    group: Option<SyncGroup>,
    /// When it last started or woke.
    disturbed: u64,
}

#[derive(Debug)]
struct Slot {
    router: VirtualRouter,
    has_addresses: bool,
    state: State,
    master_since: u64,
    witness: Witness,
}

impl Simulation {
    /// Prepares a run.
    pub fn new(scenario: Scenario) -> Self {
        let mut simulation = Self {
            random: Random::new(scenario.seed),
            now: 0,
            nodes: Vec::new(),
            network: Network::new(scenario.nodes.len(), scenario.links()),
            queue: BinaryHeap::new(),
            pending: VecDeque::new(),
            first_pending: 0,
            violation: None,
            summary: Summary {
                steps: 0,
                packets: 0,
                transitions: 0,
                overlaps: 0,
                fingerprint: 0xcbf2_9ce4_8422_2325,
            },
            trace: None,
            buffer: vec![0; MAX_ENCODED_LEN],
            scenario,
        };
        for node in 0..simulation.scenario.nodes.len() {
            let machine = simulation.machine(node);
            simulation.nodes.push(machine);
        }
        let disturbances = simulation.scenario.disturbances.iter().enumerate();
        let planned: Vec<(u64, Pending)> = disturbances
            .map(|(index, (at, _))| (*at, Pending::Disturbance(index)))
            .collect();
        for (at, what) in planned {
            simulation.schedule(at, what);
        }
        simulation.schedule(simulation.scenario.quiet_from, Pending::Quiet);
        simulation
    }

    /// Keeps a line of text for every action and disturbance; see [`trace`](Self::trace).
    #[must_use]
    pub fn with_trace(mut self) -> Self {
        self.trace = Some(Vec::new());
        self
    }

    /// What happened, a line each, if it was asked for.
    pub fn trace(&self) -> &[String] {
        self.trace.as_deref().unwrap_or_default()
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// The first [`Violation`] of an invariant.
    pub fn run(mut self) -> Result<Summary, Violation> {
        self.run_to_end()
    }

    /// Runs to the end and keeps what [`trace`](Self::trace) shows.
    ///
    /// # Errors
    /// The first [`Violation`] of an invariant.
    pub fn run_to_end(&mut self) -> Result<Summary, Violation> {
        for node in 0..self.nodes.len() {
            self.start(node);
        }
        while self.violation.is_none() && self.step() {}
        if self.violation.is_none() {
            self.check_end();
        }
        match self.violation.take() {
            Some(violation) => Err(violation),
            None => Ok(self.summary),
        }
    }

    fn machine(&mut self, node: usize) -> Machine {
        let plan = self.scenario.nodes.get(node).cloned();
        let (clock, configs) = plan.map_or_else(
            || (Clock::new(0, 0), Vec::new()),
            |plan| (Clock::new(plan.clock_offset, plan.clock_ppm), plan.routers),
        );
        let grouped = configs.len() > 1;
        let names = (0..configs.len()).map(|link| format!("link{link}"));
        let group = grouped.then(|| SyncGroup::new(names));
        let mut slots = Vec::new();
        for (link, config) in configs.into_iter().enumerate() {
            match VirtualRouter::new(config) {
                Ok(router) => slots.push(Slot {
                    router,
                    has_addresses: false,
                    state: State::Initialize,
                    master_since: 0,
                    witness: Witness::default(),
                }),
                Err(error) => {
                    let why = error.to_string();
                    self.violate(link, Broken::Configuration { node, why });
                }
            }
        }
        Machine {
            clock,
            running: false,
            epoch: 0,
            stalled: false,
            inbox: Vec::new(),
            slots,
            group,
            disturbed: self.now,
        }
    }

    fn violate(&mut self, link: usize, broken: Broken) {
        if self.violation.is_none() {
            self.violation = Some(Violation {
                at: self.now,
                link,
                broken,
            });
        }
    }

    fn note(&mut self, text: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let (seconds, rest) = (self.now / 1_000_000, self.now % 1_000_000);
            trace.push(format!("{seconds:4}.{rest:06} {}", text()));
        }
    }

    fn mix(&mut self, value: u64) {
        let mixed = (self.summary.fingerprint ^ value).wrapping_mul(0x0100_0000_01b3);
        self.summary.fingerprint = mixed.rotate_left(23);
    }

    fn schedule(&mut self, at: u64, what: Pending) {
        let number = self.first_pending + self.pending.len() as u64;
        self.pending.push_back(Some(what));
        self.queue.push(Reverse((at, number)));
    }

    fn take(&mut self, number: u64) -> Option<Pending> {
        let index = usize::try_from(number - self.first_pending).ok()?;
        let what = self.pending.get_mut(index)?.take();
        while let Some(None) = self.pending.front() {
            self.pending.pop_front();
            self.first_pending += 1;
        }
        what
    }

    /// The node whose timer is due first, and when.
    fn next_timer(&self) -> Option<(u64, usize)> {
        let mut next = None;
        for (index, node) in self.nodes.iter().enumerate() {
            if !node.running || node.stalled {
                continue;
            }
            let due = node
                .slots
                .iter()
                .filter_map(|slot| slot.router.poll_timeout());
            if let Some(due) = due.min() {
                let at = node.clock.reaches(due).max(self.now);
                if next.is_none_or(|(earliest, _)| at < earliest) {
                    next = Some((at, index));
                }
            }
        }
        next
    }

    /// Handles what comes next; `false` at the end.
    fn step(&mut self) -> bool {
        let timer = self.next_timer();
        let queued = self.queue.peek().map(|Reverse(entry)| *entry);
        let (at, queued) = match (timer, queued) {
            (None, None) => return false,
            (Some((at, _)), None) => (at, false),
            (None, Some((at, _))) => (at, true),
            (Some((timer, _)), Some((queue, _))) => (timer.min(queue), queue <= timer),
        };
        if at > self.scenario.end {
            self.now = self.scenario.end;
            return false;
        }
        self.now = at;
        self.summary.steps += 1;
        if queued {
            if let Some(Reverse((_, number))) = self.queue.pop()
                && let Some(what) = self.take(number)
            {
                self.happen(what);
            }
        } else if let Some((_, node)) = timer {
            self.wake(node);
        }
        self.check();
        true
    }

    fn happen(&mut self, what: Pending) {
        match what {
            Pending::Disturbance(index) => {
                if let Some((_, what)) = self.scenario.disturbances.get(index).cloned() {
                    self.note(|| format!("{what:?}"));
                    self.disturb(&what);
                }
            }
            Pending::Quiet => {
                self.note(|| "quiet".into());
                for link in 0..self.scenario.links() {
                    self.network.heal(self.now, link);
                }
                self.scenario.loss = 0;
            }
            Pending::Resume(node) => {
                let now = self.now;
                if let Some(machine) = self.nodes.get_mut(node) {
                    machine.stalled = false;
                    machine.disturbed = now;
                    // What came in meanwhile goes first, as the routers' documentation asks.
                    for packet in core::mem::take(&mut machine.inbox) {
                        self.receive(node, &packet);
                    }
                }
                self.wake(node);
            }
            Pending::Succeed(node) => self.succeed(node),
            Pending::Packet { to, epoch, packet } => {
                let Some(machine) = self.nodes.get_mut(to) else {
                    return;
                };
                if !machine.running || machine.epoch != epoch {
                    return;
                }
                if machine.stalled {
                    machine.inbox.push(packet);
                } else {
                    self.receive(to, &packet);
                }
            }
        }
    }

    fn disturb(&mut self, what: &Disturbance) {
        let now = self.now;
        match *what {
            Disturbance::Cut { link, from, to } => self.network.cut(now, link, from, to),
            Disturbance::Partition { link, side } => self.network.partition(now, link, side),
            Disturbance::Heal { link } => self.network.heal(now, link),
            Disturbance::Stall { node, micros } => {
                if let Some(machine) = self.nodes.get_mut(node)
                    && machine.running
                    && !machine.stalled
                {
                    machine.stalled = true;
                    self.schedule(now + micros, Pending::Resume(node));
                }
            }
            Disturbance::Replace { node, micros } => self.replace(node, micros),
            Disturbance::Crash { node } => {
                let fresh = self.machine(node);
                if let Some(machine) = self.nodes.get_mut(node)
                    && !machine.stalled
                {
                    let epoch = machine.epoch + 1;
                    *machine = fresh;
                    machine.epoch = epoch;
                }
            }
            Disturbance::Restart { node } => {
                if self.nodes.get(node).is_some_and(|machine| !machine.running) {
                    self.start(node);
                }
            }
            Disturbance::Stop { node } => {
                self.tell_all(node, &Event::Shutdown);
                if let Some(machine) = self.nodes.get_mut(node)
                    && !machine.stalled
                {
                    machine.running = false;
                }
            }
            Disturbance::Fault { node, link, raised } => {
                let fault = Fault::InterfaceDown("eth0".into());
                let event = if raised {
                    Event::FaultRaised(fault)
                } else {
                    Event::FaultCleared(fault)
                };
                self.tell(node, link, event);
            }
            Disturbance::Priority { node, priority } => {
                self.tell_all(node, &Event::TrackedPriority(priority));
            }
            Disturbance::StandDown { node, link, micros } => {
                let hold = Some(Duration::from_micros(micros));
                self.tell(node, link, Event::StandDown { hold });
            }
            Disturbance::TakeOver { node, link } => self.tell(node, link, Event::TakeOver),
        }
    }

    fn start(&mut self, node: usize) {
        let now = self.now;
        if let Some(machine) = self.nodes.get_mut(node) {
            machine.running = true;
            machine.disturbed = now;
        }
        let wall_clock = UnixTime::from_micros(WALL_CLOCK + now);
        self.tell_all(node, &Event::WallClock(wall_clock));
        self.tell_all(node, &Event::Startup);
    }

    fn tell_all(&mut self, node: usize, event: &Event) {
        let links = self.nodes.get(node).map_or(0, |node| node.slots.len());
        for link in 0..links {
            self.tell(node, link, event.clone());
        }
    }

    /// Nobody tells a process that is not running or not scheduled.
    fn tell(&mut self, node: usize, link: usize, event: Event) {
        let Some(machine) = self.nodes.get_mut(node) else {
            return;
        };
        if !machine.running || machine.stalled {
            return;
        }
        let local = machine.clock.shows(self.now);
        if let Some(slot) = machine.slots.get_mut(link) {
            slot.router.handle_event(local, event);
            self.collect(node, link, Cause::Event);
        }
    }

    fn wake(&mut self, node: usize) {
        let links = self.nodes.get(node).map_or(0, |node| node.slots.len());
        for link in 0..links {
            let Some(machine) = self.nodes.get_mut(node) else {
                return;
            };
            let local = machine.clock.shows(self.now);
            if let Some(slot) = machine.slots.get_mut(link) {
                slot.router.handle_timeout(local);
                self.collect(node, link, Cause::Timeout);
            }
        }
    }

    /// Carries out what a router wants done, and what its group makes of it.
    fn collect(&mut self, node: usize, link: usize, cause: Cause) {
        self.carry_out(node, link, cause);
        loop {
            let Some(machine) = self.nodes.get_mut(node) else {
                return;
            };
            let Some((member, order)) = machine.group.as_mut().and_then(SyncGroup::poll_order)
            else {
                return;
            };
            let local = machine.clock.shows(self.now);
            if let Some(slot) = machine.slots.get_mut(member) {
                slot.router.handle_event(local, Event::Group(order));
                self.carry_out(node, member, Cause::GroupOrder);
            }
        }
    }

    fn carry_out(&mut self, node: usize, link: usize, cause: Cause) {
        loop {
            let Some(machine) = self.nodes.get_mut(node) else {
                return;
            };
            let Some(slot) = machine.slots.get_mut(link) else {
                return;
            };
            let Some(action) = slot.router.poll_action() else {
                return;
            };
            let code = match &action {
                Action::SendAdvert(advert) => 1 + u64::from(advert.priority.value()),
                Action::AddAddresses => {
                    slot.has_addresses = true;
                    300
                }
                Action::RemoveAddresses => {
                    slot.has_addresses = false;
                    301
                }
                Action::Announce(_) => 302,
                Action::Report(_) => 303,
                Action::Transition(transition) => 400 + transition.to as u64,
                Action::Group(report) => {
                    if let Some(group) = &mut machine.group {
                        group.handle(link, *report);
                    }
                    304
                }
            };
            self.mix(self.now);
            self.mix(code << 8 | (node as u64) << 4 | link as u64);
            match action {
                Action::SendAdvert(advert) => self.send(node, link, &advert),
                Action::Transition(transition) => self.judge(node, link, &transition, cause),
                other => self.note(|| format!("node {node} link {link}: {other:?}")),
            }
        }
    }

    fn judge(&mut self, node: usize, link: usize, transition: &Transition, cause: Cause) {
        self.summary.transitions += 1;
        self.note(|| format!("node {node} link {link}: {transition}"));
        let now = self.now;
        let Some(slot) = self
            .nodes
            .get_mut(node)
            .and_then(|machine| machine.slots.get_mut(link))
        else {
            return;
        };
        let config = slot.router.config();
        let least = u64::from(config.down_timer_adverts) * config.interval.as_micros().min(10_000);
        let explained =
            transition.from == slot.state && slot.witness.explains(transition, cause, least);
        slot.state = transition.to;
        if transition.to == State::Master {
            slot.master_since = now;
        }
        if transition.to == State::Backup {
            slot.witness = Witness {
                counted: transition.at,
                resigned: false,
            };
        }
        if !explained {
            let transition = format!("{transition} (by {cause:?})");
            self.violate(link, Broken::Causeless { node, transition });
        }
    }
}
