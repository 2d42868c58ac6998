use std::time::Duration;

use super::{Exchange, Session};
use crate::errno;
use crate::error::Error;
use crate::refusal::Refusal;
use crate::types::ServiceId;
use crate::wire::{Answer, Body, DecodeError, Query, decode};

/// How often a read that was interrupted or lost answers is made in all.
const ATTEMPTS: u32 = 16;

/// A question and its complete answer; asked again if the table changed meanwhile.
pub(crate) struct Read {
    query: Query,
    sequence: u32,
    answers: Vec<Answer>,
    attempts: u32,
    interrupted: bool,
    lost: bool,
    result: Option<Result<(), Error>>,
    malformed: Option<DecodeError>,
}

impl Read {
    pub(crate) const fn new(query: Query) -> Self {
        Self {
            query,
            sequence: 0,
            answers: Vec::new(),
            attempts: 0,
            interrupted: false,
            lost: false,
            result: None,
            malformed: None,
        }
    }

    const fn service(&self) -> Option<ServiceId> {
        match self.query {
            Query::Service(id) | Query::Destinations(id) => Some(id),
            _ => None,
        }
    }

    /// The end of a round: either it is the result, or the question is asked again.
    fn end(&mut self, errno: i32, text: Option<&str>) {
        let doing = self.doing();
        let busy = errno == errno::EBUSY;
        if errno == 0 && self.malformed.is_none() && !self.interrupted && !self.lost {
            self.result = Some(Ok(()));
        } else if (self.interrupted || self.lost || busy) && self.attempts < ATTEMPTS {
            // `write` asks again.
        } else if self.lost {
            self.result = Some(Err(Error::Overrun { doing }));
        } else if self.interrupted {
            let attempts = self.attempts;
            self.result = Some(Err(Error::Interrupted { doing, attempts }));
        } else if errno == errno::ENOENT {
            // No question of IPVS is answered so; the family is not there.
            self.result = Some(Err(Error::Unavailable));
        } else if errno != 0 {
            let refusal = Refusal::of_read(doing, self.service(), errno, text);
            self.result = Some(Err(Error::Refused(refusal)));
        } else if let Some(source) = self.malformed {
            self.result = Some(Err(Error::Malformed { doing, source }));
        }
    }
}

impl Exchange for Read {
    type Output = Result<Vec<Answer>, Error>;

    fn doing(&self) -> &'static str {
        match self.query {
            Query::Family => "ask for the IPVS family",
            Query::Info => "read the version",
            Query::Timeouts => "read the timeouts",
            Query::Daemons => "read the sync daemons",
            Query::Services => "read the services",
            Query::Service(_) => "read the settings",
            Query::Destinations(_) => "read the destinations",
        }
    }

    fn write(&mut self, session: &mut Session, out: &mut Vec<u8>) -> Option<u32> {
        if self.result.is_some() {
            return None;
        }
        self.answers.clear();
        self.attempts += 1;
        self.interrupted = false;
        self.lost = false;
        self.malformed = None;
        self.sequence = session.sequence();
        out.clear();
        self.query.encode(session.family, self.sequence, out);
        Some(self.sequence)
    }

    fn feed(&mut self, datagram: &[u8]) -> bool {
        // The end is kept back until the answers are stored, as both borrow.
        let mut end = None;
        for message in decode(&self.query, datagram) {
            let message = match message {
                Ok(message) => message,
                Err(error) => {
                    self.malformed.get_or_insert(error);
                    continue;
                }
            };
            if message.sequence != self.sequence {
                continue;
            }
            self.interrupted |= message.interrupted;
            match message.body {
                Body::Answer(answer) => self.answers.push(answer),
                Body::Acknowledgement { errno, text } => end = Some((errno, text)),
                Body::Done { errno } => end = Some((errno, None)),
                Body::Overrun => self.lost = true,
                Body::Other => {}
            }
        }
        match end {
            Some((errno, text)) => {
                self.end(errno, text.as_deref());
                true
            }
            None => false,
        }
    }

    fn overrun(&mut self) -> bool {
        // A dump goes on by being received, so it is received to its end and then made again.
        self.lost = true;
        false
    }

    fn timed_out(&mut self, after: Duration) -> Result<(), Error> {
        let doing = self.doing();
        if let Some(source) = self.malformed {
            return Err(Error::Malformed { doing, source });
        }
        if self.lost && self.attempts < ATTEMPTS {
            // The end itself may be what was lost.
            return Ok(());
        }
        Err(Error::Timeout { doing, after })
    }

    fn finish(self) -> Self::Output {
        match self.result {
            Some(Ok(())) => Ok(self.answers),
            Some(Err(error)) => Err(error),
            None => Err(Error::Overrun {
                doing: self.doing(),
            }),
        }
    }
}
