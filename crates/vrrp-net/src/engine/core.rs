//! The engine's state and its dealings with the routers: time and packets in, adverts and announcements out.
//!
//! Everything here runs to completion without waiting. The order of things within one step is: adverts of all
//! instances first, then addresses, then announcements.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::unix::AsyncFd;
use tokio::sync::watch;
use vrrp_proto::group::{GroupState, SyncGroup};
use vrrp_proto::tracking::TrackerState;
use vrrp_proto::{
    Accepted, Action, Announcement, Event as RouterEvent, Instant, MemberReport, Priority,
    Received, Report, State, Transition, Verdict, Warning,
};

use super::Order;
use super::applied::Applied;
use super::debounce::Debounce;
use super::filter::Filter;
use super::handover::Inheritance;
use super::instance::{Instance, InstanceId};
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
use crate::error::OrderError;
use crate::event::{Event, EventSender, Reason};
use crate::kernel::links::Picture;
use crate::kernel::{AddressKey, AddressTable};
use crate::settings::Settings;
use crate::snapshot::Snapshot;
use crate::sys::Inbox;
use crate::wire::SocketKey;

pub(super) struct Core {
    pub(super) settings: Settings,
    pub(super) clock: Clock,
    pub(super) table: Box<dyn AddressTable>,
    pub(super) picture: Picture,
    pub(super) sockets: Sockets,
    pub(super) announcer: Announcer,
    pub(super) timer: Rc<AsyncFd<Timer>>,
    pub(super) events: EventSender,
    /// Each in a place of its own: the map keeps half of its places empty.
    pub(super) instances: BTreeMap<InstanceId, Box<Instance>>,
    pub(super) names: BTreeMap<Arc<str>, InstanceId>,
    pub(super) next_id: usize,
    /// Whom a packet is for: interface, IPv6, VRID.
    pub(super) routes: BTreeMap<(u32, bool, u8), InstanceId>,
    pub(super) groups: BTreeMap<Arc<str>, Group>,
    pub(super) trackers: BTreeMap<String, TrackerState>,
    /// The virtual addresses that are in place by our doing, and whose they are.
    pub(super) applied: BTreeMap<AddressKey, Applied>,
    /// Where virtual addresses may be; none of them is a source of adverts.
    pub(super) virtual_keys: BTreeSet<AddressKey>,
    /// The next step compares the addresses of all instances, and takes `leftovers` away.
    pub(super) whole: bool,
    pub(super) leftovers: BTreeSet<AddressKey>,
    /// Of a predecessor, until the first configuration has taken effect.
    pub(super) inheritance: Option<Inheritance>,
    pub(super) restorer: Restorer<AddressKey>,
    pub(super) statics: Statics,
    pub(super) entries: Entries,
    pub(super) links: VirtualLinks,
    pub(super) options: InterfaceOptions,
    pub(super) filter: Filter,
    pub(super) debounce: Debounce,
    pub(super) schedule: Schedule,
    pub(super) pacer: Pacer,
    pub(super) touched: VecDeque<InstanceId>,
    pub(super) later: Later,
    pub(super) deadlines: BTreeSet<(Instant, InstanceId)>,
    pub(super) quiet: QuietTime,
    pub(super) armed: Option<Instant>,
    /// The real-time priority of this thread, zero for none.
    pub(super) thread_priority: u8,
    /// When the wall clock is told to the routers next; only signed adverts need it.
    pub(super) wall_clock_due: Option<Instant>,
    pub(super) publication: Publication,
    pub(super) ignored: BTreeMap<&'static str, u64>,
    /// When the next word about malformed packets may be said, and how many there were since the last.
    pub(super) malformed: BTreeMap<SocketKey, (Instant, u64)>,
    /// The same about each unknown virtual router, where that is asked for.
    pub(super) foreign: BTreeMap<(SocketKey, u8), (Instant, u64)>,
    pub(super) outbox: Outbox,
    pub(super) inbox: Rc<RefCell<Inbox>>,
}

/// A synchronisation group as the engine runs it.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) logic: SyncGroup,
    pub(super) members: Vec<InstanceId>,
    pub(super) state: State,
    pub(super) since: Instant,
}

/// When the next snapshot is due.
#[derive(Debug)]
pub(super) struct Publication {
    pub(super) sender: watch::Sender<Arc<Snapshot>>,
    pub(super) last: Instant,
    pub(super) due: Option<Instant>,
}

/// What a step leaves to do when all adverts are out.
#[derive(Debug, Default)]
pub(super) struct Later {
    addresses: BTreeSet<InstanceId>,
    announcements: Vec<(InstanceId, Announcement)>,
}

