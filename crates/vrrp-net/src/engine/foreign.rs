//! Packets that are for none of the instances.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use vrrp_proto::wire::{Packet, PseudoHeader};
use vrrp_proto::{Event as RouterEvent, Family, Instant, Received};

use super::core::Core;
use crate::event::Event;
use crate::wire::SocketKey;

/// Malformed packets of one socket are reported this often at most.
const MALFORMED_INTERVAL: Duration = Duration::from_secs(60);

impl Core {
    /// A packet of a virtual router that is not ours; the filter lets those pass that list addresses of ours.
    pub(super) fn on_foreign(&mut self, key: SocketKey, received: &Received<'_>, now: Instant) {
        self.ignore("unknown virtual router");
        self.report_foreign(key, received, now);
        let family = if key.ipv6 { Family::V6 } else { Family::V4 };
        let Some(packet) = received
            .message()
            .and_then(|it| Packet::new_checked(it, family).ok())
        else {
            return;
        };
        let genuine = PseudoHeader::new(received.source, received.destination)
            .is_some_and(|addresses| packet.verify_checksum(&addresses).is_ok());
        if !genuine || received.hop_limit != 255 || packet.priority().is_resign() {
            return;
        }
        let listed: BTreeSet<IpAddr> = packet.addresses().collect();
        let here = (key.index, key.ipv6, 0)..=(key.index, key.ipv6, u8::MAX);
        for id in self.routes.range(here).map(|(_, id)| *id) {
            let Some(instance) = self.instances.get_mut(&id) else {
                continue;
            };
            let ours = &instance.router.config().addresses;
            if ours.iter().any(|address| listed.contains(address)) {
                let event = RouterEvent::ForeignIdentifier {
                    source: received.source,
                    vrid: packet.vrid(),
                };
                instance.router.handle_event(now, event);
                self.touched.push_back(id);
            }
        }
    }

    /// Says at a bounded rate that a virtual router is heard which is not ours (`log_unknown_vrids`).
    fn report_foreign(&mut self, key: SocketKey, received: &Received<'_>, now: Instant) {
        let Some(peek) = received
            .peek()
            .filter(|_| self.settings.tell_unknown_routers)
        else {
            return;
        };
        let vrid = peek.vrid.value();
        let (next, count) = self.foreign.entry((key, vrid)).or_insert((now, 0));
        *count += 1;
        if *next > now {
            return;
        }
        let count = std::mem::take(count);
        *next = now + MALFORMED_INTERVAL;
        self.events.send(Event::PacketIgnored {
            instance: None,
            interface: self.interface_name(key.index),
            reason: format!("no instance has virtual router id {vrid}"),
            source: received.source,
            count,
        });
    }

    /// Says at a bounded rate that what a sender sends is no VRRP.
    pub(super) fn report_malformed(&mut self, key: SocketKey, source: IpAddr, now: Instant) {
        let (next, count) = self.malformed.entry(key).or_insert((now, 0));
        *count += 1;
        if *next > now {
            return;
        }
        let count = std::mem::take(count);
        *next = now + MALFORMED_INTERVAL;
        self.events.send(Event::PacketIgnored {
            instance: None,
            interface: self.interface_name(key.index),
            reason: "no vrrp message".to_owned(),
            source,
            count,
        });
    }
}
