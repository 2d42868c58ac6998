//! Which other routers have been heard. A backup is silent, so this knows masters, present and past.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

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
                .contested
                .and_then(|contest| Some((contest.by, contest.priority?, contest.last)));
            for (address, priority, at) in master.into_iter().chain(contest) {
                let heard = self.instances.entry(Arc::clone(name)).or_default();
                if heard.len() >= REMEMBERED && !heard.contains_key(&address) {
                    let oldest = heard
                        .iter()
                        .min_by_key(|(_, heard)| heard.at)
                        .map(|(key, _)| *key);
                    if let Some(oldest) = oldest {
                        heard.remove(&oldest);
                    }
                }
                heard.insert(address, Heard { priority, at });
            }
        }
        self.instances
            .retain(|name, _| snapshot.instances.contains_key(name));
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
