//! What the daemon's loop gives away when it is asked how things stand: all of it at one moment, cheap to take. The snapshot
//! is built from it elsewhere.

use super::config_state::ConfigState;
use super::journal::Journal;
use super::overrides::Overrides;
use super::peers::PeerBook;
use crate::config::Plan;
use crate::lvs::{CheckId, Model};
use crate::script::HookLedger;
use director_control::{Timestamp, snapshot};
use healthcheck::Monitor;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Everything at one moment, as the loop knows it.
pub(crate) struct Facts {
    pub(crate) clock: Clock,
    pub(crate) director: snapshot::Director,
    pub(crate) configuration: ConfigState,
    pub(crate) overrides: Overrides,
    pub(crate) loop_lag: snapshot::Lag,
    pub(crate) plan: Arc<Plan>,
    pub(crate) model: Model,
    pub(crate) vrrp: Option<Arc<vrrp_net::Snapshot>>,
    pub(crate) peers: PeerBook,
    pub(crate) trackers: BTreeMap<String, TrackerFact>,
    pub(crate) hooks: HookLedger,
    pub(crate) monitor: Monitor<CheckId>,
    pub(crate) journal: Journal,
    /// Whether there is a table in the kernel to be read.
    pub(crate) has_table: bool,
}

/// What is known of a tracker.
#[derive(Debug, Clone)]
pub(crate) struct TrackerFact {
    pub(crate) kind: &'static str,
    pub(crate) value: snapshot::TrackerValue,
    pub(crate) reason: String,
    pub(crate) since: Timestamp,
}

/// One moment on both clocks, to tell one from the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    pub(crate) instant: Instant,
    pub(crate) wall: Timestamp,
}

impl Clock {
    /// This moment.
    pub(crate) fn now() -> Self {
        Self {
            instant: Instant::now(),
            wall: SystemTime::now().into(),
        }
    }

    /// The time of day of a moment on the monotonic clock.
    pub(crate) fn wall_of(&self, instant: Instant) -> Timestamp {
        let ago = self.instant.saturating_duration_since(instant);
        let ahead = instant.saturating_duration_since(self.instant);
        let back = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
        let base = self.wall.unix_milliseconds().saturating_sub(back);
        Timestamp::from_unix_milliseconds(base).plus(ahead)
    }

    /// From a moment until now.
    pub(crate) fn since(&self, instant: Instant) -> Duration {
        self.instant.saturating_duration_since(instant)
    }
}
