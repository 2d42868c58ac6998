//! systemd's journal, with the fields of each event, by its native protocol.

use super::Sink;
use crate::log::level::Subsystem;
use crate::log::record::Record;
use crate::log::text;
use serde_json::Value;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;
use tracing::Level;

/// Where the journal listens.
const SOCKET: &str = "/run/systemd/journal/socket";

/// Largest datagram; the kernel's own limit for one is at least this.
const LARGEST: usize = 64 << 10;

/// How long a journal that does not read may hold up the log.
const PATIENCE: Duration = Duration::from_secs(1);

pub(crate) struct Journal {
    socket: UnixDatagram,
    path: String,
    identity: String,
}

impl Journal {
    pub(crate) fn open(identity: &str) -> io::Result<Self> {
        Self::at(SOCKET, identity)
    }

    pub(crate) fn at(path: &str, identity: &str) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(PATIENCE))?;
        // Not connected for good: a journal that was restarted has another socket of the same name.
        std::fs::metadata(path)?;
        Ok(Self {
            socket,
            path: path.to_owned(),
            identity: identity.to_owned(),
        })
    }
}

impl Sink for Journal {
    fn write(&mut self, record: &Record) -> io::Result<()> {
        self.socket
            .send_to(&message(record, &self.identity), &self.path)
            .map(|_| ())
    }
}

/// The datagram: `NAME=value` lines, or name, length and bytes for a value of several lines.
pub(super) fn message(record: &Record, identity: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    put(&mut out, "PRIORITY", priority(record.level));
    put(&mut out, "SYSLOG_IDENTIFIER", identity);
    put(&mut out, "MESSAGE", &text::sentence(record));
    put(&mut out, "DIRECTOR_SUBSYSTEM", subsystem(record));
    if let Some(event) = &record.event {
        put(&mut out, "DIRECTOR_EVENT", event);
    }
    for (name, value) in &record.fields {
        let name: String = name
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() {
                    c.to_ascii_uppercase()
                } else {
                    '_'
                }
            })
            .take(48)
            .collect();
        let mut one = Vec::new();
        match value {
            Value::String(text) => put(&mut one, &format!("DIRECTOR_{name}"), text),
            other => put(&mut one, &format!("DIRECTOR_{name}"), &other.to_string()),
        }
        if out.len().saturating_add(one.len()) <= LARGEST {
            out.append(&mut one);
        }
    }
    out
}

fn subsystem(record: &Record) -> &'static str {
    Subsystem::of(record.event.as_deref(), record.target).name()
}

fn put(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        out.push(b'\n');
        out.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        out.push(b'=');
    }
    out.extend_from_slice(value.as_bytes());
    out.push(b'\n');
}

/// Syslog's numbers.
pub(super) const fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        _ => "7",
    }
}

/// Whether standard error is the journal already, as systemd says it in `JOURNAL_STREAM` (device and inode).
pub(crate) fn is_standard_error() -> bool {
    use std::os::fd::AsFd;
    let Some(stream) = std::env::var_os("JOURNAL_STREAM") else {
        return false;
    };
    let Ok(status) = nix::sys::stat::fstat(io::stderr().as_fd()) else {
        return false;
    };
    stream.to_str() == Some(format!("{}:{}", status.st_dev, status.st_ino).as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    fn record() -> Record {
        let mut fields = serde_json::Map::new();
        fields.insert("virtual_server".to_owned(), "[10.0.0.1]:tcp:80".into());
        fields.insert("reason".to_owned(), "a\nb".into());
        fields.insert("weight".to_owned(), 7.into());
        Record {
            time: SystemTime::UNIX_EPOCH,
            level: Level::WARN,
            target: "director",
            message: "down\nnow".to_owned(),
            event: Some("real_server_down".to_owned()),
            fields,
        }
    }

    #[test]
    fn fields_are_the_journals() {
        let bytes = message(&record(), "director");
        let text = String::from_utf8_lossy(&bytes);
        assert!(
            text.starts_with("PRIORITY=4\nSYSLOG_IDENTIFIER=director\nMESSAGE=down\\nnow\n"),
            "{text}"
        );
        assert!(
            text.contains("DIRECTOR_SUBSYSTEM=checks\nDIRECTOR_EVENT=real_server_down\n"),
            "{text}"
        );
        assert!(
            text.contains("DIRECTOR_VIRTUAL_SERVER=[10.0.0.1]:tcp:80\n")
                && text.contains("DIRECTOR_WEIGHT=7\n")
        );
        assert!(
            bytes
                .windows(28)
                .any(|w| w == b"DIRECTOR_REASON\n\x03\0\0\0\0\0\0\0a\nb\n"),
            "{text}"
        );
    }

    #[test]
    fn a_datagram_is_bounded() {
        let mut record = record();
        for number in 0..64 {
            record
                .fields
                .insert(format!("field{number}"), "x".repeat(4096).into());
        }
        assert!(message(&record, "director").len() <= LARGEST);
    }

    #[test]
    fn a_journal_gets_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let receiver = UnixDatagram::bind(&path).unwrap();
        let mut journal = Journal::at(path.to_str().unwrap(), "director").unwrap();
        journal.write(&record()).unwrap();
        let mut buffer = [0; 4096];
        let length = receiver.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], message(&record(), "director"));
        assert!(Journal::at("/nowhere/at/all", "director").is_err());
    }
}
