//! What goes out: adverts at once, announcements at their pace.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use vrrp_proto::wire::MAX_ENCODED_LEN;
use vrrp_proto::{Advert, Announcement, Instant};

use super::core::Core;
use super::instance::InstanceId;
use crate::kernel::Placed;
use crate::settings::{GarpGroup, Settings};
use crate::sys;
use crate::wire::{Packet, SocketKey};

impl Core {
    /// Encodes an advert for each of its destinations; [`send_queued`](Self::send_queued) sends them.
    pub(super) fn queue_advert(&mut self, id: InstanceId, advert: &Advert) {
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        let Some(attachment) = instance.attachment else {
            instance.counts.send_errors += 1;
            return;
        };
        let mut failure = None;
        for destination in instance.router.config().transport.destinations() {
            let buffer = self.outbox.space();
            let encoded = match advert.source {
                IpAddr::V4(_) => instance.router.encode_datagram(advert, destination, buffer),
                IpAddr::V6(_) => instance.router.encode_message(advert, destination, buffer),
            };
            match encoded {
                Ok(length) => self.outbox.push(Queued {
                    key: attachment.key,
                    id,
                    length,
                    source: advert.source,
                    destination,
                    hop_limit: advert.hop_limit,
                    start: 0,
                }),
                Err(error) => failure = Some((destination, error.to_string())),
            }
        }
        if let Some((destination, error)) = failure {
            self.advert_failed(id, destination, &error);
        }
    }

    /// Sends what is queued, as many adverts per call as there are for one socket.
    pub(super) fn send_queued(&mut self) {
        if self.outbox.queued.is_empty() {
            return;
        }
        let mut outbox = std::mem::take(&mut self.outbox);
        // Stable: an instance's adverts keep their order.
        outbox.queued.sort_by_key(|queued| queued.key);
        let mut failures = Vec::new();
        for run in outbox.queued.chunk_by(|one, other| one.key == other.key) {
            let packets: Vec<Packet<'_>> = run.iter().map(|one| outbox.packet(one)).collect();
            let socket = run
                .first()
                .and_then(|queued| self.sockets.socket(&queued.key));
            let Some(socket) = socket else {
                failures.extend(
                    run.iter()
                        .map(|one| (*one, "its socket is closed".to_owned())),
                );
                continue;
            };
            socket.send(&packets, |position, result| {
                if let (Err(error), Some(queued)) = (result, run.get(position)) {
                    failures.push((*queued, error.to_string()));
                }
            });
        }
        let now = self.clock.now();
        for queued in &outbox.queued {
            if let Some(instance) = self.instances.get_mut(&queued.id) {
                if let Some(due) = instance.takeover_due.take() {
                    let late = now.saturating_duration_since(due);
                    instance.counts.slowest_takeover = instance.counts.slowest_takeover.max(late);
                }
                instance.send_failing &= failures.iter().any(|(failed, _)| failed.id == queued.id);
            }
        }
        for (queued, error) in failures {
            self.advert_failed(queued.id, queued.destination, &error);
        }
        outbox.clear();
        self.outbox = outbox;
        self.counted(now);
    }

    /// Counts a failure, and tells the first of a row.
    fn advert_failed(&mut self, id: InstanceId, destination: IpAddr, error: &str) {
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        instance.counts.send_errors += 1;
        if !std::mem::replace(&mut instance.send_failing, true) {
            let name = Arc::clone(&instance.name);
            let message = format!("cannot send an advert to {destination}: {error}");
            self.warn(Some(name), message);
        }
    }

    /// Queues the announcements of all addresses of an instance, round by round.
    pub(super) fn announce(&mut self, id: InstanceId, announcement: Announcement) {
        let Some(instance) = self
            .instances
            .get(&id)
            .filter(|instance| instance.wants_addresses)
        else {
            return;
        };
        let placed: Vec<Placed> = instance.placed(&self.picture).collect();
        for _ in 0..announcement.repeat {
            for placed in &placed {
                self.queue_announcement(id, placed.clone());
            }
        }
    }

    /// Lets an announcement wait for its turn, at the pace of its interface or that interface's base.
    pub(super) fn queue_announcement(&mut self, id: InstanceId, placed: Placed) {
        let name = self.picture.link(placed.index).map(|link| &*link.name);
        let name = name.unwrap_or_default();
        let paced = self.links.base_of(name).unwrap_or(name);
        self.pacer.push(id, placed, paced);
    }

