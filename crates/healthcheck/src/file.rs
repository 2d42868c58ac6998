//! `FILE_CHECK`: a number in a file is the weight, or says up or down.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::outcome::{Cause, Detail, Outcome, Weight};
use crate::probe::{Attempt, Probe, ProbeKey};

/// Octets of the file that are read; a number needs fewer.
const READ_LIMIT: u64 = 128;

/// Limit on reading it.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// Settings of a [`FileProbe`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileSettings {
    /// The tracked file.
    pub path: PathBuf,
    /// The number in the file times this is added to the weight of the server. With 0, any number
    /// but 0 means failure.
    pub weight: i32,
    /// The product is subtracted instead of added; with `weight` 0, the number 0 means failure
    /// (`reverse`).
    pub reverse: bool,
}

impl FileSettings {
    /// Says down if the file holds any number but 0.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            weight: 0,
            reverse: false,
        }
    }
}

/// Reads a number from a file (`FILE_CHECK`). Run it often, or ask for an attempt with
/// [`Monitor::check_now`](crate::Monitor::check_now) when the file has changed.
#[derive(Clone, Debug)]
pub struct FileProbe {
    settings: Arc<FileSettings>,
    /// The file is being read.
    reading: Arc<AtomicBool>,
}

impl FileProbe {
    /// A probe with these settings.
    #[must_use]
    pub fn new(settings: FileSettings) -> Self {
        Self {
            settings: Arc::new(settings),
            reading: Arc::default(),
        }
    }

    fn judge(&self, value: i64) -> Result<Detail, Cause> {
        let failed = || Cause::FileValue {
            path: self.settings.path.clone(),
            value,
        };
        if self.settings.weight == 0 {
            return if (value == 0) != self.settings.reverse {
                Ok(Detail::Tracked {
                    value,
                    weight: None,
                })
            } else {
                Err(failed())
            };
        }
        let factor = i64::from(self.settings.weight);
        let product = value.saturating_mul(if self.settings.reverse {
            -factor
        } else {
            factor
        });
        if product <= i64::from(i32::MIN) {
            return Err(failed());
        }
        let product = product.min(i64::from(i32::MAX));
        Ok(Detail::Tracked {
            value,
            weight: Some(Weight::Adjust(product)),
        })
    }

    async fn check(&self) -> Result<Detail, Cause> {
        let path = || self.settings.path.clone();
        let late = || Cause::FileTimeout {
            path: path(),
            after: TIME_LIMIT,
        };
        let (file, reading) = (path(), Arc::clone(&self.reading));
        if reading.swap(true, Ordering::AcqRel) {
            // An earlier attempt has not come back from the file yet.
            return Err(late());
        }
        let read = tokio::task::spawn_blocking(move || {
            let read = read_start(&file);
            reading.store(false, Ordering::Release);
            read
        });
        let read = timeout(TIME_LIMIT, read).await.map_err(|_elapsed| late())?;
        let text = read
            .map_err(|_| Cause::Panicked)?
            .map_err(|error| Cause::FileRead {
                path: path(),
                error: error.into(),
            })?
            .ok_or_else(|| Cause::NotAFile { path: path() })?;
        let value = parse(&text).ok_or_else(|| Cause::FileContent { path: path() })?;
        self.judge(value)
    }
}

/// Reads the beginning of a regular file. Anything else, such as a pipe, could block and is left alone.
fn read_start(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits();
    let flags = i32::try_from(nonblocking).unwrap_or(0);
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut text = Vec::new();
    file.take(READ_LIMIT).read_to_end(&mut text)?;
    Ok(Some(text))
}

/// The number at the start of the text.
fn parse(text: &[u8]) -> Option<i64> {
    let text = String::from_utf8_lossy(text);
    text.split_whitespace().next()?.parse().ok()
}

impl Probe for FileProbe {
    fn run(&self) -> Attempt<'_> {
        Box::pin(async move {
            let start = Instant::now();
            let result = self.check().await;
            Outcome::from_result(result, start.elapsed())
        })
    }

    fn key(&self) -> Option<ProbeKey> {
        Some(ProbeKey::shared(Arc::clone(&self.settings)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(weight: i32, reverse: bool, value: i64) -> Option<Option<Weight>> {
        let settings = FileSettings {
            weight,
            reverse,
            ..FileSettings::new("/x")
        };
        FileProbe::new(settings)
            .judge(value)
            .ok()
            .map(|detail| detail.weight())
    }

    #[test]
    fn numbers_become_weights() {
        assert_eq!(judge(2, false, 5), Some(Some(Weight::Adjust(10))));
        assert_eq!(judge(2, true, 5), Some(Some(Weight::Adjust(-10))));
        assert_eq!(judge(1, false, i64::from(i32::MIN)), None);
        assert_eq!(
            judge(1, false, i64::MAX),
            Some(Some(Weight::Adjust(i64::from(i32::MAX))))
        );
    }

    #[test]
    fn without_a_weight_the_number_says_up_or_down() {
        assert_eq!(judge(0, false, 0), Some(None));
        assert_eq!(judge(0, false, 1), None);
        assert_eq!(judge(0, true, 0), None);
        assert_eq!(judge(0, true, -1), Some(None));
    }

    #[test]
    fn reads_the_first_word() {
        assert_eq!(parse(b" -12\nrest"), Some(-12));
        assert_eq!(parse(b""), None);
        assert_eq!(parse(b"\xff"), None);
        assert_eq!(parse(b"12x"), None);
    }
}
