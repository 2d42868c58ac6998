//! One delivery: the connection to the mail server and the dialogue on it (RFC 5321, STARTTLS by RFC 3207, AUTH by RFC 4954).

use super::message::{Message, stuffed};
use super::reply::{BadReply, Reply, ReplyReader};
use super::{Credentials, MailSettings, Protection};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

/// Limit on a whole delivery, however many addresses the server has and however slowly it answers.
const WHOLE: Duration = Duration::from_secs(300);

/// Why a mail was not delivered.
#[derive(Debug, thiserror::Error)]
pub(super) enum DeliveryError {
    /// The name of the server has no address.
    #[error("the mail server {host} cannot be found: {source}")]
    Resolve {
        /// Its name.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// No address of the server takes a connection.
    #[error("no connection to the mail server at {address}: {source}")]
    Connect {
        /// The last address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The server said nothing for too long.
    #[error("the mail server did not answer {step} within {} s", limit.as_secs_f64())]
    Timeout {
        /// What it should have answered.
        step: &'static str,
        /// How long we waited.
        limit: Duration,
    },
    /// The connection broke.
    #[error("the connection to the mail server broke at {step}: {source}")]
    Broken {
        /// Where.
        step: &'static str,
        /// How.
        source: io::Error,
    },
    /// What came is no reply.
    #[error("the mail server speaks no SMTP at {step}: {source}")]
    Protocol {
        /// Where.
        step: &'static str,
        /// What is wrong.
        source: BadReply,
    },
    /// The server said no.
    #[error("the mail server refuses {step}: {reply}")]
    Refused {
        /// What it refuses.
        step: &'static str,
        /// Its words.
        reply: String,
        /// It will always do so.
        permanent: bool,
    },
    /// What the configuration demands and the server does not have.
    #[error("the mail server does not offer {0}")]
    NotOffered(&'static str),
    /// The name in the configuration cannot stand in a certificate.
    #[error("`{0}` is no name that a certificate can be made out for")]
    ServerName(String),
    /// The TLS handshake failed.
    #[error("TLS with the mail server failed: {0}")]
    Tls(io::Error),
}

impl DeliveryError {
    /// Another attempt with the same mail cannot help.
    pub(super) const fn is_permanent(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                permanent: true,
                ..
            }
        )
    }
}

/// A mail that was delivered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Delivered {
    /// Recipients that the server did not take, each with its words.
    pub(super) refused: Vec<String>,
}

/// Brings a mail to the server. Dropping the future ends the connection.
pub(super) async fn deliver(
    settings: &MailSettings,
    message: &Message,
) -> Result<Delivered, DeliveryError> {
    match timeout(WHOLE, dialogue(settings, message)).await {
        Ok(result) => result,
        Err(_) => Err(DeliveryError::Timeout {
            step: "the whole mail",
            limit: WHOLE,
        }),
    }
}

async fn dialogue(settings: &MailSettings, message: &Message) -> Result<Delivered, DeliveryError> {
    let stream = connect(settings).await?;
    match &settings.protection {
        Protection::Plain => {
            let mut session = Session::new(stream, settings.timeout);
            session.greeting().await?;
            let offers = session
                .hello(settings, settings.credentials.is_some())
                .await?;
            session.mail(settings, message, &offers).await
        }
        Protection::StartTls(tls) => {
            let mut session = Session::new(stream, settings.timeout);
            session.greeting().await?;
            let offers = session.hello(settings, true).await?;
            if offers.extension("STARTTLS").is_none() {
                return Err(DeliveryError::NotOffered(
                    "STARTTLS, which smtp_tls demands",
                ));
            }
            session.command("STARTTLS", "STARTTLS", &[220]).await?;
            // What the server has said so far was not protected: nothing of it counts any more.
            let stream = handshake(tls, session.into_stream()?, settings).await?;
            let mut session = Session::new(stream, settings.timeout);
            let offers = session.hello(settings, true).await?;
            session.mail(settings, message, &offers).await
        }
        Protection::Tls(tls) => {
            let stream = handshake(tls, stream, settings).await?;
            let mut session = Session::new(stream, settings.timeout);
            session.greeting().await?;
            let offers = session.hello(settings, true).await?;
            session.mail(settings, message, &offers).await
        }
    }
}

