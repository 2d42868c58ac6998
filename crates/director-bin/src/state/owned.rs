//! The record of the IPVS services that a director has put into the kernel.

use ipvs_netlink::ServiceId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Greatest record that is read; 100,000 services take about 12 MB.
const LIMIT: u64 = 256 << 20;

/// Reads and writes the record.
#[derive(Debug)]
pub(crate) struct OwnedServices {
    path: PathBuf,
    written: Option<Owned>,
}

/// What is ours in the kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owned {
    /// Services.
    pub(crate) services: BTreeSet<ServiceId>,
    /// The sync daemons, if any runs.
    #[serde(default)]
    pub(crate) daemons: bool,
}

impl Owned {
    /// Nothing is ours.
    pub(crate) fn is_empty(&self) -> bool {
        self.services.is_empty() && !self.daemons
    }

    fn covers(&self, other: &Self) -> bool {
        other.services.is_subset(&self.services) && (self.daemons || !other.daemons)
    }
}

#[derive(Serialize, Deserialize)]
struct Record {
    /// The running kernel: after a boot nothing of the record is true any more.
    boot: String,
    #[serde(flatten)]
    owned: Owned,
}

/// The record cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("{path} cannot be written; make room or correct the permissions", path = .path.display())]
pub(crate) struct RecordError {
    path: PathBuf,
    source: io::Error,
}

impl OwnedServices {
    /// The record in a state directory, for this network namespace.
    pub(crate) fn of(directory: &Path) -> Self {
        Self::new(directory.join(format!("ipvs-services-{}.json", super::network_namespace())))
    }

    const fn new(path: PathBuf) -> Self {
        Self {
            path,
            written: None,
        }
    }

    /// What a predecessor has recorded since the last boot. An unreadable record counts as empty: then only what is
    /// configured is ours, and nobody else's service is at risk.
    pub(crate) fn read(&self) -> Owned {
        let text = File::open(&self.path).and_then(|file| {
            let mut text = String::new();
            file.take(LIMIT).read_to_string(&mut text).map(|_| text)
        });
        let record = match text {
            Ok(text) => serde_json::from_str::<Record>(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Owned::default(),
            Err(error) => Err(serde_json::Error::io(error)),
        };
        match record {
            Ok(record) if record.boot == boot() => record.owned,
            Ok(_) => Owned::default(),
            Err(error) => {
                let path = self.path.display();
                tracing::warn!(event = "state_unreadable", %error, "{path} cannot be read, leftovers of an earlier run stay in the table: {error}");
                Owned::default()
            }
        }
    }

    /// True if all of it is in what we have recorded.
    pub(crate) fn covers(&self, owned: &Owned) -> bool {
        let written = self.written.as_ref();
        written.is_some_and(|written| written.covers(owned))
    }

    /// Records what is ours, whole or not at all. Nothing is written if the record says so already.
    pub(crate) fn write(&mut self, owned: Owned) -> Result<(), RecordError> {
        if self.written.as_ref() == Some(&owned) {
            return Ok(());
        }
        let failed = |source| RecordError {
            path: self.path.clone(),
            source,
        };
        let record = Record {
            boot: boot(),
            owned,
        };
        let text = serde_json::to_vec(&record).map_err(|error| failed(error.into()))?;
        let new = self.path.with_extension("new");
        let mut options = OpenOptions::new();
        let mut file = options
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)
            .map_err(failed)?;
        // No fsync: the record matters only to a successor on the same running kernel.
        file.write_all(&text)
            .and_then(|()| std::fs::rename(&new, &self.path))
            .map_err(failed)?;
        self.written = Some(record.owned);
        Ok(())
    }
}

impl RecordError {
    /// Says that the record names more than there is, which is harmless: a successor finds nothing to remove.
    pub(crate) fn harmless(&self) {
        let reason = crate::output::chain(self);
        tracing::warn!(
            event = "state_not_written",
            reason,
            "the record of our services names some that are gone: {reason}"
        );
    }
}

fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    fn services(ports: &[u16]) -> Owned {
        let id = |port: &u16| ServiceId::tcp(SocketAddr::from(([10, 0, 0, 1], *port)));
        let mark = ServiceId::fwmark(7, ipvs_netlink::Family::V6);
        Owned {
            services: ports.iter().map(id).chain(mark).collect(),
            daemons: ports.len() > 1,
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.json");
        let mut record = OwnedServices::new(path.clone());
        assert!(record.read().is_empty());
        record.write(services(&[80, 443])).unwrap();
        assert_eq!(
            OwnedServices::new(path.clone()).read(),
            services(&[80, 443])
        );
        std::fs::write(&path, "{").unwrap();
        assert!(record.read().is_empty(), "a broken record is no record");
        let other =
            serde_json::json!({ "boot": "another kernel", "services": services(&[80]).services });
        std::fs::write(&path, other.to_string()).unwrap();
        assert!(record.read().is_empty(), "the table it speaks of is gone");
    }
}
