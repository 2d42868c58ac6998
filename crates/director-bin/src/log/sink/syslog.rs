//! The local syslog daemon, as of RFC 3164.

use super::Sink;
use crate::log::record::Record;
use crate::log::text;
use std::fmt;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::str::FromStr;
use std::time::Duration;
use tracing::Level;

/// Where syslog daemons listen.
const SOCKET: &str = "/dev/log";

/// Longest line; syslog daemons take at least this.
const LONGEST: usize = 2048;

/// How long a daemon that does not read may hold up the log.
const PATIENCE: Duration = Duration::from_secs(1);

/// A facility, as keepalived's `-S` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facility(u8);

impl Facility {
    /// `LOG_DAEMON`, the default.
    pub(crate) const DAEMON: Self = Self(3);
}

/// No facility.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no log facility; give 0 to 7 or local0 to local7, user or daemon")]
pub(crate) struct FacilityError(String);

impl FromStr for Facility {
    type Err = FacilityError;

    fn from_str(text: &str) -> Result<Self, FacilityError> {
        let word = text.to_ascii_lowercase();
        match word.as_str() {
            "user" => return Ok(Self(1)),
            "daemon" => return Ok(Self::DAEMON),
            _ => {}
        }
        let digits = word.strip_prefix("local").unwrap_or(&word);
        match digits.parse::<u8>() {
            Ok(number) if number < 8 => Ok(Self(16_u8.saturating_add(number))),
            _ => Err(FacilityError(text.to_owned())),
        }
    }
}

impl fmt::Display for Facility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("user"),
            3 => f.write_str("daemon"),
            other => write!(f, "local{}", other.saturating_sub(16)),
        }
    }
}

pub(crate) struct Syslog {
    socket: UnixDatagram,
    path: String,
    facility: Facility,
    identity: String,
}

impl Syslog {
    pub(crate) fn open(facility: Facility, identity: &str) -> io::Result<Self> {
        Self::at(SOCKET, facility, identity)
    }

    pub(crate) fn at(path: &str, facility: Facility, identity: &str) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(PATIENCE))?;
        // A daemon that is not there yet gets what comes later.
        Ok(Self {
            socket,
            path: path.to_owned(),
            facility,
            identity: identity.to_owned(),
        })
    }
}

impl Sink for Syslog {
    fn write(&mut self, record: &Record) -> io::Result<()> {
        let line = line(record, self.facility, &self.identity);
        self.socket.send_to(line.as_bytes(), &self.path).map(|_| ())
    }
}

/// Priority, program and sentence. The time is left to the daemon: it knows the time zone, and takes the moment of arrival.
fn line(record: &Record, facility: Facility, identity: &str) -> String {
    let severity = match record.level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    };
    let priority = u16::from(facility.0) * 8 + severity;
    let mut line = format!(
        "<{priority}>{identity}[{}]: {}",
        std::process::id(),
        text::sentence(record)
    );
    let end = (0..=LONGEST.min(line.len()))
        .rev()
        .find(|at| line.is_char_boundary(*at))
        .unwrap_or(0);
    line.truncate(end);
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    #[test]
    fn facilities_are_keepaliveds() {
        for (text, number) in [
            ("0", 16),
            ("7", 23),
            ("local3", 19),
            ("LOCAL3", 19),
            ("user", 1),
            ("daemon", 3),
        ] {
            assert_eq!(text.parse(), Ok(Facility(number)));
        }
        assert_eq!("local3".parse::<Facility>().unwrap().to_string(), "local3");
        assert!("8".parse::<Facility>().is_err() && "mail".parse::<Facility>().is_err());
    }

    #[test]
    fn a_daemon_gets_a_line_and_may_be_restarted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let record = Record {
            time: SystemTime::UNIX_EPOCH,
            level: Level::ERROR,
            target: "director",
            message: "a\nb".to_owned(),
            event: Some("started".to_owned()),
            fields: serde_json::Map::new(),
        };
        let mut syslog = Syslog::at(path.to_str().unwrap(), Facility(18), "Keepalived").unwrap();
        assert!(syslog.write(&record).is_err(), "nobody listens yet");
        for _ in 0..2 {
            let receiver = UnixDatagram::bind(&path).unwrap();
            syslog.write(&record).unwrap();
            let mut buffer = [0; 4096];
            let length = receiver.recv(&mut buffer).unwrap();
            let expected = format!("<147>Keepalived[{}]: a\\nb", std::process::id());
            assert_eq!(std::str::from_utf8(&buffer[..length]).unwrap(), expected);
            std::fs::remove_file(&path).unwrap();
        }
    }
}
