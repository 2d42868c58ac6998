//! A log writer that hands complete lines to a thread of its own.
//!
//! A reader of standard error that has stopped reading (a full pipe, a slow journal) must not stop adverts or checks. When
//! the queue is full, lines are dropped and the number dropped is written once there is room again.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait. A line is about 200 bytes, so this is about 1.6 MB at most.
const QUEUE: usize = 8192;

/// How long the end of the process waits for the reader of standard error.
const FLUSH_WAIT: Duration = Duration::from_secs(2);

enum Item {
    Line(Vec<u8>),
    End(SyncSender<()>),
}

/// The sending side; one line per `make_writer` call.
#[derive(Clone)]
pub(crate) struct Background {
    queue: SyncSender<Item>,
    dropped: Arc<AtomicU64>,
}

impl Background {
    /// Starts the writing thread.
    pub(crate) fn start() -> (Self, Flush) {
        let (queue, lines) = sync_channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&dropped);
        let thread = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_lines(&lines, &counter))
            .ok();
        (
            Self {
                queue: queue.clone(),
                dropped,
            },
            Flush { queue, thread },
        )
    }
}

/// Writes out what is queued when dropped.
pub(crate) struct Flush {
    queue: SyncSender<Item>,
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

fn write_lines(lines: &Receiver<Item>, dropped: &AtomicU64) {
    let mut stderr = io::stderr();
    while let Ok(item) = lines.recv() {
        match item {
            Item::Line(line) => drop(stderr.write_all(&line)),
            Item::End(done) => {
                let _ = done.send(());
                return;
            }
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            drop(writeln!(
                stderr,
                "log lines dropped because standard error was not read: {lost}"
            ));
        }
    }
}

/// Collects one line.
pub(crate) struct Line {
    bytes: Vec<u8>,
    to: Background,
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if !bytes.is_empty() && self.to.queue.try_send(Item::Line(bytes)).is_err() {
            self.to.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl<'a> MakeWriter<'a> for Background {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line {
            bytes: Vec::with_capacity(256),
            to: self.clone(),
        }
    }
}
