//! The control socket: where it is, and who may use it.

use crate::output;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Group, chown, geteuid};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where clients look first.
pub(crate) const USUAL: &str = "/run/director/control.sock";

/// The name in a state directory.
const NAME: &str = "control.sock";

/// The state directory of a director that is told of none.
const USUAL_STATE: &str = "/var/lib/director";

/// How often, and with which pauses, a start asks to be alone with the directory of its socket.
const LOCK_ATTEMPTS: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// No control socket can be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    /// The system refuses it.
    #[error("the control socket {path} cannot be made; name another one with --control", path = .path.display())]
    Unusable {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another director has it.
    #[error("another director listens at {}; name another socket with --control", .0.display())]
    Taken(PathBuf),
    /// `--control-group` names nobody.
    #[error("there is no group {0}; make it with groupadd, or correct --control-group")]
    NoGroup(String),
}

/// A socket that listens; removed when dropped, unless a successor has put its own there.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    pub(crate) path: PathBuf,
    pub(crate) listener: UnixListener,
    inode: u64,
}

/// Where a director with this state directory listens, best first. The second is for when the first is in use, as in
/// another network namespace, or cannot be made.
pub(crate) fn places(given: Option<&Path>, state_dir: &Path) -> Vec<PathBuf> {
    if let Some(given) = given {
        return vec![given.to_owned()];
    }
    let own = state_dir.join(NAME);
    let usual = state_dir == Path::new(USUAL_STATE)
        || std::env::var_os("STATE_DIRECTORY").is_some_and(|named| named == state_dir);
    if usual {
        vec![USUAL.into(), own]
    } else {
        vec![own]
    }
}

impl ControlSocket {
    /// Listens at the first of `places` that can be had. `taking_over`: the place of a running director is taken.
    pub(crate) fn bind(
        places: &[PathBuf],
        group: Option<&str>,
        taking_over: bool,
    ) -> Result<Self, SocketError> {
        let group = group.map(group_id).transpose()?;
        let mut problem = None;
        for path in places {
            match bind(path, group, taking_over) {
                Ok(socket) => return Ok(socket),
                Err(error) => {
                    problem.get_or_insert(error);
                }
            }
        }
        Err(problem.unwrap_or_else(|| SocketError::NoGroup(String::new())))
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if inode(&self.path) == Some(self.inode) {
            // Nobody listens there any more; if it stays, the next start removes it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Refuses a group that does not exist.
pub(crate) fn check_group(name: &str) -> Result<(), SocketError> {
    group_id(name).map(drop)
}

fn group_id(name: &str) -> Result<Gid, SocketError> {
    let missing = || SocketError::NoGroup(name.to_owned());
    if let Ok(number) = name.parse() {
        return Ok(Gid::from_raw(number));
    }
    let group = Group::from_name(name).ok().flatten();
    group.map(|group| group.gid).ok_or_else(missing)
}

fn bind(path: &Path, group: Option<Gid>, taking_over: bool) -> Result<ControlSocket, SocketError> {
    let unusable = |source: io::Error| SocketError::Unusable {
        path: path.to_owned(),
        source,
    };
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        let is_new = !folder.exists();
        let mode = if group.is_some() { 0o755 } else { 0o700 };
        // Whatever mask other files get.
        let before = umask(Mode::from_bits_truncate(0o022));
        let created = DirBuilder::new().recursive(true).mode(mode).create(folder);
        umask(before);
        created.map_err(unusable)?;
        if let Some(group) = group {
            let_in(folder, group, is_new).map_err(unusable)?;
        }
    }
    let _alone = alone_in(path);
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            let what = "something that is no socket stands there";
            return Err(unusable(io::Error::new(io::ErrorKind::AlreadyExists, what)));
        }
        Ok(_) => {
            if !taking_over && UnixStream::connect(path).is_ok() {
                return Err(SocketError::Taken(path.to_owned()));
            }
        }
        Err(_) => {}
    }
    // Made under another name and renamed: there is no moment without a socket, nor one with wrong permissions.
    let new = path.with_extension(format!("new-{}", std::process::id()));
    let _ = fs::remove_file(&new);
    let listener = {
        let before = umask(Mode::from_bits_truncate(0o177));
        let listener = UnixListener::bind(&new);
        umask(before);
        listener.map_err(unusable)?
    };
    let finish = || -> io::Result<()> {
        listener.set_nonblocking(true)?;
        if group.is_some() {
            chown(&new, None, group)?;
            fs::set_permissions(&new, fs::Permissions::from_mode(0o660))?;
        }
        fs::rename(&new, path)
    };
    if let Err(error) = finish() {
        let _ = fs::remove_file(&new);
        return Err(unusable(error));
    }
    let inode = inode(path).unwrap_or_default();
    Ok(ControlSocket {
        path: path.to_owned(),
        listener,
        inode,
    })
}