    /// After a fault the switches, and peers that get adverts one by one, may have forgotten our own address.
    pub(super) fn tell_peers_where_we_are(&mut self, id: InstanceId) {
        let instance = self.instances.get(&id);
        let Some(source) = instance
            .filter(|instance| instance.config.router.transport.is_unicast())
            .and_then(|instance| instance.source)
        else {
            return;
        };
        let mut addresses = self.picture.addresses();
        let carrier = addresses.find(|entry| entry.key.address == source);
        let link = carrier.and_then(|entry| self.picture.link(entry.key.index));
        if let Some(link) = link {
            // They find it out by asking, only later.
            let _ = self.announcer.announce(link, source);
        }
    }

    /// Sends the announcements whose turn it is.
    pub(super) fn announce_due(&mut self) {
        let now = self.clock.now();
        for (id, placed) in self.pacer.take_due(now) {
            let Some(instance) = self.instances.get_mut(&id) else {
                continue;
            };
            let Some(link) = self.picture.link(placed.index) else {
                continue;
            };
            // It may have stopped being master, or lost the address in a reload, since it was queued.
            if !instance.wants_addresses || !self.applied.contains_key(&placed.key()) {
                continue;
            }
            match self.announcer.announce(link, placed.address.address) {
                Ok(true) => instance.counts.announcements_sent += 1,
                Ok(false) => {}
                Err(error) => {
                    instance.counts.send_errors += 1;
                    // One word for a burst; the counter has them all.
                    if instance
                        .announcing_failed_at
                        .is_none_or(|at| now > at + REPORT_INTERVAL)
                    {
                        instance.announcing_failed_at = Some(now);
                        let name = Arc::clone(&instance.name);
                        let message = format!(
                            "cannot announce {} on {}: {error}",
                            placed.address, link.name
                        );
                        self.warn(Some(name), message);
                    }
                }
            }
        }
    }
}

/// Adverts that are sent before more are encoded: some calls' worth for each of the interfaces.
const MANY_ADVERTS: usize = 4 * sys::BATCH;

/// Adverts of one step, encoded and on their way to the sockets.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    /// How much of `bytes` is in use.
    used: usize,
    queued: Vec<Queued>,
}

#[derive(Debug, Clone, Copy)]
struct Queued {
    key: SocketKey,
    id: InstanceId,
    start: usize,
    length: usize,
    source: IpAddr,
    destination: IpAddr,
    hop_limit: u8,
}

impl Outbox {
    /// With room for the first advert: a takeover does not wait for memory.
    pub(super) fn with_room() -> Self {
        let mut outbox = Self::default();
        outbox.space();
        outbox.queued.reserve(1);
        outbox
    }

    /// Room for one more advert.
    fn space(&mut self) -> &mut [u8] {
        let needed = self.used + MAX_ENCODED_LEN;
        if self.bytes.len() < needed {
            self.bytes.resize(needed.next_power_of_two(), 0);
        }
        self.bytes.get_mut(self.used..).unwrap_or_default()
    }

    /// Keeps what has been written into the space.
    fn push(&mut self, queued: Queued) {
        self.queued.push(Queued {
            start: self.used,
            ..queued
        });
        self.used += queued.length;
    }

    /// Whether adverts are on their way.
    pub(super) const fn is_filled(&self) -> bool {
        !self.queued.is_empty()
    }

    /// Whether so many are on their way that waiting for more saves no calls.
    pub(super) const fn is_full(&self) -> bool {
        self.queued.len() >= MANY_ADVERTS
    }

    fn packet(&self, queued: &Queued) -> Packet<'_> {
        let end = queued.start + queued.length;
        Packet {
            bytes: self.bytes.get(queued.start..end).unwrap_or_default(),
            source: queued.source,
            destination: queued.destination,
            hop_limit: queued.hop_limit,
        }
    }

    fn clear(&mut self) {
        self.queued.clear();
        self.used = 0;
    }
}

/// Announcements that cannot be sent are reported this often at most, per instance.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);
/// Announcements that wait on one interface; a queue this long is older than what it tells.
const QUEUE: usize = 65_536;

/// Announcements waiting for their turn, by interface and family.
#[derive(Debug, Default)]
pub(super) struct Pacer {
    /// Time between two gratuitous ARPs and between two neighbour advertisements.
    intervals: [Duration; 2],
    groups: Vec<GarpGroup>,
    queues: BTreeMap<(Pace, bool), Queue>,
}