impl Later {
    fn is_empty(&self) -> bool {
        self.addresses.is_empty() && self.announcements.is_empty()
    }
}

/// More events than this are not held back until the addresses are in place.
const MANY_EVENTS: usize = 64;

/// A snapshot that lacks dropped packets may be this old.
const DROP_INTERVAL: Duration = Duration::from_secs(1);

impl Core {
    /// Lets every router whose deadline has come act, and does what else is due.
    pub(super) fn on_timer(&mut self, now: Instant) {
        if let Some(armed) = self.armed.take() {
            self.note_lateness(now.saturating_duration_since(armed));
        }
        while let Some(&(deadline, id)) = self.deadlines.first() {
            if deadline > now {
                break;
            }
            if self.put_off(deadline, id) {
                continue;
            }
            self.deadlines.pop_first();
            let Some(instance) = self.instances.get_mut(&id) else {
                continue;
            };
            instance.deadline = None;
            if !instance.is_master() {
                instance.takeover_due = Some(deadline);
            }
            instance.router.handle_timeout(now);
            self.touched.push_back(id);
        }
        self.schedule_due(now);
        if self.wall_clock_due.is_some_and(|due| due <= now) {
            self.tell_wall_clock(now);
        }
    }

    /// Hands a packet to the instance it is for.
    pub(super) fn on_packet(
        &mut self,
        key: SocketKey,
        received: Option<&Received<'_>>,
        now: Instant,
    ) {
        let Some(received) = received else {
            return self.ignore("no complete ip header");
        };
        let Some(peek) = received.peek() else {
            self.report_malformed(key, received.source, now);
            return self.ignore("no vrrp message");
        };
        let route = (key.index, key.ipv6, peek.vrid.value());
        let Some(instance) = self
            .routes
            .get(&route)
            .and_then(|id| Some((id, self.instances.get_mut(id)?)))
        else {
            return self.on_foreign(key, received, now);
        };
        let (id, instance) = instance;
        if self.schedule.holds(*id) {
            return self.ignore("waiting for the startup delay");
        }
        // What else became of it is in the router's counters and reports.
        let known = |router: &vrrp_proto::VirtualRouter| {
            let master = router.master();
            master.map(|master| (master.source, master.priority))
        };
        let before = known(&instance.router);
        let verdict = instance.router.handle_packet(now, received);
        let another = before != known(&instance.router);
        if verdict == Verdict::Accepted(Accepted::LowerPriority) && instance.lower_due(now) {
            let rival = instance
                .router
                .contest(now)
                .and_then(|rival| rival.priority);
            self.events.send(Event::LowerPriority {
                instance: Arc::clone(&instance.name),
                source: received.source,
                priority: rival.map_or(0, Priority::value),
            });
        }
        // Nearly all adverts only put the deadline off.
        if !(instance.router.is_settled() && instance.is_postponed()) {
            self.touched.push_back(*id);
        }
        match verdict {
            Verdict::Accepted(_) if another => self.changed(now),
            Verdict::Accepted(_) => self.counted(now),
            Verdict::Dropped(_) => self.dropped(now),
        }
    }

    pub(super) fn ignore(&mut self, why: &'static str) {
        *self.ignored.entry(why).or_insert(0) += 1;
        let now = self.clock.now();
        self.dropped(now);
    }

    /// Does what the routers ask for until none asks any more, then sets the timer and publishes.
    pub(super) fn settle(&mut self) {
        self.drain_touched();
        self.send_queued();
        if self.events.held() > MANY_EVENTS {
            // They are taken while the addresses are being added, or there may be more than fit.
            self.events.release();
        }
        let later = std::mem::take(&mut self.later);
        if std::mem::take(&mut self.whole) {
            // Only a new configuration touches that many at once.
            self.touched.shrink_to_fit();
            let leftovers = std::mem::take(&mut self.leftovers);
            self.reconcile_all(leftovers);
            self.remove_unwished_links();
            self.unshield();
            self.look_at_statics();
        } else if !later.addresses.is_empty() {
            self.reconcile(&later.addresses);
        }
        for (id, announcement) in later.announcements {
            self.announce(id, announcement);
        }
        self.announce_due();
        self.restore_due();
        self.links_due();
        self.table_due();
        self.delays_due();
        self.sort_listening();
        if !self.later.is_empty() || self.outbox.is_filled() {
            return self.settle();
        }
        // A reader of the snapshot finds the events there.
        self.events.release();
        self.publish_if_due();
        self.arm();
    }

