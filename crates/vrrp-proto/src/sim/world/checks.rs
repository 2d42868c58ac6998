//! The invariants that are checked after every step.

use super::{Simulation, Slot};
use crate::machine::State;
use crate::sim::invariants::Broken;

impl Simulation {
    fn slot(&self, node: usize, link: usize) -> Option<&Slot> {
        self.nodes.get(node)?.slots.get(link)
    }

    fn is_master(&self, node: usize, link: usize) -> bool {
        self.nodes.get(node).is_some_and(|machine| machine.running)
            && self
                .slot(node, link)
                .is_some_and(|slot| slot.router.state() == State::Master)
    }

    fn masters(&self, link: usize) -> usize {
        (0..self.nodes.len())
            .filter(|node| self.is_master(*node, link))
            .count()
    }

    /// Whether somebody on the link could be master.
    fn is_contested(&self, link: usize) -> bool {
        self.nodes.iter().any(|machine| {
            let state = machine.slots.get(link).map(|slot| slot.router.state());
            machine.running && matches!(state, Some(State::Backup | State::Master))
        })
    }

    /// Checks every invariant that holds at any moment.
    pub(super) fn check(&mut self) {
        for node in 0..self.nodes.len() {
            self.check_node(node);
        }
        let settled = self.scenario.quiet_from + self.scenario.settling_time();
        for link in 0..self.scenario.links() {
            if self.masters(link) > 1 {
                self.check_overlaps(link);
            }
            let lost = self.now > settled && self.masters(link) == 0 && self.is_contested(link);
            if lost {
                self.violate(link, Broken::NoMaster);
            }
        }
    }

    fn check_node(&mut self, node: usize) {
        let Some(machine) = self.nodes.get(node) else {
            return;
        };
        let mut wrong = None;
        let mut masters = 0;
        for (link, slot) in machine.slots.iter().enumerate() {
            let state = slot.router.state();
            let is_master = state == State::Master;
            masters += usize::from(is_master);
            if slot.has_addresses != is_master {
                wrong = Some((link, Broken::Addresses { node, state }));
            }
        }
        if masters != 0 && masters != machine.slots.len() {
            wrong = Some((0, Broken::SplitGroup { node }));
        }
        if let Some((link, broken)) = wrong {
            self.violate(link, broken);
        }
    }

    fn check_overlaps(&mut self, link: usize) {
        let bound = self.scenario.overlap_bound();
        for a in 0..self.nodes.len() {
            for b in a + 1..self.nodes.len() {
                if !self.is_master(a, link) || !self.is_master(b, link) {
                    continue;
                }
                let (Some(first), Some(second)) = (self.nodes.get(a), self.nodes.get(b)) else {
                    continue;
                };
                let apart = self.network.is_cut(link, a, b) || self.network.is_cut(link, b, a);
                if apart || first.stalled || second.stalled {
                    continue;
                }
                let masters_since = |node| self.slot(node, link).map_or(0, |it| it.master_since);
                let since = masters_since(a)
                    .max(masters_since(b))
                    .max(first.disturbed)
                    .max(second.disturbed)
                    .max(self.network.disturbed(link, a, b))
                    .max(self.network.disturbed(link, b, a));
                if since == self.now {
                    self.summary.overlaps += 1;
                }
                if self.now - since > bound {
                    let nodes = (a, b);
                    self.violate(link, Broken::TwoMasters { nodes, since });
                }
            }
        }
    }

    /// Checks what holds at the end: one master, but for a handover that is just going on.
    pub(super) fn check_end(&mut self) {
        let bound = self.scenario.overlap_bound();
        for link in 0..self.scenario.links() {
            let masters = self.masters(link);
            let latest = (0..self.nodes.len())
                .filter(|node| self.is_master(*node, link))
                .filter_map(|node| self.slot(node, link))
                .map(|slot| slot.master_since)
                .max();
            let handover = masters > 1 && latest.is_some_and(|since| self.now - since <= bound);
            if self.is_contested(link) && masters != 1 && !handover {
                self.violate(link, Broken::Unsettled { masters });
            }
        }
    }
}
