//! What is logged: a level for everything, and others for parts of the program.

use std::fmt;
use std::str::FromStr;
use tracing::Level;
use tracing_subscriber::filter::LevelFilter;

/// A part of the program as its operator sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subsystem {
    /// Instances, groups, addresses, routes, packets.
    Vrrp,
    /// Verdicts about real servers, quorums.
    Checks,
    /// Changes of the kernel's table.
    Ipvs,
    /// Notifications, tracked scripts and files, mail.
    Scripts,
    /// What is said about the configuration file.
    Config,
    /// The program itself: start, reload, stop, control.
    Program,
}

impl Subsystem {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Vrrp, "vrrp"),
        (Self::Checks, "checks"),
        (Self::Ipvs, "ipvs"),
        (Self::Scripts, "scripts"),
        (Self::Config, "config"),
        (Self::Program, "program"),
    ];

    /// Of an event, by its name, else by the module that told it.
    pub(crate) fn of(event: Option<&str>, target: &str) -> Self {
        let starts = |prefixes: &[&str]| {
            event.is_some_and(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)))
        };
        if starts(&["vrrp", "address_", "route_", "packet_", "garp"]) {
            Self::Vrrp
        } else if starts(&[
            "real_server",
            "check",
            "quorum",
            "adopted",
            "flap",
            "certificate",
        ]) {
            Self::Checks
        } else if starts(&["ipvs", "sync_daemon"]) {
            Self::Ipvs
        } else if starts(&["hook", "track", "script", "mail", "fifo"]) {
            Self::Scripts
        } else if starts(&["config"]) {
            Self::Config
        } else if event.is_some() {
            Self::Program
        } else if target.starts_with("vrrp_") {
            Self::Vrrp
        } else if target.starts_with("healthcheck") {
            Self::Checks
        } else if target.starts_with("ipvs_netlink") {
            Self::Ipvs
        } else {
            Self::Program
        }
    }

    /// As in `--log-level`.
    pub(crate) fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(one, _)| *one == self)
            .map_or("program", |(_, name)| name)
    }
}

/// Crates whose modules may be named with a level of their own.
const CRATES: [&str; 7] = [
    "director",
    "director_bin",
    "vrrp_net",
    "vrrp_proto",
    "ipvs_netlink",
    "healthcheck",
    "keepalived_conf",
];

/// The levels in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Levels {
    default: LevelFilter,
    subsystems: Vec<(Subsystem, LevelFilter)>,
    /// Module paths, the longest first.
    targets: Vec<(String, LevelFilter)>,
}

/// The levels given make no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "log level `{text}` is not understood: {why}; give error, warn, info, debug, trace or off, or pairs such as `info,vrrp=debug,checks=warn` (vrrp, checks, ipvs, scripts, config, program)"
)]
pub(crate) struct LevelError {
    text: String,
    why: String,
}

impl LevelError {
    /// What was given for one part is no level.
    pub(crate) fn no_level(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            why: format!("`{text}` is no level"),
        }
    }
}

impl Default for Levels {
    fn default() -> Self {
        Self {
            default: LevelFilter::INFO,
            subsystems: Vec::new(),
            targets: Vec::new(),
        }
    }
}

impl FromStr for Levels {
    type Err = LevelError;

    fn from_str(text: &str) -> Result<Self, LevelError> {
        let wrong = |why: String| LevelError {
            text: text.to_owned(),
            why,
        };
        let level = |word: &str| {
            let word = word.trim().to_ascii_lowercase();
            let known = ["off", "error", "warn", "info", "debug", "trace"];
            known
                .contains(&word.as_str())
                .then(|| word.parse::<LevelFilter>().ok())
                .flatten()
                .ok_or_else(|| wrong(format!("`{word}` is no level")))
        };
        let mut levels = Self::default();
        if text.trim().is_empty() {
            return Err(wrong("it is empty".to_owned()));
        }
        for part in text.split(',') {
            let Some((key, value)) = part.split_once('=') else {
                levels.default = level(part)?;
                continue;
            };
            let (key, value) = (key.trim(), level(value)?);
            if let Some((subsystem, _)) = Subsystem::ALL.iter().find(|(_, name)| *name == key) {
                levels.subsystems.retain(|(known, _)| known != subsystem);
                levels.subsystems.push((*subsystem, value));
            } else if CRATES.contains(&key.split("::").next().unwrap_or_default()) {
                levels.targets.retain(|(known, _)| known != key);
                levels.targets.push((key.to_owned(), value));
            } else {
                return Err(wrong(format!("there is no part `{key}`")));
            }
        }
        levels.subsystems.sort_unstable();
        levels
            .targets
            .sort_by_key(|(key, _)| std::cmp::Reverse(key.len()));
        Ok(levels)
    }
}

