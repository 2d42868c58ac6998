//! What the director keeps on disk: which services it has put into the kernel, so that after a crash the next one knows
//! what its predecessor left; and the lock that keeps two directors from fighting over one table.

mod owned;

pub(crate) use owned::{Owned, OwnedServices, RecordError};

use crate::control::Journal;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The state directory, locked for this process.
#[derive(Debug)]
pub(crate) struct StateDirectory {
    path: PathBuf,
    /// Held until the process ends.
    _lock: Flock<File>,
}

/// Why the state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    /// Missing permission, read-only file system and the like.
    #[error("the state directory {path} cannot be used; make it writable or name another one with --state-dir", path = .path.display())]
    Unusable {
        /// The file or directory at fault.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A second director.
    #[error("another director runs in this network namespace with the state directory {path}; stop it first, or name another one with --state-dir", path = .0.display())]
    Locked(PathBuf),
}

impl StateDirectory {
    /// Makes the directory if need be and locks it.
    pub(crate) fn open(path: &Path) -> Result<Self, StateError> {
        let unusable = |at: &Path| {
            let path = at.to_owned();
            move |source| StateError::Unusable { path, source }
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(unusable(path))?;
        let lock_path = path.join(format!("lock-{}", network_namespace()));
        let mut options = OpenOptions::new();
        let file = options
            .create(true)
            .write(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock_path)
            .map_err(unusable(&lock_path))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err((_, nix::Error::EWOULDBLOCK)) => Err(StateError::Locked(path.to_owned())),
            Err((_, error)) => Err(unusable(&lock_path)(error.into())),
        }
    }

    /// Lets the journal of events go on in this directory. Without its file it is only kept in memory.
    pub(crate) fn keep(&self, journal: &Journal) {
        let name = format!("journal-{}.jsonl", network_namespace());
        let path = self.path.join(name);
        if let Err(error) = journal.attach(&path) {
            let path = path.display();
            tracing::warn!(event = "journal_unavailable", %error, "events are kept in memory only, {path} cannot be used: {error}");
        }
    }

    /// The record of the services that are ours.
    pub(crate) fn owned_services(&self) -> OwnedServices {
        OwnedServices::of(&self.path)
    }
}

/// The number of the network namespace, so that directors in several of them may share a directory.
fn network_namespace() -> u64 {
    // Without /proc there is one namespace as far as anybody can tell.
    std::fs::metadata("/proc/self/ns/net").map_or(0, |metadata| metadata.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_locked_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let first = StateDirectory::open(&path).unwrap();
        assert!(matches!(
            StateDirectory::open(&path),
            Err(StateError::Locked(_))
        ));
        drop(first);
        assert!(StateDirectory::open(&path).is_ok());
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(matches!(
            StateDirectory::open(&file),
            Err(StateError::Unusable { .. })
        ));
    }
}