    /// Does what the routers ask for at once.
    pub(super) fn drain_touched(&mut self) {
        let mut later = std::mem::take(&mut self.later);
        while let Some(id) = self.touched.pop_front() {
            self.drain(id, &mut later);
            self.note_deadline(id);
            if self.outbox.is_full() {
                self.send_queued();
            }
        }
        self.later = later;
    }

    /// Does what one router asks for at once, and notes what comes after the adverts of all.
    pub(super) fn drain(&mut self, id: InstanceId, later: &mut Later) {
        while let Some(action) = self
            .instances
            .get_mut(&id)
            .and_then(|instance| instance.router.poll_action())
        {
            match action {
                Action::SendAdvert(advert) => self.queue_advert(id, &advert),
                Action::AddAddresses => {
                    self.set_wish(id, true);
                    later.addresses.insert(id);
                }
                Action::RemoveAddresses => {
                    self.set_wish(id, false);
                    later.addresses.insert(id);
                }
                Action::Announce(announcement) => later.announcements.push((id, announcement)),
                Action::Transition(transition) => self.transition(id, transition),
                Action::Report(report) => self.report(id, report),
                Action::Group(report) => self.group_report(id, report),
                // The list may grow; an action that this crate does not know asks for nothing it promises.
                _ => {}
            }
        }
    }

    fn set_wish(&mut self, id: InstanceId, wish: bool) {
        if let Some(instance) = self.instances.get_mut(&id) {
            instance.wants_addresses = wish;
        }
        self.note_extra(id);
    }

    fn note_deadline(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        let deadline = instance.router.poll_timeout();
        if deadline != instance.deadline {
            if let Some(old) = instance.deadline {
                self.deadlines.remove(&(old, id));
            }
            if let Some(new) = deadline {
                self.deadlines.insert((new, id));
            }
            instance.deadline = deadline;
        }
        if !instance.is_master() {
            instance.takeover_due = None;
        }
    }

    /// Whether the router's deadline is a later one by now; the list knows it then.
    pub(super) fn put_off(&mut self, deadline: Instant, id: InstanceId) -> bool {
        let Some(instance) = self.instances.get_mut(&id) else {
            return false;
        };
        if !instance.is_postponed() || instance.router.poll_timeout() == Some(deadline) {
            return false;
        }
        self.deadlines.remove(&(deadline, id));
        instance.deadline = instance.router.poll_timeout();
        self.deadlines
            .extend(instance.deadline.map(|later| (later, id)));
        true
    }

    fn arm(&mut self) {
        let others = [
            self.publication.due,
            self.quiet.due,
            self.wall_clock_due,
            self.restorer.next_due(),
            self.entries.restorer.next_due(),
            self.pacer.next_due(),
            self.links.restorer.next_due(),
            self.filter.guard.next_due(),
            self.debounce.next_due(),
            self.schedule.next_due(),
        ];
        let other = others.into_iter().flatten().min();
        // Deadlines that adverts have put off since they were listed are looked up only when they come near.
        while let Some(&(deadline, id)) = self.deadlines.first() {
            if other.is_some_and(|other| other <= deadline) || !self.put_off(deadline, id) {
                break;
            }
        }
        let next = self.next_deadline();
        let next = next.into_iter().chain(other).min();
        // A timer that fires too early costs one wake-up, setting it at every packet a call each.
        let early = matches!((self.armed, next), (Some(armed), Some(next)) if armed <= next);
        if early || next == self.armed {
            return;
        }
        match self.timer.get_ref().set(next) {
            Ok(()) => self.armed = next,
            Err(error) => self.warn(None, format!("cannot set the timer: {error}")),
        }
    }

    fn transition(&mut self, id: InstanceId, transition: Transition) {
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        instance.since = transition.at;
        self.quiet.resort = true;
        self.events.send(Event::Transition {
            instance: Arc::clone(&instance.name),
            from: transition.from,
            to: transition.to,
            priority: transition.priority.value(),
            reason: Reason::new(transition.reason, &instance.interface),
            at: self.clock.to_std(transition.at),
        });
        if transition.from == State::Fault {
            self.tell_peers_where_we_are(id);
        }
        self.changed(transition.at);
    }

    fn report(&mut self, id: InstanceId, report: Report) {
        let Some(instance) = self.instances.get(&id) else {
            return;
        };
        let name = Arc::clone(&instance.name);
        let event = match report.warning {
            Warning::Dropped { reason, source } => Event::PacketIgnored {
                instance: Some(name),
                interface: Arc::clone(&instance.interface),
                reason: reason.to_string(),
                source,
                count: report.suppressed.saturating_add(1),
            },
            Warning::OtherMaster { source, priority } => Event::Contested {
                instance: name,
                by: source,
                priority: priority.value(),
            },
            _ => Event::Warning {
                instance: Some(name),
                message: report.to_string(),
            },
        };
        self.events.send(event);
        let now = self.clock.now();
        self.changed(now);
    }

