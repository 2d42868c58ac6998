//! What changes in the model mean to people and scripts.

use ipvs_netlink::DestinationId;
use std::fmt;

/// A change worth a log line and perhaps a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Happening {
    /// All checks of a real server have passed.
    RealServerUp {
        /// Name of its virtual server.
        virtual_server: String,
        /// Address and port.
        real_server: DestinationId,
        /// What the last check saw.
        reason: String,
    },
    /// A check of a real server has failed.
    RealServerDown {
        /// Name of its virtual server.
        virtual_server: String,
        /// Address and port.
        real_server: DestinationId,
        /// What the check saw.
        reason: String,
    },
    /// A check asks for another weight.
    WeightChanged {
        /// Name of its virtual server.
        virtual_server: String,
        /// Address and port.
        real_server: DestinationId,
        /// Weight before.
        from: u32,
        /// Weight now.
        to: u32,
        /// What the check saw.
        reason: String,
    },
    /// Enough real servers are up.
    QuorumGained {
        /// The virtual server.
        virtual_server: String,
        /// Sum of the weights of the live real servers.
        weight: u64,
        /// What it had to reach.
        needed: u64,
    },
    /// Not enough real servers are up.
    QuorumLost {
        /// The virtual server.
        virtual_server: String,
        /// Sum of the weights of the live real servers.
        weight: u64,
        /// What it has fallen below.
        needed: u64,
        /// The sorry server that answers now, if there is one.
        sorry_server: Option<DestinationId>,
    },
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RealServerUp {
                virtual_server,
                real_server,
                reason,
            } => {
                write!(
                    f,
                    "{virtual_server}: real server {real_server} is up: {reason}"
                )
            }
            Self::RealServerDown {
                virtual_server,
                real_server,
                reason,
            } => {
                write!(
                    f,
                    "{virtual_server}: real server {real_server} is down: {reason}"
                )
            }
            Self::WeightChanged {
                virtual_server,
                real_server,
                from,
                to,
                reason,
            } => {
                write!(
                    f,
                    "{virtual_server}: weight of real server {real_server} changes from {from} to {to}: {reason}"
                )
            }
            Self::QuorumGained {
                virtual_server,
                weight,
                needed,
            } => {
                write!(
                    f,
                    "{virtual_server}: quorum gained, live weight {weight} of {needed} needed"
                )
            }
            Self::QuorumLost {
                virtual_server,
                weight,
                needed,
                sorry_server,
            } => {
                write!(
                    f,
                    "{virtual_server}: quorum lost, live weight {weight} of {needed} needed"
                )?;
                if let Some(sorry) = sorry_server {
                    write!(f, "; sorry server {sorry} answers")?;
                }
                Ok(())
            }
        }
    }
}
