//! Instances, groups, trackers, virtual addresses.

use super::{Explainer, fact};
use crate::output;
use director_control::snapshot::{Group, Instance, InstanceState, Tracker, TrackerValue};
use director_control::{Explanation, Fact};
use std::net::IpAddr;

impl Explainer<'_> {
    pub(super) fn instance(&self, instance: &Instance) -> Explanation {
        let mut because = vec![fact(
            Some(instance.since),
            format!("it became {}: {}", instance.state, instance.reason),
        )];
        for fault in instance
            .faults
            .iter()
            .filter(|fault| **fault != instance.reason)
        {
            because.push(fact(None, format!("it cannot run: {fault}")));
        }
        if let Some(master) = &instance.master {
            because.push(fact(
                Some(master.at),
                format!(
                    "{} is heard as master with priority {}, this router has {}",
                    master.address, master.priority, instance.effective_priority
                ),
            ));
        }
        if instance.effective_priority != instance.priority {
            because.push(fact(
                None,
                format!("its priority is {}", instance.priority_arithmetic),
            ));
        }
        if let Some(contest) = &instance.contested {
            because.push(fact(
                Some(contest.since),
                format!(
                    "{} claims to be master, too, with priority {}",
                    contest.by, contest.priority
                ),
            ));
        }
        for other in instance.further_disagreements() {
            because.push(fact(Some(other.since), other.to_string()));
        }
        if let Some(maintenance) = &self.snapshot.maintenance {
            let why = maintenance
                .reason
                .as_deref()
                .unwrap_or("no reason was given");
            because.push(fact(
                Some(maintenance.since),
                format!(
                    "{} has put this node into maintenance: {why}",
                    maintenance.by
                ),
            ));
        }
        if let Some(group) = &instance.group {
            because.extend(self.group_members(group, &instance.name));
        }
        let most = instance
            .counters
            .ignored
            .iter()
            .max_by_key(|(_, count)| **count);
        if let Some((reason, count)) = most {
            because.push(fact(
                None,
                format!("{count} packets were ignored for: {reason}"),
            ));
        }
        let name = instance.name.clone();
        Explanation {
            subject: format!("instance {}", instance.name),
            state: format!(
                "{} on {} (VRID {}) for {}, with priority {}",
                instance.state,
                instance.interface,
                instance.vrid,
                self.since(instance.since),
                instance.effective_priority
            ),
            because,
            would_change: self.instance_changes(instance),
            history: self.history(move |event| event.text("instance") == Some(&name)),
        }
    }

    fn group_members(&self, group: &str, own: &str) -> Vec<Fact> {
        let found = self
            .snapshot
            .groups
            .iter()
            .find(|known| known.name == group);
        let members = found.into_iter().flat_map(|group| &group.members);
        let others = members.filter(|member| *member != own);
        let bad = others.filter_map(|member| {
            let member = self.snapshot.instance(member)?;
            (member.state == InstanceState::Fault).then(|| {
                fact(
                    Some(member.since),
                    format!(
                        "{} of its group {group} is in FAULT: {}",
                        member.name, member.reason
                    ),
                )
            })
        });
        bad.collect()
    }

    fn instance_changes(&self, instance: &Instance) -> Vec<String> {
        let mut changes = Vec::new();
        let down: Vec<&str> = self
            .snapshot
            .trackers
            .iter()
            .filter(|tracker| tracker.value == TrackerValue::Down)
            .filter(|tracker| instance.priority_arithmetic.contains(&tracker.name))
            .map(|tracker| tracker.name.as_str())
            .collect();
        if !down.is_empty() {
            changes.push(format!(
                "{} passing again restores its priority",
                down.join(" and ")
            ));
        }
        match instance.state {
            InstanceState::Fault => {
                for fault in &instance.faults {
                    changes.push(format!("it runs again when this is over: {fault}"));
                }
            }
            InstanceState::Backup => {
                let silence = instance.timers.master_down_seconds;
                changes.push(format!("{silence:.3} s without an advert makes it master"));
                match &instance.master {
                    Some(master) if self.snapshot.maintenance.is_some() => changes.push(format!(
                        "`director maintenance off` lets it compete with {} again",
                        master.address
                    )),
                    Some(master) if instance.preempt => changes.push(format!(
                        "a priority above {} makes it take over from {}",
                        master.priority, master.address
                    )),
                    Some(master) => changes.push(format!(
                        "it does not take over from a living master (nopreempt); `director failover` on {} would bring it back",
                        master.address
                    )),
                    None => {}
                }
            }
            InstanceState::Master => {
                changes.push(format!(
                    "an advert with a priority above {} makes it backup, unless that router is set not to preempt",
                    instance.effective_priority
                ));
                changes.push("`director failover` or `director maintenance on` lets another router be master".to_owned());
            }
            InstanceState::Initialize => changes.push("it is starting".to_owned()),
        }
        changes
    }

    pub(super) fn group(&self, group: &Group) -> Explanation {
        let members = group.members.iter().map(|member| {
            let found = self.snapshot.instance(member);
            match found {
                Some(member) => fact(
                    Some(member.since),
                    format!("{} is {}: {}", member.name, member.state, member.reason),
                ),
                None => fact(None, format!("{member} does not run")),
            }
        });
        let name = group.name.clone();
        Explanation {
            subject: format!("group {}", group.name),
            state: format!("{} for {}", group.state, self.since(group.since)),
            because: members.collect(),
            would_change: vec![
                "its members are master only together, so a fault of one is a fault of all"
                    .to_owned(),
            ],
            history: self.history(move |event| event.text("group") == Some(&name)),
        }
    }

    pub(super) fn tracker(&self, tracker: &Tracker) -> Explanation {
        let state = match tracker.value {
            TrackerValue::Pending => "it has not given a result yet".to_owned(),
            TrackerValue::Up => "it succeeds".to_owned(),
            TrackerValue::Down => "it fails".to_owned(),
            TrackerValue::Value(value) => format!("it holds {value}"),
        };
        let uses = self.snapshot.instances.iter().filter(|instance| {
            let in_sum = instance.priority_arithmetic.contains(&tracker.name);
            in_sum
                || instance
                    .faults
                    .iter()
                    .any(|fault| fault.contains(&tracker.name))
        });
        let mut because = vec![fact(tracker.since, tracker.reason.clone())];
        because.extend(uses.map(|instance| {
            fact(
                None,
                format!(
                    "it counts for {}: {}",
                    instance.name, instance.priority_arithmetic
                ),
            )
        }));
        let name = tracker.name.clone();
        Explanation {
            subject: format!("{} {}", tracker.kind, tracker.name),
            state,
            because,
            would_change: Vec::new(),
            history: self.history(move |event| event.text("name") == Some(&name)),
        }
    }

    /// A virtual address: who carries it, and what stands behind it.
    pub(super) fn address(&self, address: IpAddr) -> Option<Explanation> {
        let holders = self.snapshot.instances.iter().filter_map(|instance| {
            let found = instance
                .addresses
                .iter()
                .find(|held| held.address == address)?;
            Some((instance, found))
        });
        let holders: Vec<_> = holders.collect();
        let services = self.snapshot.virtual_servers.iter();
        let services: Vec<_> = services
            .filter(|server| crate::control::target::has_address(&server.services, address))
            .collect();
        if holders.is_empty() && services.is_empty() {
            return None;
        }
        let here = holders.iter().any(|(_, held)| held.present);
        let mut because: Vec<Fact> = holders
            .iter()
            .map(|(instance, held)| {
                let is = if held.present { "is" } else { "is not" };
                fact(
                    Some(instance.since),
                    format!(
                        "{} is {}, so the address {is} on {}: {}",
                        instance.name, instance.state, held.interface, instance.reason
                    ),
                )
            })
            .collect();
        if holders.is_empty() {
            because.push(fact(
                None,
                "no instance carries it, so somebody else must set it up",
            ));
        }
        for server in &services {
            let up = server
                .real_servers
                .iter()
                .filter(|real| real.wished_weight.is_some_and(|weight| weight > 0));
            because.push(fact(
                None,
                format!(
                    "{} has {} that takes connections",
                    server.name,
                    output::count(up.count(), "real server")
                ),
            ));
        }
        let would_change = holders
            .iter()
            .flat_map(|(instance, _)| self.instance_changes(instance));
        let text = address.to_string();
        Some(Explanation {
            subject: format!("virtual address {address}"),
            state: match (holders.is_empty(), here) {
                (true, _) => "no instance carries it".to_owned(),
                (false, true) => "it is on this node".to_owned(),
                (false, false) => "it is not on this node".to_owned(),
            },
            because,
            would_change: would_change.collect(),
            history: self.history(move |event| event.text("address") == Some(&text)),
        })
    }
}
