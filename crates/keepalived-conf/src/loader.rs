//! The only way to files and to the environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Access to everything outside the text: files, patterns, environment.
pub trait Loader {
    /// Reads a file. At most `limit` bytes are wanted; a longer file is an error.
    ///
    /// # Errors
    ///
    /// When the file cannot be used; the variant says why.
    fn read(&mut self, path: &Path, limit: u64) -> Result<Vec<u8>, ReadError>;

    /// Files and directories that match a pattern with `*`, `?` and `[...]` (no braces), sorted.
    fn matches(&mut self, pattern: &str) -> Vec<PathBuf>;

    /// An environment variable, for `${_ENV NAME}`.
    fn environment(&self, name: &str) -> Option<String>;

    /// What is known of a script; `None` if this loader cannot tell.
    fn script(&self, path: &Path) -> Option<ScriptFile>;

    /// Permission bits of a configuration file; `None` if this loader cannot tell.
    fn mode(&self, path: &Path) -> Option<u32> {
        let _ = path;
        None
    }
}

/// What a loader knows of a script named in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScriptFile {
    /// It exists.
    pub exists: bool,
    /// Somebody may execute it.
    pub executable: bool,
    /// Somebody other than root may write it or one of its directories.
    pub writable_by_others: bool,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// There is no such file.
    #[error("no such file")]
    NotFound,
    /// It is a directory or a device.
    #[error("not a regular file")]
    NotRegular,
    /// keepalived refuses configuration files that may be executed.
    #[error("the file has an execute permission bit; remove it with `chmod a-x`")]
    Executable,
    /// The file is greater than the limit.
    #[error("the file has more than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The system refused.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// Files of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileSystem;

impl Loader for FileSystem {
    fn read(&mut self, path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
        use std::io::Read;
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(ReadError::NotFound);
            }
            Err(error) => return Err(error.into()),
        };
        if !metadata.is_file() {
            return Err(ReadError::NotRegular);
        }
        if mode_of(&metadata).is_some_and(|mode| mode & 0o111 != 0) {
            return Err(ReadError::Executable);
        }
        if metadata.len() > limit {
            return Err(ReadError::TooLarge { limit });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
        std::fs::File::open(path)?
            .take(limit + 1)
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(ReadError::TooLarge { limit });
        }
        Ok(bytes)
    }

    fn matches(&mut self, pattern: &str) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = glob::glob(pattern)
            .map(|paths| paths.filter_map(Result::ok).take(MAX_MATCHES).collect())
            .unwrap_or_default();
        found.sort();
        found
    }

    fn environment(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn script(&self, path: &Path) -> Option<ScriptFile> {
        let Ok(metadata) = std::fs::metadata(path) else {
            return Some(ScriptFile {
                exists: false,
                executable: false,
                writable_by_others: false,
            });
        };
        let mode = mode_of(&metadata)?;
        let writable = path
            .ancestors()
            .filter(|ancestor| !ancestor.as_os_str().is_empty())
            .filter_map(|ancestor| std::fs::metadata(ancestor).ok())
            .any(|metadata| writable_by_others(&metadata));
        Some(ScriptFile {
            exists: true,
            executable: metadata.is_file() && mode & 0o111 != 0,
            writable_by_others: writable,
        })
    }

    fn mode(&self, path: &Path) -> Option<u32> {
        mode_of(&std::fs::metadata(path).ok()?)
    }
}

/// Most files that one pattern yields.
const MAX_MATCHES: usize = 10_000;

#[cfg(unix)]
fn mode_of(metadata: &std::fs::Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    Some(metadata.permissions().mode() & 0o7777)
}

#[cfg(not(unix))]
fn mode_of(_: &std::fs::Metadata) -> Option<u32> {
    None
}

#[cfg(unix)]
fn writable_by_others(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    let sticky = metadata.is_dir() && metadata.mode() & 0o1000 != 0;
    let others = metadata.mode() & 0o002 != 0 && !sticky;
    let group = metadata.mode() & 0o020 != 0 && metadata.gid() != 0 && !sticky;
    metadata.uid() != 0 || group || others
}

#[cfg(not(unix))]
fn writable_by_others(_: &std::fs::Metadata) -> bool {
    false
}

/// Files that live in memory, for tests and for text that comes from elsewhere.
#[derive(Debug, Clone, Default)]
pub struct InMemory {
    files: BTreeMap<PathBuf, Vec<u8>>,
    environment: BTreeMap<String, String>,
}

impl InMemory {
    /// No files.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file.
    #[must_use]
    pub fn with(mut self, path: impl Into<PathBuf>, text: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.into(), text.into());
        self
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn with_environment(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }
}

impl Loader for InMemory {
    fn read(&mut self, path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
        let bytes = self.files.get(path).ok_or(ReadError::NotFound)?;
        if bytes.len() as u64 > limit {
            return Err(ReadError::TooLarge { limit });
        }
        Ok(bytes.clone())
    }

    fn matches(&mut self, pattern: &str) -> Vec<PathBuf> {
        let options = glob::MatchOptions {
            require_literal_separator: true,
            require_literal_leading_dot: true,
            ..glob::MatchOptions::default()
        };
        let Ok(pattern) = glob::Pattern::new(pattern) else {
            return Vec::new();
        };
        self.files
            .keys()
            .filter(|path| pattern.matches_path_with(path, options))
            .take(MAX_MATCHES)
            .cloned()
            .collect()
    }

    fn environment(&self, name: &str) -> Option<String> {
        self.environment.get(name).cloned()
    }

    fn script(&self, _: &Path) -> Option<ScriptFile> {
        None
    }
}
