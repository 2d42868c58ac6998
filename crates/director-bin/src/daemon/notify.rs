//! Which script is run when: from what happened to the hooks of the objects concerned. Pure.

use super::notice::Notice;
use crate::script::{Given, Hook, Program};
use std::collections::BTreeMap;

/// When a script of the configuration is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trigger {
    /// `notify_master`
    Master,
    /// `notify_backup`
    Backup,
    /// `notify_fault`
    Fault,
    /// `notify_stop`
    Stop,
    /// `notify_deleted`: the instance is not in the configuration any more.
    Deleted,
    /// `notify_master_rx_lower_pri`: as master it has heard an advertisement of lower priority.
    LowerPriority,
    /// `notify`: every transition, with arguments that say which.
    Any,
    /// `notify_up` of a real server
    Up,
    /// `notify_down` of a real server
    Down,
    /// `quorum_up`
    QuorumUp,
    /// `quorum_down`
    QuorumDown,
}

impl Trigger {
    /// The keyword of the configuration.
    pub(crate) const fn keyword(self) -> &'static str {
        match self {
            Self::Master => "notify_master",
            Self::Backup => "notify_backup",
            Self::Fault => "notify_fault",
            Self::Stop => "notify_stop",
            Self::Deleted => "notify_deleted",
            Self::LowerPriority => "notify_master_rx_lower_pri",
            Self::Any => "notify",
            Self::Up => "notify_up",
            Self::Down => "notify_down",
            Self::QuorumUp => "quorum_up",
            Self::QuorumDown => "quorum_down",
        }
    }
}

/// The scripts of the whole configuration, by object and trigger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct HookTable {
    hooks: BTreeMap<String, BTreeMap<Trigger, Program>>,
}

/// A hook with the object whose turn it has to wait for.
pub(crate) type ObjectHook = (String, Hook);

/// A VRRP state as notifications name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Announced {
    /// `MASTER`
    Master,
    /// `BACKUP`
    Backup,
    /// `FAULT`
    Fault,
    /// `STOP`: the director stops.
    Stop,
    /// `DELETED`: a reload has removed the instance, and it has `notify_deleted`.
    Deleted,
}

impl Announced {
    /// The word in arguments, FIFOs and mails.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Master => "MASTER",
            Self::Backup => "BACKUP",
            Self::Fault => "FAULT",
            Self::Stop => "STOP",
            Self::Deleted => "DELETED",
        }
    }

    pub(super) const fn trigger(self) -> Trigger {
        match self {
            Self::Master => Trigger::Master,
            Self::Backup => Trigger::Backup,
            Self::Fault => Trigger::Fault,
            Self::Stop => Trigger::Stop,
            Self::Deleted => Trigger::Deleted,
        }
    }
}

/// The name under which an instance's hooks queue.
pub(crate) fn instance_object(name: &str) -> String {
    format!("vrrp_instance {name}")
}

/// The name under which a sync group's hooks queue.
pub(crate) fn group_object(name: &str) -> String {
    format!("vrrp_sync_group {name}")
}

/// The name under which a virtual server's hooks queue.
pub(crate) fn virtual_server_object(name: &str) -> String {
    format!("virtual_server {name}")
}

/// The name under which a real server's hooks queue.
pub(crate) fn real_server_object(
    virtual_server: &str,
    real_server: impl std::fmt::Display,
) -> String {
    format!("virtual_server {virtual_server} real_server {real_server}")
}

impl HookTable {
    /// Adds a script; the first one of an object and trigger counts, as with keepalived.
    pub(crate) fn add(&mut self, object: String, trigger: Trigger, program: Program) {
        self.hooks
            .entry(object)
            .or_default()
            .entry(trigger)
            .or_insert(program);
    }

    /// The scripts of one object.
    pub(crate) fn of(&self, object: &str) -> impl Iterator<Item = (Trigger, &Program)> {
        let programs = self.hooks.get(object).into_iter().flatten();
        programs.map(|(trigger, program)| (*trigger, program))
    }

