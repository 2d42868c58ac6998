//! The election: adverts, timers and transitions (RFC 9568 section 6.4).

use alloc::boxed::Box;
use core::net::IpAddr;

use super::action::{Action, AnnounceCause, Announcement, MemberReport, State, Transition};
use super::config::{Overslept, Preemption};
use super::reason::{Accepted, Reason, Warning};
use super::receive::Heeded;
use super::timers::Timer;
use super::{Disagreement, Heard, VirtualRouter};
use crate::ids::{Priority, Version};
use crate::time::{Instant, Interval, micros};
use crate::wire::ChecksumForm;

use core::time::Duration;

/// Two routers say that they own the addresses. The one with the greater address goes on for two
/// adverts and then 1.2 times the longer interval; if the other is still there it counts as 254
/// until it is gone.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct OwnerContest {
    source: IpAddr,
    adverts_left: u8,
    wait: u64,
    deadline: Option<Instant>,
    last: Instant,
}

/// Another advert of ours went out.
pub(super) fn note_advert_sent(owners: &mut Option<Box<OwnerContest>>, now: Instant) {
    if let Some(contest) = owners
        && contest.deadline.is_none()
    {
        contest.adverts_left = contest.adverts_left.saturating_sub(1);
        if contest.adverts_left == 0 {
            contest.deadline = Some(now.plus_micros(contest.wait));
        }
    }
}

impl VirtualRouter {
    /// Skew time in microseconds: version 2 takes it from one second, version 3 from the master's
    /// interval.
    pub(super) fn skew_micros(&self) -> u64 {
        let priority = if self.config.priority.is_owner() {
            Priority::OWNER
        } else {
            self.effective_priority()
        };
        let unit = match self.config.version {
            Version::V2 => 1_000_000,
            Version::V3 => self.master_interval.as_micros(),
        };
        (256 - u64::from(priority.value())) * unit / 256
    }

    pub(super) fn master_down_micros(&self) -> u64 {
        u64::from(self.config.down_timer_adverts) * self.master_interval.as_micros()
            + self.skew_micros()
    }

    /// Restarts the master-down timer; the silence before it goes on.
    fn restart_master_down(&mut self, now: Instant) {
        let deadline = now.plus_micros(self.master_down_micros());
        self.timers.set(Timer::MasterDown, deadline);
    }

    /// Runs `change`, which may change the skew, and moves a running master-down timer accordingly.
    pub(super) fn shifting_master_down(&mut self, change: impl FnOnce(&mut Self)) {
        let before = self.master_down_micros();
        change(self);
        let after = self.master_down_micros();
        if let Some(deadline) = self.timers.deadline(Timer::MasterDown) {
            let deadline = Instant::from_micros(
                (deadline.as_micros().saturating_add(after)).saturating_sub(before),
            );
            self.timers.set(Timer::MasterDown, deadline);
        }
    }

    fn adopt(&mut self, interval: Interval) {
        if self.config.version == Version::V3 {
            self.master_interval = interval;
        }
    }

    /// Tells the sync group, if there is one, whether this member wants to be master.
    pub(super) fn set_wants_master(&mut self, wants: bool) {
        if self.config.grouped && self.wants_master != wants {
            self.report_to_group(MemberReport::WantsMaster(wants));
        }
        self.wants_master = wants;
    }

    pub(super) fn report_to_group(&mut self, report: MemberReport) {
        if self.config.grouped {
            self.actions.push_back(Action::Group(report));
        }
    }

    pub(super) fn warn(&mut self, now: Instant, warning: Warning) {
        let interval = self.config.report_interval;
        if let Some(report) = self.reports.make(now, interval, warning) {
            self.actions.push_back(Action::Report(report));
        }
    }

    pub(super) fn transition(&mut self, now: Instant, to: State, reason: Reason) {
        let transition = Transition {
            at: now,
            from: self.state,
            to,
            reason,
            priority: self.effective_priority(),
        };
        self.state = to;
        self.last_transition = Some(transition.clone());
        self.actions.push_back(Action::Transition(transition));
    }

    pub(super) fn announce(&mut self, repeat: u32, cause: AnnounceCause) {
        if repeat > 0 {
            let announcement = Announcement { repeat, cause };
            self.actions.push_back(Action::Announce(announcement));
        }
    }

    /// Becomes backup with a fresh timer, from any state. From master without resigning: whoever
    /// caused this is master already. The caller sets the interval to wait by.
    pub(super) fn become_backup(&mut self, now: Instant, reason: Reason) {
        let was_master = self.state == State::Master;
        self.timers.clear();
        self.listening_since = now;
        self.preempt_at = None;
        self.resigned_by = None;
        self.lower = None;
        self.forget_rival();
        self.restart_master_down(now);
        if was_master || self.state == State::Initialize {
            // At start: what a crash may have left over.
            self.actions.push_back(Action::RemoveAddresses);
        }
        self.transition(now, State::Backup, reason);
        if was_master {
            self.stats.left_master += 1;
            self.report_to_group(MemberReport::LeftMaster);
        }
    }

