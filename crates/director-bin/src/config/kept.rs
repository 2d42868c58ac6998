//! A configuration kept as text, so that it can be in force again when the files have changed.

use keepalived_conf::SourceMap;
use keepalived_conf::loader::{FileSystem, InMemory, Loader, ReadError, ScriptFile};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// All files of a configuration as they were read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept<'a> {
    files: Vec<(Cow<'a, Path>, Cow<'a, str>)>,
}

impl<'a> Kept<'a> {
    /// What has been read.
    pub(crate) fn of(sources: &'a SourceMap) -> Self {
        let files = sources.files();
        let files =
            files.map(|(id, path)| (Cow::Borrowed(path), Cow::Borrowed(sources.text_of(id))));
        Self {
            files: files.collect(),
        }
    }

    /// For reading it again: its files are those that were kept, everything else is this machine's.
    pub(crate) fn loader(&self) -> impl Loader {
        let files = self.files.iter();
        Again(files.fold(InMemory::new(), |all, (path, text)| {
            all.with(PathBuf::from(path.as_ref()), text.as_bytes())
        }))
    }
}

struct Again(InMemory);

impl Loader for Again {
    fn read(&mut self, path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
        self.0.read(path, limit)
    }

    fn matches(&mut self, pattern: &str) -> Vec<PathBuf> {
        self.0.matches(pattern)
    }

    fn environment(&self, name: &str) -> Option<String> {
        FileSystem.environment(name)
    }

    fn script(&self, path: &Path) -> Option<ScriptFile> {
        FileSystem.script(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Against, load, load_from};

    #[test]
    fn what_was_read_is_read_again_though_the_files_are_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("director.conf");
        let parts = folder.path().join("parts");
        std::fs::create_dir(&parts).unwrap();
        let server = |last: u8| {
            format!(
                "virtual_server 10.0.0.{last} 80 {{\n protocol TCP\n real_server 10.1.0.{last} 80 {{\n }}\n}}\n"
            )
        };
        std::fs::write(
            &path,
            format!("include {}/*.conf\n{}", parts.display(), server(1)),
        )
        .unwrap();
        std::fs::write(parts.join("a.conf"), server(2)).unwrap();
        std::fs::write(parts.join("b.conf"), server(3)).unwrap();
        let first = load(&path, Against::Nothing);
        assert_eq!(first.plan.virtual_servers.len(), 3);
        let text = serde_json::to_string(&Kept::of(&first.sources)).unwrap();

        std::fs::write(&path, "nonsense\n").unwrap();
        std::fs::remove_dir_all(&parts).unwrap();
        let kept: Kept<'static> = serde_json::from_str(&text).unwrap();
        let again = load_from(&path, Against::Nothing, &mut kept.loader(), |_| {});
        assert!(
            !again.diagnostics.has_errors(),
            "{:?}",
            again.lines(keepalived_conf::Severity::Error)
        );
        let names = |loaded: &crate::config::Loaded| -> Vec<String> {
            let servers = loaded.plan.virtual_servers.iter();
            servers.map(|server| server.name.to_string()).collect()
        };
        assert_eq!(names(&again), names(&first));
        assert_eq!(Kept::of(&again.sources), kept);
    }
}
