//! The event journal: every event of the log with its reason, kept in a ring and in the state directory.
//!
//! The events are taken where the log takes them, so nothing is in the one and not in the other. The last ones are in
//! memory for readers, all are appended to a file of bounded size by a thread of its own; a disk that hangs holds up nobody.

mod lines;

use lines::{Line, Lines};

use crate::queue::{self, Receiver, Sender};
use director_control::{Event, Level, snapshot};
use serde_json::{Map, Value};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::sync::watch;
use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer};

/// Size at which the file is put aside and a new one begun; one old file is kept.
const FILE_LIMIT: u64 = 4 << 20;

/// How much of the end of the file a start reads.
const TAIL: u64 = 512 << 10;

/// Lines that may wait for the disk.
const QUEUE: usize = 4096;

/// Longest text of one field; some come from the network.
const LONGEST_TEXT: usize = 4096;

/// The journal; clones are the same one.
#[derive(Clone)]
pub(crate) struct Journal {
    shared: Arc<Shared>,
}

struct Shared {
    ring: Mutex<Ring>,
    /// The last sequence number, to wake readers.
    last: watch::Sender<u64>,
}

#[derive(Default)]
struct Ring {
    lines: Lines,
    last: u64,
    file: Option<(PathBuf, Sender<Item>)>,
    /// Lines that the disk was too slow for.
    lost: u64,
}

enum Item {
    Line(Box<str>),
    End(SyncSender<()>),
}

impl Journal {
    /// A journal without a file.
    pub(crate) fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                ring: Mutex::default(),
                last: watch::Sender::new(0),
            }),
        }
    }

    /// Goes on with the file at `path`: its last events are there to be read, and what happens is appended to it.
    pub(crate) fn attach(&self, path: &Path) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .read(true)
            .mode(0o600)
            .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits())
            .open(path)?;
        let before = read_tail(&mut file)?;
        let (sender, receiver) = queue::bounded(QUEUE);
        let name = path.to_owned();
        std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || write_lines(&receiver, file, &name))?;
        let last = {
            let mut ring = self.ring();
            let base = before.last().map_or(0, |line| line.sequence);
            let since = std::mem::take(&mut ring.lines);
            ring.last = ring.last.saturating_add(base);
            for line in &before {
                ring.lines.push(line);
            }
            for mut event in since.kept().iter().filter_map(|kept| since.event(kept)) {
                event.sequence = event.sequence.saturating_add(base);
                let line = Line::new(&event);
                ring.lines.push(&line);
                let _ = sender.try_send(Item::Line(line.text));
            }
            ring.file = Some((path.to_owned(), sender));
            ring.last
        };
        self.shared.last.send_replace(last);
        Ok(())
    }

    /// Lets go of the file: another process goes on with it.
    pub(crate) fn detach(&self) {
        self.flush();
        self.ring().file = None;
    }

    /// Appends an event.
    pub(crate) fn add(
        &self,
        level: Level,
        event: String,
        message: String,
        fields: Map<String, Value>,
    ) {
        let last = {
            let mut ring = self.ring();
            ring.last = ring.last.saturating_add(1);
            let event = Event {
                sequence: ring.last,
                time: SystemTime::now().into(),
                level,
                event,
                message,
                fields,
            };
            let line = Line::new(&event);
            ring.lines.push(&line);
            ring.write(line);
            ring.last
        };
        self.shared.last.send_replace(last);
    }

    /// Events behind `sequence`, at most `limit`, and how many were there before but are gone.
    pub(crate) fn after(&self, sequence: u64, limit: usize) -> (Vec<Event>, u64) {
        let ring = self.ring();
        let kept = &ring.lines.kept();
        let first = kept
            .front()
            .map_or(ring.last, |event| event.sequence.saturating_sub(1));
        let missed = first.saturating_sub(sequence.min(ring.last));
        let begin = kept.partition_point(|event| event.sequence <= sequence);
        let wanted = kept.range(begin..);
        let events = wanted.filter_map(|kept| ring.lines.event(kept));
        (events.take(limit).collect(), missed)
    }

    /// The sequence number behind which the last `count` events stand.
    pub(crate) fn before_last(&self, count: usize) -> u64 {
        let ring = self.ring();
        let index = ring.lines.kept().len().saturating_sub(count);
        let at = |event: &lines::Kept| event.sequence.saturating_sub(1);
        ring.lines.kept().get(index).map_or(ring.last, at)
    }

    /// Sequence number of the last event.
    pub(crate) fn last(&self) -> u64 {
        self.ring().last
    }

    /// Changes with every event.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.shared.last.subscribe()
    }

    /// The last events that `wanted` picks, newest first.
    pub(crate) fn recent(&self, wanted: impl Fn(&Event) -> bool, count: usize) -> Vec<Event> {
        // Nobody who logs waits until all are read.
        let lines: Vec<Vec<u8>> = {
            let ring = self.ring();
            let lines = ring
                .lines
                .kept()
                .iter()
                .map(|kept| ring.lines.bytes_of(kept));
            lines.collect()
        };
        let newest_first = lines.iter().rev();
        newest_first
            .filter_map(|line| serde_json::from_slice(line).ok())
            .filter(|event| wanted(event))
            .take(count)
            .collect()
    }

    /// For the snapshot.
    pub(crate) fn status(&self) -> snapshot::Journal {
        let ring = self.ring();
        snapshot::Journal {
            last_sequence: ring.last,
            kept: ring.lines.kept().len() as u64,
            file: ring
                .file
                .as_ref()
                .map(|(path, _)| path.display().to_string()),
        }
    }

    /// Waits until what has been appended is in the file, at most a second.
    pub(crate) fn flush(&self) {
        let queue = self.ring().file.as_ref().map(|(_, queue)| queue.clone());
        let Some(queue) = queue else { return };
        let (done, wait) = sync_channel(1);
        if queue.try_send(Item::End(done)).is_ok() {
            let _ = wait.recv_timeout(Duration::from_secs(1));
        }
    }

    /// Takes the events of the log.
    pub(crate) fn layer(&self) -> JournalLayer {
        JournalLayer(self.clone())
    }

    fn ring(&self) -> std::sync::MutexGuard<'_, Ring> {
        self.shared
            .ring
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    fn write(&mut self, line: Line) {
        let Some((_, queue)) = &self.file else { return };
        if queue.try_send(Item::Line(line.text)).is_err() {
            self.lost = self.lost.saturating_add(1);
        }
    }
}