    /// Becomes master: advert, then addresses, then announcements.
    pub(super) fn become_master(&mut self, now: Instant, reason: Reason) {
        let announce = self.config.announce;
        let heard = |router: Heard| (router.source, now);
        self.preempted = self.lower_master(now).map(heard);
        let silent = self.master.filter(|_| self.resigned_by.is_none());
        self.silent = silent.map(|master| master.source);
        self.unheard = self.master.is_none() && self.lower.is_none() && self.resigned_by.is_none();
        self.timers.clear();
        self.master_interval = self.config.interval;
        self.reduced = false;
        self.owners = None;
        self.forget_rival();
        self.yielding = None;
        self.wants_master = false;
        self.preempt_at = None;
        self.resigned_by = None;
        self.lower = None;
        self.master = None;
        self.send_advert(now, self.effective_priority());
        self.timers
            .set(Timer::Advert, now + self.config.interval.as_duration());
        self.actions.push_back(Action::AddAddresses);
        self.announce(announce.repeat, AnnounceCause::Takeover);
        if !announce.delay.is_zero() {
            self.timers.set(Timer::Announce, now + announce.delay);
        }
        if !announce.refresh.is_zero() {
            self.timers
                .set(Timer::Refresh, now + announce.delay + announce.refresh);
        }
        self.stats.became_master += 1;
        self.transition(now, State::Master, reason);
        self.report_to_group(MemberReport::BecameMaster);
    }

    /// Gives mastership up for everybody to know: priority 0, addresses away. Timers are cleared
    /// and the caller makes the transition.
    pub(super) fn resign(&mut self, now: Instant) {
        self.send_advert(now, Priority::RESIGN);
        self.timers.clear();
        self.forget_rival();
        self.stats.left_master += 1;
        self.actions.push_back(Action::RemoveAddresses);
    }

    /// Resigns and becomes backup.
    pub(super) fn step_down(&mut self, now: Instant, reason: Reason) {
        self.resign(now);
        self.listening_since = now;
        self.preempt_at = None;
        self.resigned_by = None;
        self.lower = None;
        self.master_interval = self.config.interval;
        self.restart_master_down(now);
        self.transition(now, State::Backup, reason);
        self.report_to_group(MemberReport::LeftMaster);
    }

    /// Acts on an advert that passed all checks.
    pub(super) fn accept(&mut self, now: Instant, heard: &Heeded) -> Accepted {
        self.stats.adverts_received += 1;
        if let Some(sequence) = heard.sequence {
            self.sequence = sequence;
            self.received_sequence = sequence;
        }
        if let Some(stamp) = heard.stamp {
            self.stamps_mut().heard.accept(heard.source, stamp);
            if let Some(seconds) = self.clock_skew(now, stamp) {
                let source = heard.source;
                self.warn(now, Warning::ClockSkew { source, seconds });
            }
        }
        self.note_differences(now, heard);
        if self.reduced && !heard.priority.is_owner() && !heard.priority.is_resign() {
            self.reduced = false;
        }
        if heard.priority.is_resign() {
            self.stats.resignations_received += 1;
        }
        if self.overslept_as_master(now) {
            self.listen_again(now);
        }
        match self.state {
            State::Master => self.accept_as_master(now, heard),
            State::Initialize | State::Backup | State::Fault => self.accept_as_backup(now, heard),
        }
    }

    fn note_differences(&mut self, now: Instant, heard: &Heeded) {
        let source = heard.source;
        if heard.other_addresses {
            self.stats.address_list_mismatches += 1;
            let known = (heard.priority, heard.interval.as_duration());
            self.note_contest(now, Disagreement::Addresses, source, Some(known));
            self.warn(now, Warning::AddressListMismatch { source });
        }
        if heard.interval != self.config.interval {
            self.stats.interval_differences += 1;
            let warning = Warning::IntervalDiffers {
                source,
                theirs: heard.interval,
                ours: self.config.interval,
            };
            self.warn(now, warning);
        }
        let old_form =
            heard.form == ChecksumForm::MulticastPseudoHeader && self.config.transport.is_unicast();
        if old_form && self.config.follow_old_unicast_checksum && !self.old_unicast_checksum {
            self.old_unicast_checksum = true;
            self.warn(now, Warning::OldUnicastChecksum { source });
        }
    }

