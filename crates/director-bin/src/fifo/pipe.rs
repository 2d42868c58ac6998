//! One FIFO in the file system.

use crate::script::Identity;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, SFlag, fchmod, fstat};
use nix::unistd::{Gid, Uid, fchown, mkfifo, write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// A FIFO that is open for writing. Removed when dropped, if we have made it.
#[derive(Debug)]
pub(super) struct Pipe {
    path: PathBuf,
    descriptor: OwnedFd,
    made: bool,
}

/// Why there is no FIFO, or why a line did not go into it.
#[derive(Debug, thiserror::Error)]
pub(super) enum PipeError {
    /// It cannot be made.
    #[error("it cannot be made: {}; make the directory, or correct the path", .0.desc())]
    Make(Errno),
    /// It cannot be opened.
    #[error("it cannot be opened: {}", .0.desc())]
    Open(Errno),
    /// There is something else.
    #[error("there is something else than a FIFO; remove it, or choose another path")]
    NotAFifo,
    /// Somebody else's FIFO.
    #[error(
        "it belongs to user {owner}, who could read and write there; remove it, or name that user behind the path"
    )]
    ForeignOwner {
        /// Number of the user.
        owner: u32,
    },
    /// Owner or permissions cannot be set.
    #[error("its owner cannot be set: {}", .0.desc())]
    Owner(Errno),
    /// Nobody has read for long.
    #[error("it is full")]
    Full,
    /// Anything else.
    #[error("{}", .0.desc())]
    Write(Errno),
}

impl Pipe {
    /// Opens the FIFO, and makes it if it is not there.
    pub(super) fn open(
        path: &Path,
        mode: u32,
        owner: Option<&Identity>,
    ) -> Result<Self, PipeError> {
        let made = match mkfifo(path, Mode::from_bits_truncate(mode)) {
            Ok(()) => true,
            Err(Errno::EEXIST) => false,
            Err(error) => return Err(PipeError::Make(error)),
        };
        let opened = Self::open_there(path, mode, owner, made);
        if opened.is_err() && made {
            // What could not be made ready must not stay behind.
            let _ = std::fs::remove_file(path);
        }
        opened
    }

    fn open_there(
        path: &Path,
        mode: u32,
        owner: Option<&Identity>,
        made: bool,
    ) -> Result<Self, PipeError> {
        // Both directions: it can be opened before there is a reader, and readers come and go without a broken pipe.
        let flags = OFlag::O_RDWR | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        let descriptor = match open(path, flags, Mode::empty()) {
            Ok(descriptor) => descriptor,
            Err(Errno::ELOOP | Errno::EISDIR) => return Err(PipeError::NotAFifo),
            Err(error) => return Err(PipeError::Open(error)),
        };
        let status = fstat(&descriptor).map_err(PipeError::Open)?;
        if status.st_mode & SFlag::S_IFMT.bits() != SFlag::S_IFIFO.bits() {
            return Err(PipeError::NotAFifo);
        }
        let ours = status.st_uid == Uid::effective().as_raw()
            || owner.is_some_and(|owner| owner.uid == status.st_uid);
        if !ours {
            return Err(PipeError::ForeignOwner {
                owner: status.st_uid,
            });
        }
        if made {
            // The umask of whoever has started us does not count, only the configured one.
            fchmod(&descriptor, Mode::from_bits_truncate(mode)).map_err(PipeError::Owner)?;
        }
        if let Some(owner) = owner
            && (owner.uid, owner.gid) != (status.st_uid, status.st_gid)
        {
            let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
            fchown(&descriptor, Some(uid), Some(gid)).map_err(PipeError::Owner)?;
        }
        Ok(Self {
            path: path.to_owned(),
            descriptor,
            made,
        })
    }

    /// Writes a line whole or not at all: lines are shorter than what the kernel writes at once.
    pub(super) fn write(&self, line: &[u8]) -> Result<(), PipeError> {
        match write(&self.descriptor, line) {
            Ok(_) => Ok(()),
            Err(Errno::EAGAIN) => Err(PipeError::Full),
            Err(error) => Err(PipeError::Write(error)),
        }
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        if self.made {
            // Somebody may have removed it already.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
