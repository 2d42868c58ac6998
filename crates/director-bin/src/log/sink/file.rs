//! A file of its own (keepalived's `-g`). It is opened anew when it was moved away, so that logrotate needs no signal.

use super::Sink;
use crate::log::record::Record;
use crate::log::{LogFormat, json, text};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

pub(super) struct File {
    path: PathBuf,
    format: LogFormat,
    file: std::fs::File,
}

impl File {
    pub(super) fn open(path: &Path, format: LogFormat) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            format,
            file: append(path)?,
        })
    }

    fn moved_away(&self) -> bool {
        match (std::fs::metadata(&self.path), self.file.metadata()) {
            (Ok(there), Ok(here)) => (there.dev(), there.ino()) != (here.dev(), here.ino()),
            (Err(error), _) => error.kind() == io::ErrorKind::NotFound,
            _ => false,
        }
    }
}

fn append(path: &Path) -> io::Result<std::fs::File> {
    let flags = nix::fcntl::OFlag::O_NOFOLLOW.bits();
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o640)
        .custom_flags(flags)
        .open(path)
}

impl Sink for File {
    fn write(&mut self, record: &Record) -> io::Result<()> {
        if self.moved_away()
            && let Ok(file) = append(&self.path)
        {
            self.file = file;
        }
        let mut line = match self.format {
            LogFormat::Text => text::line(record, false),
            LogFormat::Json => json::line(record),
        };
        line.push('\n');
        self.file.write_all(line.as_bytes())
    }
}