impl fmt::Display for Levels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.default)?;
        for (subsystem, level) in &self.subsystems {
            write!(f, ",{}={level}", subsystem.name())?;
        }
        for (target, level) in &self.targets {
            write!(f, ",{target}={level}")?;
        }
        Ok(())
    }
}

impl Levels {
    /// Whether an event is written. A module path goes before a part, a part before the rest.
    pub(crate) fn allow(&self, level: Level, event: Option<&str>, target: &str) -> bool {
        let named = self.targets.iter().find(|(prefix, _)| {
            target
                .strip_prefix(prefix.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        });
        let limit = named.map(|(_, limit)| *limit).or_else(|| {
            let of = Subsystem::of(event, target);
            self.subsystems
                .iter()
                .find(|(known, _)| *known == of)
                .map(|(_, limit)| *limit)
        });
        level <= limit.unwrap_or(self.default)
    }

    /// The level of a part.
    pub(crate) fn of(&self, name: &str) -> LevelFilter {
        let subsystem = self.subsystems.iter();
        let subsystem = subsystem.map(|(known, level)| (known.name(), level));
        let target = self.targets.iter();
        let target = target.map(|(known, level)| (known.as_str(), level));
        let mut all = subsystem.chain(target);
        all.find(|(known, _)| *known == name)
            .map_or(self.default, |(_, level)| *level)
    }

    /// The most talkative of all levels.
    pub(crate) fn most(&self) -> LevelFilter {
        let others = self.subsystems.iter().map(|(_, level)| *level);
        let targets = self.targets.iter().map(|(_, level)| *level);
        others.chain(targets).fold(self.default, Ord::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_levels_of_their_own() {
        let levels: Levels = "warn,vrrp=debug,checks=error,vrrp_net::engine=trace"
            .parse()
            .unwrap();
        assert!(levels.allow(
            Level::DEBUG,
            Some("vrrp_transition"),
            "director::daemon::report"
        ));
        assert!(!levels.allow(
            Level::WARN,
            Some("real_server_down"),
            "director::daemon::report"
        ));
        assert!(!levels.allow(Level::INFO, Some("started"), "director::daemon::report"));
        assert!(levels.allow(Level::TRACE, None, "vrrp_net::engine::task"));
        assert!(!levels.allow(Level::TRACE, None, "vrrp_net::engines"));
        assert!(levels.allow(Level::DEBUG, None, "vrrp_net::kernel"));
        assert_eq!(levels.most(), LevelFilter::TRACE);
        assert_eq!(
            levels.to_string().parse::<Levels>().unwrap(),
            levels,
            "what is shown can be given"
        );
    }

    #[test]
    fn one_part_is_changed_and_goes_back() {
        use crate::log::changed;
        let usual = "info,checks=warn";
        let debug = changed(usual, usual, Some("vrrp"), Some("debug")).unwrap();
        assert_eq!(debug, "info,vrrp=debug,checks=warn");
        let off = changed(&debug, usual, Some("checks"), Some("off")).unwrap();
        assert_eq!(off, "info,vrrp=debug,checks=off");
        assert_eq!(
            changed(&off, usual, Some("checks"), None).unwrap(),
            "info,vrrp=debug,checks=warn"
        );
        assert_eq!(changed(&off, usual, None, Some("debug")).unwrap(), "debug");
        assert_eq!(changed(&off, usual, None, None).unwrap(), usual);
        for (part, level) in [
            (Some("vrpp"), Some("debug")),
            (Some("vrrp"), Some("loud")),
            (Some("vrrp"), Some("debug,checks=off")),
            (Some("vrrp=off,checks"), Some("debug")),
            (None, Some("loud")),
        ] {
            assert!(
                changed(usual, usual, part, level).is_err(),
                "{part:?} {level:?}"
            );
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_does() {
        for (text, wrong) in [
            ("loud", "loud"),
            ("info,vrpp=debug", "vrpp"),
            ("info,checks=", "no level"),
            ("", "empty"),
            ("3", "no level"),
        ] {
            let error = text.parse::<Levels>().unwrap_err().to_string();
            assert!(
                error.contains(wrong) && error.contains("vrrp, checks, ipvs"),
                "{error}"
            );
        }
    }
}
