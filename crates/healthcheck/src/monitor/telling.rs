//! What the owners of checks are told: changes through the outbox, failures at once, snapshots on
//! demand.

use std::hash::Hash;
use std::time::SystemTime;

use super::engine::{Engine, now};
use super::entry::Entry;
use super::names::Number;
use super::store::Store;
use super::{Event, Snapshot};

impl<K: Clone + Eq + Hash> Engine<K> {
    /// Puts a name into the outbox if its owner does not know the present state.
    pub(super) fn tell(&mut self, number: Number) {
        let Some(name) = self.names.get_mut(number) else {
            return;
        };
        let Some(state) = self.entries.get(name.entry) else {
            return;
        };
        let news = state.made.is_some() && state.tells() != name.told;
        if news && !name.suspended && !name.queued && self.events.is_some() {
            name.queued = true;
            self.outbox.push_back(number);
        }
    }

    /// The same for every name of a check.
    pub(super) fn tell_change(&mut self, entry: u64) {
        let mut next = 0;
        let nth = |store: &Store<Entry>, nth: usize| {
            let names = store.get(entry)?.names.as_slice();
            names.get(nth).copied()
        };
        while let Some(number) = nth(&self.entries, next) {
            self.tell(number);
            next += 1;
        }
    }

    pub(super) fn tell_failure(&mut self, entry: u64, at: SystemTime) {
        let Some(state) = self.entries.get(entry) else {
            return;
        };
        let Some(reason) = state.last_outcome() else {
            return;
        };
        let verdict = state.tracker.verdict();
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
        for number in state.names.as_slice() {
            let name = self.names.get(*number);
            let Some(name) = name.filter(|name| !name.suspended) else {
                continue;
            };
            let sent = self
                .events
                .as_ref()
                .is_some_and(|events| events.try_send(event(name.id.clone())).is_ok());
            if !sent {
                self.lost_events += 1;
            }
        }
    }

    /// The news for the first name in the outbox, if it still is news.
    pub(super) fn next_event(&mut self) -> Option<Event<K>> {
        let name = self.names.get_mut(self.outbox.pop_front()?)?;
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
            id: name.id.clone(),
            from,
            to,
            weight,
            reason: made.reason.outcome(),
            first: made.first,
            last: made.last,
            attempts: made.attempts,
        })
    }

    pub(super) fn snapshot(&self) -> Vec<Snapshot<K>> {
        let now = now();
        let mut all = Vec::with_capacity(self.names.len());
        for state in self.entries.values() {
            for number in state.names.as_slice() {
                if let Some(name) = self.names.get(*number) {
                    all.push(state.snapshot(name.id.clone(), name.suspended, now));
                }
            }
        }
        all
    }
}