    fn group_report(&mut self, id: InstanceId, report: MemberReport) {
        let Some((name, place)) = self
            .instances
            .get(&id)
            .and_then(|instance| instance.group.clone())
        else {
            return;
        };
        let Some(group) = self.groups.get_mut(&name) else {
            return;
        };
        group.logic.handle(place, report);
        self.deliver_orders(&name);
    }

    /// Hands the orders of a group to its members.
    pub(super) fn deliver_orders(&mut self, name: &Arc<str>) {
        let now = self.clock.now();
        let Some(group) = self.groups.get_mut(name) else {
            return;
        };
        while let Some((member, order)) = group.logic.poll_order() {
            let Some(member) = group.members.get(member) else {
                continue;
            };
            let Some(instance) = self.instances.get_mut(member) else {
                continue;
            };
            instance.router.handle_event(now, RouterEvent::Group(order));
            self.touched.push_back(*member);
        }
        self.note_group(name, now);
    }

    /// Tells of a group's transition, if it made one.
    fn note_group(&mut self, name: &Arc<str>, now: Instant) {
        let Some(group) = self.groups.get_mut(name) else {
            return;
        };
        let state = match group.logic.state() {
            GroupState::Master => State::Master,
            GroupState::Backup => State::Backup,
            GroupState::Fault => State::Fault,
        };
        if state == group.state {
            return;
        }
        let from = std::mem::replace(&mut group.state, state);
        group.since = now;
        let at = self.clock.to_std(now);
        self.events.send(Event::GroupTransition {
            group: Arc::clone(name),
            from,
            to: state,
            at,
        });
        self.changed(now);
    }

    /// Tells an operator's order to the instance and all others of its group; gives the instance's state after it.
    pub(super) fn order(&mut self, instance: &str, order: Order) -> Result<State, OrderError> {
        let id = *self
            .names
            .get(instance)
            .ok_or_else(|| OrderError::NoSuchInstance {
                instance: instance.to_owned(),
            })?;
        let now = self.clock.now();
        let group = self
            .instances
            .get(&id)
            .and_then(|instance| instance.group.as_ref())
            .and_then(|(name, _)| self.groups.get(name));
        let members = group.map_or_else(|| vec![id], |group| group.members.clone());
        for member in members {
            let event = match order {
                Order::TakeOver => RouterEvent::TakeOver,
                Order::StandDown { hold } => RouterEvent::StandDown { hold },
                Order::Announce => RouterEvent::Announce,
            };
            if let Some(instance) = self.instances.get_mut(&member) {
                instance.router.handle_event(now, event);
                self.touched.push_back(member);
            }
        }
        self.settle();
        self.publish(false);
        let instance = self.instances.get(&id);
        Ok(instance.map_or(State::Initialize, |instance| instance.router.state()))
    }

    pub(super) fn warn(&self, instance: Option<Arc<str>>, message: String) {
        self.events.send(Event::Warning { instance, message });
    }

    /// Something a reader of the snapshot waits for has changed.
    pub(super) fn changed(&mut self, now: Instant) {
        let earliest = (self.publication.last + self.settings.snapshot_interval).max(now);
        self.publication.due = Some(
            self.publication
                .due
                .map_or(earliest, |due| due.min(earliest)),
        );
    }

    /// Only counters have changed.
    pub(super) fn counted(&mut self, now: Instant) {
        if self.publication.due.is_none() {
            self.publication.due =
                Some((self.publication.last + self.settings.counter_interval).max(now));
        }
    }

    /// Packets were dropped.
    fn dropped(&mut self, now: Instant) {
        let due = (self.publication.last + DROP_INTERVAL).max(now);
        self.publication.due = Some(self.publication.due.map_or(due, |other| other.min(due)));
    }

    /// Somebody wants to know the counters as they are now.
    pub(super) fn refresh_snapshot(&mut self) {
        if self.publication.due.is_some() {
            self.publish(false);
        }
    }

    pub(super) fn tell_wall_clock(&mut self, now: Instant) {
        let since_epoch = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        let wall = vrrp_proto::UnixTime::new(since_epoch);
        let mut needed = false;
        for (id, instance) in &mut self.instances {
            if instance.config.router.signing.is_some() {
                instance
                    .router
                    .handle_event(now, RouterEvent::WallClock(wall));
                self.touched.push_back(*id);
                needed = true;
            }
        }
        self.wall_clock_due = needed.then(|| now + Duration::from_secs(1));
    }
}
