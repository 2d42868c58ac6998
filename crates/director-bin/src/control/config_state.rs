//! Which configuration is in force, and how the reloads went.

use crate::config::Loaded;
use director_control::{Timestamp, snapshot};
use sha2::{Digest, Sha256};
use std::path::Path;

/// The configuration in force.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConfigState {
    pub(crate) digest: String,
    pub(crate) loaded: Timestamp,
    pub(crate) done: u64,
    pub(crate) refused: u64,
    pub(crate) last: Option<snapshot::Reload>,
    pub(crate) pending: Option<snapshot::PendingReload>,
    pub(crate) not_the_file: Option<String>,
}

impl ConfigState {
    /// The configuration of the start.
    pub(crate) fn new(digest: String, now: Timestamp) -> Self {
        Self {
            digest,
            loaded: now,
            ..Self::default()
        }
    }

    /// Notes how a reload went.
    pub(crate) fn note(&mut self, reload: snapshot::Reload, digest: String) {
        if reload.done {
            self.done = self.done.saturating_add(1);
            self.digest = digest;
            self.loaded = reload.at;
        } else {
            self.refused = self.refused.saturating_add(1);
        }
        self.last = Some(reload);
    }

    /// For the snapshot.
    pub(crate) fn snapshot(&self, file: &Path) -> snapshot::Configuration {
        snapshot::Configuration {
            file: file.display().to_string(),
            digest: self.digest.clone(),
            loaded: self.loaded,
            reloads_done: self.done,
            reloads_refused: self.refused,
            last_reload: self.last.clone(),
            pending: self.pending.clone(),
            not_the_file: self.not_the_file.clone(),
        }
    }
}

/// SHA-256 of all files of a configuration with their names, in the order in which they were read.
pub(crate) fn digest(loaded: &Loaded) -> String {
    let mut hash = Sha256::new();
    for (id, path) in loaded.sources.files() {
        hash.update(path.as_os_str().as_encoded_bytes());
        hash.update([0]);
        hash.update(loaded.sources.text_of(id).as_bytes());
        hash.update([0]);
    }
    let octets = hash.finalize();
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
