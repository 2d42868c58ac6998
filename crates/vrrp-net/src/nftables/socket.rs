//! The socket that carries the transactions.

use std::io;
use std::os::fd::AsFd as _;

use rtnetlink::sys::Socket;
use rustix::net::{RecvFlags, SendFlags};

use super::encode;
use super::table::{Element, Family, Table};
use super::wire::{self, Answer, Batch, DELETE_ELEMENTS, DUMP, GET_TABLE, NEW_ELEMENTS, Sealed};
use crate::sys::Pages;

/// `NETLINK_NETFILTER`.
pub(super) const PROTOCOL: isize = 12;
/// Room for a transaction with some ten thousand elements.
const SEND_BUFFER: usize = 4 * 1024 * 1024;
/// Largest datagram of the kernel.
pub(super) const DATAGRAM: usize = 64 * 1024;

/// Changes nf_tables of the network namespace it was opened in.
#[derive(Debug)]
pub struct Nftables {
    socket: Socket,
    sequence: u32,
    buffer: Pages,
}

/// Why a transaction did not happen; the kernel's tables are what they were.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NftablesError {
    /// Only for root.
    #[error("changing nftables is not permitted: run as root or with CAP_NET_ADMIN")]
    Privilege,
    /// The kernel was built without it or without this family of tables, or the module cannot be loaded.
    #[error("the kernel has no nf_tables for this family: load the module nf_tables")]
    Missing,
    /// The kernel does not want it so.
    #[error("the kernel refuses {subject}: {source}")]
    Refused {
        /// The table, set, chain or rule.
        subject: String,
        /// Its answer.
        source: io::Error,
    },
    /// The socket does not work.
    #[error("cannot talk to nf_tables")]
    Socket(#[from] io::Error),
}

/// Elements to come to a set and to go from it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ElementChange {
    /// The set.
    pub set: String,
    /// Elements that are there afterwards; one that is there already is none the worse for it.
    pub add: Vec<Element>,
    /// Elements that are not; each must be there before.
    pub remove: Vec<Element>,
}

impl Nftables {
    /// Opens a socket; needs no privilege yet.
    ///
    /// # Errors
    /// [`NftablesError::Missing`] without netfilter in the kernel, [`NftablesError::Socket`] otherwise.
    pub fn open() -> Result<Self, NftablesError> {
        let mut socket = Socket::new(PROTOCOL).map_err(|error| match error.raw_os_error() {
            Some(libc::EPROTONOSUPPORT | libc::EAFNOSUPPORT) => NftablesError::Missing,
            _ => NftablesError::Socket(error),
        })?;
        socket.bind_auto()?;
        // Answers without a copy of the request are shorter; an old kernel sends the longer ones.
        let _ = socket.set_cap_ack(true);
        // Beyond the system's limit, which root may pass; else what there is must do.
        let _ = nix::sys::socket::setsockopt(
            &socket,
            nix::sys::socket::sockopt::SndBufForce,
            &SEND_BUFFER,
        );
        Ok(Self {
            socket,
            sequence: 0,
            buffer: Pages::new(DATAGRAM)?,
        })
    }

    /// The number by which the kernel's notices call this socket.
    pub(crate) fn port(&self) -> u32 {
        let mut address = rtnetlink::sys::SocketAddr::new(0, 0);
        match self.socket.get_address(&mut address) {
            Ok(()) => address.port_number(),
            Err(_) => 0,
        }
    }

    /// Puts these tables in place of all that stands under their names, in one transaction. Other tables are not
    /// touched.
    ///
    /// # Errors
    /// See [`NftablesError`]; nothing has changed then.
    pub fn replace(&mut self, tables: &[Table]) -> Result<(), NftablesError> {
        self.transaction(|batch| {
            for table in tables {
                // Deleting needs a table to be there, and adding does not mind one.
                encode::add_table(batch, table.family, &table.name);
                encode::delete_table(batch, table.family, &table.name);
                encode::table(batch, table);
            }
        })
    }

    /// Removes tables with all that is in them, in one transaction. One that is not there is no error.
    ///
    /// # Errors
    /// See [`NftablesError`]; nothing has changed then.
    pub fn remove(&mut self, tables: &[(Family, &str)]) -> Result<(), NftablesError> {
        self.transaction(|batch| {
            for (family, name) in tables {
                encode::add_table(batch, *family, name);
                encode::delete_table(batch, *family, name);
            }
        })
    }

