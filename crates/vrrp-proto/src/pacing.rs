//! Announcements spaced out per interface (`vrrp_garp_interval`, `vrrp_gna_interval`, `garp_group`).
//!
//! Virtual routers ask for bursts; switches and hosts may not take hundreds of frames at once. A
//! [`Pacer`] holds what one interface, or one group of interfaces, has to send and lets one item go
//! per interval. Keep one for gratuitous ARP and one for neighbour advertisements: they are paced
//! apart.

use alloc::collections::VecDeque;
use core::time::Duration;

use crate::time::{Instant, micros};

/// A queue that gives one item per interval.
#[derive(Clone, Debug)]
pub struct Pacer<T> {
    interval: Duration,
    /// When the next item may go.
    free_at: Instant,
    queue: VecDeque<T>,
    capacity: usize,
}

impl<T> Pacer<T> {
    /// One item per `interval`; zero lets everything go at once. Holds up to `capacity` items.
    pub const fn new(interval: Duration, capacity: usize) -> Self {
        Self {
            interval,
            free_at: Instant::ZERO,
            queue: VecDeque::new(),
            capacity,
        }
    }

    /// Changes the interval from the next item on.
    pub fn set_interval(&mut self, interval: Duration) {
        self.interval = interval;
    }

    /// Queues an item behind the others; gives it back if the queue is full.
    ///
    /// # Errors
    /// The item, if `capacity` items are waiting.
    pub fn push(&mut self, item: T) -> Result<(), T> {
        if self.queue.len() >= self.capacity {
            return Err(item);
        }
        self.queue.push_back(item);
        Ok(())
    }

    /// Forgets what does not satisfy `keep`, as when a router stops being master.
    pub fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        self.queue.retain(keep);
    }

    /// The item to send now, if one is waiting and may go. Call until `None`.
    pub fn poll(&mut self, now: Instant) -> Option<T> {
        if now < self.free_at {
            return None;
        }
        let item = self.queue.pop_front()?;
        self.free_at = now.plus_micros(micros(self.interval));
        Some(item)
    }

    /// When to call [`poll`](Self::poll) again; `None` if nothing is waiting.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        (!self.queue.is_empty()).then_some(self.free_at)
    }

    /// How many items are waiting.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether nothing is waiting.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn item_083_one_item_per_interval_in_order() {
        let mut pacer = Pacer::new(Duration::from_millis(100), 10);
        for item in 1..=3 {
            assert_eq!(pacer.push(item), Ok(()));
        }
        let mut sent = Vec::new();
        let mut now = Instant::from_millis(5_000);
        loop {
            while let Some(item) = pacer.poll(now) {
                sent.push((now.as_micros() / 1_000, item));
            }
            let Some(next) = pacer.poll_timeout() else {
                break;
            };
            now = next;
        }
        assert_eq!(sent, [(5_000, 1), (5_100, 2), (5_200, 3)]);
    }

    #[test]
    fn without_an_interval_everything_goes_at_once() {
        let mut pacer = Pacer::new(Duration::ZERO, 10);
        assert_eq!((pacer.push('a'), pacer.push('b')), (Ok(()), Ok(())));
        let now = Instant::ZERO;
        assert_eq!((pacer.poll(now), pacer.poll(now)), (Some('a'), Some('b')));
    }

    #[test]
    fn the_queue_is_bounded_and_can_be_thinned() {
        let mut pacer = Pacer::new(Duration::ZERO, 2);
        assert_eq!(pacer.push(1), Ok(()));
        assert_eq!(pacer.push(2), Ok(()));
        assert_eq!(pacer.push(3), Err(3));
        pacer.retain(|item| *item == 2);
        assert_eq!((pacer.len(), pacer.is_empty()), (1, false));
    }
}