    /// Whether a router of lower priority counts as master.
    fn accepts_lower(&mut self, now: Instant) -> bool {
        if let Some(hold) = self.yielding
            && hold.is_none_or(|until| now < until)
        {
            return true;
        }
        if self.config.priority.is_owner() && !self.reduced {
            return false;
        }
        match self.config.preemption {
            Preemption::Always => false,
            Preemption::Never => true,
            Preemption::Delayed(delay) => {
                now < *self
                    .preempt_at
                    .get_or_insert_with(|| now.plus_micros(micros(delay)))
            }
        }
    }

    fn accept_as_backup(&mut self, now: Instant, heard: &Heeded) -> Accepted {
        let heard_now = Heard {
            source: heard.source,
            priority: heard.priority,
            at: now,
        };
        if heard.priority.is_resign() {
            // Never later than it would have been: repeats must not put it off.
            let soon = now.plus_micros(self.skew_micros());
            let deadline = self
                .timers
                .deadline(Timer::MasterDown)
                .map_or(soon, |deadline| deadline.min(soon));
            self.timers.set(Timer::MasterDown, deadline);
            self.resigned_by = Some(heard.source);
            return Accepted::MasterResigned;
        }
        let lower = heard.priority < self.effective_priority();
        if lower && !self.accepts_lower(now) {
            self.lower = Some(heard_now);
            return Accepted::LowerPriorityIgnored;
        }
        if !lower {
            self.preempt_at = None;
        }
        self.adopt(heard.interval);
        self.master = Some(heard_now);
        self.resigned_by = None;
        self.listening_since = now;
        self.restart_master_down(now);
        self.set_wants_master(false);
        Accepted::MasterAlive
    }

    fn accept_as_master(&mut self, now: Instant, heard: &Heeded) -> Accepted {
        if heard.priority.is_resign() {
            self.answer(now);
            let rival = self.contest(now);
            if rival.is_some_and(|rival| rival.source == heard.source) {
                self.end_contest(now);
            }
            return Accepted::ResignationAnswered;
        }
        if heard.priority.is_owner() && self.config.priority.is_owner() {
            self.contest_ownership(now, heard);
        }
        let ours = self.effective_priority();
        let greater_address = self.source.is_some_and(|source| heard.source > source);
        let reason = if heard.priority > ours {
            Some(Reason::HigherPriority {
                source: heard.source,
                priority: heard.priority,
                ours,
            })
        } else if heard.priority == ours && greater_address {
            Some(Reason::GreaterAddress {
                source: heard.source,
                priority: ours,
            })
        } else {
            None
        };
        let Some(reason) = reason else {
            self.stats.lower_priority_received += 1;
            if self.has_just_preempted(now, heard.source) {
                if !self.config.lower_priority_no_advert {
                    self.answer(now);
                }
                return Accepted::LowerPriorityIgnored;
            }
            self.answer_lower(now, heard);
            return Accepted::LowerPriority;
        };
        let unaware = self.unheard || self.silent == Some(heard.source);
        let returns = self.config.answer_returning_master && unaware;
        if self.config.higher_priority_send_advert || returns {
            self.send_advert(now, ours);
        }
        self.master_interval = self.config.interval;
        self.adopt(heard.interval);
        self.become_backup(now, reason);
        self.master = Some(Heard {
            source: heard.source,
            priority: heard.priority,
            at: now,
        });
        Accepted::Yielded
    }

    /// Sends an advert now and the next one an interval later.
    pub(super) fn advertise(&mut self, now: Instant) {
        self.send_advert(now, self.effective_priority());
        self.timers
            .set(Timer::Advert, now + self.config.interval.as_duration());
    }

    /// Tells another master at once, but no more often than ten times within an interval: whoever floods us must not
    /// make us flood the link.
    fn answer(&mut self, now: Instant) {
        let spacing = self.config.interval.as_micros() / 10;
        match self.answered {
            Some(last) if now.micros_since(last) < spacing => {
                let due = last.plus_micros(spacing);
                let next = self.timers.deadline(Timer::Advert);
                let next = next.map_or(due, |next| next.min(due));
                self.timers.set(Timer::Advert, next);
                self.answer_due = true;
            }
            _ => {
                self.answered = Some(now);
                self.answer_due = false;
                self.advertise(now);
            }
        }
    }

    /// The last words of a router that this one has just taken over from are no contest: its advert and ours have
    /// crossed, and the announcements of the takeover are under way.
    fn has_just_preempted(&self, now: Instant, source: IpAddr) -> bool {
        self.preempted.is_some_and(|(from, at)| {
            from == source && now.micros_since(at) < self.config.interval.as_micros()
        })
    }

