//! Trackers: scripts, processes, files, and the entries that refer to them.

use std::time::Duration;

use super::setting::settings;
use super::{Origin, Script, ScriptUser, Setting, Spanned};

/// A weight with `reverse`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct TrackWeight {
    /// Zero means: failure is a fault. Positive: added while up; negative: subtracted while down.
    pub weight: i32,
    /// Multiplies the adjustment by -1.
    pub reverse: bool,
}

/// `NAME [weight W [reverse|noreverse]]` in a `track_*` block.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct TrackEntry {
    /// The script, file, process, BFD instance or interface.
    pub name: Spanned<String>,
    /// Effective weight: written here, else the tracked object's own.
    pub weight: Setting<TrackWeight>,
    /// False if nothing of that name is defined (an error was reported). Always true for
    /// interfaces.
    pub resolved: bool,
    /// Where the entry stands.
    pub span: Origin,
}

/// All `track_*` blocks of an instance or a sync group.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Trackers {
    /// `track_interface`.
    pub track_interface: Vec<TrackEntry>,
    /// `track_script`.
    pub track_script: Vec<TrackEntry>,
    /// `track_file`.
    pub track_file: Vec<TrackEntry>,
    /// `track_process`.
    pub track_process: Vec<TrackEntry>,
    /// `track_bfd`.
    pub track_bfd: Vec<TrackEntry>,
}

settings! {
    /// `vrrp_script NAME { }`.
    pub struct VrrpScript {
        /// The command; its result decides.
        script: Option<Script> = None,
        /// Seconds between runs, 1 ms to 4294 s.
        interval: Duration = Duration::from_secs(1),
        /// When a run counts as failed; `interval` unless written.
        timeout: Duration = Duration::from_secs(1),
        /// Priority change, -253 to 253; 0 makes failure a fault.
        weight: TrackWeight = TrackWeight::default(),
        /// Successes in a row until up, from 1.
        rise: u32 = 1,
        /// Failures in a row until down, from 1.
        fall: u32 = 1,
        /// Who runs it; `script_user` unless written.
        user: Option<ScriptUser> = None,
        /// Start in failed state. No effect in keepalived.
        init_fail: bool = false,
    } plus {
        /// Name of the script.
        name: Spanned<String> = Spanned::new(String::new(), Origin::default().0),
        /// True if an instance or sync group tracks it.
        tracked: bool = false,
        /// Where the block stands.
        span: Origin = Origin::default(),
    }
}

/// `param_match`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum ParameterMatch {
    /// Exactly the listed parameters.
    Exact,
    /// The listed parameters come first.
    Partial,
    /// As `Partial`, and the last listed one may be a prefix.
    Initial,
}

settings! {
    /// `vrrp_track_process NAME { }`.
    pub struct TrackProcess {
        /// Program and parameters to look for.
        process: Vec<String> = Vec::new(),
        /// How parameters are compared; `None` if parameters do not matter.
        param_match: Option<ParameterMatch> = None,
        /// Priority change, -254 to 254.
        weight: TrackWeight = TrackWeight::default(),
        /// Fewest processes, 1 to 65535.
        quorum: u32 = 1,
        /// Most processes; `None` is unlimited.
        quorum_max: Option<u32> = None,
        /// Hold before counting as up.
        fork_delay: Duration = Duration::ZERO,
        /// Hold before counting as down.
        terminate_delay: Duration = Duration::ZERO,
        /// Compare the whole command line.
        full_command: bool = false,
    } plus {
        /// Name of the tracker.
        name: Spanned<String> = Spanned::new(String::new(), Origin::default().0),
        /// True if an instance or sync group tracks it.
        tracked: bool = false,
        /// Where the block stands.
        span: Origin = Origin::default(),
    }
}

settings! {
    /// `track_file NAME { }`.
    pub struct TrackFile {
        /// The file to watch.
        file: String = String::new(),
        /// Multiplied with the number in the file, -254 to 254.
        weight: TrackWeight = TrackWeight { weight: 1, reverse: false },
        /// Create the file with this value if it is absent.
        init_file: Option<i64> = None,
        /// Write the initial value even if the file exists.
        init_file_overwrite: bool = false,
    } plus {
        /// Name of the tracker.
        name: Spanned<String> = Spanned::new(String::new(), Origin::default().0),
        /// True if an instance, sync group or checker tracks it.
        tracked: bool = false,
        /// Where the block stands.
        span: Origin = Origin::default(),
    }
}
