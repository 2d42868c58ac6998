//! Files with the process id, for init scripts and monitors.

use nix::sys::signal::kill;
use nix::unistd::Pid;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A pid file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PidFileError {
    /// Its process lives.
    #[error("already running as process {pid}, says {path}; stop it first", path = .path.display())]
    Running {
        /// The process.
        pid: i32,
        /// The file.
        path: PathBuf,
    },
    /// No right to write there, for instance.
    #[error("the pid file {path} cannot be written", path = .path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Pid files of this process; they are removed when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct PidFiles {
    paths: Vec<PathBuf>,
}

impl PidFiles {
    /// Writes all of them, once none names a living process.
    /// None in a container: there its number would be the same in each.
    /// A successor takes the files of the living process that it replaces.
    pub(crate) fn write(paths: &[PathBuf], successor: bool) -> Result<Self, PidFileError> {
        let paths = if super::in_container() { &[] } else { paths };
        for path in paths.iter().filter(|_| !successor) {
            if let Some(pid) = living(path) {
                return Err(PidFileError::Running {
                    pid,
                    path: path.clone(),
                });
            }
        }
        let mut written = Self::default();
        for path in paths {
            put(path).map_err(|source| PidFileError::Unwritable {
                path: path.clone(),
                source,
            })?;
            written.paths.push(path.clone());
        }
        Ok(written)
    }
}

impl Drop for PidFiles {
    fn drop(&mut self) {
        for path in &self.paths {
            if read(path) == i32::try_from(std::process::id()).ok() {
                let _ = fs::remove_file(path);
            }
        }
    }
}

/// A new file takes the place of an old one, so that nobody reads half of a number.
fn put(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let _ = fs::remove_file(path);
    let flags = nix::fcntl::OFlag::O_NOFOLLOW.bits();
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .custom_flags(flags)
        .open(path)?;
    writeln!(file, "{}", std::process::id())
}

fn read(path: &Path) -> Option<i32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The process of the file, unless it is this one or gone.
fn living(path: &Path) -> Option<i32> {
    let pid = read(path).filter(|pid| *pid > 0)?;
    let own = i32::try_from(std::process::id()) == Ok(pid);
    let lives = !matches!(kill(Pid::from_raw(pid), None), Err(nix::Error::ESRCH));
    (lives && !own).then_some(pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_a_living_process_is_respected_and_an_old_one_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/director.pid");
        let paths = [path.clone(), folder.path().join("vrrp.pid")];
        let own = std::process::id().to_string();
        {
            let _files = PidFiles::write(&paths, false).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap().trim(), own);
            assert!(paths[1].exists());
        }
        assert!(!path.exists() && !paths[1].exists(), "removed at the end");

        fs::write(&path, "1\n").unwrap();
        let error = PidFiles::write(&paths, false).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("already running as process 1"),
            "{error}"
        );
        assert!(!paths[1].exists(), "nothing is written if one is taken");

        let mut gone = std::process::Command::new("true").spawn().unwrap();
        gone.wait().unwrap();
        fs::write(&path, gone.id().to_string()).unwrap();
        drop(PidFiles::write(&paths, false).unwrap());
        fs::write(&path, "nonsense").unwrap();
        drop(PidFiles::write(&paths, false).unwrap());
    }
}
