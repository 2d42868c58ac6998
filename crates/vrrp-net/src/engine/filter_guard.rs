//! Noticing that somebody else has changed or removed our table of nftables, and putting it back.

use std::io;
use std::rc::Rc;

use tokio::io::unix::AsyncFd;
use tokio::task::JoinHandle;
use vrrp_proto::Instant;

use super::core::Core;
use super::instance::InstanceId;
use super::restore::Restorer;
use crate::nftables::{Family, TableNotices, TableWatch};

/// Listens for what becomes of the table, from its first making on.
#[derive(Debug, Default)]
pub(super) struct TableGuard {
    watch: Option<Rc<AsyncFd<TableWatch>>>,
    reader: Option<JoinHandle<()>>,
    /// Why nobody listens, to be said once.
    failure: Option<io::Error>,
    failed: bool,
    /// The socket by which we change the table.
    own: u32,
    /// What put it back is told, unless it was done on suspicion only.
    certain: bool,
    restorer: Restorer<()>,
}

impl TableGuard {
    /// Listens, before the table is made by the socket with this number.
    pub(super) fn watch(&mut self, own: u32) {
        self.own = own;
        if self.watch.is_some() || self.failed {
            return;
        }
        match TableWatch::open().and_then(crate::sys::watch) {
            Ok(watch) => self.watch = Some(Rc::new(watch)),
            Err(error) => {
                self.failed = true;
                self.failure = Some(error);
            }
        }
    }

    /// The socket, if nobody reads from it.
    pub(super) fn unread(&self) -> Option<Rc<AsyncFd<TableWatch>>> {
        let idle = self.reader.is_none();
        self.watch.clone().filter(|_| idle)
    }

    pub(super) fn set_reader(&mut self, reader: JoinHandle<()>) {
        self.reader = Some(reader);
    }

    /// Has nobody read; what comes in waits.
    pub(super) fn pause(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.abort();
        }
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.restorer.next_due()
    }
}

impl Core {
    /// Reads the notices that concern the table.
    pub(super) fn read_table_notices(&self, watch: &TableWatch) -> io::Result<TableNotices> {
        let table = &*self.settings.firewall.table;
        watch.read(Family::Inet, table, self.filter.guard.own)
    }

    /// Somebody may have changed the table: it is put back at once, unless that has happened too often within a minute.
    pub(super) fn table_changed(&mut self, notices: TableNotices) {
        let concerned = notices.changed || notices.overrun;
        if !concerned || !self.filter.stands() {
            return;
        }
        let now = self.clock.now();
        let guard = &mut self.filter.guard;
        guard.certain |= notices.changed;
        if guard.restorer.next_due().is_none() {
            let most = self.settings.restores_per_minute;
            guard.restorer.lost((), InstanceId::STATIC, now, most);
        }
    }

    /// Puts the table back if it is time.
    pub(super) fn table_due(&mut self) {
        let now = self.clock.now();
        if let Some(error) = self.filter.guard.failure.take() {
            let message = format!(
                "changes of nftables cannot be watched, a table that others remove comes back with the next change only: {error}"
            );
            self.warn(None, message);
        }
        if self.filter.guard.restorer.take_due(now).is_empty() || !self.filter.stands() {
            return;
        }
        let certain = std::mem::take(&mut self.filter.guard.certain);
        let table = self.settings.firewall.table.clone();
        match self.filter.put_back(&self.settings.firewall) {
            Ok(()) => {
                self.filter.guard.restorer.succeeded(&());
                if certain {
                    let message = format!(
                        "somebody had changed or removed table inet {table} of nftables, it is back"
                    );
                    self.warn(None, message);
                }
            }
            Err(error) => {
                let guard = &mut self.filter.guard;
                guard.certain = certain;
                if guard.restorer.later((), InstanceId::STATIC, now) {
                    let error = std::error::Error::source(&error)
                        .map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
                    let message = format!(
                        "cannot put table inet {table} of nftables back, trying again: {error}"
                    );
                    self.warn(None, message);
                }
            }
        }
    }
}