async fn connect(settings: &MailSettings) -> Result<TcpStream, DeliveryError> {
    let host = settings.host.trim_matches(['[', ']']);
    let unknown = |source| DeliveryError::Resolve {
        host: settings.host.clone(),
        source,
    };
    let found = timeout(
        settings.timeout,
        tokio::net::lookup_host((host, settings.port)),
    )
    .await
    .map_err(|_| unknown(io::ErrorKind::TimedOut.into()))?
    .map_err(unknown)?;
    let mut last = unknown(io::ErrorKind::NotFound.into());
    for address in found {
        let source = match timeout(settings.timeout, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(source)) => source,
            Err(_) => io::ErrorKind::TimedOut.into(),
        };
        last = DeliveryError::Connect { address, source };
    }
    Err(last)
}

async fn handshake(
    tls: &TlsConnector,
    stream: TcpStream,
    settings: &MailSettings,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, DeliveryError> {
    let host = settings.host.trim_matches(['[', ']']);
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| DeliveryError::ServerName(host.to_owned()))?;
    match timeout(settings.timeout, tls.connect(name, stream)).await {
        Ok(result) => result.map_err(DeliveryError::Tls),
        Err(_) => Err(DeliveryError::Timeout {
            step: "the TLS handshake",
            limit: settings.timeout,
        }),
    }
}

struct Session<S> {
    stream: S,
    /// Read and not yet used.
    pending: Vec<u8>,
    limit: Duration,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    const fn new(stream: S, limit: Duration) -> Self {
        Self {
            stream,
            pending: Vec::new(),
            limit,
        }
    }

    /// The stream below. Octets that came too early would be taken for protected ones, so they end the session.
    fn into_stream(self) -> Result<S, DeliveryError> {
        if self.pending.is_empty() {
            return Ok(self.stream);
        }
        Err(DeliveryError::Protocol {
            step: "STARTTLS",
            source: BadReply::Malformed,
        })
    }

    async fn greeting(&mut self) -> Result<(), DeliveryError> {
        let reply = self.reply("the connection").await?;
        expect("the connection", &reply, &[220])
    }

    /// HELO like keepalived, or EHLO if its answer is needed.
    async fn hello(
        &mut self,
        settings: &MailSettings,
        extended: bool,
    ) -> Result<Reply, DeliveryError> {
        let step = if extended { "EHLO" } else { "HELO" };
        let name: String = settings
            .helo_name
            .chars()
            .filter(char::is_ascii_graphic)
            .collect();
        self.command(step, &format!("{step} {name}"), &[250]).await
    }

    async fn mail(
        &mut self,
        settings: &MailSettings,
        message: &Message,
        offers: &Reply,
    ) -> Result<Delivered, DeliveryError> {
        if let Some(credentials) = &settings.credentials {
            self.authenticate(credentials, offers).await?;
        }
        let from = format!("MAIL FROM:<{}>", message.from);
        self.command("the sender", &from, &[250]).await?;
        let mut refused = Vec::new();
        let mut first = None;
        for recipient in &message.to {
            let to = format!("RCPT TO:<{recipient}>");
            match self.command("a recipient", &to, &[250, 251, 252]).await {
                Ok(_) => {}
                Err(DeliveryError::Refused {
                    step,
                    reply,
                    permanent,
                }) => {
                    refused.push(format!("{recipient}: {reply}"));
                    let reply = format!("{recipient}: {reply}");
                    first.get_or_insert(DeliveryError::Refused {
                        step,
                        reply,
                        permanent,
                    });
                }
                Err(other) => return Err(other),
            }
        }
        if let Some(error) = first
            && refused.len() == message.to.len()
        {
            self.quit().await;
            return Err(error);
        }
        self.command("DATA", "DATA", &[354]).await?;
        self.send("the mail", stuffed(&message.text).as_bytes())
            .await?;
        let reply = self.reply("the mail").await?;
        expect("the mail", &reply, &[250])?;
        self.quit().await;
        Ok(Delivered { refused })
    }

