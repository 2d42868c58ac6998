//! What an operator tells the director to do, and what is remembered of it.

use crate::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An action with the circumstances under which it is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Order {
    /// What is to be done.
    pub action: Action,
    /// Why, for the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Takes itself back after this many seconds (drain, weight, maintenance, failover, log level).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_seconds: Option<f64>,
    /// Only tell what would be done.
    #[serde(default)]
    pub dry_run: bool,
    /// Do it although a precondition is not met.
    #[serde(default)]
    pub force: bool,
}

impl Order {
    /// An action without a reason, for good.
    #[must_use]
    pub const fn new(action: Action) -> Self {
        Self {
            action,
            reason: None,
            for_seconds: None,
            dry_run: false,
            force: false,
        }
    }
}

/// What an operator may do. `target` is an address and port (`10.0.0.4:80`, in every virtual
/// server), an address (every port), or `VIRTUAL_SERVER/ADDRESS:PORT`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Action {
    /// No new connections for a real server; it is out of the table when the last one has ended or
    /// the deadline has come.
    Drain {
        /// Which real servers.
        target: String,
        /// Ends what is left after this many seconds; without it only when nothing is left.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deadline_seconds: Option<f64>,
    },
    /// Takes back a drain or a weight.
    Undrain {
        /// Which real servers.
        target: String,
    },
    /// Another weight for a real server.
    Weight {
        /// Which real servers.
        target: String,
        /// 0 to 2147483647; `None` takes a weight back.
        weight: Option<u32>,
    },
    /// Gives up mastership in order, and does not take it back while any other master is there.
    Maintenance {
        /// True to begin, false to end.
        on: bool,
    },
    /// Lets another router be master once.
    Failover {
        /// Which instance, with its group; `None` for all that are master.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instance: Option<String>,
    },
    /// Reads the configuration again.
    Reload {
        /// Goes back by itself after this many seconds unless confirmed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        confirm_seconds: Option<f64>,
    },
    /// Keeps what a reload with `confirm_seconds` has brought.
    Confirm,
    /// Makes the checks of real servers now.
    CheckNow {
        /// Which real servers; `None` for all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        target: Option<String>,
    },
    /// Changes what is logged, until the director ends.
    LogLevel {
        /// `vrrp`, `checks`, `ipvs`, `scripts`, `config` or `program`; `None` for everything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subsystem: Option<String>,
        /// `off`, `error`, `warn`, `info`, `debug`, `trace`, or without a subsystem a whole list such as
        /// `info,vrrp=debug`; `None` for what the command line says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        level: Option<String>,
    },
}

/// What has become of an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ActionOutcome {
    /// False for a dry run.
    pub done: bool,
    /// What was (would be) changed, a sentence each; empty if all was so already.
    pub changes: Vec<String>,
    /// What the operator should know besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// How long it took.
    pub took_seconds: f64,
}

/// Who gave an order: what the kernel says of the other end of the socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Who {
    /// User id.
    pub uid: u32,
    /// Name of the user, if the system knows one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Process id at that time.
    pub pid: i32,
    /// Whoever became that user with sudo, as the login is recorded by the system (`loginuid`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.user {
            Some(user) => f.write_str(user)?,
            None => write!(f, "uid {}", self.uid)?,
        }
        match &self.login {
            Some(login) if Some(login) != self.user.as_ref() => write!(f, " ({login})"),
            _ => Ok(()),
        }
    }
}

/// What an operator has set in place of what follows from configuration and checks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Override {
    /// Name of the virtual server.
    pub virtual_server: String,
    /// Address and port of the real server.
    pub real_server: String,
    /// What is set.
    #[serde(flatten)]
    pub kind: OverrideKind,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who gave the order; `None` for a file in the maintenance directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Who>,
    /// Since when.
    pub since: Timestamp,
    /// When it takes itself back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// The kinds of overrides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "set", rename_all = "snake_case")]
pub enum OverrideKind {
    /// No new connections.
    Drain {
        /// When what is left is ended.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deadline: Option<Timestamp>,
        /// When the last connection was gone, or the deadline came; then it is out of the table.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ended: Option<Timestamp>,
    },
    /// This weight in place of the configured one.
    Weight {
        /// 0 to 2147483647.
        weight: u32,
    },
    /// Weight 0 for as long as a file stands in the maintenance directory.
    Maintenance {
        /// The file.
        file: String,
    },
}

impl fmt::Display for OverrideKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drain { ended: None, .. } => f.write_str("draining"),
            Self::Drain { ended: Some(_), .. } => f.write_str("drained"),
            Self::Weight { weight } => write!(f, "weight {weight}"),
            Self::Maintenance { file } => write!(f, "maintenance by {file}"),
        }
    }
}
