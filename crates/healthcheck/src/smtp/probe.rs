//! The socket part of `SMTP_CHECK`.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::session::{Session, SessionError, Stage};
use crate::dial::Dialer;
use crate::outcome::{Cause, Detail, Outcome, Wanted};
use crate::probe::{Attempt, Probe, ProbeKey};

/// One mail server of a check (`host { }`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SmtpHost {
    /// Address and port to connect to.
    pub target: SocketAddr,
    /// Source address, interface, mark and `connect_timeout`. The same limit holds for each
    /// answer of the dialogue.
    pub dialer: Dialer,
}

impl SmtpHost {
    /// A mail server with everything else at its default.
    #[must_use]
    pub fn new(target: SocketAddr) -> Self {
        Self {
            target,
            dialer: Dialer::default(),
        }
    }
}

/// Settings of an [`SmtpProbe`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SmtpSettings {
    /// The mail servers, checked one after the other; all must answer. At least one.
    pub hosts: Vec<SmtpHost>,
    /// The name that we give in `HELO` (`helo_name`).
    pub helo_name: String,
}

impl SmtpSettings {
    /// The `helo_name` where nothing else is said, the same as keepalived's.
    pub const DEFAULT_HELO_NAME: &'static str = "smtpchecker.keepalived.org";

    /// A check of one mail server.
    #[must_use]
    pub fn new(target: SocketAddr) -> Self {
        Self {
            hosts: vec![SmtpHost::new(target)],
            helo_name: Self::DEFAULT_HELO_NAME.to_owned(),
        }
    }
}

/// The settings of an SMTP check cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSmtp {
    /// There is no mail server to check.
    #[error("no mail server to check, give at least one")]
    NoHost,
    /// The name would break the command apart.
    #[error("HELO name `{0}` is empty or holds a blank or control character")]
    HeloName(String),
}

/// Waits for the greeting of each mail server, says `HELO` and `QUIT` (`SMTP_CHECK`).
#[derive(Clone, Debug)]
pub struct SmtpProbe {
    settings: Arc<SmtpSettings>,
}

impl SmtpProbe {
    /// A probe with these settings.
    ///
    /// # Errors
    /// If there is no host, or the name cannot stand in a command.
    pub fn new(settings: SmtpSettings) -> Result<Self, InvalidSmtp> {
        if settings.hosts.is_empty() {
            return Err(InvalidSmtp::NoHost);
        }
        let name = &settings.helo_name;
        if name.is_empty() || !name.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(InvalidSmtp::HeloName(name.clone()));
        }
        Ok(Self {
            settings: Arc::new(settings),
        })
    }

    async fn check(&self) -> Result<Detail, Cause> {
        for host in &self.settings.hosts {
            let mut stream = host.dialer.connect(host.target).await?;
            self.talk(host, &mut stream).await?;
        }
        Ok(Detail::Smtp)
    }

    async fn talk(&self, host: &SmtpHost, stream: &mut TcpStream) -> Result<(), Cause> {
        let target = host.target;
        let limit = host.dialer.connect_timeout;
        let mut session = Session::new(&self.settings.helo_name);
        let mut buffer = [0_u8; 1024];
        let mut deadline = Instant::now() + limit;
        loop {
            let stage = session.stage();
            let wanted = match stage {
                Stage::Greeting => Wanted::SmtpGreeting,
                _ => Wanted::SmtpHelo,
            };
            let step = async {
                let output = session.take_output();
                if !output.is_empty() {
                    stream.write_all(&output).await?;
                }
                if stage == Stage::Done {
                    return Ok(None);
                }
                stream.read(&mut buffer).await.map(Some)
            };
            let length = match timeout_at(deadline, step).await {
                Err(_elapsed) => {
                    return Err(Cause::Timeout {
                        target,
                        wanted,
                        after: limit,
                    });
                }
                Ok(Err(error)) => {
                    return Err(Cause::Broken {
                        target,
                        wanted,
                        error: error.into(),
                    });
                }
                Ok(Ok(None)) => return Ok(()),
                Ok(Ok(Some(0))) => return Err(Cause::Closed { target, wanted }),
                Ok(Ok(Some(length))) => length,
            };
            let received = session.receive(buffer.get(..length).unwrap_or_default());
            received.map_err(|error| match error {
                SessionError::Code {
                    got,
                    wanted: wanted_code,
                } => Cause::SmtpCode {
                    target,
                    got,
                    wanted_code,
                    wanted,
                },
                other => Cause::Protocol {
                    target,
                    protocol: "SMTP",
                    problem: other.to_string(),
                },
            })?;
            if session.stage() != stage {
                // A whole reply has come; the limit is for each of them.
                deadline = Instant::now() + limit;
            }
        }
    }
}

impl Probe for SmtpProbe {
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
        self.settings.hosts.first().map(|host| host.target.ip())
    }
}