/// What shares a pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Pace {
    Interface(u32),
    Group(usize),
}

#[derive(Debug, Default)]
struct Queue {
    /// When the next one may go.
    next: Option<Instant>,
    waiting: VecDeque<(InstanceId, Placed)>,
}

impl Pacer {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            intervals: [
                settings.garp_interval,
                settings.neighbour_advertisement_interval,
            ],
            groups: settings.garp_groups.clone(),
            queues: BTreeMap::new(),
        }
    }

    /// All that wait, in order.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &(InstanceId, Placed)> {
        self.queues.values().flat_map(|queue| &queue.waiting)
    }

    fn push(&mut self, id: InstanceId, placed: Placed, interface: &str) {
        let mut groups = self.groups.iter();
        let group = groups.position(|group| group.interfaces.iter().any(|one| one == interface));
        let pace = group.map_or(Pace::Interface(placed.index), Pace::Group);
        let key = (pace, placed.address.address.is_ipv6());
        let queue = self.queues.entry(key).or_default();
        if queue.waiting.len() < QUEUE {
            queue.waiting.push_back((id, placed));
        }
    }

    fn take_due(&mut self, now: Instant) -> Vec<(InstanceId, Placed)> {
        let mut due = Vec::new();
        let [arp_interval, neighbour_interval] = self.intervals;
        for ((pace, ipv6), queue) in &mut self.queues {
            let group = match pace {
                Pace::Interface(_) => None,
                Pace::Group(number) => self.groups.get(*number),
            };
            let (own, common) = if *ipv6 {
                let own = group.and_then(|group| group.neighbour_advertisement_interval);
                (own, neighbour_interval)
            } else {
                (group.and_then(|group| group.garp_interval), arp_interval)
            };
            let interval = own.unwrap_or(common);
            if interval.is_zero() {
                due.extend(queue.waiting.drain(..));
            } else if queue.next.is_none_or(|next| next <= now)
                && let Some(first) = queue.waiting.pop_front()
            {
                queue.next = Some(now + interval);
                due.push(first);
            }
        }
        self.queues.retain(|_, queue| {
            !queue.waiting.is_empty() || queue.next.is_some_and(|next| next > now)
        });
        due
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        let waiting = self
            .queues
            .values()
            .filter(|queue| !queue.waiting.is_empty());
        waiting
            .map(|queue| queue.next.unwrap_or(Instant::ZERO))
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::VirtualAddress;

    #[test]
    fn announcements_are_spaced_per_interface_and_family() {
        let (start, interval) = (Instant::from_millis(1), Duration::from_millis(100));
        let mut pacer = Pacer {
            intervals: [interval, Duration::ZERO],
            groups: vec![GarpGroup {
                interfaces: vec!["eth7".to_owned(), "eth8".to_owned()],
                garp_interval: Some(interval * 2),
                neighbour_advertisement_interval: None,
            }],
            ..Pacer::default()
        };
        let placed = |index, address: &str| Placed {
            index,
            address: VirtualAddress::new(address.parse().unwrap()),
        };
        let id = InstanceId(0);
        for placed in [
            placed(1, "10.0.0.1"),
            placed(1, "10.0.0.2"),
            placed(2, "10.0.0.3"),
        ] {
            pacer.push(id, placed, "");
        }
        pacer.push(id, placed(1, "fd00::1"), "");
        pacer.push(id, placed(1, "fd00::2"), "");
        let taken = |pacer: &mut Pacer, now| -> Vec<String> {
            let due = pacer.take_due(now);
            due.into_iter()
                .map(|(_, placed)| placed.address.address.to_string())
                .collect()
        };
        assert_eq!(
            taken(&mut pacer, start),
            ["10.0.0.1", "fd00::1", "fd00::2", "10.0.0.3"]
        );
        assert_eq!(taken(&mut pacer, start), Vec::<String>::new());
        assert_eq!(pacer.next_due(), Some(start + interval));
        assert_eq!(taken(&mut pacer, start + interval), ["10.0.0.2"]);
        assert_eq!(pacer.next_due(), None);

        pacer.push(id, placed(7, "10.0.0.7"), "eth7");
        pacer.push(id, placed(8, "10.0.0.8"), "eth8");
        let later = start + interval * 10;
        assert_eq!(taken(&mut pacer, later), ["10.0.0.7"]);
        assert_eq!(pacer.next_due(), Some(later + interval * 2));
    }
}
