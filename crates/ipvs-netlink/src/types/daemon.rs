use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use thiserror::Error;

use super::name::Name;

/// Which half of connection synchronisation a daemon does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum DaemonRole {
    /// Sends this node's connections (`IP_VS_STATE_MASTER`).
    Master,
    /// Takes in the other node's connections (`IP_VS_STATE_BACKUP`).
    Backup,
}

impl fmt::Display for DaemonRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Master => "master",
            Self::Backup => "backup",
        })
    }
}

impl FromStr for DaemonRole {
    type Err = ParseDaemonRoleError;

    fn from_str(role: &str) -> Result<Self, ParseDaemonRoleError> {
        match role {
            "master" => Ok(Self::Master),
            "backup" => Ok(Self::Backup),
            _ => Err(ParseDaemonRoleError {
                role: role.to_owned(),
            }),
        }
    }
}

/// The text is neither `master` nor `backup`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{role}` is no role of a sync daemon; write `master` or `backup`")]
pub struct ParseDaemonRoleError {
    /// What was given.
    pub role: String,
}

/// A kernel thread that sends or receives connection state (`IPVS_CMD_NEW_DAEMON`,
/// keepalived's `lvs_sync_daemon`).
///
/// A field that is `None` takes the kernel's default; a daemon read back from the kernel has all
/// of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SyncDaemon {
    /// Sender or receiver.
    pub role: DaemonRole,
    /// Interface the messages leave or arrive on.
    pub interface: Name,
    /// 0 to 255; a receiver takes only messages with its own number, 0 takes all.
    pub sync_id: u32,
    /// Largest message in bytes; the kernel derives it from the interface's MTU.
    pub max_length: Option<u16>,
    /// Multicast group; the kernel's default is 224.0.0.81.
    pub group: Option<IpAddr>,
    /// UDP port; the kernel's default is 8848.
    pub port: Option<u16>,
    /// Time to live of the messages; the kernel's default is 1.
    pub ttl: Option<u8>,
}

impl SyncDaemon {
    /// A daemon with the kernel's defaults.
    #[must_use]
    pub const fn new(role: DaemonRole, interface: Name, sync_id: u32) -> Self {
        Self {
            role,
            interface,
            sync_id,
            max_length: None,
            group: None,
            port: None,
            ttl: None,
        }
    }

    /// Whether a running daemon is what `self` asks for; what `self` leaves open does not count.
    #[must_use]
    pub fn is_satisfied_by(&self, running: &Self) -> bool {
        fn agrees<T: PartialEq>(wished: Option<&T>, running: Option<&T>) -> bool {
            wished.is_none() || wished == running
        }
        self.role == running.role
            && self.interface == running.interface
            && self.sync_id == running.sync_id
            && agrees(self.max_length.as_ref(), running.max_length.as_ref())
            && agrees(self.group.as_ref(), running.group.as_ref())
            && agrees(self.port.as_ref(), running.port.as_ref())
            && agrees(self.ttl.as_ref(), running.ttl.as_ref())
    }
}

impl fmt::Display for SyncDaemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} on {} syncid {}",
            self.role, self.interface, self.sync_id
        )
    }
}
