use thiserror::Error;

use crate::types::{NameError, SchedulerFlagsError};

/// A command line that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UsageError {
    /// The first option is no command.
    #[error("no command: begin with one, such as --list; `--help` shows all")]
    NoCommand,
    /// No such option.
    #[error("no option `{option}`; `--help` shows all")]
    UnknownOption {
        /// What was given.
        option: String,
    },
    /// An option without its value.
    #[error("option `{option}` needs a value")]
    MissingValue {
        /// The option.
        option: &'static str,
    },
    /// A value for an option that takes none.
    #[error("option `{option}` takes no value")]
    UnexpectedValue {
        /// The option.
        option: &'static str,
    },
    /// Two commands.
    #[error("`{second}` after `{first}`: give one command at a time")]
    SecondCommand {
        /// The command.
        first: &'static str,
        /// The other one.
        second: &'static str,
    },
    /// A word that belongs to no option.
    #[error("`{word}` belongs to no option; remove it")]
    UnexpectedWord {
        /// What was given.
        word: String,
    },
    /// An option twice, or two of which only one may be given.
    #[error("option `{option}` was given twice, or with another of its kind; give one")]
    Repeated {
        /// The option.
        option: &'static str,
    },
    /// An option that the command does not take.
    #[error("option `{option}` does not go with `{command}`")]
    NotWithCommand {
        /// The option.
        option: &'static str,
        /// The command.
        command: &'static str,
    },
    /// An option without which the command means nothing.
    #[error("`{command}` needs the option `{option}`")]
    Required {
        /// The option.
        option: &'static str,
        /// The command.
        command: &'static str,
    },
    /// Two options that exclude each other.
    #[error("options `{first}` and `{second}` do not go together; give one")]
    Conflict {
        /// One of them.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// No address, or a name that is not known.
    #[error("`{value}` is no HOST[:PORT] for `{option}`, or its name is not known")]
    Address {
        /// The option.
        option: &'static str,
        /// What was given.
        value: String,
    },
    /// A number out of its range, or no decimal number.
    #[error("`{value}` is no value for `{option}`; it takes {least} to {most}")]
    Number {
        /// The option.
        option: &'static str,
        /// What was given.
        value: String,
        /// Smallest value.
        least: i64,
        /// Largest value.
        most: i64,
    },
    /// No netmask.
    #[error("`{value}` is no netmask; give one such as 255.255.255.0, for IPv6 1 to 128")]
    Netmask {
        /// What was given.
        value: String,
    },
    /// `--ipv6` before `--fwmark-service`.
    #[error("`--ipv6` belongs after `--fwmark-service`, and only there")]
    FamilyBeforeMark,
    /// A flag that there is not, or that is another scheduler's.
    #[error(transparent)]
    SchedulerFlags(#[from] SchedulerFlagsError),
    /// A name that the kernel has no room for.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A service for every port that is not persistent.
    #[error("a service without a port needs `--persistent`")]
    PortZero,
    /// One-packet scheduling of connections.
    #[error("`--ops` is only for UDP and firewall-mark services")]
    OnePacket,
    /// Service and server of different families without a tunnel.
    #[error("service and server are of different address families; that needs `--ipip`")]
    MixedFamilies,
    /// No kind of tunnel.
    #[error("`{value}` is no kind of tunnel; there are ipip, gue and gre")]
    TunnelKind {
        /// What was given.
        value: String,
    },
    /// Tunnel options without a tunnel.
    #[error("option `{option}` needs `--ipip`")]
    NoTunnel {
        /// The option.
        option: &'static str,
    },
    /// A tunnel option that this kind of tunnel does not have.
    #[error("option `{option}` does not go with a tunnel of the kind {kind}")]
    NotWithTunnel {
        /// The option.
        option: &'static str,
        /// The kind.
        kind: &'static str,
    },
    /// A GUE tunnel without a port.
    #[error("a GUE tunnel needs `--tun-port`")]
    TunnelPort,
    /// No role of a sync daemon.
    #[error("`{value}` is no role of a sync daemon; write `master` or `backup`")]
    DaemonRole {
        /// What was given.
        value: String,
    },
    /// No multicast group.
    #[error("`{value}` is no multicast group, such as 224.0.0.81 or ff02::81")]
    MulticastGroup {
        /// What was given.
        value: String,
    },
    /// `--set` with fewer than three values.
    #[error("`--set` needs three timeouts in seconds: TCP, TCP after FIN, UDP")]
    ThreeTimeouts,
    /// `--restore` in a restored line.
    #[error("`--restore` cannot stand in a line to restore")]
    NestedRestore,
}

impl UsageError {
    /// The exit status of ipvsadm for it: 2, or 255 for what it finds while it takes the command
    /// line apart.
    #[must_use]
    pub const fn status(&self) -> u8 {
        match self {
            Self::NoCommand
            | Self::UnknownOption { .. }
            | Self::MissingValue { .. }
            | Self::UnexpectedValue { .. }
            | Self::NestedRestore
            | Self::Name(_) => 255,
            _ => 2,
        }
    }

    /// Whether ipvsadm goes on with the next line when it meets this in a line that it restores.
    #[must_use]
    pub const fn lets_restore_go_on(&self) -> bool {
        matches!(
            self,
            Self::UnknownOption { .. }
                | Self::MissingValue { .. }
                | Self::UnexpectedValue { .. }
                | Self::Name(_)
        )
    }
}
