//! Commands that the daemon runs.

use super::{Origin, Setting};

/// The identity a script runs as (`USER [[:]GROUP]`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ScriptUser {
    /// User name or number.
    pub user: String,
    /// Group name or number; `None` means the user's primary group.
    pub group: Option<String>,
    /// Also take the user's supplementary groups (`:` before the group).
    pub supplementary_groups: bool,
}

/// A command with its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Script {
    /// The program and its parameters after both levels of quoting; never empty.
    pub command: Vec<String>,
    /// Who runs it: written here, else `script_user`; `None` means keepalived's default (user
    /// `keepalived_script` if it exists, else root).
    pub user: Setting<Option<ScriptUser>>,
    /// Where the command stands.
    pub span: Origin,
}

impl Script {
    /// The program: first word of the command.
    #[must_use]
    pub fn path(&self) -> &str {
        self.command.first().map_or("", String::as_str)
    }

    /// The parameters.
    #[must_use]
    pub fn parameters(&self) -> &[String] {
        self.command.get(1..).unwrap_or_default()
    }
}