    /// Changes elements of sets of one table, in one transaction; its `sets` and `chains` do not matter here.
    ///
    /// # Errors
    /// See [`NftablesError`]; nothing has changed then. `ENOENT` where the table, a set or an element to be removed is
    /// not there.
    pub fn change(
        &mut self,
        table: &Table,
        changes: &[ElementChange],
    ) -> Result<(), NftablesError> {
        self.transaction(|batch| {
            for change in changes {
                encode::elements(batch, DELETE_ELEMENTS, table, &change.set, &change.remove);
                encode::elements(batch, NEW_ELEMENTS, table, &change.set, &change.add);
            }
        })
    }

    /// Whether a table of that name exists.
    ///
    /// # Errors
    /// See [`NftablesError`].
    pub fn exists(&mut self, family: Family, name: &str) -> Result<bool, NftablesError> {
        let sequence = self.next_sequence(1);
        self.send(&wire::single(GET_TABLE, DUMP, sequence))?;
        let mut found = false;
        loop {
            let length = self.receive(RecvFlags::empty())?.unwrap_or(0);
            for answer in wire::answers(self.buffer.get(..length).unwrap_or_default()) {
                match answer {
                    Answer::Table(number, table) => {
                        found |= number == family.number() && table == name;
                    }
                    Answer::Done(done) if done == sequence => return Ok(found),
                    Answer::Result(failed, code) if failed == sequence && code != 0 => {
                        return Err(refusal("listing the tables", code));
                    }
                    _ => {}
                }
            }
        }
    }

    fn next_sequence(&mut self, count: u32) -> u32 {
        let first = self.sequence.wrapping_add(1);
        self.sequence = self.sequence.wrapping_add(count);
        first
    }

    fn send(&self, bytes: &[u8]) -> Result<(), NftablesError> {
        rustix::net::send(self.socket.as_fd(), bytes, SendFlags::empty()).map_err(|error| {
            match error {
                rustix::io::Errno::PERM => NftablesError::Privilege,
                error => NftablesError::Socket(error.into()),
            }
        })?;
        Ok(())
    }

    /// `None` if there is nothing to be read.
    fn receive(&mut self, flags: RecvFlags) -> Result<Option<usize>, NftablesError> {
        loop {
            let received = rustix::net::recv(self.socket.as_fd(), &mut *self.buffer, flags);
            match received {
                Ok((length, _)) => return Ok(Some(length)),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return Ok(None),
                Err(error) => return Err(NftablesError::Socket(error.into())),
            }
        }
    }

    fn transaction(&mut self, fill: impl FnOnce(&mut Batch)) -> Result<(), NftablesError> {
        // What an interrupted call has left unread.
        while self.receive(RecvFlags::DONTWAIT)?.is_some() {}
        let mut batch = Batch::new(self.sequence.wrapping_add(1));
        fill(&mut batch);
        if batch.is_empty() {
            return Ok(());
        }
        let sealed = batch.finish();
        self.sequence = sealed.end;
        self.send(&sealed.bytes)?;
        self.outcome(&sealed)
    }

    /// The kernel has carried the transaction out, or not, before sending returns: all answers are there.
    fn outcome(&mut self, sealed: &Sealed) -> Result<(), NftablesError> {
        let mut acknowledged = false;
        let mut refused = None;
        while let Some(length) = self.receive(RecvFlags::DONTWAIT)? {
            for answer in wire::answers(self.buffer.get(..length).unwrap_or_default()) {
                match answer {
                    Answer::Result(sequence, 0) => acknowledged |= sequence == sealed.acknowledged,
                    Answer::Result(sequence, code) if sealed.covers(sequence) => {
                        refused.get_or_insert_with(|| refusal(sealed.subject(sequence), code));
                    }
                    _ => {}
                }
            }
        }
        match refused {
            Some(error) => Err(error),
            None if acknowledged => Ok(()),
            None => Err(NftablesError::Socket(io::Error::new(
                io::ErrorKind::TimedOut,
                "the kernel did not answer",
            ))),
        }
    }
}

fn refusal(subject: &str, code: i32) -> NftablesError {
    match code {
        libc::EPERM => NftablesError::Privilege,
        // The answer of netfilter's socket when nobody serves nf_tables, and of nf_tables without that family.
        libc::EOPNOTSUPP if subject == "the whole" || subject.starts_with("table ") => {
            NftablesError::Missing
        }
        code => NftablesError::Refused {
            subject: subject.to_owned(),
            source: io::Error::from_raw_os_error(code),
        },
    }
}
