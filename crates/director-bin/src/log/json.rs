//! Log lines for programs: one JSON object each.

use super::record::Record;
use super::text;
use serde_json::Value;

/// The line without its end: `timestamp`, `level`, `message`, `event`, and the fields.
pub(super) fn line(record: &Record) -> String {
    let mut out = String::with_capacity(256);
    let mut put = |name: &str, value: Value| {
        out.push(if out.is_empty() { '{' } else { ',' });
        out.push_str(&Value::from(name).to_string());
        out.push(':');
        out.push_str(&value.to_string());
    };
    put("timestamp", text::time(record).into());
    put("level", record.level.as_str().into());
    put("message", record.message.as_str().into());
    if let Some(event) = &record.event {
        put("event", event.as_str().into());
    }
    for (name, value) in &record.fields {
        put(name, value.clone());
    }
    out.push('}');
    out
}
