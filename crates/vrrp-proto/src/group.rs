//! Sync groups (`vrrp_sync_group`): virtual routers that are master together or not at all.
//!
//! A [`SyncGroup`] owns no router. Feed it the [`Action::Group`](crate::Action::Group) reports of
//! its members; take its orders with [`SyncGroup::poll_order`] and give each to its member as
//! [`Event::Group`](crate::Event::Group). The rules:
//!
//! - a member becomes master only when every member's own election says so, or the group already
//!   is master; then all do, at once;
//! - a member that stops being master takes the others along; they resign, so that the other
//!   routers take over within the skew time;
//! - a fault of one member is a fault of all; it ends when no member has a fault of its own.
//!
//! Give all members of a group the same order of priority against the other routers, and the same
//! order of source addresses where priorities are equal. Where one member should win and another
//! lose, the group as a whole cannot.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use crate::machine::{GroupOrder, MemberReport, State, VirtualRouter};

/// A sync group. Members are known by their position.
#[derive(Clone, Debug)]
pub struct SyncGroup {
    members: Vec<Member>,
    orders: VecDeque<(usize, GroupOrder)>,
}

#[derive(Clone, Debug)]
struct Member {
    name: String,
    wants_master: bool,
    is_master: bool,
    at_fault: bool,
    /// The order to be at fault has been given and not taken back.
    told_fault: bool,
}

/// The state of a whole group, for notifications and status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum GroupState {
    /// Every member is master.
    Master,
    /// No member is at fault and not all are master.
    Backup,
    /// At least one member is at fault.
    Fault,
}

