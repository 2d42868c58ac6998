use std::fmt;

use crate::command::Command;
use crate::types::{Destination, Service, ServiceId, SyncDaemon, Timeouts};

/// One step from a table to another; it knows what was before, so it can be taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Change {
    /// A new service.
    AddService(Service),
    /// Other settings for a service.
    EditService {
        /// Before.
        from: Service,
        /// After.
        to: Service,
    },
    /// A service goes, with its destinations.
    RemoveService {
        /// The service.
        service: Service,
        /// What goes with it.
        destinations: Vec<Destination>,
    },
    /// A new destination.
    AddDestination {
        /// Of this service.
        service: ServiceId,
        /// The destination.
        destination: Destination,
    },
    /// Other settings for a destination.
    EditDestination {
        /// Of this service.
        service: ServiceId,
        /// Before.
        from: Destination,
        /// After.
        to: Destination,
    },
    /// A destination goes.
    RemoveDestination {
        /// Of this service.
        service: ServiceId,
        /// The destination.
        destination: Destination,
    },
    /// Other timeouts.
    SetTimeouts {
        /// Before.
        from: Timeouts,
        /// After; 0 leaves one as it is.
        to: Timeouts,
    },
    /// A sync daemon starts.
    StartDaemon(SyncDaemon),
    /// A sync daemon stops.
    StopDaemon(SyncDaemon),
}

impl Change {
    /// The command that makes it.
    #[must_use]
    pub fn command(&self) -> Command {
        match self {
            Self::AddService(service) => Command::AddService(service.clone()),
            Self::EditService { to, .. } => Command::EditService(to.clone()),
            Self::RemoveService { service, .. } => Command::RemoveService(service.id),
            Self::AddDestination {
                service,
                destination,
            } => Command::AddDestination(*service, *destination),
            Self::EditDestination { service, to, .. } => Command::EditDestination(*service, *to),
            Self::RemoveDestination {
                service,
                destination,
            } => Command::RemoveDestination(*service, destination.id),
            Self::SetTimeouts { to, .. } => Command::SetTimeouts(*to),
            Self::StartDaemon(daemon) => Command::StartDaemon(daemon.clone()),
            Self::StopDaemon(daemon) => Command::StopDaemon(daemon.role),
        }
    }

    /// The steps that take it back, in their order. Counters and connections of something that
    /// was removed do not come back.
    #[must_use]
    pub fn inverse(&self) -> Vec<Self> {
        match self {
            Self::AddService(service) => {
                vec![Self::RemoveService {
                    service: service.clone(),
                    destinations: Vec::new(),
                }]
            }
            Self::EditService { from, to } => {
                vec![Self::EditService {
                    from: to.clone(),
                    to: from.clone(),
                }]
            }
            Self::RemoveService {
                service,
                destinations,
            } => {
                let id = service.id;
                let back = destinations.iter().map(|d| Self::AddDestination {
                    service: id,
                    destination: *d,
                });
                std::iter::once(Self::AddService(service.clone()))
                    .chain(back)
                    .collect()
            }
            Self::AddDestination {
                service,
                destination,
            } => {
                vec![Self::RemoveDestination {
                    service: *service,
                    destination: *destination,
                }]
            }
            Self::EditDestination { service, from, to } => {
                vec![Self::EditDestination {
                    service: *service,
                    from: *to,
                    to: *from,
                }]
            }
            Self::RemoveDestination {
                service,
                destination,
            } => {
                vec![Self::AddDestination {
                    service: *service,
                    destination: *destination,
                }]
            }
            Self::SetTimeouts { from, to } => {
                vec![Self::SetTimeouts {
                    from: to.over(*from),
                    to: *from,
                }]
            }
            Self::StartDaemon(daemon) => vec![Self::StopDaemon(daemon.clone())],
            Self::StopDaemon(daemon) => vec![Self::StartDaemon(daemon.clone())],
        }
    }

    /// The service concerned, if it is one.
    #[must_use]
    pub const fn service(&self) -> Option<&ServiceId> {
        match self {
            Self::AddService(service)
            | Self::EditService { to: service, .. }
            | Self::RemoveService { service, .. } => Some(&service.id),
            Self::AddDestination { service, .. }
            | Self::EditDestination { service, .. }
            | Self::RemoveDestination { service, .. } => Some(service),
            Self::SetTimeouts { .. } | Self::StartDaemon(_) | Self::StopDaemon(_) => None,
        }
    }
}

/// `add destination 172.16.1.4:80 route weight 1 to TCP 172.16.1.8:80`; an edit says what was
/// before.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EditService { from, .. } => write!(f, "{} (was {from})", self.command()),
            Self::EditDestination { from, .. } => write!(f, "{} (was {from})", self.command()),
            Self::SetTimeouts { from, .. } => write!(f, "{} (were {from})", self.command()),
            Self::RemoveService { destinations, .. } if !destinations.is_empty() => {
                write!(
                    f,
                    "{} and its {} destinations",
                    self.command(),
                    destinations.len()
                )
            }
            _ => self.command().fmt(f),
        }
    }
}
