//! The process, its file, its scripts.

use crate::{Timestamp, Who};
use serde::{Deserialize, Serialize};

/// The process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Director {
    /// Version of the program.
    pub version: String,
    /// Process id.
    pub pid: u32,
    /// Name of the machine.
    pub node: String,
    /// When it started.
    pub started: Timestamp,
    /// What it logs, as `--log-level` takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_levels: Option<String>,
    /// When that goes back by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_levels_until: Option<Timestamp>,
}

/// The configuration in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Configuration {
    /// The file.
    pub file: String,
    /// SHA-256 of the file and all that it includes, as they were read.
    pub digest: String,
    /// When it was read.
    pub loaded: Timestamp,
    /// Reloads that came into force.
    pub reloads_done: u64,
    /// Reloads that were refused.
    pub reloads_refused: u64,
    /// The last reload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_reload: Option<Reload>,
    /// A reload that goes back unless it is confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingReload>,
    /// Why the configuration in force is not the file's, where that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_the_file: Option<String>,
}

/// How a reload went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Reload {
    /// When.
    pub at: Timestamp,
    /// True if it came into force.
    pub done: bool,
    /// What it changed, a sentence each.
    pub changes: Vec<String>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// How long it took.
    pub took_seconds: f64,
}

/// A reload that nobody has confirmed yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PendingReload {
    /// When it goes back.
    pub reverts_at: Timestamp,
    /// SHA-256 of the configuration that it goes back to.
    pub reverts_to: String,
}

/// The node is in maintenance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Maintenance {
    /// Since when.
    pub since: Timestamp,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who gave the order.
    pub by: Who,
}

/// How late a loop is: the time from when a timer was due to when it was served.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Lag {
    /// At the last measurement.
    pub last_seconds: f64,
    /// The worst of the last minute.
    pub worst_minute_seconds: f64,
    /// The worst since the start.
    pub worst_seconds: f64,
    /// All measurements.
    pub histogram: Histogram,
}

/// Counts of measurements by their size.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Histogram {
    /// Upper bounds of the buckets in seconds, ascending; one more bucket is above the last.
    pub bounds: Vec<f64>,
    /// Measurements in each bucket, not cumulative; one more than `bounds`.
    pub counts: Vec<u64>,
    /// Sum of all measurements in seconds.
    pub sum_seconds: f64,
}

/// Something that priorities depend on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Tracker {
    /// Keyword of its block, such as `vrrp_script`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its state.
    pub value: TrackerValue,
    /// What was seen.
    pub reason: String,
    /// Since when; `None` before the first result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// The state of a tracker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TrackerValue {
    /// Nothing is known yet.
    Pending,
    /// Good.
    Up,
    /// Bad.
    Down,
    /// A number that adds to the priority.
    Value(i64),
}

/// The notification scripts of one object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Hook {
    /// The object, such as `vrrp_instance VI_1`.
    pub object: String,
    /// What runs now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<HookRun>,
    /// What ended last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<HookRun>,
    /// Notifications that wait behind the running one.
    pub waiting: u64,
    /// Runs that ended well since the start.
    pub succeeded: u64,
    /// Runs that failed since the start.
    pub failed: u64,
    /// Notifications dropped since the start because too many waited.
    pub dropped: u64,
}

/// One run of a script.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HookRun {
    /// The keyword that asked for it, such as `notify_master`.
    pub keyword: String,
    /// The command.
    pub command: String,
    /// When it began.
    pub started: Timestamp,
    /// How long it took, or has taken so far.
    pub seconds: f64,
    /// How it ended, such as `exit status 1`; `None` while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
}

/// The event journal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Journal {
    /// Sequence number of the last event; 0 before the first.
    pub last_sequence: u64,
    /// Events that can be asked for.
    pub kept: u64,
    /// Its file, if it can be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}
