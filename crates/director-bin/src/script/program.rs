//! A program to run: argument vector and user, and the checks that come before the first run.

use super::security;
use nix::unistd::{AccessFlags, Gid, Uid, User, access};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A command of the configuration, ready to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    /// The program and its arguments; never passed through a shell.
    pub(crate) arguments: Vec<String>,
    /// The file that is executed: where the first argument leads to.
    file: PathBuf,
    /// As whom it runs; `None` is the user of the daemon.
    pub(crate) identity: Option<Identity>,
    /// Whether it is looked at again before each run.
    security: Security,
}

/// User and groups of a script (`script_user`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Numeric user.
    pub(crate) uid: u32,
    /// Numeric group.
    pub(crate) gid: u32,
    /// Supplementary groups (`:` before the group, or `set_supplementary_groups`).
    pub(crate) groups: Vec<u32>,
}

/// What `enable_script_security` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Security {
    /// No check beyond "can be executed".
    Off,
    /// A script that runs as root must not be writable by anybody else, nor any folder above it.
    On,
}

/// Why a program of the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgramError {
    /// Nothing to run.
    #[error("the command is empty")]
    Empty,
    /// Not there.
    #[error("`{0}` does not exist; install it or correct the path")]
    Missing(String),
    /// A directory, device or the like.
    #[error("`{0}` is not a regular file")]
    NotAFile(PathBuf),
    /// There, but without execute permission.
    #[error("`{0}` is not executable; run `chmod +x {0}`")]
    NotExecutable(PathBuf),
    /// Somebody besides root could change what root would run.
    #[error(
        "`{script}` would run as root, but `{path}` can be written by others; run `chown root {path} && chmod go-w {path}`, or set script_user"
    )]
    Insecure {
        /// The script.
        script: PathBuf,
        /// The file or folder that others can write.
        path: PathBuf,
    },
    /// It was exchanged while it was looked at.
    #[error("`{0}` was exchanged while it was looked at")]
    Exchanged(PathBuf),
    /// `script_user` names nobody.
    #[error(
        "user `{0}` does not exist; create it with `useradd --system {0}` or correct script_user"
    )]
    NoSuchUser(String),
    /// The group of `script_user` does not exist.
    #[error(
        "group `{0}` does not exist; create it with `groupadd --system {0}` or correct script_user"
    )]
    NoSuchGroup(String),
    /// The user database cannot be read.
    #[error("user `{name}` cannot be looked up")]
    Lookup {
        /// User or group.
        name: String,
        /// What the system said.
        source: nix::Error,
    },
}

impl Program {
    /// A program that runs as the daemon, not looked at yet.
    pub(crate) fn new(arguments: Vec<String>) -> Self {
        let file = arguments.first().map(PathBuf::from).unwrap_or_default();
        Self {
            arguments,
            file,
            identity: None,
            security: Security::Off,
        }
    }

    /// The same, run as somebody else.
    pub(crate) fn run_as(mut self, identity: Option<Identity>) -> Self {
        self.identity = identity;
        self
    }

    /// Checks that the program is there and may be run, and settles which file that is.
    pub(crate) fn resolve(&mut self, security: Security, links: Links) -> Result<(), ProgramError> {
        let name = self
            .arguments
            .first()
            .filter(|name| !name.is_empty())
            .ok_or(ProgramError::Empty)?;
        let path = find(name)?;
        let missing = || ProgramError::Missing(name.clone());
        let metadata = path.metadata().map_err(|_| missing())?;
        if !metadata.is_file() {
            return Err(ProgramError::NotAFile(path));
        }
        // The mode and not access(2): root may be allowed to "execute" what has no x bit for anybody else.
        if metadata.mode() & 0o111 == 0 || access(&path, AccessFlags::X_OK).is_err() {
            return Err(ProgramError::NotExecutable(path));
        }
        self.file = match links {
            Links::Follow => path.canonicalize().map_err(|_| missing())?,
            Links::Keep => path.clone(),
        };
        self.security = security;
        self.check()?;
        if let (Some(first), Some(text)) = (self.arguments.first_mut(), path.to_str()) {
            text.clone_into(first);
        }
        Ok(())
    }

    /// Whether it may still be run: with `enable_script_security` nobody but root may have been able to change it.
    pub(super) fn check(&self) -> Result<(), ProgramError> {
        let runs_as_root = self
            .identity
            .as_ref()
            .map_or_else(|| Uid::effective().is_root(), |identity| identity.uid == 0);
        if self.security == Security::On && runs_as_root {
            security::check(&self.file)?;
        }
        Ok(())
    }

    /// The file that is executed.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// The command as one line, for messages.
    pub(crate) fn line(&self) -> String {
        self.arguments.join(" ")
    }
}

