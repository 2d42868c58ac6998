//! What a reconciliation remembers, for it may need several attempts when answers are lost.

use std::collections::BTreeSet;

use crate::table::{Change, Owned, Table};
use crate::types::ServiceId;

/// The attempts made so far.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    /// The table before the first one.
    before: Table,
    /// What the first one was to do. What later ones find is a part of it.
    first: Option<Vec<Change>>,
    /// What any of them may have changed.
    services: BTreeSet<ServiceId>,
    timeouts: bool,
    daemons: bool,
    /// There were several, so that taking back the last one is not enough.
    pub(super) several: bool,
}

impl Attempts {
    /// One more, from the table as it was found.
    pub(super) fn note(&mut self, found: Table, changes: Vec<Change>) {
        for change in &changes {
            match change {
                Change::SetTimeouts { .. } => self.timeouts = true,
                Change::StartDaemon(_) | Change::StopDaemon(_) => self.daemons = true,
                _ => self.services.extend(change.service().copied()),
            }
        }
        if self.first.is_some() {
            self.several = true;
        } else {
            self.before = found;
            self.first = Some(changes);
        }
    }

    /// All that was changed.
    pub(super) fn made(self) -> Vec<Change> {
        self.first.unwrap_or_default()
    }

    /// What brings the table, as it is now, back to what it was before the first attempt; what no attempt has touched stays
    /// as it is now.
    pub(super) fn back(self, now: &Table) -> Vec<Change> {
        let Self {
            mut before,
            services: touched,
            ..
        } = self;
        before.services.retain(|id, _| touched.contains(id));
        before.timeouts = before.timeouts.filter(|_| self.timeouts);
        before.daemons = before.daemons.filter(|_| self.daemons);
        let added: BTreeSet<ServiceId> = touched
            .into_iter()
            .filter(|id| !before.services.contains_key(id))
            .collect();
        now.diff(&before, Owned::Only(&added))
    }
}
