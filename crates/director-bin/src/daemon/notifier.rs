//! Tells scripts, FIFOs and mail what has happened.

use super::notice::{
    Moment, Notice, check_alert, quorum_alert, real_server_name, server_alert, vrrp_alert,
};
use super::notify::{Announced, HookTable, instance_object};
use crate::config::{Notices, Plan};
use crate::fifo::Fifos;
use crate::lvs::{CheckId, Happening};
use crate::mail::{Alert, Mailer};
use crate::script::{HookLedger, Hooks};
use ipvs_netlink::DestinationId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use vrrp_net::{Event, Snapshot};
use vrrp_proto::State;

/// Everything that is told to the world outside, besides the log.
#[derive(Debug)]
pub(super) struct Notifier {
    hooks: Hooks,
    fifos: Fifos,
    mailer: Option<Mailer>,
    /// What the last mail of an instance or group said: the same is not sent twice in a row.
    mailed: BTreeMap<String, Announced>,
    /// State and effective priority of the instances, as far as they were told.
    instances: BTreeMap<Arc<str>, (State, u8)>,
    /// Transitions of sync groups that wait for those of their members.
    groups: Vec<PendingGroup>,
}

/// A transition of a sync group, which is told behind those of its members.
#[derive(Debug)]
struct PendingGroup {
    group: String,
    from: State,
    to: State,
    /// A member that does not follow must not hold it back for longer.
    due: Instant,
}

/// How long the members of a group have for following it.
const MEMBERS: Duration = Duration::from_millis(200);

/// What was a check before, and what it makes of its server.
#[derive(Debug, Clone, Copy)]
pub(super) struct CheckChange<'a> {
    /// Which check.
    pub(super) id: &'a CheckId,
    /// It has passed.
    pub(super) passed: bool,
    /// All checks of its server pass.
    pub(super) server_up: bool,
    /// That has changed.
    pub(super) server_changed: bool,
    /// What it saw.
    pub(super) reason: &'a str,
}

impl Notifier {
    /// Opens FIFOs and the way to the mail server.
    pub(super) fn start(notices: &Notices) -> Self {
        let mut notifier = Self {
            hooks: Hooks::default(),
            fifos: Fifos::default(),
            mailer: None,
            mailed: BTreeMap::new(),
            instances: BTreeMap::new(),
            groups: Vec::new(),
        };
        notifier.change(notices);
        notifier
    }

    /// Goes over to another configuration.
    pub(super) fn change(&mut self, notices: &Notices) {
        self.fifos.replace(&notices.fifos);
        match (&mut self.mailer, &notices.mail) {
            (Some(mailer), Some(settings)) => mailer.change(settings.clone()),
            // What still waits is given up with the last attempt that the end of the task makes.
            (mailer, None) => *mailer = None,
            (mailer @ None, Some(settings)) => *mailer = Some(Mailer::start(settings.clone())),
        }
    }

    /// What the VRRP engine has told.
    pub(super) fn vrrp(&mut self, plan: &Plan, event: &Event) {
        match event {
            Event::Transition {
                instance,
                from,
                to,
                priority,
                reason,
                ..
            } => {
                self.instances
                    .insert(Arc::clone(instance), (*to, *priority));
                if let Some(state) = announced(*to) {
                    self.tell(
                        plan,
                        &Notice::Instance {
                            name: instance.to_string(),
                            state,
                            previous: Some(state_word(*from)),
                            priority: *priority,
                            reason: reason.to_string(),
                        },
                    );
                }
                self.tell_followed_groups(plan);
            }
            Event::GroupTransition {
                group, from, to, ..
            } => {
                // An earlier transition of the same group comes first, whatever its members do.
                self.tell_groups(plan, |pending| pending.group == **group);
                self.groups.push(PendingGroup {
                    group: group.to_string(),
                    from: *from,
                    to: *to,
                    due: Instant::now() + MEMBERS,
                });
                if *from == State::Initialize {
                    // At the start keepalived tells groups before instances.
                    self.tell_groups(plan, |pending| pending.group == **group);
                }
            }
            Event::PriorityChanged { instance, to, .. } => {
                let known = self.instances.entry(Arc::clone(instance));
                let (state, priority) = known.or_insert((State::Initialize, *to));
                *priority = *to;
                let master = *state == State::Master;
                let shown = master || *state == State::Backup;
                if shown && plan.notices.priority_changes.contains(&**instance) {
                    let notice = Notice::Priority {
                        name: instance.to_string(),
                        master,
                        priority: *to,
                    };
                    self.tell(plan, &notice);
                }
            }
            Event::Resumed { instance, state } => {
                let mut instances = plan.vrrp.instances.iter();
                let config = instances.find(|config| *config.name == **instance);
                let priority = config.map_or(0, |config| config.router.priority.value());
                self.instances
                    .insert(Arc::clone(instance), (*state, priority));
            }
            Event::Renamed { from, to } => {
                if let Some(known) = self.instances.remove(&**from) {
                    self.instances.insert(Arc::clone(to), known);
                }
                if let Some(mailed) = self.mailed.remove(&instance_object(from)) {
                    self.mailed.insert(instance_object(to), mailed);
                }
            }
            Event::LowerPriority {
                instance,
                source,
                priority,
            } => {
                let (_, own) = self
                    .instances
                    .get(&**instance)
                    .copied()
                    .unwrap_or((State::Master, 0));
                let notice = Notice::LowerPriority {
                    name: instance.to_string(),
                    priority: own,
                    by: *source,
                    heard: *priority,
                };
                self.tell(plan, &notice);
            }
            _ => {}
        }
    }