/// What becomes of symbolic links in the path of a script (`use_symlink_paths`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    /// They are followed once, when the configuration is read.
    Follow,
    /// They are followed at each run.
    Keep,
}

impl Identity {
    /// User and group, without supplementary groups.
    #[cfg(test)]
    pub(crate) const fn new(uid: u32, gid: u32) -> Self {
        Self {
            uid,
            gid,
            groups: Vec::new(),
        }
    }

    /// Looks up `script_user USER [[:]GROUP]`; without a group it is the user's primary one. `supplementary`: with those
    /// groups that the user is a member of.
    pub(crate) fn look_up(
        user: &str,
        group: Option<&str>,
        supplementary: bool,
    ) -> Result<Self, ProgramError> {
        let lookup = |source| ProgramError::Lookup {
            name: user.to_owned(),
            source,
        };
        let found = match user.parse::<u32>() {
            Ok(number) => User::from_uid(Uid::from_raw(number)).map_err(lookup)?,
            Err(_) => User::from_name(user).map_err(lookup)?,
        };
        let found = found.ok_or_else(|| ProgramError::NoSuchUser(user.to_owned()))?;
        let gid = match group {
            None => found.gid,
            Some(group) => group_id(group)?,
        };
        let groups = if supplementary {
            let name = std::ffi::CString::new(found.name.as_str())
                .map_err(|_| ProgramError::NoSuchUser(user.to_owned()))?;
            let groups = nix::unistd::getgrouplist(&name, gid).map_err(lookup)?;
            groups.into_iter().map(Gid::as_raw).collect()
        } else {
            Vec::new()
        };
        Ok(Self {
            uid: found.uid.as_raw(),
            gid: gid.as_raw(),
            groups,
        })
    }
}

fn group_id(group: &str) -> Result<Gid, ProgramError> {
    let found = match group.parse::<u32>() {
        Ok(number) => nix::unistd::Group::from_gid(Gid::from_raw(number)),
        Err(_) => nix::unistd::Group::from_name(group),
    };
    found
        .map_err(|source| ProgramError::Lookup {
            name: group.to_owned(),
            source,
        })?
        .map(|group| group.gid)
        .ok_or_else(|| ProgramError::NoSuchGroup(group.to_owned()))
}

fn find(name: &str) -> Result<PathBuf, ProgramError> {
    let missing = || ProgramError::Missing(name.to_owned());
    if name.contains('/') {
        let path = PathBuf::from(name);
        return if path.exists() {
            Ok(path)
        } else {
            Err(missing())
        };
    }
    let search = std::env::var_os("PATH").unwrap_or_else(|| "/usr/sbin:/usr/bin:/sbin:/bin".into());
    std::env::split_paths(&search)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(name: &str) -> Program {
        Program::new(vec![name.to_owned(), "-x".to_owned()])
    }

    #[test]
    fn a_name_without_a_slash_is_searched() {
        let mut shell = program("sh");
        shell.resolve(Security::Off, Links::Follow).unwrap();
        assert!(shell.arguments[0].starts_with('/'));
        assert_eq!(shell.arguments[1], "-x");
    }

    #[test]
    fn problems_are_told_apart() {
        assert!(matches!(
            program("/nowhere/script").resolve(Security::Off, Links::Follow),
            Err(ProgramError::Missing(_))
        ));
        assert!(matches!(
            program("/").resolve(Security::Off, Links::Follow),
            Err(ProgramError::NotAFile(_))
        ));
        assert!(matches!(
            program("/etc/passwd").resolve(Security::Off, Links::Follow),
            Err(ProgramError::NotExecutable(_))
        ));
        assert!(matches!(
            program("").resolve(Security::Off, Links::Follow),
            Err(ProgramError::Empty)
        ));
        assert!(matches!(
            Identity::look_up("nobody-of-that-name", None, false),
            Err(ProgramError::NoSuchUser(_))
        ));
    }

    #[test]
    fn a_link_is_followed_once_and_the_name_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("my-shell");
        std::os::unix::fs::symlink("/bin/sh", &link).unwrap();
        let mut follows = program(link.to_str().unwrap());
        follows.resolve(Security::Off, Links::Follow).unwrap();
        assert_eq!(follows.arguments[0], link.to_str().unwrap());
        assert_eq!(follows.file(), Path::new("/bin/sh").canonicalize().unwrap());
        let mut keeps = program(link.to_str().unwrap());
        keeps.resolve(Security::Off, Links::Keep).unwrap();
        assert_eq!(keeps.file(), link);
    }

    #[test]
    fn supplementary_groups_are_those_of_the_user() {
        let root = Identity::look_up("root", None, true).unwrap();
        assert_eq!((root.uid, root.gid), (0, 0));
        assert!(root.groups.contains(&0));
        assert!(
            Identity::look_up("0", None, false)
                .unwrap()
                .groups
                .is_empty()
        );
    }
}
