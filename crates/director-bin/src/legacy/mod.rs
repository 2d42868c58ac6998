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

pub(crate) use check_data::check_data;
pub(crate) use data::data;
pub(crate) use json::json;
pub(crate) use stats::stats;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Writes `text` to `directory`/`name`, whole or not at all.
pub(crate) fn write(directory: &Path, name: &str, text: &str) -> io::Result<()> {
    let path = directory.join(name);
    let new = directory.join(format!(".{name}.{}", std::process::id()));
    // Left by a killed process with the same number, or put there by somebody: not ours to write to.
    let _ = std::fs::remove_file(&new);
    let mut options = OpenOptions::new();
    let options = options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(&new)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| std::fs::rename(&new, &path));
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
        write(folder.path(), name, "text").unwrap();
        assert_eq!(std::fs::read_to_string(&precious).unwrap(), "x");
        assert_eq!(
            std::fs::read_to_string(folder.path().join(name)).unwrap(),
            "text"
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
