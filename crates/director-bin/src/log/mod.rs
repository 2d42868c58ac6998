//! Logging: one line per event to the terminal, the journal, syslog or a file, never blocking the caller.
//!
//! Every line that reports something that happened carries an `event` field with a stable name and the fields that belong
//! to it; the list is in `docs/events.md`. Levels can be changed while the program runs: [`set_levels`].

mod arguments;
mod collapse;
mod json;
mod level;
mod rate;
mod record;
mod sink;
mod text;
mod time;
mod writer;

pub(crate) use arguments::{LogArguments, LogTo};
pub(crate) use level::{LevelError, Levels};
pub(crate) use rate::RateLimit;
pub(crate) use sink::syslog::Facility;
pub(crate) use writer::Flush;

use crate::control::Journal;
use clap::ValueEnum;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How a log line is written to a terminal or a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people: time, level, sentence.
    #[default]
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// Standard error.
    Stderr,
    /// Standard output, for containers.
    Stdout,
    /// A file, opened anew when it was moved away.
    File(PathBuf),
    /// systemd's journal, with the fields.
    Journal,
    /// The syslog daemon.
    Syslog(Facility),
}

/// How the program logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) format: LogFormat,
    pub(crate) levels: Levels,
    pub(crate) targets: Vec<Target>,
    /// What the program is called in the journal and in syslog.
    pub(crate) identity: String,
}

impl Settings {
    /// Whether the user sees standard error and wants text there: then errors are shown with excerpts.
    pub(crate) fn for_people(&self) -> bool {
        self.format == LogFormat::Text && self.targets.contains(&Target::Stderr)
    }

    /// Whether who has called the program sees what is logged.
    pub(crate) fn is_seen(&self) -> bool {
        let seen = [Target::Stderr, Target::Stdout, Target::Journal];
        self.targets.iter().any(|target| seen.contains(target))
    }
}

/// The levels in force, for [`set_levels`].
static LEVELS: OnceLock<Arc<RwLock<Levels>>> = OnceLock::new();

/// Starts logging for the whole process. The returned guard writes out what is still queued when it is dropped.
/// `journal` gets every event, whatever the levels say of lines. A target that cannot be opened is told of on the others,
/// or on standard error if there is no other.
pub(crate) fn start(settings: &Settings, journal: &Journal) -> Flush {
    let levels = Arc::new(RwLock::new(settings.levels.clone()));
    let levels = LEVELS.get_or_init(|| levels);
    let mut sinks = Vec::new();
    let mut problems = Vec::new();
    for target in &settings.targets {
        match sink::open(target, settings.format, &settings.identity) {
            Ok(sink) => sinks.push(sink),
            Err(error) => problems.push((target, error)),
        }
    }
    if sinks.is_empty()
        && !problems.is_empty()
        && let Ok(sink) = sink::open(&Target::Stderr, settings.format, &settings.identity)
    {
        sinks.push(sink);
    }
    let (lines, flush) = writer::start(Arc::clone(levels), sinks);
    let events = journal.layer().with_filter(LevelFilter::INFO);
    // Only a test that starts two logs in one process is refused here.
    let _ = tracing_subscriber::registry()
        .with(events)
        .with(lines)
        .try_init();
    for (target, error) in problems {
        tracing::warn!(event = "log_target_failed", target = ?target, %error, "the log cannot be written to {target:?}: {error}");
    }
    flush
}

/// Changes the levels while the program runs; returns those before. The text is that of `--log-level`.
pub(crate) fn set_levels(text: &str) -> Result<String, LevelError> {
    let new: Levels = text.parse()?;
    let Some(levels) = LEVELS.get() else {
        return Ok(new.to_string());
    };
    let before = {
        let mut levels = levels.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *levels, new.clone())
    };
    // Modules that were asked before are asked again.
    tracing::callsite::rebuild_interest_cache();
    tracing::info!(event = "log_level", from = %before, to = %new, "log level is {new} now, was {before}");
    Ok(before.to_string())
}

/// What the levels are with another level for one part or for everything; without a level those that are `usual`.
pub(crate) fn changed(
    now: &str,
    usual: &str,
    subsystem: Option<&str>,
    level: Option<&str>,
) -> Result<String, LevelError> {
    let text = match (subsystem, level) {
        (None, None) => usual.to_owned(),
        (None, Some(levels)) => levels.to_owned(),
        (Some(name), Some(level)) => format!("{now},{name}={level}"),
        (Some(name), None) => {
            let usual: Levels = usual.parse()?;
            format!("{now},{name}={}", usual.of(name))
        }
    };
    // One level stands for one part; a list would change others as well.
    if let (Some(name), Some(level)) = (subsystem, level)
        && (level.contains([',', '=']) || name.contains([',', '=']))
    {
        return Err(LevelError::no_level(level));
    }
    text.parse().map(|levels: Levels| levels.to_string())
}

/// The levels in force, as `--log-level` takes them.
pub(crate) fn levels() -> String {
    let levels = LEVELS
        .get()
        .map(|levels| levels.read().unwrap_or_else(PoisonError::into_inner));
    levels.map_or_else(|| "info".to_owned(), |levels| levels.to_string())
}
