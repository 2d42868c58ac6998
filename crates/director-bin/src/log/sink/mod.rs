//! Where lines go.

mod console;
mod file;
pub(super) mod journald;
pub(super) mod syslog;

use super::record::Record;
use super::{LogFormat, Target};
use std::io;

/// One place that lines go to.
pub(super) trait Sink: Send {
    /// Writes a record. What cannot be written is lost; a log must not hold up what it tells of.
    fn write(&mut self, record: &Record) -> io::Result<()>;
}

/// Opens a target; what it needs from the caller's process is taken now.
pub(super) fn open(
    target: &Target,
    format: LogFormat,
    identity: &str,
) -> io::Result<Box<dyn Sink>> {
    Ok(match target {
        Target::Stderr => Box::new(console::Console::stderr(format)),
        Target::Stdout => Box::new(console::Console::stdout(format)),
        Target::File(path) => Box::new(file::File::open(path, format)?),
        Target::Journal => Box::new(journald::Journal::open(identity)?),
        Target::Syslog(facility) => Box::new(syslog::Syslog::open(*facility, identity)?),
    })
}
