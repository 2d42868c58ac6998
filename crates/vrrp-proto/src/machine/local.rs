//! Local happenings and changes of configuration.

use alloc::sync::Arc;

use super::action::{Action, AnnounceCause, MemberReport, State};
use super::event::{Event, Fault, GroupOrder};
use super::reason::{Reason, Warning};
use super::timers::Timer;
use super::{
    Config, ConfigError, Disagreement, VirtualRouter, header_key, in_order, replay_capacity,
};
use crate::ids::{Family, Priority, Vrid};
use crate::time::{Instant, micros};

use core::net::IpAddr;

impl VirtualRouter {
    /// Tells of a local happening.
    pub fn handle_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Startup => self.start(now),
            Event::Shutdown => self.stop(now),
            Event::FaultRaised(fault) => self.raise(now, fault),
            Event::FaultCleared(fault) => self.clear(now, &fault),
            Event::TrackedPriority(priority) => {
                let priority = Priority::clamped(i32::from(priority.value()));
                self.shifting_master_down(|router| router.tracked = Some(priority));
            }
            Event::SourceChanged(source) => self.change_source(now, source),
            Event::TakeOver => self.take_over(now),
            Event::StandDown { hold } => {
                self.yielding = Some(hold.map(|hold| now.plus_micros(micros(hold))));
                if self.state == State::Master {
                    self.step_down(now, Reason::StandDown);
                }
                self.set_wants_master(false);
            }
            Event::Announce => self.announce_on_request(),
            Event::WallClock(time) => self.stamps_mut().clock = Some((now, time)),
            Event::ForeignIdentifier { source, vrid } => self.hear_foreign(now, source, vrid),
            Event::Group(order) => self.follow(now, order),
        }
    }

    fn start(&mut self, now: Instant) {
        if self.started {
            return;
        }
        self.started = true;
        self.yielding = None;
        if self.source.is_none() && !self.faults.contains(&Fault::NoSourceAddress) {
            self.faults.push(Fault::NoSourceAddress);
            self.report_to_group(MemberReport::AtFault(true));
        }
        let first = self.config.addresses.first();
        if let Some(IpAddr::V6(first)) = first
            && self.config.family == Family::V6
            && !first.is_unicast_link_local()
        {
            self.warn(now, Warning::LinkLocalNotFirst);
        }
        self.begin(now);
    }

    /// Leaves Initialize or Fault for where the faults allow.
    fn begin(&mut self, now: Instant) {
        let recovering = self.state == State::Fault;
        if let Some(fault) = self.faults.iter().find(|fault| decides(fault)) {
            if !recovering {
                let reason = Reason::Fault(fault.clone());
                self.actions.push_back(Action::RemoveAddresses);
                self.transition(now, State::Fault, reason);
            }
            return;
        }
        if !self.faults.is_empty() {
            return;
        }
        self.master_interval = self.config.interval;
        if !self.config.priority.is_owner() || self.yielding.is_some() {
            let reason = if recovering {
                Reason::Recovered
            } else {
                Reason::Started
            };
            self.become_backup(now, reason);
        } else {
            let reason = if recovering {
                Reason::RecoveredAsOwner
            } else {
                Reason::StartedAsOwner
            };
            if self.config.grouped {
                self.become_backup(now, reason);
                self.set_wants_master(true);
            } else {
                self.become_master(now, reason);
            }
        }
    }

    fn stop(&mut self, now: Instant) {
        self.started = false;
        if self.state == State::Initialize {
            return;
        }
        self.set_wants_master(false);
        let was_master = self.state == State::Master;
        if was_master {
            self.resign(now);
        }
        self.timers.clear();
        self.transition(now, State::Initialize, Reason::Stopped);
        if was_master {
            self.report_to_group(MemberReport::LeftMaster);
        }
    }

    fn raise(&mut self, now: Instant, fault: Fault) {
        if self.faults.contains(&fault) {
            return;
        }
        let had_own = self.has_own_fault();
        self.faults.push(fault.clone());
        let has_own = self.has_own_fault();
        let was_master = self.state == State::Master;
        match self.state {
            _ if !self.started => {}
            State::Master | State::Backup => {
                self.wants_master = false;
                if was_master {
                    self.resign(now);
                }
                self.timers.clear();
                self.transition(now, State::Fault, Reason::Fault(fault));
            }
            State::Initialize => self.begin(now),
            State::Fault => {}
        }
        if has_own && !had_own {
            self.report_to_group(MemberReport::AtFault(true));
        }
        if was_master {
            self.report_to_group(MemberReport::LeftMaster);
        }
    }

    fn clear(&mut self, now: Instant, fault: &Fault) {
        let had_own = self.has_own_fault();
        self.faults.retain(|known| known != fault);
        if had_own && !self.has_own_fault() {
            self.report_to_group(MemberReport::AtFault(false));
        }
        if self.started && matches!(self.state, State::Fault | State::Initialize) {
            self.begin(now);
        }
    }

    /// Whether a fault is the member's own, which its sync group shares.
    pub(crate) fn has_own_fault(&self) -> bool {
        self.faults
            .iter()
            .any(|fault| decides(fault) && !matches!(fault, Fault::Group(_)))
    }

    /// Whether the sync group has this member at fault because of another.
    pub(crate) fn has_group_fault(&self) -> bool {
        self.faults
            .iter()
            .any(|fault| matches!(fault, Fault::Group(_)))
    }

    fn change_source(&mut self, now: Instant, source: Option<IpAddr>) {
        if self.source == source {
            return;
        }
        match source {
            None => {
                // The resignation still goes out from the old address.
                self.raise(now, Fault::NoSourceAddress);
                self.source = None;
            }
            Some(address) if Family::of(address) != self.config.family => {}
            Some(_) => {
                self.source = source;
                self.clear(now, &Fault::NoSourceAddress);
                if self.state == State::Master {
                    self.advertise(now);
                }
            }
        }
    }

    fn hear_foreign(&mut self, now: Instant, source: IpAddr, vrid: Vrid) {
        if !matches!(self.state, State::Backup | State::Master) {
            return;
        }
        self.stats.foreign_identifiers += 1;
        self.note_contest(now, Disagreement::Identifier, source, None);
        self.warn(now, Warning::ForeignIdentifier { source, vrid });
    }

    fn take_over(&mut self, now: Instant) {
        self.yielding = None;
        if self.state == State::Master {
            return;
        }
        if self.state != State::Backup {
            let state = self.state;
            return self.warn(now, Warning::TakeOverImpossible { state });
        }
        let ours = (self.effective_priority(), self.source);
        let better = self
            .master
            .filter(|master| (master.priority, Some(master.source)) > ours);
        match better {
            Some(master) if self.resigned_by.is_none() => {
                let warning = Warning::TakeOverRefused {
                    master: master.source,
                    priority: master.priority,
                };
                self.warn(now, warning);
            }
            _ => self.become_master(now, Reason::TakeOver),
        }
    }

    fn announce_on_request(&mut self) {
        if self.state == State::Master {
            self.announce(self.config.announce.repeat, AnnounceCause::Requested);
        }
    }

    fn follow(&mut self, now: Instant, order: GroupOrder) {
        if !self.config.grouped {
            return;
        }
        match order {
            GroupOrder::Promote => {
                if self.state == State::Backup {
                    self.become_master(now, Reason::GroupPromoted);
                }
            }
            GroupOrder::Demote { because } => {
                if self.state == State::Master {
                    self.step_down(now, Reason::GroupDemoted { because });
                }
            }
            GroupOrder::Fault { because } => self.raise(now, Fault::Group(because)),
            GroupOrder::ClearFault => {
                let of_group = |fault: &&Fault| matches!(fault, Fault::Group(_));
                while let Some(fault) = self.faults.iter().find(of_group).cloned() {
                    self.clear(now, &fault);
                }
            }
            GroupOrder::Announce => {
                if self.state == State::Master {
                    let repeat = self.config.announce.lower_priority_repeat;
                    self.announce(repeat, AnnounceCause::Contest);
                }
            }
        }
    }

    /// Changes the configuration without a transition: a master stays master and its adverts go on.
    ///
    /// - a new priority or interval moves running timers by the difference; a tracked priority
    ///   moves along with the configured one;
    /// - new addresses are advertised at once by a master, put in place
    ///   ([`Action::AddAddresses`]) and announced if any were added;
    /// - a new source address is advertised at once; an unchanged one, and `None`, keep what
    ///   [`Event::SourceChanged`] said last;
    /// - virtual router identifier, version and family must stay.
    ///
    /// # Errors
    /// [`ConfigError`]; the old configuration then stays in force.
    pub fn reconfigure(
        &mut self,
        now: Instant,
        config: impl Into<Arc<Config>>,
    ) -> Result<(), ConfigError> {
        let config = config.into();
        config.validate()?;
        let identity = |config: &Config| (config.vrid, config.version, config.family);
        if identity(&config) != identity(&self.config) {
            return Err(ConfigError::Identity);
        }
        let added = config
            .addresses
            .iter()
            .any(|address| self.sorted_addresses().binary_search(address).is_err());
        let readdressed = config.addresses != self.config.addresses;
        let source = config
            .source
            .filter(|_| config.source != self.config.source);
        let joined_group = config.grouped && !self.config.grouped;
        let left_group = !config.grouped && self.config.grouped;
        let interval_changed = config.interval != self.config.interval;
        self.shifting_master_down(|router| router.replace_config(config));
        if left_group {
            self.leave_group(now);
        }
        if joined_group && self.has_own_fault() {
            self.report_to_group(MemberReport::AtFault(true));
        }
        if joined_group && self.state == State::Master {
            self.report_to_group(MemberReport::BecameMaster);
        }
        self.change_source(now, source.or(self.source));
        if self.state == State::Master {
            let due = now + self.config.interval.as_duration();
            if interval_changed {
                let next = self.timers.deadline(Timer::Advert).unwrap_or(due).min(due);
                self.timers.set(Timer::Advert, next);
            }
            self.reschedule_refresh(now);
            if readdressed {
                self.advertise(now);
                self.actions.push_back(Action::AddAddresses);
                if added {
                    self.announce(self.config.announce.repeat, AnnounceCause::Reconfigured);
                }
            }
        }
        Ok(())
    }

    /// The group's wishes and faults are nothing to a router that is in none.
    pub(super) fn leave_group(&mut self, now: Instant) {
        self.wants_master = false;
        let of_group = |fault: &&Fault| matches!(fault, Fault::Group(_));
        while let Some(fault) = self.faults.iter().find(of_group).cloned() {
            self.clear(now, &fault);
        }
    }

    fn reschedule_refresh(&mut self, now: Instant) {
        let refresh = self.config.announce.refresh;
        match self.timers.deadline(Timer::Refresh) {
            Some(_) if refresh.is_zero() => self.timers.stop(Timer::Refresh),
            None if !refresh.is_zero() => self.timers.set(Timer::Refresh, now + refresh),
            _ => {}
        }
    }

    fn replace_config(&mut self, config: Arc<Config>) {
        let moved = i32::from(config.priority.value()) - i32::from(self.config.priority.value());
        self.tracked = self
            .tracked
            .map(|tracked| Priority::clamped(i32::from(tracked.value()) + moved));
        if config.authentication != self.config.authentication {
            self.header_key = header_key(&config.authentication);
        }
        if self.master_interval == self.config.interval {
            self.master_interval = config.interval;
        }
        if !config.follow_old_unicast_checksum {
            self.old_unicast_checksum = false;
        }
        if let Some(stamps) = &mut self.stamps {
            stamps.heard.resize(replay_capacity(&config.transport));
        }
        self.in_order = in_order(&config.addresses);
        self.config = config;
    }
}

/// Trackers that have not reported hold a router back but are no fault of it.
fn decides(fault: &Fault) -> bool {
    *fault != Fault::TrackersPending
}
