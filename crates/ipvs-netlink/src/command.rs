//! What the kernel can be told to do.

use std::fmt;

use crate::types::{
    DaemonRole, Destination, DestinationId, Service, ServiceId, SyncDaemon, Timeouts,
};

/// One order to the kernel; [`Client::apply`](crate::Client::apply) sends many at a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Command {
    /// Makes a service (`IPVS_CMD_NEW_SERVICE`).
    AddService(Service),
    /// Gives a service other settings; its destinations and connections stay
    /// (`IPVS_CMD_SET_SERVICE`).
    EditService(Service),
    /// Removes a service with all its destinations (`IPVS_CMD_DEL_SERVICE`).
    RemoveService(ServiceId),
    /// Adds a destination (`IPVS_CMD_NEW_DEST`).
    AddDestination(ServiceId, Destination),
    /// Gives a destination other settings; its connections stay (`IPVS_CMD_SET_DEST`).
    EditDestination(ServiceId, Destination),
    /// Removes a destination (`IPVS_CMD_DEL_DEST`).
    RemoveDestination(ServiceId, DestinationId),
    /// Sets timeouts; 0 leaves one as it is (`IPVS_CMD_SET_CONFIG`).
    SetTimeouts(Timeouts),
    /// Starts a sync daemon (`IPVS_CMD_NEW_DAEMON`).
    StartDaemon(SyncDaemon),
    /// Stops the sync daemon of this role (`IPVS_CMD_DEL_DAEMON`).
    StopDaemon(DaemonRole),
    /// Zeroes the counters of one service and its destinations, or of all and the totals
    /// (`IPVS_CMD_ZERO`).
    Zero(Option<ServiceId>),
    /// Removes every service (`IPVS_CMD_FLUSH`).
    Flush,
}

impl Command {
    /// The service concerned, if it is one.
    #[must_use]
    pub const fn service(&self) -> Option<&ServiceId> {
        match self {
            Self::AddService(service) | Self::EditService(service) => Some(&service.id),
            Self::RemoveService(id)
            | Self::AddDestination(id, _)
            | Self::EditDestination(id, _)
            | Self::RemoveDestination(id, _) => Some(id),
            Self::Zero(id) => id.as_ref(),
            Self::SetTimeouts(_) | Self::StartDaemon(_) | Self::StopDaemon(_) | Self::Flush => None,
        }
    }
}

/// In the imperative: `add destination 172.16.1.4:80 route weight 1 to TCP 172.16.1.8:80`.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddService(service) => write!(f, "add service {service}"),
            Self::EditService(service) => write!(f, "edit service {service}"),
            Self::RemoveService(id) => write!(f, "remove service {id}"),
            Self::AddDestination(id, destination) => {
                write!(f, "add destination {destination} to {id}")
            }
            Self::EditDestination(id, destination) => {
                write!(f, "edit destination {destination} of {id}")
            }
            Self::RemoveDestination(id, destination) => {
                write!(f, "remove destination {destination} from {id}")
            }
            Self::SetTimeouts(timeouts) => write!(f, "set timeouts {timeouts}"),
            Self::StartDaemon(daemon) => write!(f, "start sync daemon {daemon}"),
            Self::StopDaemon(role) => write!(f, "stop sync daemon {role}"),
            Self::Zero(Some(id)) => write!(f, "zero counters of {id}"),
            Self::Zero(None) => f.write_str("zero all counters"),
            Self::Flush => f.write_str("remove all services"),
        }
    }
}
