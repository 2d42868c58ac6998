//! An event of the program as data, for every kind of log.

use serde_json::{Map, Value};
use std::fmt::{self, Write as _};
use std::time::SystemTime;
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

/// Longest text of one value; some come from the network.
const LONGEST_VALUE: usize = 4096;

/// Values of one record at most.
const MOST_VALUES: usize = 64;

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    pub(super) time: SystemTime,
    pub(super) level: Level,
    /// The module that told it.
    pub(super) target: &'static str,
    /// The sentence.
    pub(super) message: String,
    /// Name of the event, if it has one.
    pub(super) event: Option<String>,
    /// All other fields, in their order.
    pub(super) fields: Map<String, Value>,
}

impl Record {
    pub(super) fn new(event: &Event<'_>) -> Self {
        let mut record = Self {
            time: SystemTime::now(),
            level: *event.metadata().level(),
            target: event.metadata().target(),
            message: String::new(),
            event: None,
            fields: Map::new(),
        };
        event.record(&mut Visitor(&mut record));
        record
    }

    /// Whether it says exactly the same, at whatever time.
    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        (
            self.level,
            self.target,
            &self.message,
            &self.event,
            &self.fields,
        ) == (
            other.level,
            other.target,
            &other.message,
            &other.event,
            &other.fields,
        )
    }

    /// That a record was repeated that many times since it was written.
    pub(super) fn repeated(of: &Self, count: u64, time: SystemTime) -> Self {
        let mut fields = Map::new();
        fields.insert("count".to_owned(), count.into());
        if let Some(event) = &of.event {
            fields.insert("of".to_owned(), event.clone().into());
        }
        let times = if count == 1 {
            "once more"
        } else {
            "more times"
        };
        let number = if count == 1 {
            String::new()
        } else {
            format!("{count} ")
        };
        Self {
            time,
            level: of.level,
            target: of.target,
            message: format!("{number}{times}: {}", of.message),
            event: Some("repeated".to_owned()),
            fields,
        }
    }
}

struct Visitor<'a>(&'a mut Record);

impl Visitor<'_> {
    fn put(&mut self, field: &Field, value: Value) {
        if self.0.fields.len() < MOST_VALUES {
            self.0.fields.insert(field.name().to_owned(), value);
        }
    }
}

impl Visit for Visitor<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = Bounded(String::new());
        // A value that is cut off is written as far as it goes.
        let _ = write!(text, "{value:?}");
        self.record_str(field, &text.0);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let mut text = Bounded(String::new());
        let _ = text.write_str(value);
        match field.name() {
            "message" => self.0.message = text.0,
            "event" => self.0.event = Some(text.0),
            _ => self.put(field, text.0.into()),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }
}

/// Takes text up to a limit.
struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = LONGEST_VALUE.saturating_sub(self.0.len());
        if text.len() <= room {
            self.0.push_str(text);
            return Ok(());
        }
        let end = (0..=room)
            .rev()
            .find(|at| text.is_char_boundary(*at))
            .unwrap_or(0);
        self.0.push_str(text.get(..end).unwrap_or_default());
        Err(fmt::Error)
    }
}
