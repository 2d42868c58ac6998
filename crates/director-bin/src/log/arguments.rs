//! The options about logging.

use super::sink::journald;
use super::{Facility, Levels, LogFormat, Settings, Target};
use clap::ValueEnum;
use std::path::PathBuf;

/// Where `--log-to` sends lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogTo {
    /// The journal if standard error is the journal, standard output in a container (as process 1), else standard error
    Auto,
    /// Standard error
    Stderr,
    /// Standard output
    Stdout,
    /// systemd's journal, with a field for each value of an event
    Journal,
    /// The syslog daemon
    Syslog,
    /// Nowhere; `director events` still shows what happened
    None,
}

#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Log")]
pub(crate) struct LogArguments {
    /// How log lines are written; default text, and json as process 1 of a container
    #[arg(long, value_enum)]
    pub(crate) log_format: Option<LogFormat>,
    /// What is logged: off, error, warn, info, debug, trace, with other levels for parts: `info,vrrp=debug,checks=warn`
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub(crate) log_level: Levels,
    /// Where log lines go; may be given several times
    #[arg(long, value_enum, value_name = "TARGET", default_value = "auto")]
    pub(crate) log_to: Vec<LogTo>,
    /// Facility of lines to syslog: 0 to 7 or local0 to local7, user, daemon
    #[arg(long, value_name = "FACILITY", default_value_t = Facility::DAEMON)]
    pub(crate) log_facility: Facility,
    /// Write log lines to this file as well
    #[arg(long, value_name = "FILE")]
    pub(crate) log_file: Option<PathBuf>,
    /// What the program is called in the journal and in syslog, if not by its own name.
    #[arg(skip)]
    pub(crate) identity: Option<String>,
}

impl LogArguments {
    /// What they come to for this process.
    pub(crate) fn settings(&self) -> Settings {
        let container = crate::process::in_container();
        let mut targets = Vec::new();
        for to in &self.log_to {
            targets.extend(match to {
                LogTo::Auto if journald::is_standard_error() => Some(Target::Journal),
                LogTo::Auto | LogTo::Stdout if container => Some(Target::Stdout),
                LogTo::Auto | LogTo::Stderr => Some(Target::Stderr),
                LogTo::Stdout => Some(Target::Stdout),
                LogTo::Journal => Some(Target::Journal),
                LogTo::Syslog => Some(Target::Syslog(self.log_facility)),
                LogTo::None => None,
            });
        }
        targets.extend(self.log_file.clone().map(Target::File));
        targets.dedup();
        let default = if container {
            LogFormat::Json
        } else {
            LogFormat::Text
        };
        Settings {
            format: self.log_format.unwrap_or(default),
            levels: self.log_level.clone(),
            targets,
            identity: self
                .identity
                .clone()
                .unwrap_or_else(|| "director".to_owned()),
        }
    }
}
