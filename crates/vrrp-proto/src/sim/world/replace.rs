//! A process that hands its routers over to its successor.

use alloc::vec::Vec;

use super::{Pending, Simulation};
use crate::group::SyncGroup;
use crate::machine::VirtualRouter;

impl Simulation {
    /// The process stands still from now on, and its successor is there after `micros`.
    pub(super) fn replace(&mut self, node: usize, micros: u64) {
        let now = self.now;
        if let Some(machine) = self.nodes.get_mut(node)
            && machine.running
            && !machine.stalled
        {
            machine.stalled = true;
            self.schedule(now + micros, Pending::Succeed(node));
        }
    }

    /// The successor begins. What came in meanwhile is lost with the sockets of the predecessor.
    pub(super) fn succeed(&mut self, node: usize) {
        let now = self.now;
        let Some(machine) = self.nodes.get_mut(node) else {
            return;
        };
        machine.stalled = false;
        machine.disturbed = now;
        machine.inbox.clear();
        let local = machine.clock.shows(now);
        let resumed: Result<Vec<_>, _> = machine
            .slots
            .iter()
            .map(|slot| {
                let config = slot.router.config().clone();
                VirtualRouter::resume(local, config, &slot.router.hand_over(local))
            })
            .collect();
        let Ok(routers) = resumed else {
            self.note(|| "starts afresh".into());
            let fresh = self.machine(node);
            if let Some(machine) = self.nodes.get_mut(node) {
                let epoch = machine.epoch + 1;
                *machine = fresh;
                machine.epoch = epoch;
            }
            return self.start(node);
        };
        for (slot, router) in machine.slots.iter_mut().zip(routers) {
            slot.router = router;
        }
        if let Some(old) = &machine.group {
            let mut group = SyncGroup::new(old.members());
            for (link, slot) in machine.slots.iter().enumerate() {
                group.adopt(link, &slot.router);
            }
            group.settle();
            machine.group = Some(group);
        }
        self.wake(node);
    }
}
