//! Who could have changed a program (`enable_script_security`).

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Write permission of group and others.
const WRITABLE_BY_OTHERS: u32 = 0o022;
/// Any execute permission.
const EXECUTABLE: u32 = 0o111;
/// The sticky bit, which keeps others from replacing files of root in a directory.
const STICKY: u32 = 0o1000;

/// A program should not be run as root.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InsecureProgram {
    /// It, or a directory on its way, cannot be looked at.
    #[error("cannot look at {}", path.display())]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not a file that can be executed.
    #[error("{} is not an executable file", .0.display())]
    NotExecutable(PathBuf),
    /// It, or a directory on its way, belongs to another user than root.
    #[error("{} belongs to user {owner}, not to root", path.display())]
    Owner {
        /// The file or directory.
        path: PathBuf,
        /// Number of the user.
        owner: u32,
    },
    /// It, or a directory on its way, can be written by others than root.
    #[error("{} can be written by its group or by everybody", .0.display())]
    Writable(PathBuf),
}

/// Makes sure that nobody but root could have changed a program: the file that the path leads to
/// through all symbolic links, and every directory above it, must belong to root and be writable
/// by nobody else. The directories that hold the symbolic links count too.
///
/// # Errors
/// What was found first, from the root on.
pub fn check_program(path: &Path) -> Result<(), InsecureProgram> {
    let unreadable = |path: &Path, source| InsecureProgram::Unreadable {
        path: path.to_path_buf(),
        source,
    };
    let real = path
        .canonicalize()
        .map_err(|source| unreadable(path, source))?;
    for place in [path, &real] {
        let mut above: Vec<&Path> = place.ancestors().skip(1).collect();
        above.reverse();
        for directory in above {
            let metadata = directory
                .metadata()
                .map_err(|source| unreadable(directory, source))?;
            check_entry(directory, &metadata)?;
        }
    }
    let metadata = real
        .metadata()
        .map_err(|source| unreadable(&real, source))?;
    if !metadata.is_file() || metadata.mode() & EXECUTABLE == 0 {
        return Err(InsecureProgram::NotExecutable(real));
    }
    check_entry(&real, &metadata)
}

fn check_entry(path: &Path, metadata: &Metadata) -> Result<(), InsecureProgram> {
    if metadata.uid() != 0 {
        return Err(InsecureProgram::Owner {
            path: path.to_path_buf(),
            owner: metadata.uid(),
        });
    }
    let guarded = metadata.is_dir() && metadata.mode() & STICKY != 0;
    if metadata.mode() & WRITABLE_BY_OTHERS != 0 && !guarded {
        return Err(InsecureProgram::Writable(path.to_path_buf()));
    }
    Ok(())
}