    /// When [`tell_late_groups`](Self::tell_late_groups) is to be called.
    pub(super) fn groups_due(&self) -> Option<Instant> {
        self.groups.iter().map(|pending| pending.due).min()
    }

    /// Tells the transitions of groups whose members have not followed in time.
    pub(super) fn tell_late_groups(&mut self, plan: &Plan, now: Instant) {
        self.tell_groups(plan, |pending| pending.due <= now);
    }

    /// What scripts have been run, for the status.
    pub(super) const fn ledger(&self) -> &HookLedger {
        self.hooks.ledger()
    }

    /// The effective priority of an instance, if it has been told.
    pub(super) fn priority(&self, instance: &str) -> Option<u8> {
        self.instances.get(instance).map(|(_, priority)| *priority)
    }

    fn tell_followed_groups(&mut self, plan: &Plan) {
        if self.groups.is_empty() {
            return;
        }
        let states: BTreeMap<&str, State> = self
            .instances
            .iter()
            .map(|(name, (state, _))| (&**name, *state))
            .collect();
        let followed: BTreeSet<String> = self
            .groups
            .iter()
            .filter(|pending| {
                let config = plan
                    .vrrp
                    .groups
                    .iter()
                    .find(|group| *group.name == pending.group);
                config.is_none_or(|group| {
                    let follows = |name: &str| states.get(name) == Some(&pending.to);
                    group.members.iter().all(|member| follows(member))
                })
            })
            .map(|pending| pending.group.clone())
            .collect();
        self.tell_groups(plan, |pending| followed.contains(&pending.group));
    }

    fn tell_groups(&mut self, plan: &Plan, which: impl Fn(&PendingGroup) -> bool) {
        let all = std::mem::take(&mut self.groups).into_iter();
        let (now, later): (Vec<_>, Vec<_>) = all.partition(which);
        self.groups = later;
        for pending in now {
            if let Some(state) = announced(pending.to) {
                let notice = Notice::Group {
                    name: pending.group,
                    state,
                    previous: Some(state_word(pending.from)),
                };
                self.tell(plan, &notice);
            }
        }
    }

    /// What has changed in the LVS model.
    pub(super) fn happening(&mut self, plan: &Plan, happening: &Happening, moment: Moment) {
        let Some(notice) = Notice::of(happening) else {
            return;
        };
        self.tell(plan, &notice);
        match &notice {
            Notice::Quorum {
                virtual_server,
                up,
                weight,
                needed,
            } if plan.notices.virtual_server_mail.contains(virtual_server) => {
                let of = plan
                    .virtual_servers
                    .iter()
                    .find(|server| *server.name == **virtual_server)
                    .map_or((1, 0), |server| (server.quorum, server.hysteresis));
                let alert = quorum_alert(virtual_server, *up, of, (*weight, *needed), moment);
                self.mail(alert);
            }
            Notice::RealServer {
                virtual_server,
                real_server,
                up,
                ..
            } if moment == Moment::Stop => {
                self.removed(
                    plan,
                    virtual_server,
                    *real_server,
                    *up,
                    "=> Shutting down <=",
                );
            }
            _ => {}
        }
    }

    /// A check has changed its mind: a mail for each, or only for those that change the server (`no_checker_emails`).
    pub(super) fn check(&mut self, plan: &Plan, change: CheckChange<'_>) {
        if self.mailer.is_none() {
            return;
        }
        let CheckId {
            virtual_server,
            real_server,
            index,
        } = change.id;
        if !plan.notices.mails_checks_of(virtual_server, *real_server)
            || (plan.notices.no_checker_emails && !change.server_changed)
        {
            return;
        }
        let kind = plan
            .virtual_servers
            .iter()
            .find(|server| server.name == *virtual_server)
            .and_then(|server| {
                server
                    .real_servers
                    .iter()
                    .find(|real| real.destination.id == *real_server)
            })
            .and_then(|real| real.checks.get(*index))
            .map_or("CHECK", |check| check.kind);
        let name = named(&plan.notices, virtual_server, *real_server);
        let names = (&**virtual_server, name.as_str());
        let alert = check_alert(names, kind, change.passed, change.server_up, change.reason);
        self.mail(alert);
    }

