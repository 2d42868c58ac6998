//! What the owners of checks are told: changes through the outbox, failures at once, snapshots on
//! demand.

use std::hash::Hash;
use std::time::SystemTime;

use super::engine::{Engine, now};
use super::{Event, Snapshot};

impl<K: Clone + Eq + Hash> Engine<K> {
    /// Puts a name into the outbox if its owner does not know the present state.
    pub(super) fn tell(&mut self, id: &K) {
        let Some(name) = self.names.get_mut(id) else {
            return;
        };
        let Some(state) = self.entries.get(name.entry) else {
            return;
        };
        let news = state.made.is_some() && state.tells() != name.told;
        if news && !name.suspended && !name.queued && self.events.is_some() {
            name.queued = true;
            self.outbox.push_back(id.clone());
        }
    }

    pub(super) fn tell_failure(&mut self, entry: u64, at: SystemTime) {
        let Some(state) = self.entries.get(entry) else {
            return;
        };
        let Some(reason) = &state.last_outcome else {
            return;
        };
        let (verdict, reason) = (state.tracker.verdict(), reason.clone());
        self.tell_all(entry, |id| Event::Failed {
            id,
            verdict,
            reason: reason.clone(),
            at,
        });
    }

    pub(super) fn tell_certificate(&mut self, entry: u64, expires: SystemTime, at: SystemTime) {
        self.tell_all(entry, |id| Event::CertificateEnds { id, expires, at });
    }

    /// Tells everybody who has not suspended the check, as far as there is room.
    fn tell_all(&mut self, entry: u64, event: impl Fn(K) -> Event<K>) {
        let Some(state) = self.entries.get(entry) else {
            return;
        };
        for id in &state.names {
            if self.names.get(id).is_none_or(|name| name.suspended) {
                continue;
            }
            let sent = self
                .events
                .as_ref()
                .is_some_and(|events| events.try_send(event(id.clone())).is_ok());
            if !sent {
                self.lost_events += 1;
            }
        }
    }

    /// The news for the first name in the outbox, if it still is news.
    pub(super) fn next_event(&mut self) -> Option<Event<K>> {
        let id = self.outbox.pop_front()?;
        let name = self.names.get_mut(&id)?;
        name.queued = false;
        if name.suspended {
            return None;
        }
        let state = self.entries.get(name.entry)?;
        let made = state.made.as_ref()?;
        let (from, told_weight) = name.told;
        let (to, weight) = state.tells();
        if (from, told_weight) == (to, weight) {
            return None;
        }
        name.told = (to, weight);
        Some(Event::Changed {
            id,
            from,
            to,
            weight,
            reason: made.reason.clone(),
            first: made.first,
            last: made.last,
            attempts: made.attempts,
        })
    }

    pub(super) fn snapshot(&self) -> Vec<Snapshot<K>> {
        let now = now();
        let mut all = Vec::with_capacity(self.names.len());
        for state in self.entries.values() {
            for id in &state.names {
                let suspended = self.names.get(id).is_some_and(|name| name.suspended);
                all.push(state.snapshot(id, suspended, now));
            }
        }
        all
    }
}
