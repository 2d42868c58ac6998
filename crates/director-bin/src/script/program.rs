//! A program to run: argument vector and user, and the checks that come before the first run.

use nix::unistd::{AccessFlags, Gid, Uid, User, access};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A command of the configuration, ready to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    /// The program and its arguments; never passed through a shell.
    pub(crate) arguments: Vec<String>,
    /// As whom it runs; `None` is the user of the daemon.
    pub(crate) identity: Option<Identity>,
}

/// User and group of a script (`script_user`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Numeric user.
    pub(crate) uid: u32,
    /// Numeric group.
    pub(crate) gid: u32,
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
    /// Checks that the program is there and may be run, and replaces its name by its full path.
    pub(crate) fn resolve(&mut self, security: Security) -> Result<(), ProgramError> {
        let name = self
            .arguments
            .first()
            .filter(|name| !name.is_empty())
            .ok_or(ProgramError::Empty)?;
        let path = find(name)?;
        let metadata = path
            .metadata()
            .map_err(|_| ProgramError::Missing(name.clone()))?;
        if !metadata.is_file() {
            return Err(ProgramError::NotAFile(path));
        }
        // The mode and not access(2): root may be allowed to "execute" what has no x bit for anybody else.
        if metadata.mode() & 0o111 == 0 || access(&path, AccessFlags::X_OK).is_err() {
            return Err(ProgramError::NotExecutable(path));
        }
        let runs_as_root = self
            .identity
            .map_or_else(|| Uid::effective().is_root(), |identity| identity.uid == 0);
        if security == Security::On && runs_as_root {
            secure(&path)?;
        }
        if let (Some(first), Some(text)) = (self.arguments.first_mut(), path.to_str()) {
            text.clone_into(first);
        }
        Ok(())
    }

    /// The command as one line, for messages.
    pub(crate) fn line(&self) -> String {
        self.arguments.join(" ")
    }
}

impl Identity {
    /// Looks up `script_user USER [GROUP]`; without a group it is the user's primary one.
    pub(crate) fn look_up(user: &str, group: Option<&str>) -> Result<Self, ProgramError> {
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
        Ok(Self {
            uid: found.uid.as_raw(),
            gid: gid.as_raw(),
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

/// Every component of the real path must belong to root and be writable by root only. A sticky folder such as `/tmp` is
/// still refused: somebody else may create the next component there.
fn secure(script: &Path) -> Result<(), ProgramError> {
    let real = script
        .canonicalize()
        .map_err(|_| ProgramError::Missing(script.display().to_string()))?;
    for path in real.ancestors() {
        let metadata = path
            .metadata()
            .map_err(|_| ProgramError::Missing(path.display().to_string()))?;
        let group_writable = metadata.mode() & 0o020 != 0 && metadata.gid() != 0;
        if metadata.uid() != 0 || group_writable || metadata.mode() & 0o002 != 0 {
            return Err(ProgramError::Insecure {
                script: script.to_owned(),
                path: path.to_owned(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn program(name: &str) -> Program {
        Program {
            arguments: vec![name.to_owned(), "-x".to_owned()],
            identity: None,
        }
    }

    #[test]
    fn a_name_without_a_slash_is_searched() {
        let mut shell = program("sh");
        shell.resolve(Security::Off).unwrap();
        assert!(shell.arguments[0].starts_with('/'));
        assert_eq!(shell.arguments[1], "-x");
    }

    #[test]
    fn problems_are_told_apart() {
        assert!(matches!(
            program("/nowhere/script").resolve(Security::Off),
            Err(ProgramError::Missing(_))
        ));
        assert!(matches!(
            program("/").resolve(Security::Off),
            Err(ProgramError::NotAFile(_))
        ));
        assert!(matches!(
            program("/etc/passwd").resolve(Security::Off),
            Err(ProgramError::NotExecutable(_))
        ));
        assert!(matches!(
            program("").resolve(Security::Off),
            Err(ProgramError::Empty)
        ));
        assert!(matches!(
            Identity::look_up("nobody-of-that-name", None),
            Err(ProgramError::NoSuchUser(_))
        ));
    }

    #[test]
    fn a_script_that_others_can_write_is_refused_for_root() {
        if !Uid::effective().is_root() {
            println!("skipped: only root can make files that belong to root");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("check");
        std::fs::write(&script, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o777)).unwrap();
        let mut program = program(script.to_str().unwrap());
        assert!(
            matches!(program.resolve(Security::On), Err(ProgramError::Insecure { path, .. }) if path.ends_with("check"))
        );
        program.identity = Some(Identity {
            uid: 65534,
            gid: 65534,
        });
        assert!(
            program.resolve(Security::On).is_ok(),
            "another user may do with its own scripts as it likes"
        );
    }
}
