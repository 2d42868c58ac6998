//! A kernel in memory, for tests of programs that use this crate.
//!
//! It takes the same encoded messages as the real one and answers them with the same semantics:
//! what exists is not added twice (`EEXIST`), what does not exist is not edited (`ESRCH`,
//! `ENOENT`), an unknown scheduler is `ENOENT`, and weights, thresholds, tunnels, netmasks and
//! mixed address families have the kernel's rules. The crate's own test suite runs against it and
//! against a real kernel.
//!
//! ```
//! use ipvs_netlink::fake::FakeKernel;
//! use ipvs_netlink::{Client, Destination, Forwarding, Scheduler, Service, ServiceId};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let kernel = FakeKernel::new();
//! let mut client = Client::with_transport(kernel.transport())?;
//! let id = ServiceId::tcp("192.0.2.1:80".parse()?);
//! client.add_service(Service::new(id, Scheduler::WeightedRoundRobin))?;
//! let server: std::net::SocketAddr = "198.51.100.7:80".parse()?;
//! client.add_destination(id, Destination::new(server, Forwarding::DirectRouting))?;
//! assert_eq!(kernel.table().destination_count(), 1);
//! # Ok(())
//! # }
//! ```

mod rules;
mod state;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use state::State;

use crate::command::Command;
use crate::errno;
use crate::table::{Snapshot, Table};
use crate::transport::Transport;
use crate::types::{DestinationEntry, DestinationId, Name, Scheduler, ServiceId, Stats};
use crate::wire::consts::{control, netlink};
use crate::wire::{
    Answer, DecodeError, Messages, Query, Request, encode_acknowledgement, encode_answer,
    encode_done,
};

/// Number that this kernel gives to the IPVS family.
const FAMILY: u16 = 0x1c;

/// Entries of a dump in one datagram.
const DUMP_CHUNK: usize = 32;

/// A kernel in memory; clones are the same kernel.
#[derive(Clone, Debug, Default)]
pub struct FakeKernel {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: State,
    unavailable: bool,
    unprivileged: bool,
    interrupted_dumps: u32,
    lost_answers: u32,
    silent: bool,
    log: Vec<Command>,
    datagrams: usize,
}

impl FakeKernel {
    /// A kernel with an empty table, the fourteen known schedulers, the persistence engine `sip`
    /// and the interfaces `lo` and `eth0`.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A connection to it.
    #[must_use]
    pub fn transport(&self) -> FakeTransport {
        FakeTransport {
            kernel: self.clone(),
            answers: VecDeque::new(),
            dumping: false,
        }
    }

    /// The settings now in force.
    #[must_use]
    pub fn table(&self) -> Table {
        self.snapshot().table()
    }