/// What a director that does not run has left in its file, oldest first.
pub(crate) fn left_in(path: &Path) -> io::Result<Vec<Event>> {
    let mut file = File::open(path)?;
    let mut lines = Vec::new();
    // The file may have been begun anew just before the end.
    if let Ok(mut old) = File::open(put_aside(path)) {
        lines = read_tail(&mut old)?;
    }
    lines.extend(read_tail(&mut file)?);
    let events = lines.iter().map(|line| serde_json::from_str(&line.text));
    Ok(events.filter_map(Result::ok).collect())
}

/// Where the file goes when it is full.
fn put_aside(path: &Path) -> PathBuf {
    path.with_extension("old.jsonl")
}

/// The last events of a file of an earlier run. A broken line is left out.
fn read_tail(file: &mut File) -> io::Result<Vec<Line>> {
    let length = file.metadata()?.len();
    let begin = length.saturating_sub(TAIL);
    file.seek(SeekFrom::Start(begin))?;
    let mut reader = BufReader::new(file.take(TAIL));
    let mut lines = Vec::new();
    let mut line = Vec::new();
    if begin > 0 {
        reader.read_until(b'\n', &mut line)?;
    }
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if let Ok(event) = serde_json::from_slice::<Event>(&line) {
            lines.push(Line::new(&event));
        }
    }
    Ok(lines)
}

fn write_lines(lines: &Receiver<Item>, mut file: File, path: &Path) {
    let mut size = file.metadata().map_or(0, |metadata| metadata.len());
    let mut text = String::new();
    while let Ok(item) = lines.recv() {
        match item {
            Item::Line(line) => {
                text.clear();
                text.push_str(&line);
                text.push('\n');
                if size.saturating_add(text.len() as u64) > FILE_LIMIT
                    && let Some(new) = begin_anew(path)
                {
                    file = new;
                    size = 0;
                }
                // A full disk loses lines of the journal, nothing else.
                if file.write_all(text.as_bytes()).is_ok() {
                    size = size.saturating_add(text.len() as u64);
                }
            }
            Item::End(done) => {
                let _ = done.send(());
            }
        }
    }
}

fn begin_anew(path: &Path) -> Option<File> {
    std::fs::rename(path, put_aside(path)).ok()?;
    OpenOptions::new()
        .create_new(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .ok()
}

/// Hands the events of the log to the journal: those that have an `event` field and are no mere details.
pub(crate) struct JournalLayer(Journal);

impl<S: Subscriber> Layer<S> for JournalLayer {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let level = match *event.metadata().level() {
            tracing::Level::ERROR => Level::Error,
            tracing::Level::WARN => Level::Warn,
            tracing::Level::INFO => Level::Info,
            _ => return,
        };
        let mut taken = Taken::default();
        event.record(&mut taken);
        if let Some(name) = taken.event {
            self.0.add(level, name, taken.message, taken.fields);
        }
    }
}

