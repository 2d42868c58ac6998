//! A thread of its own writes the lines.
//!
//! A reader that has stopped reading (a full pipe, a slow journal) must not stop adverts or checks. When the queue is full,
//! lines are dropped, and their number is written once there is room again.

use super::collapse::Collapse;
use super::level::Levels;
use super::record::Record;
use super::sink::Sink;
use crate::queue::{self, Receiver, Sender};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer};

/// Lines that may wait. A line is about 500 bytes, so this is about 4 MB at most.
const QUEUE: usize = 8192;

/// How long the end of the process waits for the readers.
const FLUSH_WAIT: Duration = Duration::from_secs(2);

enum Item {
    Record(Box<Record>),
    End(SyncSender<()>),
}

/// The layer that takes events and hands them over.
pub(super) struct Lines {
    levels: Arc<RwLock<Levels>>,
    queue: Sender<Item>,
    dropped: Arc<AtomicU64>,
}

/// Starts the writing thread.
pub(super) fn start(levels: Arc<RwLock<Levels>>, sinks: Vec<Box<dyn Sink>>) -> (Lines, Flush) {
    let (queue, items) = queue::bounded(QUEUE);
    let dropped = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&dropped);
    let thread = std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || write_records(&items, &counter, sinks))
        .ok();
    let lines = Lines {
        levels,
        queue: queue.clone(),
        dropped,
    };
    (lines, Flush { queue, thread })
}

/// Writes out what is queued when dropped.
pub(crate) struct Flush {
    queue: Sender<Item>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Flush {
    fn drop(&mut self) {
        if self.thread.is_none() {
            return;
        }
        let (done, wait) = sync_channel(1);
        // A full queue means that nobody reads: waiting would hold up the exit for nothing.
        if self.queue.try_send(Item::End(done)).is_ok() {
            let _ = wait.recv_timeout(FLUSH_WAIT);
        }
    }
}

fn write_records(items: &Receiver<Item>, dropped: &AtomicU64, mut sinks: Vec<Box<dyn Sink>>) {
    let mut collapse = Collapse::default();
    let mut write = |record: Option<Record>| {
        for sink in &mut sinks {
            if let Some(record) = &record {
                // A line that cannot be written is lost.
                let _ = sink.write(record);
            }
        }
    };
    loop {
        let item = match collapse.due() {
            Some(due) => match items.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(item) => item,
                Err(RecvTimeoutError::Timeout) => {
                    write(collapse.late(Instant::now()));
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            },
            None => match items.recv() {
                Ok(item) => item,
                Err(_) => return,
            },
        };
        match item {
            Item::Record(record) => {
                let (before, now) = collapse.take(*record, Instant::now());
                write(before);
                write(now);
            }
            Item::End(done) => {
                write(collapse.flush());
                let _ = done.send(());
                return;
            }
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            write(Some(lines_lost(lost)));
        }
    }
}

fn lines_lost(count: u64) -> Record {
    let mut fields = serde_json::Map::new();
    fields.insert("count".to_owned(), count.into());
    Record {
        time: SystemTime::now(),
        level: Level::WARN,
        target: "director",
        message: format!("log lines dropped because nobody read them: {count}"),
        event: Some("log_lines_dropped".to_owned()),
        fields,
    }
}

impl Lines {
    /// What is looked at: all that is written, and what the event journal keeps in any case.
    fn ceiling(&self) -> LevelFilter {
        let levels = self.levels.read().unwrap_or_else(PoisonError::into_inner);
        levels.most().max(LevelFilter::INFO)
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        // Asked anew after each change of the levels.
        if *metadata.level() <= self.ceiling() {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        *metadata.level() <= self.ceiling()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.ceiling())
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let record = Record::new(event);
        let allowed = {
            let levels = self.levels.read().unwrap_or_else(PoisonError::into_inner);
            levels.allow(record.level, record.event.as_deref(), record.target)
        };
        if allowed && self.queue.try_send(Item::Record(Box::new(record))).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}
