//! Standard error and standard output.

use super::Sink;
use crate::log::record::Record;
use crate::log::{LogFormat, json, text};
use std::io::{self, IsTerminal, Write};

pub(super) struct Console<W> {
    out: W,
    format: LogFormat,
    colour: bool,
}

impl Console<io::Stderr> {
    pub(super) fn stderr(format: LogFormat) -> Self {
        let out = io::stderr();
        Self {
            colour: out.is_terminal(),
            out,
            format,
        }
    }
}

impl Console<io::Stdout> {
    pub(super) fn stdout(format: LogFormat) -> Self {
        let out = io::stdout();
        Self {
            colour: out.is_terminal(),
            out,
            format,
        }
    }
}

impl<W: Write + Send> Sink for Console<W> {
    fn write(&mut self, record: &Record) -> io::Result<()> {
        let mut line = match self.format {
            LogFormat::Text => text::line(record, self.colour),
            LogFormat::Json => json::line(record),
        };
        line.push('\n');
        self.out.write_all(line.as_bytes())?;
        self.out.flush()
    }
}
