//! Who could have changed a script (`enable_script_security`).

use super::ProgramError;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{FileStat, Mode, fstat, stat};
use std::path::Path;

/// Write permission of the group.
const GROUP_WRITABLE: u32 = 0o020;
/// Write permission of everybody.
const WORLD_WRITABLE: u32 = 0o002;

/// Makes sure that nobody but root could have changed what this path leads to.
///
/// The file is opened first and looked at through the open descriptor, then every folder above it, both where the path says it
/// is and where its links lead to, then once more whether the path still leads to the open file. Every one must belong to root
/// and be writable by root only. A sticky folder such as `/tmp` is refused too: somebody else may create the next component
/// there. When all of that holds, only root can change what the path leads to between now and the start.
pub(super) fn check(script: &Path) -> Result<(), ProgramError> {
    let missing = || ProgramError::Missing(script.display().to_string());
    let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
    let opened = open(script, flags, Mode::empty()).map_err(|_| missing())?;
    let status = fstat(&opened).map_err(|_| missing())?;
    let real = script.canonicalize().map_err(|_| missing())?;
    only_root(script, &real, &status)?;
    for path in [script, &real] {
        for folder in path
            .ancestors()
            .skip(1)
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            let status = stat(folder).map_err(|_| missing())?;
            only_root(script, folder, &status)?;
        }
    }
    let now = stat(script).map_err(|_| missing())?;
    if (now.st_dev, now.st_ino) != (status.st_dev, status.st_ino) {
        return Err(ProgramError::Exchanged(script.to_owned()));
    }
    Ok(())
}

fn only_root(script: &Path, path: &Path, status: &FileStat) -> Result<(), ProgramError> {
    let group_writable = status.st_mode & GROUP_WRITABLE != 0 && status.st_gid != 0;
    if status.st_uid != 0 || group_writable || status.st_mode & WORLD_WRITABLE != 0 {
        return Err(ProgramError::Insecure {
            script: script.to_owned(),
            path: path.to_owned(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Identity, Links, Program, Security};
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A folder that only root can write, on a path of such folders.
    fn folder() -> Option<tempfile::TempDir> {
        if !nix::unistd::Uid::effective().is_root() {
            println!("skipped: only root can make files that belong to root");
            return None;
        }
        let folder = tempfile::Builder::new()
            .prefix("director-test-")
            .tempdir_in("/var/lib")
            .unwrap();
        Some(folder)
    }

    fn script(folder: &Path, mode: u32) -> Program {
        let script = folder.join("check");
        std::fs::write(&script, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(mode)).unwrap();
        Program::new(vec![script.to_str().unwrap().to_owned()])
    }

    fn refused(program: &mut Program) -> String {
        match program.resolve(Security::On, Links::Follow) {
            Err(ProgramError::Insecure { path, .. }) => path.display().to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_script_that_others_can_write_is_refused_for_root() {
        let Some(folder) = folder() else { return };
        let mut writable = script(folder.path(), 0o777);
        assert!(refused(&mut writable).ends_with("check"));
        writable.identity = Some(Identity::new(65_534, 65_534));
        assert!(
            writable.resolve(Security::On, Links::Follow).is_ok(),
            "another user may do with its own scripts as it likes"
        );
        assert!(
            script(folder.path(), 0o755)
                .resolve(Security::On, Links::Follow)
                .is_ok()
        );
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o1777)).unwrap();
        assert_eq!(
            refused(&mut script(folder.path(), 0o755)),
            folder.path().display().to_string()
        );
    }

    #[test]
    fn a_link_that_others_can_change_is_not_kept() {
        let Some(folder) = folder() else { return };
        let mut target = script(folder.path(), 0o755);
        let open_folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(open_folder.path(), std::fs::Permissions::from_mode(0o777))
            .unwrap();
        let link = open_folder.path().join("link");
        std::os::unix::fs::symlink(&target.arguments[0], &link).unwrap();
        target.arguments[0] = link.to_str().unwrap().to_owned();
        assert!(
            target.resolve(Security::On, Links::Follow).is_ok(),
            "what it leads to now is what is run"
        );
        assert!(matches!(
            target.resolve(Security::On, Links::Keep),
            Err(ProgramError::Insecure { .. })
        ));
    }

    #[test]
    fn a_script_that_becomes_writable_is_not_run_again() {
        let Some(folder) = folder() else { return };
        let mut program = script(folder.path(), 0o755);
        program.resolve(Security::On, Links::Follow).unwrap();
        assert!(program.check().is_ok());
        let path = folder.path().join("check");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o757)).unwrap();
        assert!(matches!(
            program.check(),
            Err(ProgramError::Insecure { .. })
        ));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(program.check(), Err(ProgramError::Missing(_))));
    }
}