    async fn authenticate(
        &mut self,
        credentials: &Credentials,
        offers: &Reply,
    ) -> Result<(), DeliveryError> {
        let step = "the user and password";
        let ways = offers.extension("AUTH").unwrap_or_default();
        let offered = |way: &str| ways.iter().any(|offered| offered == way);
        let password = credentials.password.expose();
        if offered("PLAIN") {
            let mut secret = vec![0];
            secret.extend_from_slice(credentials.user.as_bytes());
            secret.push(0);
            secret.extend_from_slice(password);
            let command = format!("AUTH PLAIN {}", STANDARD.encode(secret));
            self.command(step, &command, &[235]).await?;
        } else if offered("LOGIN") {
            self.command(step, "AUTH LOGIN", &[334]).await?;
            let user = STANDARD.encode(&credentials.user);
            self.command(step, &user, &[334]).await?;
            self.command(step, &STANDARD.encode(password), &[235])
                .await?;
        } else {
            return Err(DeliveryError::NotOffered("AUTH PLAIN or AUTH LOGIN"));
        }
        Ok(())
    }

    /// The mail is delivered by now: how the server says goodbye does not matter.
    async fn quit(&mut self) {
        if self.send("QUIT", b"QUIT\r\n").await.is_ok() {
            let _ = timeout(Duration::from_secs(2), self.reply("QUIT")).await;
        }
        let _ = timeout(Duration::from_secs(1), self.stream.shutdown()).await;
    }

    async fn command(
        &mut self,
        step: &'static str,
        line: &str,
        wanted: &[u16],
    ) -> Result<Reply, DeliveryError> {
        self.send(step, format!("{line}\r\n").as_bytes()).await?;
        let reply = self.reply(step).await?;
        expect(step, &reply, wanted)?;
        Ok(reply)
    }

    async fn send(&mut self, step: &'static str, octets: &[u8]) -> Result<(), DeliveryError> {
        let limit = self.limit;
        let all = async {
            self.stream.write_all(octets).await?;
            self.stream.flush().await
        };
        match timeout(limit, all).await {
            Ok(result) => result.map_err(|source| DeliveryError::Broken { step, source }),
            Err(_) => Err(DeliveryError::Timeout { step, limit }),
        }
    }

    async fn reply(&mut self, step: &'static str) -> Result<Reply, DeliveryError> {
        let limit = self.limit;
        match timeout(limit, self.whole_reply(step)).await {
            Ok(result) => result,
            Err(_) => Err(DeliveryError::Timeout { step, limit }),
        }
    }

    async fn whole_reply(&mut self, step: &'static str) -> Result<Reply, DeliveryError> {
        let mut reader = ReplyReader::default();
        loop {
            let (taken, reply) = reader
                .take(&self.pending)
                .map_err(|source| DeliveryError::Protocol { step, source })?;
            self.pending.drain(..taken.min(self.pending.len()));
            if let Some(reply) = reply {
                return Ok(reply);
            }
            let mut buffer = [0; 1024];
            let read = self
                .stream
                .read(&mut buffer)
                .await
                .map_err(|source| DeliveryError::Broken { step, source })?;
            if read == 0 {
                let source = io::ErrorKind::UnexpectedEof.into();
                return Err(DeliveryError::Broken { step, source });
            }
            self.pending
                .extend_from_slice(buffer.get(..read).unwrap_or_default());
        }
    }
}

fn expect(step: &'static str, reply: &Reply, wanted: &[u16]) -> Result<(), DeliveryError> {
    if wanted.contains(&reply.code) {
        return Ok(());
    }
    Err(DeliveryError::Refused {
        step,
        reply: reply.text(),
        permanent: (500..600).contains(&reply.code),
    })
}