    /// A real server is no more: at a stop with `omega`, or because a reload has taken it out.
    pub(super) fn removed(
        &mut self,
        plan: &Plan,
        virtual_server: &str,
        real_server: DestinationId,
        up: bool,
        body: &str,
    ) {
        if plan.notices.mails_checks_of(virtual_server, real_server) {
            let name = named(&plan.notices, virtual_server, real_server);
            let alert = server_alert(virtual_server, &name, up, body.to_owned(), "");
            self.mail(alert);
        }
    }

    /// Scripts, then FIFOs, then mail, as keepalived orders them.
    pub(super) fn tell(&mut self, plan: &Plan, notice: &Notice) {
        self.hooks_of(&plan.hooks, notice, &plan.notices.router_id);
        self.line(&plan.notices, notice);
        let (group, name, state, reason) = match notice {
            Notice::Instance {
                name,
                state,
                reason,
                ..
            } => (false, name, *state, reason.as_str()),
            Notice::Group { name, state, .. } => (true, name, *state, ""),
            _ => return,
        };
        let wanted = if group {
            plan.notices.group_mail.contains(name)
        } else {
            plan.notices.instance_mail.contains(name)
        };
        if !wanted || (state == Announced::Fault && plan.notices.no_email_faults) {
            return;
        }
        if self.mailed.insert(notice.object(), state) != Some(state) {
            self.mail(vrrp_alert(group, name, state, reason));
        }
    }

    /// Writes the states of all groups and instances into the FIFOs (`fifo_write_vrrp_states_on_reload`).
    pub(super) fn states(&mut self, notices: &Notices, snapshot: &Snapshot) {
        let groups = snapshot.groups.iter().filter_map(|(name, group)| {
            Some(Notice::Group {
                name: name.to_string(),
                state: announced(group.state)?,
                previous: None,
            })
        });
        let instances = snapshot.instances.iter().filter_map(|(name, instance)| {
            Some(Notice::Instance {
                name: name.to_string(),
                state: announced(instance.state)?,
                previous: None,
                priority: instance.effective_priority,
                reason: String::new(),
            })
        });
        let all: Vec<Notice> = groups.chain(instances).collect();
        for notice in &all {
            self.line(notices, notice);
        }
    }

    /// Everything that was told gets a chance to arrive, all side by side and at most until the deadline.
    pub(super) async fn finish(self, deadline: Duration) {
        let Self {
            hooks,
            fifos,
            mailer,
            ..
        } = self;
        let mail = async {
            if let Some(mailer) = mailer {
                mailer.finish(deadline).await;
            }
        };
        tokio::join!(hooks.finish(deadline), fifos.finish(deadline), mail);
    }

    fn hooks_of(&mut self, table: &HookTable, notice: &Notice, router_id: &str) {
        for (object, hook) in table.hooks(notice, router_id) {
            self.hooks.send(&object, hook);
        }
    }

    fn line(&mut self, notices: &Notices, notice: &Notice) {
        let line = notice.line(|virtual_server, server| named(notices, virtual_server, server));
        self.fifos.write(&line);
    }

    fn mail(&mut self, alert: Alert) {
        if let Some(mailer) = &mut self.mailer {
            mailer.send(alert);
        }
    }
}

/// keepalived's name of a real server; those of a group's virtual server do not tell the protocol.
fn named(notices: &Notices, virtual_server: &str, server: DestinationId) -> String {
    match notices.group_protocols.get(virtual_server) {
        Some(protocol) => format!("[{}]:{protocol}:{}", server.address, server.port),
        None => real_server_name(virtual_server, server),
    }
}

/// What notifications call a state; the time before the first state is not announced.
pub(super) const fn announced(state: State) -> Option<Announced> {
    match state {
        State::Master => Some(Announced::Master),
        State::Backup => Some(Announced::Backup),
        State::Fault => Some(Announced::Fault),
        State::Initialize => None,
    }
}

const fn state_word(state: State) -> &'static str {
    match state {
        State::Master => "MASTER",
        State::Backup => "BACKUP",
        State::Fault => "FAULT",
        State::Initialize => "INIT",
    }
}

#[cfg(test)]
#[path = "notifier_tests.rs"]
mod tests;
