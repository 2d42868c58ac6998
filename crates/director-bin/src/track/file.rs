//! `track_file`: a number in a file that changes a priority.

use super::Report;
use nix::libc::O_NONBLOCK;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use vrrp_net::TrackerState;

/// How often a file is read. Reading works wherever the file lives; change notices do not.
const INTERVAL: Duration = Duration::from_millis(250);

/// Octets that are read; a number needs fewer.
const LIMIT: u64 = 128;

/// A tracked file of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TrackFile {
    /// The name of the `track_file` block.
    pub(crate) name: String,
    /// The file.
    pub(crate) path: PathBuf,
    /// Written into the file if it is not there (`init_file`).
    pub(crate) initial: Option<i64>,
    /// Written even if it is there.
    pub(crate) overwrite: bool,
}

/// The name of a file's tracker for the VRRP engine, where scripts have names too.
pub(crate) fn file_tracker(name: &str) -> String {
    format!("file {name}")
}

/// Reads the file again and again and reports changes, until nobody listens. `starting`: it gets its first value before.
pub(super) async fn watch(file: TrackFile, starting: bool, reports: mpsc::Sender<Report>) {
    if starting && let Err(error) = initialise(&file).await {
        let path = file.path.display();
        tracing::warn!(event = "track_file_init", %error, "{path} cannot be written: {error}");
    }
    let mut known = None;
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let (value, reason) = match read(&file.path).await {
            Ok(value) => (value, format!("{} says {value}", file.path.display())),
            // As keepalived has it: no file is the value 0.
            Err(error) => (
                0,
                format!(
                    "{} cannot be read, taken as 0: {error}",
                    file.path.display()
                ),
            ),
        };
        if known == Some(value) {
            continue;
        }
        known = Some(value);
        let state = TrackerState::Value(value);
        let report = Report {
            kind: "track_file",
            name: file_tracker(&file.name),
            state,
            reason,
        };
        if reports.send(report).await.is_err() {
            return;
        }
    }
}

async fn initialise(file: &TrackFile) -> io::Result<()> {
    let Some(value) = file.initial else {
        return Ok(());
    };
    let mut options = OpenOptions::new();
    options.write(true).truncate(true).custom_flags(O_NONBLOCK);
    if file.overwrite {
        options.create(true);
    } else {
        options.create_new(true);
    }
    match options.open(&file.path).await {
        Ok(mut opened) => {
            only_regular(&opened).await?;
            let text = format!("{value}\n");
            tokio::io::AsyncWriteExt::write_all(&mut opened, text.as_bytes()).await?;
            tokio::io::AsyncWriteExt::flush(&mut opened).await
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

async fn read(path: &Path) -> io::Result<i32> {
    let mut text = Vec::new();
    // A pipe without a writer must not hold up the thread that opens it.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(O_NONBLOCK)
        .open(path)
        .await?;
    only_regular(&file).await?;
    file.take(LIMIT).read_to_end(&mut text).await?;
    Ok(number(&String::from_utf8_lossy(&text)))
}

/// Refuses pipes and devices: what is read from them is gone, and reading may never end.
async fn only_regular(file: &File) -> io::Result<()> {
    if file.metadata().await?.is_file() {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        "it is not a regular file",
    ))
}

/// The number at the start of the text: decimal, octal after `0`, hexadecimal after `0x`; 0 if there is none.
fn number(text: &str) -> i32 {
    let text = text.trim_start();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
    {
        Some(rest) => (16, rest),
        None if digits.starts_with('0') => (8, digits),
        None => (10, digits),
    };
    let value = digits
        .chars()
        .map_while(|digit| digit.to_digit(radix))
        .fold(0_i32, |value, digit| {
            let digit = i32::try_from(digit).unwrap_or(0);
            value
                .saturating_mul(i32::try_from(radix).unwrap_or(10))
                .saturating_add(digit)
        });
    if negative { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        for (text, value) in [
            ("", 0),
            ("12\n", 12),
            (" -7 x", -7),
            ("+3", 3),
            ("0x1f", 31),
            ("010", 8),
            ("x", 0),
            ("99999999999", i32::MAX),
        ] {
            assert_eq!(number(text), value, "{text}");
        }
    }
}
