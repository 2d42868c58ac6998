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
    /// In the order of the addresses. Mostly there is one, for which a map would take room for eleven.
    instances: BTreeMap<Arc<str>, Vec<(IpAddr, Heard)>>,
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
        let place = |heard: &[(IpAddr, Heard)]| heard.binary_search_by_key(&address, |(of, _)| *of);
        if let Some((_, known)) = place(heard).ok().and_then(|at| heard.get_mut(at)) {
            if known.at < advert.at {
                *known = advert;
            }
            return;
        }
        if heard.len() >= REMEMBERED {
            let oldest = heard
                .iter()
                .enumerate()
                .min_by_key(|(_, (_, heard))| heard.at)
                .map(|(at, _)| at);
            if let Some(oldest) = oldest {
                heard.remove(oldest);
            }
        }
        let at = place(heard).unwrap_or_else(|at| at);
        heard.reserve_exact(1);
        heard.insert(at, (address, advert));
    }

    /// Routers heard by an instance.
    pub(crate) fn of(&self, instance: &str) -> impl Iterator<Item = (IpAddr, Heard)> {
        let heard = self.instances.get(instance);
        heard.into_iter().flatten().copied()
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

    #[test]
    fn of_too_many_routers_the_latest_are_kept_in_order() {
        let (name, now) = (Arc::from("VI_1"), Instant::now());
        let router = |number: u8| {
            (
                IpAddr::from([10, 0, 0, number]),
                Duration::from_secs(number.into()),
            )
        };
        let mut book = PeerBook::default();
        for number in [9, 3, 1, 2].into_iter().chain(10..24) {
            let (address, later) = router(number);
            let advert = Heard {
                priority: number,
                at: now + later,
            };
            book.note(&name, address, advert);
        }
        let kept: Vec<u8> = book.of("VI_1").map(|(_, heard)| heard.priority).collect();
        assert_eq!(kept, [&[3, 9][..], &(10..24).collect::<Vec<_>>()].concat());
    }
}