#[derive(Default)]
struct Taken {
    event: Option<String>,
    message: String,
    fields: Map<String, Value>,
}

impl Taken {
    fn put(&mut self, field: &Field, value: Value) {
        self.fields.insert(field.name().to_owned(), value);
    }
}

impl Visit for Taken {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let value: String = value.chars().take(LONGEST_TEXT).collect();
        match field.name() {
            "message" => self.message = value,
            "event" => self.event = Some(value),
            _ => self.put(field, value.into()),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    fn add(journal: &Journal, text: &str) {
        journal.add(Level::Info, "test".to_owned(), text.to_owned(), Map::new());
    }

    fn texts(events: &[Event]) -> Vec<&str> {
        events.iter().map(|event| event.message.as_str()).collect()
    }

    #[test]
    fn events_of_the_log_are_taken_with_their_fields() {
        let journal = Journal::new();
        let subscriber = tracing_subscriber::registry().with(journal.layer());
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(event = "tested", number = 7, reason = %"why", "a sentence");
            tracing::info!("no event");
            tracing::debug!(event = "detail", "left out");
        });
        let (events, missed) = journal.after(0, 10);
        assert_eq!((texts(&events), missed), (vec!["a sentence"], 0));
        let event = &events[0];
        assert_eq!((event.event.as_str(), event.level), ("tested", Level::Warn));
        assert_eq!(event.text("reason"), Some("why"));
        assert_eq!(event.fields["number"], 7);
    }

    #[test]
    fn a_reader_that_is_too_slow_learns_what_it_missed() {
        let journal = Journal::new();
        let texts_added: Vec<String> = (1..=300).map(|number| format!("{number:>2000}")).collect();
        for text in &texts_added {
            add(&journal, text);
        }
        let gone = journal.before_last(usize::MAX);
        assert!((170..190).contains(&gone), "{gone} do not fit any more");
        let (events, missed) = journal.after(3, 2);
        assert_eq!(missed, gone - 3);
        assert_eq!(events[0].sequence, gone + 1);
        assert_eq!(events[1].message, texts_added[gone as usize + 1]);
        let (events, missed) = journal.after(journal.last(), 2);
        assert!(events.is_empty() && missed == 0);
        let (events, _) = journal.after(journal.before_last(2), 10);
        assert_eq!(texts(&events), texts_added[298..]);
        let (events, _) = journal.after(gone, usize::MAX);
        assert_eq!(texts(&events), texts_added[gone as usize..]);
    }

    #[test]
    fn an_event_that_does_not_fit_takes_nothing_with_it() {
        let journal = Journal::new();
        add(&journal, "before");
        add(&journal, &"x".repeat(lines::KEPT));
        add(&journal, "after");
        let (events, missed) = journal.after(0, 10);
        assert_eq!((texts(&events), missed), (vec!["before", "after"], 0));
        assert_eq!(events[1].sequence, 3);
    }

    #[test]
    fn a_restart_goes_on_where_the_file_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let first = Journal::new();
        add(&first, "before the file is known");
        first.attach(&path).unwrap();
        add(&first, "one");
        first.flush();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"broken\n").unwrap();
        let second = Journal::new();
        add(&second, "two");
        second.attach(&path).unwrap();
        add(&second, "three");
        second.flush();
        let (events, _) = second.after(0, 10);
        assert_eq!(
            texts(&events),
            ["before the file is known", "one", "two", "three"]
        );
        let numbers: Vec<_> = events.iter().map(|event| event.sequence).collect();
        assert_eq!(numbers, [1, 2, 3, 4]);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 5, "{text}");

        drop(second);
        assert_eq!(left_in(&path).unwrap().len(), 4);
        std::fs::rename(&path, put_aside(&path)).unwrap();
        let third = Journal::new();
        third.attach(&path).unwrap();
        add(&third, "four");
        third.flush();
        let left = left_in(&path).unwrap();
        assert_eq!(texts(&left).last(), Some(&"four"));
        assert_eq!(left.len(), 5, "what was put aside comes first");
        assert!(left_in(&folder.path().join("nothing")).is_err());
    }

    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        std::fs::write(&target, "precious").unwrap();
        let link = folder.path().join("journal.jsonl");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(Journal::new().attach(&link).is_err());
    }
}
