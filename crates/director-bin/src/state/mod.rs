//! What the director keeps on disk: which services it has put into the kernel, so that after a crash the next one knows
//! what its predecessor left; and the lock that keeps two directors from fighting over one table.

mod owned;

pub(crate) use owned::{Owned, OwnedServices, RecordError};

use crate::control::Journal;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The state directory, locked for this process.
#[derive(Debug)]
pub(crate) struct StateDirectory {
    path: PathBuf,
    /// Held until the process ends or hands over.
    lock: Option<Flock<File>>,
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
        Ok(Self {
            path: path.to_owned(),
            lock: Some(lock(path)?),
        })
    }

    /// Lets a successor have it.
    pub(crate) fn unlock(&mut self) {
        self.lock = None;
    }

    /// Takes it back from a successor that has failed.
    pub(crate) fn lock_again(&mut self) -> Result<(), StateError> {
        if self.lock.is_none() {
            self.lock = Some(lock(&self.path)?);
        }
        Ok(())
    }

    /// Lets the journal of events go on in this directory. Without its file it is only kept in memory.
    pub(crate) fn keep(&self, journal: &Journal) {
        let path = Self::journal_in(&self.path);
        if let Err(error) = journal.attach(&path) {
            let path = path.display();
            tracing::warn!(event = "journal_unavailable", %error, "events are kept in memory only, {path} cannot be used: {error}");
        }
    }

    /// The journal of the director of this network namespace.
    pub(crate) fn journal_in(folder: &Path) -> PathBuf {
        folder.join(format!("journal-{}.jsonl", network_namespace()))
    }

    /// Where something that belongs to this network namespace is kept, `NAME-NUMBER.json`.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        Self::file_in(&self.path, name)
    }

    /// The same before the directory is opened.
    pub(crate) fn file_in(path: &Path, name: &str) -> PathBuf {
        path.join(format!("{name}-{}.json", network_namespace()))
    }

    /// Writes one of these files, whole or not at all.
    pub(crate) fn write(&self, name: &str, content: &impl serde::Serialize) -> io::Result<()> {
        // Piece by piece: a configuration may be large.
        self.replace(name, |file| {
            let mut file = BufWriter::new(file);
            serde_json::to_writer(&mut file, content)?;
            file.flush()
        })
    }

    /// The same of what is text already.
    pub(crate) fn write_octets(&self, name: &str, octets: &[u8]) -> io::Result<()> {
        self.replace(name, |file| file.write_all(octets))
    }

    fn replace(
        &self,
        name: &str,
        write: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> io::Result<()> {
        let path = self.file(name);
        let new = path.with_extension("new");
        let mut options = OpenOptions::new();
        let options = options.create(true).write(true).truncate(true).mode(0o600);
        let mut file = options.open(&new)?;
        write(&mut file)?;
        std::fs::rename(&new, path)
    }

    /// Removes one of them, if it is there.
    pub(crate) fn forget(&self, name: &str) {
        // If that fails it is read again, and found to be over, at the next start.
        let _ = std::fs::remove_file(self.file(name));
    }

    /// The record of the services that are ours.
    pub(crate) fn owned_services(&self) -> OwnedServices {
        OwnedServices::of(&self.path)
    }
}

fn lock(directory: &Path) -> Result<Flock<File>, StateError> {
    let path = directory.join(format!("lock-{}", network_namespace()));
    let unusable = |source| StateError::Unusable {
        path: path.clone(),
        source,
    };
    let mut options = OpenOptions::new();
    let options = options.create(true).write(true).truncate(false).mode(0o600);
    let file = options.open(&path).map_err(unusable)?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(lock),
        Err((_, nix::Error::EWOULDBLOCK)) => Err(StateError::Locked(directory.to_owned())),
        Err((_, error)) => Err(unusable(error.into())),
    }
}

/// The number (inode) of the network namespace, so that directors in several of them may share a directory.
pub(crate) fn network_namespace() -> u64 {
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
