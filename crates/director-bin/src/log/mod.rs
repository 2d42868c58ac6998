//! Logging: one line per event on standard error, as text or as JSON, never blocking the caller.
//!
//! Every line that reports something that happened carries an `event` field with a stable name and the fields that belong
//! to it; the list is in `docs/events.md`.

mod rate;
mod text;
mod writer;

pub(crate) use rate::RateLimit;
pub(crate) use writer::Flush;

use crate::control::Journal;
use clap::ValueEnum;
use std::io::IsTerminal;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};
use writer::Background;

/// How a log line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people: time, level, sentence.
    #[default]
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// The filter given with `--log-level` makes no sense.
#[derive(Debug, thiserror::Error)]
#[error(
    "log level `{text}` is not understood; give error, warn, info, debug or trace, or pairs such as `info,vrrp_net=debug`"
)]
pub(crate) struct FilterError {
    text: String,
    source: tracing_subscriber::filter::ParseError,
}

/// Starts logging for the whole process. The returned guard writes out what is still queued when it is dropped.
/// `journal` gets every event, whatever the filter says of lines.
pub(crate) fn start(
    format: LogFormat,
    filter: &str,
    journal: &Journal,
) -> Result<Flush, FilterError> {
    let filter = EnvFilter::try_new(filter).map_err(|source| FilterError {
        text: filter.to_owned(),
        source,
    })?;
    let (background, flush) = Background::start();
    let lines = tracing_subscriber::fmt::layer()
        .with_target(false)
        .with_writer(background);
    let events = journal.layer().with_filter(LevelFilter::INFO);
    let all = tracing_subscriber::registry().with(events);
    match format {
        LogFormat::Text => all
            .with(
                lines
                    .with_ansi(std::io::stderr().is_terminal())
                    .event_format(text::TextLines)
                    .with_filter(filter),
            )
            .init(),
        LogFormat::Json => all
            .with(
                lines
                    .json()
                    .flatten_event(true)
                    .with_current_span(false)
                    .with_span_list(false)
                    .with_filter(filter),
            )
            .init(),
    }
    Ok(flush)
}
