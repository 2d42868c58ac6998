//! Remembers the last stamp of each sender of signed adverts.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use super::trailer::{AntiReplay, Stamp};
use crate::time::UnixTime;

/// The last stamp accepted from each of the most recent senders.
///
/// Bounded: the sender heard longest ago is forgotten when a new one comes and the guard is full.
#[derive(Clone, Debug)]
pub struct ReplayGuard {
    /// Most recently heard first.
    senders: Vec<(IpAddr, Stamp)>,
    capacity: usize,
}

impl ReplayGuard {
    /// Remembers up to `capacity` senders; keepalived remembers 4 on multicast, and every peer on
    /// unicast.
    pub const fn new(capacity: usize) -> Self {
        Self {
            senders: Vec::new(),
            capacity: if capacity == 0 { 1 } else { capacity },
        }
    }

    /// Remembers up to `capacity` senders from now on.
    pub fn resize(&mut self, capacity: usize) {
        self.capacity = capacity.max(1);
        self.senders.truncate(self.capacity);
    }

    /// The senders remembered with their last stamps, most recently heard first.
    pub fn senders(&self) -> impl Iterator<Item = (IpAddr, Stamp)> + '_ {
        self.senders.iter().copied()
    }

    /// Whether `stamp` is newer than everything heard from `sender`. Changes nothing.
    ///
    /// With a time window, a mark further than the window from `clock` (older or newer) counts as
    /// forgotten: the sender's clock was set.
    pub fn is_fresh(
        &self,
        sender: IpAddr,
        stamp: Stamp,
        policy: AntiReplay,
        clock: UnixTime,
    ) -> bool {
        let Some((_, last)) = self.senders.iter().find(|(known, _)| *known == sender) else {
            return true;
        };
        if let AntiReplay::Time(window) = policy
            && outside(*last, clock, window)
        {
            return true;
        }
        stamp.is_after(*last)
    }

    /// Remembers that `stamp` was accepted from `sender`.
    pub fn accept(&mut self, sender: IpAddr, stamp: Stamp) {
        self.senders.retain(|(known, _)| *known != sender);
        self.senders.truncate(self.capacity - 1);
        self.senders.insert(0, (sender, stamp));
    }
}

fn outside(stamp: Stamp, clock: UnixTime, window: Duration) -> bool {
    u64::from(stamp.seconds().abs_diff(clock.seconds())) > window.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;

    const WINDOW: AntiReplay = AntiReplay::Time(Duration::from_secs(5));

    fn sender(last: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))
    }

    fn clock(seconds: u64) -> UnixTime {
        UnixTime::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn item_098_a_stamp_is_taken_once() {
        let mut guard = ReplayGuard::new(4);
        let stamp = Stamp::at(clock(100));
        assert!(guard.is_fresh(sender(1), stamp, WINDOW, clock(100)));
        guard.accept(sender(1), stamp);
        assert!(!guard.is_fresh(sender(1), stamp, WINDOW, clock(100)));
        assert!(guard.is_fresh(sender(1), stamp.next(), WINDOW, clock(100)));
        assert!(guard.is_fresh(sender(2), stamp, WINDOW, clock(100)));
    }

    #[test]
    fn item_098_a_mark_outside_the_window_is_forgotten_only_in_time_mode() {
        let mut guard = ReplayGuard::new(4);
        guard.accept(sender(1), Stamp::at(clock(1_000)));
        let older = Stamp::at(clock(100));
        assert!(guard.is_fresh(sender(1), older, WINDOW, clock(100)));
        assert!(!guard.is_fresh(sender(1), older, AntiReplay::Monotonic, clock(100)));
    }

    #[test]
    fn the_sender_heard_longest_ago_makes_room() {
        let mut guard = ReplayGuard::new(2);
        let stamp = Stamp::at(clock(1));
        for last in [1, 2, 1, 3] {
            guard.accept(sender(last), stamp);
        }
        assert!(guard.is_fresh(sender(2), stamp, AntiReplay::Monotonic, clock(1)));
        assert!(!guard.is_fresh(sender(1), stamp, AntiReplay::Monotonic, clock(1)));
    }
}
