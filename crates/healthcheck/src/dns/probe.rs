//! The socket part of `DNS_CHECK`.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::{Answer, Name, Question, RecordType};
use crate::dial::{Dialer, connect_cause};
use crate::outcome::{Cause, Detail, Outcome, Wanted};
use crate::probe::{Attempt, Probe, ProbeKey};

/// Settings of a [`DnsProbe`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DnsSettings {
    /// Address and port of the name server.
    pub target: SocketAddr,
    /// Source address, interface, mark, and the limit on the answer (`connect_timeout`).
    pub dialer: Dialer,
    /// What is asked for (`type`).
    pub record_type: RecordType,
    /// What is asked about (`name`).
    pub name: Name,
}

impl DnsSettings {
    /// Asks for the start of the root zone, as keepalived does unless told otherwise.
    #[must_use]
    pub fn new(target: SocketAddr) -> Self {
        Self {
            target,
            dialer: Dialer::default(),
            record_type: RecordType::default(),
            name: Name::root(),
        }
    }
}

/// Asks a name server over UDP; any answer to the question with code 0 will do (`DNS_CHECK`).
#[derive(Clone, Debug)]
pub struct DnsProbe {
    settings: Arc<DnsSettings>,
    question: Question,
}

impl DnsProbe {
    /// A probe with these settings.
    #[must_use]
    pub fn new(settings: DnsSettings) -> Self {
        let question = Question {
            name: settings.name.clone(),
            record_type: settings.record_type,
        };
        Self {
            settings: Arc::new(settings),
            question,
        }
    }

    async fn check(&self, start: Instant) -> Result<Detail, Cause> {
        let target = self.settings.target;
        let limit = self.settings.dialer.connect_timeout;
        let deadline = start + limit;
        let socket = self.settings.dialer.connect_udp(target)?;
        // Unpredictable, so that nobody else can answer in the place of the server.
        let [high, low, ..] = RandomState::new().hash_one(target).to_ne_bytes();
        let id = u16::from_be_bytes([high, low]);
        let query = self.question.encode(id);
        let exchange = async {
            socket.send(&query).await?;
            let mut buffer = [0_u8; 1500];
            loop {
                let length = socket.recv(&mut buffer).await?;
                let datagram = buffer.get(..length).unwrap_or_default();
                // What is not our answer may be a late one, or forged: the real one may still come.
                match Answer::parse(datagram, id, &self.question) {
                    Ok(answer) => return Ok(answer),
                    Err(error) => tracing::debug!(%target, %error, "datagram ignored"),
                }
            }
        };
        let answer = match timeout_at(deadline, exchange).await {
            Err(_elapsed) => {
                return Err(Cause::Timeout {
                    target,
                    wanted: Wanted::DnsAnswer,
                    after: limit,
                });
            }
            Ok(Err(error)) => return Err(connect_cause(target, std::io::Error::into(error))),
            Ok(Ok(answer)) => answer,
        };
        if answer.code.is_no_error() {
            Ok(Detail::Dns {
                answers: answer.answers,
            })
        } else {
            let question = self.question.to_string();
            Err(Cause::DnsCode {
                target,
                code: answer.code,
                question,
            })
        }
    }
}

impl Probe for DnsProbe {
    fn run(&self) -> Attempt<'_> {
        Box::pin(async move {
            let start = Instant::now();
            let result = self.check(start).await;
            Outcome::from_result(result, start.elapsed())
        })
    }

    fn key(&self) -> Option<ProbeKey> {
        Some(ProbeKey::shared(Arc::clone(&self.settings)))
    }

    fn host(&self) -> Option<IpAddr> {
        Some(self.settings.target.ip())
    }
}
