//! The nftables table that gives the addresses of groups their firewall marks.

use crate::config::MarkTable;
use crate::state::StateDirectory;
use std::io;
use std::path::{Path, PathBuf};
use vrrp_net::nftables::{Family, Nftables, NftablesError};

/// The table cannot be what is wished; it is what it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MarksError {
    /// The kernel, or its lack of nf_tables.
    #[error("nftables_ipvs: {0}")]
    Nftables(#[from] NftablesError),
    /// Nothing may be put into the kernel that a successor would not know of.
    #[error("{path} cannot be written; make room or correct the permissions", path = .path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Keeps the table in step.
#[derive(Debug)]
pub(crate) struct Marks {
    /// Holds the table that is ours, now or before a crash.
    record: PathBuf,
    installed: Option<MarkTable>,
}

impl Marks {
    /// The name of the record in a state directory.
    pub(crate) const RECORD: &str = "nftables-table";

    /// What the last director with this state directory has put into the kernel.
    pub(crate) fn recorded_in(directory: &Path) -> Option<MarkTable> {
        let record = std::fs::read(StateDirectory::file_in(directory, Self::RECORD)).ok()?;
        serde_json::from_slice(&record).ok()
    }

    /// With the file that tells what a predecessor may have left.
    pub(crate) const fn of(record: PathBuf) -> Self {
        Self {
            record,
            installed: None,
        }
    }

    /// Brings the kernel to `wished`, in one transaction; nothing is done if that is so already.
    pub(crate) fn replace(&mut self, wished: Option<&MarkTable>) -> Result<(), MarksError> {
        if self.installed.as_ref() == wished && (wished.is_some() || !self.record.exists()) {
            return Ok(());
        }
        let left = std::fs::read_to_string(&self.record).ok();
        // Earlier versions have written the name alone.
        let left = left.map(|record| match serde_json::from_str::<MarkTable>(&record) {
            Ok(table) => table.name,
            Err(_) => record,
        });
        let left = left.filter(|left| wished.is_none_or(|wished| wished.name != *left));
        let mut nftables = Nftables::open()?;
        if let Some(wished) = wished {
            // A crash between the record and the kernel must leave nothing unknown.
            write(&self.record, wished)?;
            nftables.replace(&[wished.table()])?;
        }
        if let Some(left) = &left {
            nftables.remove(&[(Family::Inet, left)])?;
        }
        if wished.is_none() {
            let _ = std::fs::remove_file(&self.record);
        }
        self.installed = wished.cloned();
        Ok(())
    }

    /// Takes it out; what cannot be taken out is told.
    pub(crate) fn clear(&mut self) {
        if let Err(error) = self.replace(None) {
            let reason = crate::output::chain(&error);
            tracing::warn!(
                event = "marks_error",
                reason,
                "the firewall marks of groups stay in nftables: {reason}"
            );
        }
    }
}

/// Whole or not at all.
fn write(record: &Path, table: &MarkTable) -> Result<(), MarksError> {
    let new = record.with_extension("new");
    let written = serde_json::to_vec(table)
        .map_err(io::Error::from)
        .and_then(|text| std::fs::write(&new, text))
        .and_then(|()| std::fs::rename(&new, record));
    written.map_err(|source| MarksError::Record {
        path: record.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sched::{CloneFlags, unshare};
    use std::net::UdpSocket;
    use std::process::Command;

    fn run(program: &str, words: &str) -> Option<String> {
        let output = Command::new(program).args(words.split(' ')).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success().then_some(text)
    }

    fn marked(text: &str) -> Option<MarkTable> {
        let parsed = keepalived_conf::load_str(text);
        let (plan, problems) = crate::config::plan(&parsed.config);
        assert!(problems.is_empty(), "{problems:?}");
        plan.marks
    }

    const GROUP: &str = "
global_defs { nftables_ipvs ours
 nftables_counters }
virtual_server_group web { 127.0.0.5-6 80
 127.0.0.9 }
virtual_server group web { protocol UDP
 lvs_sched rr
 lvs_method DR
 persistence_timeout 60
 real_server 127.0.0.2 80 { } }
";

    #[test]
    fn packets_to_a_group_get_its_mark() {
        let test = std::thread::spawn(|| {
            if unshare(CloneFlags::CLONE_NEWNET).is_err()
                || run("ip", "link set lo up").is_none()
                || run("nft", "list tables").is_none()
            {
                println!("skipped: needs root, ip and nft, and nf_tables in the kernel");
                return;
            }
            let folder = tempfile::tempdir().unwrap();
            let record = StateDirectory::file_in(folder.path(), Marks::RECORD);
            let mut marks = Marks::of(record.clone());
            let wished = marked(GROUP).unwrap();
            if let Err(error) = marks.replace(Some(&wished)) {
                println!("skipped: {error}");
                return;
            }
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            for to in [
                "127.0.0.5:80",
                "127.0.0.6:80",
                "127.0.0.9:7",
                "127.0.0.7:80",
                "127.0.0.5:81",
            ] {
                socket.send_to(b"?", to).unwrap();
            }
            let listed = run("nft", "list chain inet ours outgoing").unwrap();
            assert!(
                listed.contains("meta mark 0x000003e8 counter packets 3 "),
                "{listed}"
            );
            // A successor knows the marks, and takes them out if it has no groups.
            drop(marks);
            assert_eq!(Marks::recorded_in(folder.path()), Some(wished));
            Marks::of(record.clone()).replace(None).unwrap();
            assert_eq!(run("nft", "list tables").unwrap(), "");
            assert!(!record.exists());
        });
        test.join().unwrap();
    }
}
