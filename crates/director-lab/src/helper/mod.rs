//! Small programs that nodes run, as hidden commands of the same executable.

pub(crate) mod client;
pub(crate) mod dns;
pub(crate) mod web;

use std::io::{self, Write};

/// Writes a line to standard output at once, so that the runner sees it.
pub(crate) fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// A runtime for one thread.
pub(crate) fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}
