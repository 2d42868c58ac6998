//! The files that keepalived writes when it is asked to, for programs that read them: `keepalived.data`,
//! `keepalived_check.data`, `keepalived.stats` and `keepalived.json`, with keepalived's own sections and fields.
//!
//! They are written to a new file that nobody else can have made, and renamed: a link in a directory that others may write
//! to is replaced, never followed.

mod check_data;
mod data;
mod json;
mod lines;
mod stats;
mod track_process;

pub(crate) use check_data::check_data;
pub(crate) use data::data;
pub(crate) use json::json;
pub(crate) use stats::stats;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Where the two data files go, the second one with `_check` in its name: to `configured` (`state_dump_file`), else to
/// `directory` under keepalived's names; nowhere if neither is given. A `configured` that ends with a slash or dots is a directory, one
/// that begins without is below `directory`, or where temporary files go.
pub(crate) fn data_paths(
    configured: Option<&str>,
    directory: Option<&Path>,
) -> Option<[PathBuf; 2]> {
    const USUAL: &str = "keepalived.data";
    let path = match (configured, directory) {
        (None, None) => return None,
        (None, Some(directory)) => directory.join(USUAL),
        (Some(configured), directory) => {
            let directory = directory.map_or_else(std::env::temp_dir, Path::to_owned);
            let path = directory.join(configured);
            match configured.rsplit('/').next() {
                None | Some("" | "." | "..") => path.join(USUAL),
                Some(_) => path,
            }
        }
    };
    let name = path.file_name()?.to_string_lossy().into_owned();
    let end = name.rfind('.').unwrap_or(name.len());
    let (stem, ending) = name.split_at(end);
    let check = path.with_file_name(format!("{stem}_check{ending}"));
    Some([path, check])
}

/// Writes `text` to `path`, whole or not at all.
pub(crate) fn write(path: &Path, text: &str) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    // A device or a FIFO must not become a file.
    let there = path.symlink_metadata().map(|there| there.file_type());
    if there.is_ok_and(|there| !there.is_file() && !there.is_symlink()) {
        return Err(io::Error::other("it is there already and is no file"));
    }
    let name = name.to_string_lossy();
    let new = path.with_file_name(format!(".{name}.{}", std::process::id()));
    // Left by a killed process with the same number, or put there by somebody: not ours to write to.
    let _ = std::fs::remove_file(&new);
    let mut options = OpenOptions::new();
    let options = options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(&new)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| std::fs::rename(&new, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    written
}

/// Whether a tracker is one of the configuration: the daemon has one of its own for maintenance.
fn is_configured(tracker: &str) -> bool {
    !tracker.contains(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_replaced_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let precious = folder.path().join("precious");
        std::fs::write(&precious, "x").unwrap();
        let name = "keepalived.data";
        std::os::unix::fs::symlink(&precious, folder.path().join(name)).unwrap();
        write(&folder.path().join(name), "text").unwrap();
        assert_eq!(std::fs::read_to_string(&precious).unwrap(), "x");
        assert_eq!(
            std::fs::read_to_string(folder.path().join(name)).unwrap(),
            "text"
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_is_no_file_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let error = write(&path, "text").unwrap_err();
        assert_eq!(error.to_string(), "it is there already and is no file");
        assert!(write(folder.path(), "text").is_err(), "nor a directory");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_data_files_go_where_the_configuration_says() {
        let directory = Some(Path::new("/d"));
        let temporary = std::env::temp_dir();
        let temporary = |name: &str| temporary.join(name).to_str().unwrap().to_owned();
        for (configured, directory, expected) in [
            (None, None, None),
            (
                None,
                directory,
                Some("/d/keepalived.data /d/keepalived_check.data"),
            ),
            (
                Some("/v/state.txt"),
                directory,
                Some("/v/state.txt /v/state_check.txt"),
            ),
            (
                Some("/v/state.txt"),
                None,
                Some("/v/state.txt /v/state_check.txt"),
            ),
            (
                Some("/v.d/state"),
                None,
                Some("/v.d/state /v.d/state_check"),
            ),
            (Some("/v/a.b.c"), None, Some("/v/a.b.c /v/a.b_check.c")),
            (
                Some("/v/"),
                None,
                Some("/v/keepalived.data /v/keepalived_check.data"),
            ),
            (
                Some("/v/.."),
                None,
                Some("/v/../keepalived.data /v/../keepalived_check.data"),
            ),
            (Some("s.data"), directory, Some("/d/s.data /d/s_check.data")),
            (
                Some("s/"),
                directory,
                Some("/d/s/keepalived.data /d/s/keepalived_check.data"),
            ),
            (
                Some("s.data"),
                None,
                Some(&*format!(
                    "{} {}",
                    temporary("s.data"),
                    temporary("s_check.data")
                )),
            ),
        ] {
            let paths = data_paths(configured, directory);
            let paths =
                paths.map(|[data, check]| format!("{} {}", data.display(), check.display()));
            assert_eq!(paths.as_deref(), expected, "{configured:?} {directory:?}");
        }
    }
}
