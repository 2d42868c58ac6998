//! The stream of events, and the records that go out.

use tokio::sync::mpsc;

use crate::clock::Moment;
use crate::event::Event;
use crate::judge::World;
use crate::record::{Record, milliseconds};

/// The events and what is known from them.
pub(super) struct Events {
    pub(super) inbox: mpsc::Receiver<Event>,
    pub(super) world: World,
    /// The time from which records count; notes are sent from then on.
    pub(super) began: Option<Moment>,
    /// The time of the newest event.
    pub(super) now: Moment,
}

impl Events {
    /// Takes in an event and sends what people want to read about it.
    fn take(&mut self, event: Event) {
        let at = event.at;
        self.now = at;
        for note in self.world.observe(event) {
            if let Some(began) = self.began {
                let at = milliseconds(at.since(began));
                send(&Record::Note {
                    at,
                    node: note.node,
                    text: note.text,
                });
            }
        }
    }

    /// Takes in one event; `false` if none came before the deadline.
    pub(super) async fn pump(&mut self, until: Moment) -> bool {
        let left = until.since(Moment::now());
        match tokio::time::timeout(left, self.inbox.recv()).await {
            Ok(Some(event)) => {
                self.take(event);
                true
            }
            Ok(None) | Err(_) => false,
        }
    }

    /// Takes in what is there already.
    pub(super) fn drain(&mut self) {
        while let Ok(event) = self.inbox.try_recv() {
            self.take(event);
        }
    }
}

/// Waits for a node. Events must flow meanwhile: it may report more than the queue holds.
pub(super) async fn attend<T>(events: &mut Events, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            Some(event) = events.inbox.recv() => events.take(event),
        }
    }
}

/// The reader of the records is gone only when the run is over anyway.
pub(super) fn send(record: &Record) {
    let _ = record.send();
}
