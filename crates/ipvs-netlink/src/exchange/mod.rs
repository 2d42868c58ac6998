//! Conversations with the kernel without the socket: what to send next, what an answer means, and
//! when it is complete. The blocking and the tokio client both drive these.

mod batch;
mod read;

use std::io;
use std::time::Duration;

use crate::errno;
use crate::error::Error;
use crate::wire::{Body, Query, decode};

pub(crate) use batch::Batch;
pub(crate) use read::Read;

/// What a connection remembers between exchanges.
#[derive(Debug)]
pub(crate) struct Session {
    /// Number of the IPVS family.
    pub(crate) family: u16,
    next_sequence: u32,
    /// Last message of an exchange that was given up (a timeout, or a dropped future) and whose
    /// answers may still come.
    unfinished: Option<u32>,
}

impl Session {
    pub(crate) const fn new() -> Self {
        Self {
            family: 0,
            next_sequence: 1,
            unfinished: None,
        }
    }

    const fn sequence(&mut self) -> u32 {
        let sequence = self.next_sequence;
        self.next_sequence = sequence.wrapping_add(1);
        sequence
    }

    /// To be called before each datagram is sent; [`Session::complete`] when it is answered.
    pub(crate) const fn begin(&mut self, last_sequence: u32) {
        self.unfinished = Some(last_sequence);
    }

    pub(crate) const fn complete(&mut self) {
        self.unfinished = None;
    }

    /// Whether answers to an earlier exchange must be received first.
    pub(crate) const fn must_drain(&self) -> bool {
        self.unfinished.is_some()
    }

    /// Takes a datagram, or the failure to receive one, while draining; says whether the drain is
    /// over.
    pub(crate) fn drain(&mut self, received: Result<&[u8], &io::Error>) -> bool {
        let over = match received {
            Ok(datagram) => {
                // The query does not matter: only the ends are looked at.
                decode(&Query::Family, datagram)
                    .filter_map(Result::ok)
                    .any(|message| {
                        Some(message.sequence) == self.unfinished
                            && matches!(
                                message.body,
                                Body::Acknowledgement { .. } | Body::Done { .. }
                            )
                    })
            }
            Err(error) => error.raw_os_error() != Some(errno::ENOBUFS),
        };
        if over {
            self.unfinished = None;
        }
        over
    }
}

/// One conversation: rounds of a datagram out and datagrams in.
pub(crate) trait Exchange {
    type Output;

    /// What is being done, for errors.
    fn doing(&self) -> &'static str;

    /// Puts the next datagram into `out` and gives the sequence number of its last message;
    /// `None` when there is nothing left to send.
    fn write(&mut self, session: &mut Session, out: &mut Vec<u8>) -> Option<u32>;

    /// Takes a datagram; true ends the round.
    fn feed(&mut self, datagram: &[u8]) -> bool;

    /// Takes note that answers were lost; true ends the round.
    fn overrun(&mut self) -> bool;

    /// Takes note that no answer came in time; an error ends the exchange, otherwise the round is
    /// over.
    fn timed_out(&mut self, after: Duration) -> Result<(), Error>;

    /// The result, when `write` has nothing left.
    fn finish(self) -> Self::Output;

    /// What to do about a failure to receive; true ends the round.
    fn receive_failed(&mut self, error: io::Error, after: Duration) -> Result<bool, Error> {
        if error.raw_os_error() == Some(errno::ENOBUFS) {
            return Ok(self.overrun());
        }
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                self.timed_out(after).map(|()| true)
            }
            _ => Err(Error::Io {
                doing: self.doing(),
                source: error,
            }),
        }
    }
}
