//! Who may start an attempt now: limits in all and per host.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

/// Hosts for which room is kept.
const HOSTS_KEPT: usize = 1024;

/// Counts running attempts and keeps, in order, those that have to wait.
#[derive(Debug)]
pub(super) struct Admission {
    limit: usize,
    per_host: usize,
    running: usize,
    waiting_in_all: usize,
    /// Those that wait for the limit on all.
    ready: VecDeque<(u64, Option<IpAddr>)>,
    /// Hosts with running attempts, and those that wait for the limit on that host.
    hosts: HashMap<IpAddr, Host>,
}

#[derive(Debug, Default)]
struct Host {
    running: usize,
    waiting: VecDeque<u64>,
}

impl Admission {
    pub(super) fn new(limit: usize, per_host: usize) -> Self {
        Self {
            limit: limit.max(1),
            per_host: per_host.max(1),
            running: 0,
            waiting_in_all: 0,
            ready: VecDeque::new(),
            hosts: HashMap::new(),
        }
    }

    /// True if the attempt may start now; otherwise it waits and comes out of `release` later.
    pub(super) fn admit(&mut self, check: u64, host: Option<IpAddr>) -> bool {
        if self.running >= self.limit {
            self.ready.push_back((check, host));
            self.waiting_in_all += 1;
            return false;
        }
        if let Some(address) = host {
            let load = self.hosts.entry(address).or_default();
            if load.running >= self.per_host {
                load.waiting.push_back(check);
                self.waiting_in_all += 1;
                return false;
            }
            load.running += 1;
        }
        self.running += 1;
        true
    }

    /// An attempt has ended. Those that may start now come out of [`next`](Self::next).
    pub(super) fn release(&mut self, host: Option<IpAddr>) {
        self.running = self.running.saturating_sub(1);
        let Some(address) = host else { return };
        let Some(load) = self.hosts.get_mut(&address) else {
            return;
        };
        load.running = load.running.saturating_sub(1);
        self.promote(address);
    }

    /// One that came out of [`next`](Self::next) does not want to start any more, so its place
    /// goes to another that waits for the same host.
    pub(super) fn decline(&mut self, host: Option<IpAddr>) {
        if let Some(address) = host {
            self.promote(address);
        }
    }

    /// One that waits, and its host. It must be given to [`admit`](Self::admit) or
    /// [`decline`](Self::decline).
    pub(super) fn next(&mut self) -> Option<(u64, Option<IpAddr>)> {
        if self.running >= self.limit {
            return None;
        }
        let next = self.ready.pop_front()?;
        self.waiting_in_all = self.waiting_in_all.saturating_sub(1);
        Some(next)
    }

    /// Moves one that waits for a host to those that wait for their turn.
    fn promote(&mut self, address: IpAddr) {
        let Some(load) = self.hosts.get_mut(&address) else {
            return;
        };
        if let Some(check) = load.waiting.pop_front() {
            // It has waited longest for its host, so it goes before those that just came.
            self.ready.push_front((check, Some(address)));
        }
        if load.running == 0 && load.waiting.is_empty() {
            self.hosts.remove(&address);
            // A burst may have needed much more room than is needed now.
            if self.hosts.capacity() > 2 * HOSTS_KEPT
                && self.hosts.len() < self.hosts.capacity() / 8
            {
                self.hosts.shrink_to(HOSTS_KEPT);
            }
        }
    }

    pub(super) const fn running(&self) -> usize {
        self.running
    }

    pub(super) const fn waiting(&self) -> usize {
        self.waiting_in_all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold_and_nobody_is_forgotten() {
        let host = |last: u8| Some(IpAddr::from([10, 0, 0, last]));
        let mut admission = Admission::new(3, 2);
        assert!(admission.admit(1, host(1)));
        assert!(admission.admit(2, host(1)));
        assert!(!admission.admit(3, host(1)), "the host is full");
        assert!(admission.admit(4, host(2)));
        assert!(!admission.admit(5, host(2)), "all is full");
        assert_eq!((admission.running(), admission.waiting()), (3, 2));
        assert_eq!(admission.next(), None);

        admission.release(host(1));
        assert_eq!(admission.next(), Some((3, host(1))));
        assert!(admission.admit(3, host(1)));
        admission.release(host(2));
        assert_eq!(admission.next(), Some((5, host(2))));
        assert!(admission.admit(5, host(2)));
        assert_eq!(admission.waiting(), 0);
        for last in [1, 1, 2] {
            admission.release(host(last));
        }
        assert_eq!((admission.running(), admission.hosts.len()), (0, 0));
    }

    #[test]
    fn the_room_that_a_burst_needs_is_given_back() {
        let mut admission = Admission::new(usize::MAX, 1);
        let host = |number: u32| Some(IpAddr::from(number.to_be_bytes()));
        for number in 0..20_000 {
            assert!(admission.admit(number.into(), host(number)));
        }
        assert!(admission.hosts.capacity() >= 20_000);
        for number in 0..20_000 {
            admission.release(host(number));
        }
        assert_eq!((admission.running(), admission.hosts.len()), (0, 0));
        assert!(admission.hosts.capacity() < 4 * HOSTS_KEPT);
    }

    #[test]
    fn a_place_that_is_declined_goes_to_the_next() {
        let host = Some(IpAddr::from([10, 0, 0, 1]));
        let mut admission = Admission::new(9, 1);
        assert!(admission.admit(1, host));
        assert!(!admission.admit(2, host));
        assert!(!admission.admit(3, host));
        admission.release(host);
        assert_eq!(admission.next(), Some((2, host)));
        admission.decline(host);
        assert_eq!(admission.next(), Some((3, host)));
        assert!(admission.admit(3, host));
    }
}
