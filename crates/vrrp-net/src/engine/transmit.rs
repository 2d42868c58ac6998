//! What goes out: adverts at once, announcements at their pace.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use vrrp_proto::{Advert, Announcement, Instant};

use super::core::Core;
use super::instance::InstanceId;
use crate::kernel::Placed;

impl Core {
    pub(super) fn send(&mut self, id: InstanceId, advert: &Advert) {
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        let Some(socket) = instance
            .attachment
            .and_then(|attachment| self.sockets.socket(&attachment.key))
        else {
            instance.counts.send_errors += 1;
            return;
        };
        let mut failure = None;
        for destination in instance.router.config().transport.destinations() {
            let encoded = match advert.source {
                IpAddr::V4(_) => {
                    instance
                        .router
                        .encode_datagram(advert, destination, &mut self.buffer)
                }
                IpAddr::V6(_) => {
                    instance
                        .router
                        .encode_message(advert, destination, &mut self.buffer)
                }
            };
            let sent = match encoded {
                Ok(length) => {
                    let bytes = self.buffer.get(..length).unwrap_or_default();
                    socket
                        .send(bytes, advert.source, destination, advert.hop_limit)
                        .map_err(|error| error.to_string())
                }
                Err(error) => Err(error.to_string()),
            };
            if let Err(error) = sent {
                instance.counts.send_errors += 1;
                failure = Some(format!("cannot send an advert to {destination}: {error}"));
            }
        }
        if let Some(due) = instance.takeover_due.take() {
            let late = self.clock.now().saturating_duration_since(due);
            instance.counts.slowest_takeover = instance.counts.slowest_takeover.max(late);
        }
        let first = failure.is_some() && !instance.send_failing;
        instance.send_failing = failure.is_some();
        let name = Arc::clone(&instance.name);
        if let (true, Some(failure)) = (first, failure) {
            self.warn(Some(name), failure);
        }
        let now = self.clock.now();
        self.counted(now);
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
                self.pacer.push(id, placed.clone());
            }
        }
    }

    /// Sends the announcements whose turn it is.
    pub(super) fn announce_due(&mut self) {
        let now = self.clock.now();
        let (arp, neighbour) = (
            self.settings.garp_interval,
            self.settings.neighbour_advertisement_interval,
        );
        for (id, placed) in self.pacer.take_due(now, arp, neighbour) {
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

/// Announcements that cannot be sent are reported this often at most, per instance.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);
/// Announcements that wait on one interface; a queue this long is older than what it tells.
const QUEUE: usize = 65_536;

/// Announcements waiting for their turn, by interface and family.
#[derive(Debug, Default)]
pub(super) struct Pacer {
    queues: BTreeMap<(u32, bool), Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    /// When the next one may go.
    next: Option<Instant>,
    waiting: VecDeque<(InstanceId, Placed)>,
}

impl Pacer {
    fn push(&mut self, id: InstanceId, placed: Placed) {
        let key = (placed.index, placed.address.address.is_ipv6());
        let queue = self.queues.entry(key).or_default();
        if queue.waiting.len() < QUEUE {
            queue.waiting.push_back((id, placed));
        }
    }

    fn take_due(
        &mut self,
        now: Instant,
        arp_interval: Duration,
        neighbour_interval: Duration,
    ) -> Vec<(InstanceId, Placed)> {
        let mut due = Vec::new();
        for ((_, ipv6), queue) in &mut self.queues {
            let interval = if *ipv6 {
                neighbour_interval
            } else {
                arp_interval
            };
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
        let mut pacer = Pacer::default();
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
            pacer.push(id, placed);
        }
        pacer.push(id, placed(1, "fd00::1"));
        pacer.push(id, placed(1, "fd00::2"));
        let (start, interval) = (Instant::from_millis(1), Duration::from_millis(100));
        let taken = |pacer: &mut Pacer, now| -> Vec<String> {
            let due = pacer.take_due(now, interval, Duration::ZERO);
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
    }
}
