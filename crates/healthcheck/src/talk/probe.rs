//! Send and expect, as the checkers of other directors do it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use crate::dial::{Dialer, Next};
use crate::http::{InvalidPattern, Pattern};
use crate::outcome::{Cause, Detail, Outcome, Wanted};
use crate::probe::{Attempt, Probe, ProbeKey};
use crate::regex::{Compiled, TooCostly};
use crate::tls::{Connector, InvalidTls, TlsSettings};

/// What an answer must hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Expect {
    /// Nothing is waited for.
    Nothing,
    /// The answer begins with these octets.
    Start(Vec<u8>),
    /// These octets stand anywhere in the answer.
    Text(Vec<u8>),
    /// The answer matches the expression. With `must_not_match`, the whole answer up to the end
    /// of the connection is read first.
    Regex(Pattern),
}

/// One turn of the talk.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TalkStep {
    /// What we say, if not empty.
    pub send: Vec<u8>,
    /// What we want to hear then.
    pub expect: Expect,
}

/// Settings of a [`TalkProbe`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TalkSettings {
    /// Address and port to connect to.
    pub target: SocketAddr,
    /// Source address, interface, mark and limit on connecting.
    pub dialer: Dialer,
    /// TLS from the first octet on, if wanted.
    pub tls: Option<TlsSettings>,
    /// The turns, in order.
    pub steps: Vec<TalkStep>,
    /// Limit on the whole talk; that on connecting if `None`.
    pub answer_timeout: Option<Duration>,
    /// Octets of one answer that are looked at, at most.
    pub answer_limit: usize,
}

impl TalkSettings {
    /// A talk over TCP with at most 64 KiB in each answer.
    #[must_use]
    pub fn new(target: SocketAddr, steps: Vec<TalkStep>) -> Self {
        Self {
            target,
            dialer: Dialer::default(),
            tls: None,
            steps,
            answer_timeout: None,
            answer_limit: 64 << 10,
        }
    }
}

/// The settings of a talk cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTalk {
    /// The expression cannot be compiled.
    #[error(transparent)]
    Pattern(#[from] InvalidPattern),
    /// The TLS settings cannot be used.
    #[error(transparent)]
    Tls(#[from] InvalidTls),
}

/// Sends octets and waits for others, in turns. keepalived has no such check.
#[derive(Clone, Debug)]
pub struct TalkProbe {
    settings: Arc<TalkSettings>,
    patterns: Vec<Option<Compiled>>,
    connector: Option<Connector>,
}

impl TalkProbe {
    /// A probe with these settings.
    ///
    /// # Errors
    /// If an expression cannot be compiled or the TLS settings cannot be used.
    pub fn new(settings: TalkSettings) -> Result<Self, InvalidTalk> {
        let patterns = settings
            .steps
            .iter()
            .map(|step| match &step.expect {
                Expect::Regex(pattern) => pattern.compile().map(Some),
                _ => Ok(None),
            })
            .collect::<Result<_, _>>()?;
        let connector = settings.tls.as_ref().map(Connector::new).transpose()?;
        Ok(Self {
            settings: Arc::new(settings),
            patterns,
            connector,
        })
    }

    async fn check(&self) -> Result<Detail, Cause> {
        let settings = &self.settings;
        let target = settings.target;
        let speaks = settings
            .steps
            .first()
            .is_some_and(|step| !step.send.is_empty());
        let next = if speaks || self.connector.is_some() {
            Next::Speak
        } else {
            Next::Listen
        };
        let mut stream = settings.dialer.connect_and(target, next).await?;
        let bytes = match &self.connector {
            None => self.talk(&mut stream).await?,
            Some(connector) => {
                let limit = settings.dialer.connect_timeout;
                let mut session = connector.handshake(stream, target, None, limit).await?;
                let bytes = self.talk(&mut session.stream).await?;
                connector.close(session).await;
                bytes
            }
        };
        Ok(Detail::Reply { bytes })
    }

    async fn talk(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    ) -> Result<usize, Cause> {
        let settings = &self.settings;
        let target = settings.target;
        let after = settings
            .answer_timeout
            .unwrap_or(settings.dialer.connect_timeout);
        let deadline = Instant::now() + after;
        let mut heard = 0;
        for (step, pattern) in settings.steps.iter().zip(&self.patterns) {
            let turn = self.turn(stream, step, pattern.as_ref());
            heard += match timeout_at(deadline, turn).await {
                Ok(result) => result?,
                Err(_elapsed) => {
                    let wanted = Wanted::ExpectedText;
                    return Err(Cause::Timeout {
                        target,
                        wanted,
                        after,
                    });
                }
            };
        }
        Ok(heard)
    }

    async fn turn(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        step: &TalkStep,
        pattern: Option<&Compiled>,
    ) -> Result<usize, Cause> {
        let target = self.settings.target;
        let wanted = Wanted::ExpectedText;
        let broken = |error: std::io::Error| Cause::Broken {
            target,
            wanted,
            error: error.into(),
        };
        stream.write_all(&step.send).await.map_err(broken)?;
        stream.flush().await.map_err(broken)?;
        let whole = pattern.is_some_and(|pattern| pattern.pattern().must_not_match);
        let hears = |answer: &[u8]| {
            hears(&step.expect, pattern, answer).map_err(|TooCostly| Cause::RegexTooCostly {
                target,
                regex: pattern
                    .map(|pattern| pattern.pattern().regex.clone())
                    .unwrap_or_default(),
            })
        };
        let mut answer = Vec::new();
        let mut buffer = [0_u8; 2048];
        loop {
            if !whole && hears(&answer)? {
                return Ok(answer.len());
            }
            if answer.len() >= self.settings.answer_limit {
                return Err(Cause::ReplyMismatch { target });
            }
            let room = self.settings.answer_limit - answer.len();
            let space = buffer.len().min(room);
            let length = match stream
                .read(buffer.get_mut(..space).unwrap_or_default())
                .await
            {
                Ok(length) => length,
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => 0,
                Err(error) => return Err(broken(error)),
            };
            if length == 0 {
                return if whole && hears(&answer)? {
                    Ok(answer.len())
                } else if answer.is_empty() {
                    Err(Cause::Closed { target, wanted })
                } else {
                    Err(Cause::ReplyMismatch { target })
                };
            }
            answer.extend_from_slice(buffer.get(..length).unwrap_or_default());
            if let Expect::Start(start) = &step.expect
                && !start.iter().zip(&answer).all(|(want, got)| want == got)
            {
                return Err(Cause::ReplyMismatch { target });
            }
        }
    }
}

fn hears(expect: &Expect, pattern: Option<&Compiled>, answer: &[u8]) -> Result<bool, TooCostly> {
    Ok(match expect {
        Expect::Nothing => true,
        Expect::Start(start) => answer.starts_with(start),
        Expect::Text(text) if text.is_empty() => true,
        Expect::Text(text) => answer.windows(text.len()).any(|window| window == text),
        Expect::Regex(_) => match pattern {
            Some(pattern) => pattern.accepts(&[], answer)?,
            None => false,
        },
    })
}

impl Probe for TalkProbe {
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
