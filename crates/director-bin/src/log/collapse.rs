//! Lines that say the same again are counted, not written.

use super::record::Record;
use std::time::{Duration, Instant, SystemTime};

/// How long repetitions are counted before their number is written.
const PERIOD: Duration = Duration::from_secs(10);

/// Remembers the last record. Records pass in their order; only ones that directly repeat the one before are held back.
#[derive(Debug, Default)]
pub(super) struct Collapse {
    last: Option<Record>,
    held: u64,
    /// When the number is due.
    due: Option<Instant>,
    /// When the latest repetition was.
    latest: Option<SystemTime>,
}

impl Collapse {
    /// What is to be written now because of a record: nothing, it, or first how often the one before was repeated.
    pub(super) fn take(
        &mut self,
        record: Record,
        now: Instant,
    ) -> (Option<Record>, Option<Record>) {
        if self
            .last
            .as_ref()
            .is_some_and(|last| last.says_the_same(&record))
        {
            self.held = self.held.saturating_add(1);
            self.latest = Some(record.time);
            if self.due.is_none() {
                self.due = now.checked_add(PERIOD);
            }
            return (self.late(now), None);
        }
        let before = self.flush();
        self.last = Some(record.clone());
        (before, Some(record))
    }

    /// When [`late`](Self::late) has something to say.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// How often the last record was repeated, once the period is over.
    pub(super) fn late(&mut self, now: Instant) -> Option<Record> {
        self.due
            .is_some_and(|due| due <= now)
            .then(|| self.flush())
            .flatten()
    }

    /// The same at once, for the end.
    pub(super) fn flush(&mut self) -> Option<Record> {
        self.due = None;
        let held = std::mem::take(&mut self.held);
        let last = self.last.as_ref().filter(|_| held > 0)?;
        Some(Record::repeated(
            last,
            held,
            self.latest.take().unwrap_or(last.time),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    fn record(message: &str) -> Record {
        Record {
            time: SystemTime::UNIX_EPOCH,
            level: Level::WARN,
            target: "test",
            message: message.to_owned(),
            event: Some("packet_ignored".to_owned()),
            fields: serde_json::Map::new(),
        }
    }

    fn texts(written: (Option<Record>, Option<Record>)) -> Vec<String> {
        [written.0, written.1]
            .into_iter()
            .flatten()
            .map(|record| record.message)
            .collect()
    }

    #[test]
    fn repetitions_are_counted_and_order_is_kept() {
        let start = Instant::now();
        let mut collapse = Collapse::default();
        assert_eq!(texts(collapse.take(record("a"), start)), ["a"]);
        assert!(texts(collapse.take(record("a"), start)).is_empty());
        assert!(texts(collapse.take(record("a"), start)).is_empty());
        assert_eq!(
            texts(collapse.take(record("b"), start)),
            ["2 more times: a", "b"]
        );
        assert_eq!(
            texts(collapse.take(record("a"), start)),
            ["a"],
            "not directly after the other"
        );
        assert!(texts(collapse.take(record("a"), start)).is_empty());
        assert_eq!(collapse.late(start), None);
        let later = start + PERIOD;
        assert_eq!(collapse.due(), Some(later));
        assert_eq!(collapse.late(later).unwrap().message, "once more: a");
        assert_eq!(collapse.late(later), None);
        assert!(
            texts(collapse.take(record("a"), later)).is_empty(),
            "still the same"
        );
        assert_eq!(collapse.flush().unwrap().fields["count"], 1);
    }
}