impl SyncGroup {
    /// A group of members with these names, in this order. Configure each member's router with
    /// [`Config::grouped`](crate::Config::grouped).
    pub fn new<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        Self {
            members: names
                .into_iter()
                .map(|name| Member {
                    name: name.into(),
                    wants_master: false,
                    is_master: false,
                    at_fault: false,
                    told_fault: false,
                })
                .collect(),
            orders: VecDeque::new(),
        }
    }

    /// The names of the members, in order.
    pub fn members(&self) -> impl Iterator<Item = &str> + '_ {
        self.members.iter().map(|member| member.name.as_str())
    }

    /// The state of the group.
    pub fn state(&self) -> GroupState {
        if self.members.iter().any(|member| member.at_fault) {
            GroupState::Fault
        } else if !self.members.is_empty() && self.members.iter().all(|member| member.is_master) {
            GroupState::Master
        } else {
            GroupState::Backup
        }
    }

    /// Takes a report of the member at `index`; orders may follow.
    pub fn handle(&mut self, index: usize, report: MemberReport) {
        let Some(member) = self.members.get_mut(index) else {
            return;
        };
        match report {
            MemberReport::WantsMaster(wants) => {
                member.wants_master = wants;
                if wants {
                    self.promote_if_all_can();
                }
            }
            MemberReport::BecameMaster => {
                member.is_master = true;
                member.wants_master = false;
                // By an operator's order: the others follow.
                for (other, member) in self.members.iter().enumerate() {
                    if other != index && !member.is_master {
                        self.orders.push_back((other, GroupOrder::Promote));
                    }
                }
            }
            MemberReport::LeftMaster => {
                member.is_master = false;
                member.wants_master = false;
                let because = member.name.clone();
                for (other, member) in self.members.iter_mut().enumerate() {
                    if other != index && member.is_master {
                        member.is_master = false;
                        let because = because.clone();
                        self.orders
                            .push_back((other, GroupOrder::Demote { because }));
                    }
                }
            }
            MemberReport::AtFault(at_fault) => {
                member.at_fault = at_fault;
                if at_fault {
                    member.wants_master = false;
                }
                self.share_faults();
            }
            MemberReport::LowerPriorityHeard => {
                for (other, member) in self.members.iter().enumerate() {
                    if other != index && member.is_master {
                        self.orders.push_back((other, GroupOrder::Announce));
                    }
                }
            }
        }
    }

    /// Takes over a member that is running already, as when a group is made anew at a reload. Call
    /// it for every member, then [`settle`](Self::settle).
    pub fn adopt(&mut self, index: usize, router: &VirtualRouter) {
        if let Some(member) = self.members.get_mut(index) {
            member.is_master = router.state() == State::Master;
            member.wants_master = router.wants_master();
            member.at_fault = router.has_own_fault();
            member.told_fault = router.has_group_fault();
        }
    }

    /// Brings adopted members into agreement: faults are shared, and where only some are master
    /// those step down unless the others want to be master too.
    pub fn settle(&mut self) {
        self.share_faults();
        self.promote_if_all_can();
        if self.members.iter().all(|member| member.is_master) {
            return;
        }
        let other = self.members.iter().find(|member| !member.is_master);
        let Some(because) = other.map(|member| member.name.clone()) else {
            return;
        };
        for (index, member) in self.members.iter_mut().enumerate() {
            if member.is_master {
                member.is_master = false;
                let because = because.clone();
                self.orders
                    .push_back((index, GroupOrder::Demote { because }));
            }
        }
    }

    /// The next order and the position of the member it is for; call until `None`.
    #[must_use]
    pub fn poll_order(&mut self) -> Option<(usize, GroupOrder)> {
        self.orders.pop_front()
    }

    fn promote_if_all_can(&mut self) {
        let can = |member: &Member| (member.wants_master || member.is_master) && !member.at_fault;
        if !self.members.iter().all(can) {
            return;
        }
        for (index, member) in self.members.iter_mut().enumerate() {
            if !member.is_master {
                member.is_master = true;
                member.wants_master = false;
                self.orders.push_back((index, GroupOrder::Promote));
            }
        }
    }

    fn share_faults(&mut self) {
        let faulty: Vec<usize> = self
            .members
            .iter()
            .enumerate()
            .filter(|(_, member)| member.at_fault)
            .map(|(index, _)| index)
            .collect();
        let names: Vec<String> = self
            .members
            .iter()
            .map(|member| member.name.clone())
            .collect();
        for (index, member) in self.members.iter_mut().enumerate() {
            let because = faulty.iter().find(|other| **other != index);
            match because.and_then(|other| names.get(*other)) {
                Some(because) if !member.told_fault => {
                    member.told_fault = true;
                    member.is_master = false;
                    member.wants_master = false;
                    let because = because.clone();
                    self.orders
                        .push_back((index, GroupOrder::Fault { because }));
                }
                None if member.told_fault => {
                    member.told_fault = false;
                    self.orders.push_back((index, GroupOrder::ClearFault));
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn orders(group: &mut SyncGroup) -> Vec<(usize, GroupOrder)> {
        core::iter::from_fn(|| group.poll_order()).collect()
    }

    fn master_group() -> SyncGroup {
        let mut group = SyncGroup::new(["a", "b"]);
        group.handle(0, MemberReport::WantsMaster(true));
        assert_eq!(orders(&mut group), []);
        group.handle(1, MemberReport::WantsMaster(true));
        assert_eq!(
            orders(&mut group),
            [(0, GroupOrder::Promote), (1, GroupOrder::Promote)]
        );
        group.handle(0, MemberReport::BecameMaster);
        group.handle(1, MemberReport::BecameMaster);
        assert_eq!(orders(&mut group), []);
        assert_eq!(group.state(), GroupState::Master);
        group
    }

    #[test]
    fn item_099_all_become_master_only_when_all_want_to() {
        master_group();
        let mut group = SyncGroup::new(["a", "b"]);
        group.handle(0, MemberReport::WantsMaster(true));
        group.handle(0, MemberReport::WantsMaster(false));
        group.handle(1, MemberReport::WantsMaster(true));
        assert_eq!(orders(&mut group), []);
        assert_eq!(group.state(), GroupState::Backup);
    }

    #[test]
    fn item_099_one_that_leaves_takes_the_others_along() {
        let mut group = master_group();
        group.handle(1, MemberReport::LeftMaster);
        assert_eq!(
            orders(&mut group),
            [(
                0,
                GroupOrder::Demote {
                    because: "b".into()
                }
            )]
        );
        group.handle(0, MemberReport::LeftMaster);
        assert_eq!(orders(&mut group), []);
    }

    #[test]
    fn item_099_one_fault_is_a_fault_of_all_until_the_last_own_one_is_gone() {
        let mut group = master_group();
        let fault = |because: &str| GroupOrder::Fault {
            because: because.into(),
        };
        group.handle(0, MemberReport::AtFault(true));
        assert_eq!(orders(&mut group), vec![(1, fault("a"))]);
        group.handle(1, MemberReport::AtFault(true));
        assert_eq!(orders(&mut group), vec![(0, fault("b"))]);
        group.handle(0, MemberReport::AtFault(false));
        assert_eq!(orders(&mut group), vec![(1, GroupOrder::ClearFault)]);
        assert_eq!(group.state(), GroupState::Fault);
        group.handle(1, MemberReport::AtFault(false));
        assert_eq!(orders(&mut group), vec![(0, GroupOrder::ClearFault)]);
        assert_eq!(group.state(), GroupState::Backup);
    }

    #[test]
    fn item_073_a_lower_advert_makes_the_other_members_announce() {
        let mut group = master_group();
        group.handle(0, MemberReport::LowerPriorityHeard);
        assert_eq!(orders(&mut group), [(1, GroupOrder::Announce)]);
    }

    #[test]
    fn a_member_ordered_to_take_over_brings_the_others() {
        let mut group = SyncGroup::new(["a", "b"]);
        group.handle(0, MemberReport::BecameMaster);
        assert_eq!(orders(&mut group), [(1, GroupOrder::Promote)]);
    }

    #[test]
    fn reports_of_unknown_members_are_ignored() {
        let mut group = SyncGroup::new(["a"]);
        group.handle(7, MemberReport::WantsMaster(true));
        assert_eq!(orders(&mut group), []);
    }
}
