//! Connection synchronisation: which sync daemons should run, from the VRRP states.

use ipvs_netlink::{DaemonRole, SyncDaemon};
use std::collections::BTreeMap;

/// `lvs_sync_daemon`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyncDaemons {
    /// The instance that decides: a master sends, everybody else receives. Without one both daemons run.
    pub(crate) instance: Option<String>,
    /// Interface, number, group, port and so on; the role does not matter.
    pub(crate) settings: SyncDaemon,
}

impl SyncDaemons {
    /// The daemons that should run, when `is_master` tells whether an instance is master.
    pub(crate) fn wished(
        &self,
        is_master: impl Fn(&str) -> bool,
    ) -> BTreeMap<DaemonRole, SyncDaemon> {
        let roles: &[DaemonRole] = match &self.instance {
            None => &[DaemonRole::Master, DaemonRole::Backup],
            Some(instance) if is_master(instance) => &[DaemonRole::Master],
            Some(_) => &[DaemonRole::Backup],
        };
        let daemon = |role: &DaemonRole| {
            let settings = self.settings.clone();
            (
                *role,
                SyncDaemon {
                    role: *role,
                    ..settings
                },
            )
        };
        roles.iter().map(daemon).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipvs_netlink::Name;

    #[test]
    fn a_master_sends_and_everybody_else_receives() {
        let settings = SyncDaemon::new(DaemonRole::Backup, Name::new("eth0").unwrap(), 7);
        let mut sync = SyncDaemons {
            instance: Some("VI_1".to_owned()),
            settings,
        };
        let roles = |sync: &SyncDaemons, master| {
            let wished = sync.wished(|name| name == "VI_1" && master);
            assert!(wished.iter().all(|(role, daemon)| daemon.role == *role));
            wished.into_keys().collect::<Vec<_>>()
        };
        assert_eq!(roles(&sync, true), [DaemonRole::Master]);
        assert_eq!(roles(&sync, false), [DaemonRole::Backup]);
        sync.instance = None;
        assert_eq!(
            roles(&sync, false),
            [DaemonRole::Master, DaemonRole::Backup]
        );
    }
}
