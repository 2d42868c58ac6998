//! Packets: encoded, sent, lost, doubled, delayed, received.

use alloc::format;
use alloc::rc::Rc;
use alloc::vec::Vec;

use super::{Packet, Pending, Simulation};
use crate::ids::Family;
use crate::machine::{Accepted, Advert, Received, Verdict};
use crate::sim::invariants::{Cause, Witness};

impl Simulation {
    /// Hands a packet to the router it is for.
    pub(super) fn receive(&mut self, node: usize, packet: &Packet) {
        self.summary.packets += 1;
        let Some(machine) = self.nodes.get_mut(node) else {
            return;
        };
        let local = machine.clock.shows(self.now);
        let Some(slot) = machine.slots.get_mut(packet.link) else {
            return;
        };
        let received = match Family::of(packet.source) {
            Family::V4 => Received::from_ipv4(&packet.bytes).ok(),
            Family::V6 => Some(Received::new(
                packet.source,
                packet.destination,
                255,
                &packet.bytes,
            )),
        };
        let Some(received) = received else {
            return;
        };
        let verdict = slot.router.handle_packet(local, &received);
        self.collect(node, packet.link, Cause::Packet);
        // After the actions: a transition to backup begins a new time of listening.
        let machine = self.nodes.get_mut(node);
        let Some(slot) = machine.and_then(|machine| machine.slots.get_mut(packet.link)) else {
            return;
        };
        match verdict {
            Verdict::Accepted(Accepted::MasterAlive) => {
                slot.witness = Witness {
                    counted: local,
                    resigned: false,
                };
            }
            Verdict::Accepted(Accepted::MasterResigned) => slot.witness.resigned = true,
            Verdict::Accepted(_) => {}
            Verdict::Dropped(reason) => {
                // A replayed or reordered advert is refused: the path did not do its work.
                let (now, link, from) = (self.now, packet.link, packet.from);
                self.network.note_loss(now, link, from, node);
                self.note(|| format!("node {node} drops one of node {from}: {reason}"));
            }
        }
    }

    /// Encodes an advert and sends it to whom it may concern.
    pub(super) fn send(&mut self, node: usize, link: usize, advert: &Advert) {
        self.note(|| format!("node {node} link {link}: advert {}", advert.priority));
        let Some(slot) = self
            .nodes
            .get(node)
            .and_then(|machine| machine.slots.get(link))
        else {
            return;
        };
        let router = &slot.router;
        let mut packets = Vec::new();
        for destination in router.config().transport.destinations() {
            let encoded = match Family::of(destination) {
                Family::V4 => router.encode_datagram(advert, destination, &mut self.buffer),
                Family::V6 => router.encode_message(advert, destination, &mut self.buffer),
            };
            if let Ok(len) = encoded
                && let Some(bytes) = self.buffer.get(..len)
            {
                packets.push(Rc::new(Packet {
                    link,
                    from: node,
                    source: advert.source,
                    destination,
                    bytes: bytes.to_vec(),
                }));
            }
        }
        for packet in packets {
            for to in 0..self.nodes.len() {
                if to != node && self.is_for(&packet, to) {
                    self.transmit(&packet, to);
                }
            }
        }
    }

    fn is_for(&self, packet: &Packet, node: usize) -> bool {
        packet.destination.is_multicast()
            || self
                .nodes
                .get(node)
                .and_then(|machine| machine.slots.get(packet.link))
                .is_some_and(|slot| slot.router.source() == Some(packet.destination))
    }

    fn transmit(&mut self, packet: &Rc<Packet>, to: usize) {
        let (link, from) = (packet.link, packet.from);
        if self.network.is_cut(link, from, to) {
            return;
        }
        if self.random.chance(self.scenario.loss) {
            self.network.note_loss(self.now, link, from, to);
            return;
        }
        let copies = if self.random.chance(self.scenario.duplication) {
            2
        } else {
            1
        };
        let epoch = self.nodes.get(to).map_or(0, |machine| machine.epoch);
        for _ in 0..copies {
            let (least, most) = self.scenario.delay;
            let delay = self.random.between(least, most);
            let packet = Rc::clone(packet);
            self.schedule(self.now + delay, Pending::Packet { to, epoch, packet });
        }
    }
}
