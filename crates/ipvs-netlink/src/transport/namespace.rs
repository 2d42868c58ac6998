use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, setns};

use crate::error::NamespaceError;

/// A network namespace, by the path of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    path: PathBuf,
}

impl Namespace {
    /// A namespace made by `ip netns add`: the file of that name in `/run/netns`.
    ///
    /// # Errors
    ///
    /// [`NamespaceError::BadName`] if the name is empty or has a `/`.
    pub fn named(name: &str) -> Result<Self, NamespaceError> {
        if name.is_empty() || name.contains('/') || name == "." || name == ".." {
            return Err(NamespaceError::BadName {
                name: name.to_owned(),
            });
        }
        Ok(Self {
            path: Path::new("/run/netns").join(name),
        })
    }

    /// A namespace by path, such as `/proc/1234/ns/net`.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `work` on a thread of its own inside the namespace and waits for it. A socket that it
    /// opens stays in the namespace wherever it is used later.
    ///
    /// # Errors
    ///
    /// [`NamespaceError`] if the namespace is not there or cannot be entered.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, NamespaceError> {
        let file = File::open(&self.path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => NamespaceError::NotFound {
                path: self.path.clone(),
            },
            _ => NamespaceError::Enter {
                path: self.path.clone(),
                source,
            },
        })?;
        let inside = move || {
            setns(file, CloneFlags::CLONE_NEWNET).map_err(|errno| NamespaceError::Enter {
                path: self.path.clone(),
                source: errno.into(),
            })?;
            Ok(work())
        };
        let lost = || NamespaceError::Thread {
            path: self.path.clone(),
        };
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new()
                .name("ipvs-namespace".to_owned())
                .spawn_scoped(scope, inside)
                .map_err(|_| lost())?;
            thread.join().map_err(|_| lost())?
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_file_names() {
        let space = Namespace::named("blue").unwrap();
        assert_eq!(space.path(), Path::new("/run/netns/blue"));
        for bad in ["", "a/b", ".."] {
            assert!(matches!(
                Namespace::named(bad),
                Err(NamespaceError::BadName { .. })
            ));
        }
    }

    #[test]
    fn a_missing_namespace_is_named() {
        let missing = Namespace::at("/nonexistent/namespace");
        let error = missing.run(|| ()).unwrap_err();
        assert!(
            error.to_string().contains("/nonexistent/namespace"),
            "{error}"
        );
        assert!(matches!(error, NamespaceError::NotFound { .. }));
    }
}
