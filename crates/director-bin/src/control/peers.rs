//! Which other routers have been heard. A backup is silent, so this knows masters, present and past.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;
use vrrp_net::vrrp_proto::Reason;

/// Routers remembered for each instance; more only come from somebody who forges addresses.
const REMEMBERED: usize = 16;

/// Routers heard, by instance.
#[derive(Debug, Clone, Default)]
pub(crate) struct PeerBook {
    instances: BTreeMap<Arc<str>, BTreeMap<IpAddr, Heard>>,
}

/// The last advert of a router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Its priority.
    pub(crate) priority: u8,
    /// When.
    pub(crate) at: Instant,
}

impl PeerBook {
    /// Notes whom the engine has heard.
    pub(crate) fn observe(&mut self, snapshot: &vrrp_net::Snapshot) {
        for (name, status) in &snapshot.instances {
            let master = status
                .master
                .map(|master| (master.address, master.priority, master.at));
            let contest = status
                .contested()
                .and_then(|contest| Some((contest.by, contest.priority?, contest.last)));
            let preempted = preempted(status.reason.cause())
                .map(|(address, priority)| (address, priority, status.since));
            for (address, priority, at) in preempted.into_iter().chain(master).chain(contest) {
                self.note(name, address, Heard { priority, at });
            }
        }
        self.instances
            .retain(|name, _| snapshot.instances.contains_key(name));
    }

    /// Notes an advert, unless a later one of the same router is known.
    fn note(&mut self, instance: &Arc<str>, address: IpAddr, advert: Heard) {
        let heard = self.instances.entry(Arc::clone(instance)).or_default();
        if heard
            .get(&address)
            .is_some_and(|known| known.at >= advert.at)
        {
            return;
        }
        if heard.len() >= REMEMBERED && !heard.contains_key(&address) {
            let oldest = heard
                .iter()
                .min_by_key(|(_, heard)| heard.at)
                .map(|(key, _)| *key);
            if let Some(oldest) = oldest {
                heard.remove(&oldest);
            }
        }
        heard.insert(address, advert);
    }

    /// Routers heard by an instance.
    pub(crate) fn of(&self, instance: &str) -> impl Iterator<Item = (IpAddr, Heard)> {
        let heard = self.instances.get(instance);
        heard
            .into_iter()
            .flatten()
            .map(|(address, heard)| (*address, *heard))
    }
}

/// The master that an instance took over from although it was heard. It is a backup since, which nothing else tells of.
fn preempted(cause: &Reason) -> Option<(IpAddr, u8)> {
    match cause {
        Reason::MasterDown {
            preempted: Some((address, priority)),
            ..
        } => Some((*address, priority.value())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use vrrp_net::vrrp_proto::Priority;

    #[test]
    fn a_master_that_was_preempted_is_a_peer() {
        let address: IpAddr = "172.16.1.3".parse().unwrap();
        let down = |preempted| Reason::MasterDown {
            silence: Duration::from_secs(3),
            preempted,
        };
        let lower = Priority::new(100);
        assert_eq!(
            preempted(&down(Some((address, lower)))),
            Some((address, 100))
        );
        assert_eq!(preempted(&down(None)), None);
        assert_eq!(preempted(&Reason::Started), None);
    }

    #[test]
    fn a_later_advert_is_not_forgotten_for_an_earlier_one() {
        let (name, address) = (Arc::from("VI_1"), "172.16.1.3".parse().unwrap());
        let now = Instant::now();
        let earlier = Heard {
            priority: 100,
            at: now,
        };
        let later = Heard {
            priority: 200,
            at: now + Duration::from_secs(1),
        };
        let mut book = PeerBook::default();
        book.note(&name, address, later);
        book.note(&name, address, earlier);
        assert_eq!(book.of("VI_1").collect::<Vec<_>>(), [(address, later)]);
    }
}
