//! Which script is run when: from what happened to the hooks of the objects concerned. Pure.

use crate::lvs::Happening;
use crate::script::{Hook, Program};
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    const fn word(self) -> &'static str {
        match self {
            Self::Master => "MASTER",
            Self::Backup => "BACKUP",
            Self::Fault => "FAULT",
            Self::Stop => "STOP",
            Self::Deleted => "DELETED",
        }
    }

    const fn trigger(self) -> Trigger {
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

    /// Hooks of an instance that enters a state: the state's own, then `notify` with its four arguments.
    pub(crate) fn for_instance(
        &self,
        name: &str,
        state: Announced,
        priority: u8,
    ) -> Vec<ObjectHook> {
        self.for_state(instance_object(name), "INSTANCE", name, state, priority)
    }

    /// Hooks of a sync group that enters a state; its priority is told as 0.
    pub(crate) fn for_group(&self, name: &str, state: Announced) -> Vec<ObjectHook> {
        self.for_state(group_object(name), "GROUP", name, state, 0)
    }

    fn for_state(
        &self,
        object: String,
        kind: &str,
        name: &str,
        state: Announced,
        priority: u8,
    ) -> Vec<ObjectHook> {
        let arguments = vec![
            kind.to_owned(),
            name.to_owned(),
            state.word().to_owned(),
            priority.to_string(),
        ];
        let own = self.hook(&object, state.trigger(), Vec::new());
        let any = self.hook(&object, Trigger::Any, arguments);
        own.into_iter()
            .chain(any)
            .map(|hook| (object.clone(), hook))
            .collect()
    }

    /// Hooks of a change in the LVS model.
    pub(crate) fn for_happening(&self, happening: &Happening) -> Option<ObjectHook> {
        let (object, trigger) = match happening {
            Happening::RealServerUp {
                virtual_server,
                real_server,
                ..
            } => (real_server_object(virtual_server, real_server), Trigger::Up),
            Happening::RealServerDown {
                virtual_server,
                real_server,
                ..
            } => (
                real_server_object(virtual_server, real_server),
                Trigger::Down,
            ),
            Happening::QuorumGained { virtual_server, .. } => {
                (virtual_server_object(virtual_server), Trigger::QuorumUp)
            }
            Happening::QuorumLost { virtual_server, .. } => {
                (virtual_server_object(virtual_server), Trigger::QuorumDown)
            }
            Happening::WeightChanged { .. } => return None,
        };
        let hook = self.hook(&object, trigger, Vec::new())?;
        Some((object, hook))
    }

    fn hook(&self, object: &str, trigger: Trigger, extra: Vec<String>) -> Option<Hook> {
        let program = self.hooks.get(object)?.get(&trigger)?;
        Some(Hook {
            keyword: trigger.keyword(),
            program: program.clone(),
            extra,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(name: &str) -> Program {
        Program {
            arguments: vec![name.to_owned()],
            identity: None,
        }
    }

    #[test]
    fn the_states_own_script_comes_before_notify_with_its_arguments() {
        let mut table = HookTable::default();
        table.add(instance_object("VI_1"), Trigger::Any, program("/any"));
        table.add(instance_object("VI_1"), Trigger::Master, program("/master"));
        table.add(instance_object("VI_1"), Trigger::Master, program("/second"));
        let hooks = table.for_instance("VI_1", Announced::Master, 150);
        let [(object, own), (_, any)] = hooks.as_slice() else {
            panic!("{hooks:?}")
        };
        assert_eq!(
            (object.as_str(), own.keyword, own.program.line().as_str()),
            ("vrrp_instance VI_1", "notify_master", "/master")
        );
        assert!(own.extra.is_empty());
        assert_eq!(any.extra, ["INSTANCE", "VI_1", "MASTER", "150"]);
        assert_eq!(
            table.for_instance("VI_1", Announced::Stop, 150).len(),
            1,
            "only notify"
        );
        assert!(table.for_instance("VI_2", Announced::Stop, 150).is_empty());
        table.add(group_object("G"), Trigger::Any, program("/any"));
        assert_eq!(
            table.for_group("G", Announced::Fault)[0].1.extra,
            ["GROUP", "G", "FAULT", "0"]
        );
    }
}