    /// Everything now in force, with counters.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.lock().state.snapshot()
    }

    /// Every command received since the last call, refused ones too.
    #[must_use]
    pub fn take_log(&self) -> Vec<Command> {
        std::mem::take(&mut self.lock().log)
    }

    /// Number of datagrams received so far.
    #[must_use]
    pub fn datagrams(&self) -> usize {
        self.lock().datagrams
    }

    /// Whether the IPVS module is there; without it the family has no number.
    pub fn set_available(&self, available: bool) {
        self.lock().unavailable = !available;
    }

    /// Whether the caller has `CAP_NET_ADMIN`; without it every request is `EPERM`.
    pub fn set_privileged(&self, privileged: bool) {
        self.lock().unprivileged = !privileged;
    }

    /// Whether requests are answered at all.
    pub fn set_silent(&self, silent: bool) {
        self.lock().silent = silent;
    }

    /// Takes a scheduler away, as if its module were missing.
    pub fn remove_scheduler(&self, scheduler: &Scheduler) {
        self.lock().state.schedulers.remove(scheduler.name());
    }

    /// Adds a network interface for sync daemons, with its MTU in bytes.
    pub fn add_interface(&self, name: Name, mtu: u16) {
        self.lock().state.interfaces.insert(name, mtu);
    }

    /// Marks the next `count` dumps as interrupted (`NLM_F_DUMP_INTR`), as if the table had
    /// changed meanwhile.
    pub fn interrupt_dumps(&self, count: u32) {
        self.lock().interrupted_dumps = count;
    }

    /// Loses the next `count` datagrams of answers, as a full receive buffer does; the receiver
    /// gets `ENOBUFS` in their place.
    pub fn lose_answers(&self, count: u32) {
        self.lock().lost_answers = count;
    }

    /// Sets the counters of a service; false if it is not there.
    pub fn set_service_stats(&self, service: &ServiceId, stats: Stats) -> bool {
        let mut shared = self.lock();
        let Some(entry) = shared.state.service_mut(service) else {
            return false;
        };
        entry.entry.stats = stats;
        true
    }

    /// Changes connection numbers and counters of a destination; false if it is not there.
    /// Changed settings count too.
    pub fn edit_destination_entry(
        &self,
        service: &ServiceId,
        destination: &DestinationId,
        edit: impl FnOnce(&mut DestinationEntry),
    ) -> bool {
        let mut shared = self.lock();
        let found = shared.state.service_mut(service).and_then(|service| {
            service
                .destinations
                .iter_mut()
                .find(|entry| entry.destination.id == *destination)
        });
        match found {
            Some(entry) => {
                edit(entry);
                true
            }
            None => false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // A test that panicked elsewhere has not left the table half changed.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection to a [`FakeKernel`].
#[derive(Debug)]
pub struct FakeTransport {
    kernel: FakeKernel,
    answers: VecDeque<Vec<u8>>,
    /// A dump whose end has not been received; another one is `EBUSY` meanwhile.
    dumping: bool,
}

impl FakeTransport {
    fn take_in(&mut self, datagram: &[u8]) -> io::Result<()> {
        let kernel = self.kernel.clone();
        let mut shared = kernel.lock();
        shared.datagrams += 1;
        if shared.silent {
            return Ok(());
        }
        for message in Messages::new(datagram) {
            let message = message.map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
            let (kind, sequence) = (message.kind, message.sequence);
            let errno = if kind == FAMILY || kind == control::FAMILY {
                match Request::decode(&message) {
                    Ok(Request::Query(query)) => match self.query(&mut shared, query, sequence) {
                        Ok(true) => continue,
                        Ok(false) => 0,
                        Err(errno) => errno,
                    },
                    Ok(Request::Command(command)) => Self::command(&mut shared, command),
                    Err(error) => errno_of(error),
                }
            } else {
                errno::ENOENT
            };
            if errno != 0 || message.flags & netlink::ACK != 0 {
                let mut answer = Vec::new();
                encode_acknowledgement(kind, errno, sequence, None, &mut answer);
                self.answers.push_back(answer);
            }
        }
        Ok(())
    }

    fn command(shared: &mut Shared, command: Command) -> i32 {
        if shared.unavailable {
            return errno::ENOENT;
        }
        if shared.unprivileged {
            return errno::EPERM;
        }
        let errno = shared.state.execute(&command).err().unwrap_or(0);
        shared.log.push(command);
        errno
    }

    /// Answers a question; true if it was a dump, which ends with a message of its own.
    fn query(&mut self, shared: &mut Shared, query: Query, sequence: u32) -> Result<bool, i32> {
        if query == Query::Family {
            if shared.unavailable {
                return Err(errno::ENOENT);
            }
            self.answer(&[Answer::Family(FAMILY)], sequence);
            return Ok(false);
        }
        if shared.unavailable {
            return Err(errno::ENOENT);
        }
        if shared.unprivileged {
            return Err(errno::EPERM);
        }
        let answers = shared.state.answer(&query)?;
        if !query.is_dump() {
            self.answer(&answers, sequence);
            return Ok(false);
        }
        if self.dumping {
            return Err(errno::EBUSY);
        }
        self.dumping = true;
        for chunk in answers.chunks(DUMP_CHUNK) {
            self.answer(chunk, sequence);
        }
        let interrupted = shared.interrupted_dumps > 0;
        shared.interrupted_dumps = shared.interrupted_dumps.saturating_sub(1);
        let mut end = Vec::new();
        encode_done(sequence, interrupted, &mut end);
        self.answers.push_back(end);
        Ok(true)
    }

    fn answer(&mut self, answers: &[Answer], sequence: u32) {
        let mut datagram = Vec::new();
        for answer in answers {
            encode_answer(answer, FAMILY, sequence, &mut datagram);
        }
        self.answers.push_back(datagram);
    }

    fn give_out(&mut self, datagram: &mut Vec<u8>) -> io::Result<()> {
        let Some(answer) = self.answers.pop_front() else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let mut messages = Messages::new(&answer).filter_map(Result::ok);
        let ends_dump = messages.any(|message| message.kind == netlink::DONE);
        if ends_dump {
            self.dumping = false;
        }
        let mut shared = self.kernel.lock();
        // The end of a dump is never lost: the kernel makes it only when there is room.
        if shared.lost_answers > 0 && !ends_dump {
            shared.lost_answers -= 1;
            return Err(io::Error::from_raw_os_error(errno::ENOBUFS));
        }
        drop(shared);
        *datagram = answer;
        Ok(())
    }
}

const fn errno_of(error: DecodeError) -> i32 {
    match error {
        DecodeError::Family(_) => errno::EAFNOSUPPORT,
        DecodeError::Command(_) => errno::EOPNOTSUPP,
        _ => errno::EINVAL,
    }
}

/// No time passes in this kernel: what has no answer yet has none later.
impl Transport for FakeTransport {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        self.take_in(datagram)
    }

    fn receive(&mut self, datagram: &mut Vec<u8>, _timeout: Duration) -> io::Result<()> {
        self.give_out(datagram)
    }
}

#[cfg(feature = "tokio")]
impl crate::transport::AsyncTransport for FakeTransport {
    async fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        self.take_in(datagram)
    }

    async fn receive(&mut self, datagram: &mut Vec<u8>, _timeout: Duration) -> io::Result<()> {
        self.give_out(datagram)
    }
}

/// Interfaces by name, with their MTU.
type Interfaces = BTreeMap<Name, u16>;