    /// Another master with a lower claim: RFC 9568 has it told at once.
    fn answer_lower(&mut self, now: Instant, heard: &Heeded) {
        let (source, priority) = (heard.source, heard.priority);
        self.warn(now, Warning::OtherMaster { source, priority });
        let known = (priority, heard.interval.as_duration());
        self.note_contest(now, Disagreement::Master, source, Some(known));
        self.review_contest(now);
        if !self.config.lower_priority_no_advert {
            self.answer(now);
        }
        let announce = self.config.announce;
        // Hosts need not be told more often than adverts go out, however many the other one sends.
        let interval = self.config.interval.as_micros();
        let due = self
            .contest_announced
            .is_none_or(|last| now.micros_since(last) >= interval);
        if announce.lower_priority_repeat > 0 && due {
            self.contest_announced = Some(now);
            self.announce(announce.lower_priority_repeat, AnnounceCause::Contest);
            if !announce.lower_priority_delay.is_zero() {
                self.timers
                    .set(Timer::Contest, now + announce.lower_priority_delay);
            }
            self.report_to_group(MemberReport::LowerPriorityHeard);
        }
    }

    fn contest_ownership(&mut self, now: Instant, heard: &Heeded) {
        let source = heard.source;
        self.warn(now, Warning::TwoOwners { source });
        let longer = self.config.interval.max(heard.interval).as_micros();
        match &mut self.owners {
            Some(contest)
                if contest.source == source && now.micros_since(contest.last) <= 3 * longer =>
            {
                contest.last = now;
                if contest.deadline.is_some_and(|deadline| now >= deadline) {
                    self.owners = None;
                    self.reduced = true;
                }
            }
            owners => {
                *owners = Some(Box::new(OwnerContest {
                    source,
                    adverts_left: 2,
                    wait: longer * 6 / 5,
                    deadline: None,
                    last: now,
                }));
            }
        }
    }

    fn overslept_as_master(&self, now: Instant) -> bool {
        self.state == State::Master
            && self
                .timers
                .deadline(Timer::Advert)
                .is_some_and(|deadline| self.overslept(now, deadline))
    }

    fn overslept(&self, now: Instant, deadline: Instant) -> bool {
        self.config.overslept == Overslept::Listen
            && now.micros_since(deadline) > self.master_down_micros()
    }

    /// After having slept too long: forget what was, listen for a whole master-down interval.
    fn listen_again(&mut self, now: Instant) {
        let due = Timer::Advert;
        let deadline = match self.state {
            State::Master => self.timers.deadline(due),
            _ => self.timers.deadline(Timer::MasterDown),
        };
        let late = Duration::from_micros(deadline.map_or(0, |at| now.micros_since(at)));
        self.stats.overslept += 1;
        self.warn(now, Warning::Overslept { late });
        if self.state == State::Master {
            self.become_backup(now, Reason::Overslept { late });
        } else {
            self.restart_master_down(now);
        }
    }

    /// Acts on every deadline that has come.
    pub(super) fn run_timers(&mut self, now: Instant) {
        while let Some((timer, deadline)) = self.timers.next() {
            if deadline > now {
                return;
            }
            let announce = self.config.announce;
            match timer {
                Timer::MasterDown if self.overslept(now, deadline) => self.listen_again(now),
                Timer::MasterDown => self.master_is_down(now),
                Timer::Advert if self.overslept(now, deadline) => self.listen_again(now),
                Timer::Advert => {
                    if core::mem::take(&mut self.answer_due) {
                        self.answered = Some(now);
                    }
                    self.send_advert(now, self.effective_priority());
                    // From the deadline, not from now: lateness must not add up.
                    let interval = self.config.interval.as_duration();
                    let next = deadline + interval;
                    let next = if next > now { next } else { now + interval };
                    self.timers.set(Timer::Advert, next);
                }
                Timer::Announce => {
                    self.timers.stop(timer);
                    self.announce(announce.repeat, AnnounceCause::Delayed);
                }
                Timer::Refresh => {
                    self.announce(announce.refresh_repeat, AnnounceCause::Refresh);
                    if announce.refresh.is_zero() {
                        self.timers.stop(timer);
                    } else {
                        self.timers.set(timer, now + announce.refresh);
                    }
                }
                Timer::ContestOver => self.review_contest(now),
                Timer::Contest => {
                    self.timers.stop(timer);
                    self.announce(
                        announce.lower_priority_repeat,
                        AnnounceCause::ContestDelayed,
                    );
                }
            }
        }
    }

    fn master_is_down(&mut self, now: Instant) {
        if self.config.grouped {
            self.restart_master_down(now);
            self.set_wants_master(true);
            return;
        }
        let reason = match self.resigned_by {
            Some(source) => Reason::MasterResigned { source },
            None => Reason::MasterDown {
                silence: now - self.listening_since,
                preempted: self
                    .lower_master(now)
                    .map(|lower| (lower.source, lower.priority)),
            },
        };
        self.become_master(now, reason);
    }

    /// As backup, a master of lower priority that is still heard.
    fn lower_master(&self, now: Instant) -> Option<Heard> {
        let window = self.master_down_micros();
        self.lower
            .filter(|lower| now.micros_since(lower.at) <= window)
    }
}
