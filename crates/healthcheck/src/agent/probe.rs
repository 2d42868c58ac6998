//! The socket part of an agent check.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::AgentAnswer;
use crate::dial::{Dialer, Next};
use crate::outcome::{Cause, Detail, Outcome, Wanted};
use crate::probe::{Attempt, Probe, ProbeKey};

/// Octets of the line, at most.
const LINE_LIMIT: usize = 1024;

/// Settings of an [`AgentProbe`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AgentSettings {
    /// Address and port of the agent.
    pub target: SocketAddr,
    /// Source address, interface, mark and limit on connecting; the same limit holds for the
    /// line.
    pub dialer: Dialer,
    /// Sent before the line is read, if not empty.
    pub send: Vec<u8>,
}

impl AgentSettings {
    /// An agent that needs no words to speak.
    #[must_use]
    pub fn new(target: SocketAddr) -> Self {
        Self {
            target,
            dialer: Dialer::default(),
            send: Vec::new(),
        }
    }
}

/// Reads one line from an agent on the server: a weight in per cent, `drain`, or a state, as
/// agents for HAProxy send it. keepalived has no such check.
#[derive(Clone, Debug)]
pub struct AgentProbe {
    settings: Arc<AgentSettings>,
}

impl AgentProbe {
    /// A probe with these settings.
    #[must_use]
    pub fn new(settings: AgentSettings) -> Self {
        Self {
            settings: Arc::new(settings),
        }
    }

    async fn check(&self) -> Result<Detail, Cause> {
        let target = self.settings.target;
        let wanted = Wanted::AgentLine;
        let after = self.settings.dialer.connect_timeout;
        let next = if self.settings.send.is_empty() {
            Next::Listen
        } else {
            Next::Speak
        };
        let mut stream = self.settings.dialer.connect_and(target, next).await?;
        let mut line = Vec::new();
        let read = async {
            stream.write_all(&self.settings.send).await?;
            let mut buffer = [0_u8; LINE_LIMIT];
            while line.len() <= LINE_LIMIT && !line.contains(&b'\n') {
                let length = stream.read(&mut buffer).await?;
                if length == 0 {
                    break;
                }
                line.extend_from_slice(buffer.get(..length).unwrap_or_default());
            }
            Ok(())
        };
        match timeout(after, read).await {
            Err(_elapsed) => {
                return Err(Cause::Timeout {
                    target,
                    wanted,
                    after,
                });
            }
            Ok(Err(error)) => {
                return Err(Cause::Broken {
                    target,
                    wanted,
                    error: std::io::Error::into(error),
                });
            }
            Ok(Ok(())) if line.is_empty() => return Err(Cause::Closed { target, wanted }),
            Ok(Ok(())) => {}
        }
        let protocol = |problem: String| Cause::Protocol {
            target,
            protocol: "the agent text",
            problem,
        };
        let line = line
            .split(|octet| *octet == b'\n')
            .next()
            .unwrap_or_default();
        if line.len() > LINE_LIMIT {
            return Err(protocol("the line is too long".to_owned()));
        }
        let answer: AgentAnswer = String::from_utf8_lossy(line)
            .parse()
            .map_err(|error: super::InvalidAgentAnswer| protocol(error.to_string()))?;
        match answer.down {
            Some(word) => Err(Cause::Agent {
                target,
                word,
                text: answer.text,
            }),
            None => Ok(Detail::Agent {
                weight: answer.weight,
            }),
        }
    }
}

impl Probe for AgentProbe {
    fn run(&self) -> Attempt<'_> {
        Box::pin(async move {
            let start = Instant::now();
            let result = self.check().await;
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
