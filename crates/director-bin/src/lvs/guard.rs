//! The change guard: when more than a share of all real servers is down at once, the fault is rather with what checks them.
//! Then all of them stay in the table, with their weights, until enough are well again.

use director_control::Timestamp;
use director_control::snapshot::Held;

/// What the guard knows.
#[derive(Debug, Clone, Default)]
pub(super) struct Guard {
    /// `change_guard`, in per cent; `None` is off.
    pub(super) limit: Option<u8>,
    /// Real servers that are down.
    pub(super) down: usize,
    /// All real servers.
    pub(super) all: usize,
    pub(super) held: bool,
    /// Since when it holds, and why; set by whoever has a clock.
    pub(super) told: Option<Held>,
}

/// The guard has begun to hold, or let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GuardChange {
    /// True if it holds.
    pub(crate) held: bool,
    /// Real servers that are down.
    pub(crate) down: usize,
    /// All real servers.
    pub(crate) all: usize,
    /// The share that is allowed, in per cent.
    pub(crate) limit: u8,
}

impl Guard {
    /// Whether so many servers down are too many.
    pub(super) fn is_too_many(&self, down: usize) -> bool {
        self.limit
            .is_some_and(|limit| exceeds(down, self.all, limit))
    }

    /// What has changed since this was told last.
    pub(super) fn change(&mut self, now: Timestamp) -> Option<GuardChange> {
        if self.held == self.told.is_some() {
            return None;
        }
        let (down, all) = (self.down, self.all);
        let limit = self.limit.unwrap_or(100);
        self.told = self.held.then(|| Held {
            since: now,
            reason: format!(
                "{down} of {all} real servers are down at once, more than change_guard allows ({limit}%); connections go on to all of them"
            ),
        });
        Some(GuardChange {
            held: self.held,
            down,
            all,
            limit,
        })
    }
}

/// Whether `part` of `all` is more than `limit` per cent.
pub(crate) const fn exceeds(part: usize, all: usize, limit: u8) -> bool {
    all > 0 && part.saturating_mul(100) > all.saturating_mul(limit as usize)
}
