use std::borrow::Cow;
use std::ops::Range;
use std::time::Duration;

use super::{Exchange, Session};
use crate::command::Command;
use crate::error::Error;
use crate::refusal::Refusal;
use crate::table::{Applied, Change, Outcome};
use crate::wire::consts::netlink;
use crate::wire::{Body, Query, decode, encode_command};

/// Commands in one datagram. Each may be answered by a refusal, and all refusals together must
/// fit into a receive buffer of the default size, or the last answer is dropped by the kernel.
const MOST_COMMANDS: usize = 128;

/// Bytes in one datagram.
const MOST_BYTES: usize = 32 << 10;

/// What commands are taken from, one after the other, so that a long list need not stand in memory twice.
pub(crate) trait Commands {
    /// How many there are.
    fn count(&self) -> usize;

    /// The one at this position.
    fn command(&self, position: usize) -> Option<Cow<'_, Command>>;
}

impl Commands for [Command] {
    fn count(&self) -> usize {
        self.len()
    }

    fn command(&self, position: usize) -> Option<Cow<'_, Command>> {
        self.get(position).map(Cow::Borrowed)
    }
}

impl Commands for [Change] {
    fn count(&self) -> usize {
        self.len()
    }

    fn command(&self, position: usize) -> Option<Cow<'_, Command>> {
        self.get(position)
            .map(|change| Cow::Owned(change.command()))
    }
}

/// Many commands, in as few datagrams as the limits allow.
///
/// Only the last command of a datagram asks for an acknowledgement: the kernel works through a
/// datagram in order and answers refusals without being asked, so that one tells that all are
/// done.
pub(crate) struct Batch<'a, C: ?Sized> {
    commands: &'a C,
    stop_at_refusal: bool,
    outcomes: Vec<Outcome>,
    /// The commands of the datagram that is under way, and the number of its first message.
    sent: Range<usize>,
    first_sequence: u32,
    /// The message whose answer ends the round.
    last_sequence: u32,
    refused: bool,
    /// Answers were lost; a question is sent behind them to know when the rest has come.
    lost: bool,
    barrier: bool,
    barriers: u32,
}

impl<'a, C: Commands + ?Sized> Batch<'a, C> {
    /// `stop_at_refusal` sends no further datagram after one with a refusal in it.
    pub(crate) fn new(commands: &'a C, stop_at_refusal: bool) -> Self {
        Self {
            commands,
            stop_at_refusal,
            outcomes: Vec::with_capacity(commands.count()),
            sent: 0..0,
            first_sequence: 0,
            last_sequence: 0,
            refused: false,
            lost: false,
            barrier: false,
            barriers: 0,
        }
    }

    /// The answer to message `sequence` has come.
    fn answered(&mut self, sequence: u32, errno: i32, text: Option<&str>) {
        let offset = sequence.wrapping_sub(self.first_sequence);
        let position = self.sent.start + usize::try_from(offset).unwrap_or(usize::MAX / 2);
        if !self.sent.contains(&position) {
            return;
        }
        let Some(outcome) = self.outcomes.get_mut(position) else {
            return;
        };
        if errno == 0 {
            *outcome = Outcome::Done;
        } else if let Some(command) = self.commands.command(position) {
            self.refused = true;
            *outcome = Outcome::Refused(Refusal::of_command(&command, errno, text));
        }
    }

    /// All answers that will come have come.
    fn settle(&mut self) {
        // A refusal is always answered, so silence is consent unless answers were lost.
        let silent = if self.lost {
            Outcome::Unknown
        } else {
            Outcome::Done
        };
        for outcome in self.outcomes.get_mut(self.sent.clone()).unwrap_or_default() {
            if *outcome == Outcome::NotSent {
                *outcome = silent.clone();
            }
        }
        self.sent = self.sent.end..self.sent.end;
        self.lost = false;
        self.barriers = 0;
    }
}

impl<C: Commands + ?Sized> Exchange for Batch<'_, C> {
    type Output = Applied;

    fn doing(&self) -> &'static str {
        "apply commands"
    }

    fn write(&mut self, session: &mut Session, out: &mut Vec<u8>) -> Option<u32> {
        out.clear();
        if self.barrier {
            self.barrier = false;
            self.last_sequence = session.sequence();
            Query::Info.encode(session.family, self.last_sequence, out);
            return Some(self.last_sequence);
        }
        let start = self.sent.end;
        if start >= self.commands.count() || (self.refused && self.stop_at_refusal) {
            return None;
        }
        let mut last = 0;
        let mut count = 0;
        let mut stops_daemon = false;
        while count < MOST_COMMANDS
            && let Some(command) = self.commands.command(start + count)
        {
            let before = out.len();
            // Numbers are drawn only for what is sent.
            let sequence = session.next_sequence;
            encode_command(&command, session.family, sequence, false, out);
            if out.len() > MOST_BYTES && count > 0 {
                out.truncate(before);
                break;
            }
            session.sequence();
            if count == 0 {
                self.first_sequence = sequence;
            }
            self.last_sequence = sequence;
            last = before;
            count += 1;
            stops_daemon = matches!(*command, Command::StopDaemon(_));
        }
        self.sent = start..start + count;
        if stops_daemon {
            // A daemon that is stopped before its thread ran for the first time makes the kernel
            // interrupt its own answer (EINTR), which netlink then does not send.
            self.last_sequence = session.sequence();
            Query::Info.encode(session.family, self.last_sequence, out);
        } else if let Some(flags) = out.get_mut(last + 6..last + 8) {
            flags.copy_from_slice(&(netlink::REQUEST | netlink::ACK).to_ne_bytes());
        }
        self.outcomes.resize(self.sent.end, Outcome::NotSent);
        Some(self.last_sequence)
    }

    fn feed(&mut self, datagram: &[u8]) -> bool {
        let mut over = false;
        for message in decode(&Query::Info, datagram).filter_map(Result::ok) {
            if let Body::Acknowledgement { errno, text } = message.body {
                self.answered(message.sequence, errno, text.as_deref());
                over |= message.sequence == self.last_sequence;
            }
        }
        if over {
            self.settle();
        }
        over
    }

    fn overrun(&mut self) -> bool {
        self.lost = true;
        self.barrier = true;
        self.barriers += 1;
        true
    }

    fn timed_out(&mut self, after: Duration) -> Result<(), Error> {
        if self.lost && self.barriers < 4 {
            // The answer to the barrier may be lost as well.
            self.overrun();
            return Ok(());
        }
        Err(Error::Timeout {
            doing: self.doing(),
            after,
        })
    }

    fn finish(mut self) -> Applied {
        self.outcomes
            .resize(self.commands.count(), Outcome::NotSent);
        Applied {
            outcomes: self.outcomes,
        }
    }
}