    /// The hooks for what has happened, in the order in which they run: a state's own script comes before `notify`.
    pub(crate) fn hooks(&self, notice: &Notice, router_id: &str) -> Vec<ObjectHook> {
        let object = notice.object();
        let Some(programs) = self.hooks.get(&object) else {
            return Vec::new();
        };
        let hook = |trigger: Trigger, arguments: Vec<String>| {
            let program = programs.get(&trigger)?.clone();
            let keyword = trigger.keyword();
            let facts = notice.facts(keyword, router_id);
            let given = Given {
                arguments,
                environment: facts.environment(),
                input: facts.line(),
            };
            Some((
                object.clone(),
                Hook {
                    keyword,
                    program,
                    given,
                },
            ))
        };
        let any = notice
            .arguments()
            .and_then(|arguments| hook(Trigger::Any, arguments));
        let own = notice
            .trigger()
            .and_then(|trigger| hook(trigger, Vec::new()));
        own.into_iter().chain(any).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(name: &str) -> Program {
        Program::new(vec![name.to_owned()])
    }

    fn instance(name: &str, state: Announced) -> Notice {
        Notice::Instance {
            name: name.to_owned(),
            state,
            previous: Some("BACKUP"),
            priority: 150,
            reason: "no advertisement".to_owned(),
        }
    }

    #[test]
    fn item_100_the_states_own_script_comes_before_notify_with_its_arguments() {
        let mut table = HookTable::default();
        table.add(instance_object("VI_1"), Trigger::Any, program("/any"));
        table.add(instance_object("VI_1"), Trigger::Master, program("/master"));
        table.add(instance_object("VI_1"), Trigger::Master, program("/second"));
        let hooks = table.hooks(&instance("VI_1", Announced::Master), "R1");
        let [(object, own), (_, any)] = hooks.as_slice() else {
            panic!("{hooks:?}")
        };
        assert_eq!(
            (object.as_str(), own.keyword, own.program.line().as_str()),
            ("vrrp_instance VI_1", "notify_master", "/master")
        );
        assert!(own.given.arguments.is_empty());
        assert_eq!(any.given.arguments, ["INSTANCE", "VI_1", "MASTER", "150"]);
        let stop = table.hooks(&instance("VI_1", Announced::Stop), "R1");
        assert_eq!(stop.len(), 1, "only notify");
        let other = table.hooks(&instance("VI_2", Announced::Stop), "R1");
        assert!(other.is_empty());
        table.add(group_object("G"), Trigger::Any, program("/any"));
        let group = Notice::Group {
            name: "G".to_owned(),
            state: Announced::Fault,
            previous: None,
        };
        assert_eq!(
            table.hooks(&group, "R1")[0].1.given.arguments,
            ["GROUP", "G", "FAULT", "0"]
        );
    }

    #[test]
    fn environment_and_input_say_more() {
        let mut table = HookTable::default();
        table.add(instance_object("VI_1"), Trigger::Master, program("/master"));
        let hooks = table.hooks(&instance("VI_1", Announced::Master), "R1");
        let given = &hooks[0].1.given;
        for (name, value) in [
            ("DIRECTOR_EVENT", "vrrp_instance"),
            ("DIRECTOR_KEYWORD", "notify_master"),
            ("DIRECTOR_NAME", "VI_1"),
            ("DIRECTOR_STATE", "MASTER"),
            ("DIRECTOR_PREVIOUS_STATE", "BACKUP"),
            ("DIRECTOR_PRIORITY", "150"),
            ("DIRECTOR_REASON", "no advertisement"),
            ("DIRECTOR_ROUTER_ID", "R1"),
        ] {
            let found = given.environment.iter().find(|(known, _)| known == name);
            assert_eq!(
                found.map(|(_, value)| value.as_str()),
                Some(value),
                "{name}"
            );
        }
        let json: serde_json::Value = serde_json::from_str(&given.input).unwrap();
        assert_eq!(json["priority"], 150);
        assert!(given.input.ends_with("}\n"));
    }
}