/// Of two directors that start at once, one sees the socket of the other. Anybody who may read the directory can hold the
/// lock, so the wait is short and the start goes on without.
fn alone_in(path: &Path) -> Option<Flock<fs::File>> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut file = fs::File::open(folder.unwrap_or_else(|| Path::new("."))).ok()?;
    for _ in 0..LOCK_ATTEMPTS {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Some(lock),
            Err((unlocked, _)) => file = unlocked,
        }
        std::thread::sleep(LOCK_PAUSE);
    }
    None
}

/// Lets a group into the directory of the socket, which an earlier start may have made for its owner alone. One that
/// everybody may enter, such as /run, stays as it is, and so does one of somebody else.
fn let_in(folder: &Path, group: Gid, is_new: bool) -> io::Result<()> {
    let found = fs::metadata(folder)?;
    let mode = found.permissions().mode();
    let is_open = mode & 0o001 != 0 && !is_new;
    let is_done = found.gid() == group.as_raw() && mode & 0o777 == 0o750;
    if is_open || is_done || found.uid() != geteuid().as_raw() {
        return Ok(());
    }
    chown(folder, None, Some(group))?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o750))
}

fn inode(path: &Path) -> Option<u64> {
    fs::symlink_metadata(path).ok().map(|found| found.ino())
}

/// Says that there is no control socket; the director works without.
pub(crate) fn absent(error: &SocketError) {
    let reason = output::chain(error);
    tracing::warn!(
        event = "control_unavailable",
        reason,
        "commands such as `director status` do not work: {reason}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_may_use_it_and_it_goes_with_its_director() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/control.sock");
        let socket = ControlSocket::bind(std::slice::from_ref(&path), None, false).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let second = ControlSocket::bind(std::slice::from_ref(&path), None, false);
        assert!(matches!(second, Err(SocketError::Taken(_))));
        let heir = ControlSocket::bind(std::slice::from_ref(&path), None, true).unwrap();
        drop(socket);
        assert!(UnixStream::connect(&path).is_ok(), "the successor's stays");
        drop(heir);
        assert!(!path.exists());
    }

    #[test]
    fn of_many_that_start_at_once_one_has_the_socket() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let gate = std::sync::Barrier::new(8);
        let bound: Vec<_> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        gate.wait();
                        ControlSocket::bind(std::slice::from_ref(&path), None, false).ok()
                    })
                })
                .collect();
            starts
                .into_iter()
                .filter_map(|start| start.join().unwrap())
                .collect()
        });
        assert_eq!(bound.len(), 1);
        assert!(UnixStream::connect(&path).is_ok());
    }

    #[test]
    fn what_a_killed_director_left_is_replaced_and_files_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        drop(UnixListener::bind(&path).unwrap());
        assert!(ControlSocket::bind(std::slice::from_ref(&path), None, false).is_ok());
        let file = folder.path().join("file");
        fs::write(&file, "precious").unwrap();
        let other = folder.path().join("other.sock");
        let socket = ControlSocket::bind(&[file.clone(), other.clone()], None, false).unwrap();
        assert_eq!(socket.path, other);
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    }

    #[test]
    fn the_group_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let checked = check_group("no-such-group").unwrap_err();
        assert!(checked.to_string().contains("--control-group"), "{checked}");
        let missing =
            ControlSocket::bind(std::slice::from_ref(&path), Some("no-such-group"), false);
        assert!(matches!(missing, Err(SocketError::NoGroup(_))));
        let own = nix::unistd::getgid().to_string();
        let _socket = ControlSocket::bind(std::slice::from_ref(&path), Some(&own), false).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
    }

    #[test]
    fn the_group_is_let_into_the_directory() {
        let folder = tempfile::tempdir().unwrap();
        let own = nix::unistd::getgid().to_string();
        for (name, before, wanted) in [
            ("new", None, 0o750),
            ("private", Some(0o700), 0o750),
            ("open", Some(0o755), 0o755),
        ] {
            let directory = folder.path().join(name);
            if let Some(mode) = before {
                fs::create_dir(&directory).unwrap();
                fs::set_permissions(&directory, fs::Permissions::from_mode(mode)).unwrap();
            }
            let path = directory.join("control.sock");
            let _socket =
                ControlSocket::bind(std::slice::from_ref(&path), Some(&own), false).unwrap();
            let mode = fs::metadata(&directory).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, wanted, "{name}");
        }
    }

    #[test]
    fn a_state_directory_of_its_own_has_a_socket_of_its_own() {
        assert_eq!(
            places(None, Path::new("/tmp/a")),
            [PathBuf::from("/tmp/a/control.sock")]
        );
        let usual = places(None, Path::new(USUAL_STATE));
        assert_eq!(usual.first().map(PathBuf::as_path), Some(Path::new(USUAL)));
        assert_eq!(
            places(Some(Path::new("/x")), Path::new("/tmp/a")),
            [PathBuf::from("/x")]
        );
    }
}
