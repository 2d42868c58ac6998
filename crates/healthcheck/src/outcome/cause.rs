//! Why an attempt failed, by the phase in which it failed.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::dns::ResponseCode;
use crate::http::{Md5Digest, StatusCode, StatusRanges};

/// An error of the operating system, kept as data so that it can be compared and copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SystemError {
    kind: io::ErrorKind,
    errno: Option<i32>,
}

impl SystemError {
    /// The kind, as in the standard library.
    #[must_use]
    pub const fn kind(&self) -> io::ErrorKind {
        self.kind
    }

    /// The error number, if there is one (`ECONNREFUSED`, `EMFILE`, ...).
    #[must_use]
    pub const fn errno(&self) -> Option<i32> {
        self.errno
    }
}

impl From<&io::Error> for SystemError {
    fn from(error: &io::Error) -> Self {
        Self {
            kind: error.kind(),
            errno: error.raw_os_error(),
        }
    }
}

impl From<io::Error> for SystemError {
    fn from(error: io::Error) -> Self {
        Self::from(&error)
    }
}

impl fmt::Display for SystemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.errno {
            Some(errno) => io::Error::from_raw_os_error(errno).fmt(f),
            None => self.kind.fmt(f),
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for SystemError {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What an exchange of bytes was waiting for when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Wanted {
    /// The end of the TLS handshake.
    TlsHandshake,
    /// Room to send the request.
    RequestSent,
    /// The status line and header fields of an HTTP answer.
    HttpHeader,
    /// The body of an HTTP answer.
    HttpBody,
    /// The greeting of an SMTP server (220).
    SmtpGreeting,
    /// The answer to `HELO` (250).
    SmtpHelo,
    /// The answer to a DNS query.
    DnsAnswer,
    /// An answer to a datagram.
    Datagram,
    /// The reply to an ICMP echo request.
    EchoReply,
    /// The text that a generic exchange expects.
    ExpectedText,
    /// The line of an agent.
    AgentLine,
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TlsHandshake => "the TLS handshake",
            Self::RequestSent => "sending the request",
            Self::HttpHeader => "the HTTP header",
            Self::HttpBody => "the HTTP body",
            Self::SmtpGreeting => "the SMTP greeting",
            Self::SmtpHelo => "the answer to HELO",
            Self::DnsAnswer => "the DNS answer",
            Self::Datagram => "an answer",
            Self::EchoReply => "the echo reply",
            Self::ExpectedText => "the expected text",
            Self::AgentLine => "the line of the agent",
        })
    }
}

/// Why an attempt failed. Its text is a sentence for a person, without a full stop.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Cause {
    /// A TCP reset, or an ICMP port unreachable, answered the first packet.
    #[error("connection refused by {target}")]
    Refused {
        /// Where we connected to.
        target: SocketAddr,
    },
    /// There is no way to the server, or a router said so.
    #[error("cannot reach {target}: {error}")]
    Unreachable {
        /// Where we connected to.
        target: SocketAddr,
        /// What the kernel said.
        error: SystemError,
    },
    /// The connection was not accepted in time.
    #[error("no connection to {target} within {after:?}")]
    ConnectTimeout {
        /// Where we connected to.
        target: SocketAddr,
        /// The limit (`connect_timeout`).
        after: Duration,
    },
    /// The connection attempt failed in another way.
    #[error("connecting to {target} failed: {error}")]
    Connect {
        /// Where we connected to.
        target: SocketAddr,
        /// What the kernel said.
        error: SystemError,
    },
    /// A local setting of the check could not be put in force.
    #[error("cannot {doing} for {target}: {error}")]
    Local {
        /// What was tried, such as "bind to 10.0.0.1:0".
        doing: String,
        /// The server that was to be checked.
        target: IpAddr,
        /// What the kernel said.
        error: SystemError,
    },
    /// Something did not come in time.
    #[error("{target} did not complete {wanted} within {after:?}")]
    Timeout {
        /// The server.
        target: SocketAddr,
        /// What we waited for.
        wanted: Wanted,
        /// The limit.
        after: Duration,
    },
    /// The connection broke.
    #[error("{target} broke the connection before {wanted}: {error}")]
    Broken {
        /// The server.
        target: SocketAddr,
        /// What we waited for.
        wanted: Wanted,
        /// What the kernel said.
        error: SystemError,
    },
    /// The server closed the connection too early.
    #[error("{target} closed the connection before {wanted} was complete")]
    Closed {
        /// The server.
        target: SocketAddr,
        /// What we waited for.
        wanted: Wanted,
    },
    /// TLS failed: no common version or suite, a broken or an untrusted certificate.
    #[error("TLS with {target} failed: {reason}")]
    Tls {
        /// The server.
        target: SocketAddr,
        /// What the TLS library said.
        reason: String,
    },
    /// The server does not speak the protocol.
    #[error("{target} does not speak {protocol}: {problem}")]
    Protocol {
        /// The server.
        target: SocketAddr,
        /// `HTTP`, `SMTP`, `DNS`, ...
        protocol: &'static str,
        /// What is wrong with its answer.
        problem: String,
    },
    /// The HTTP status is not one of those wanted (`status_code`).
    #[error("HTTP status {got} from {url}, wanted {wanted}")]
    Status {
        /// The URL that was asked for.
        url: String,
        /// What came.
        got: StatusCode,
        /// What was wanted.
        wanted: StatusRanges,
    },
    /// The MD5 digest of the body is another one (`digest`).
    #[error("MD5 digest {got} of {url}, wanted {wanted}")]
    Digest {
        /// The URL that was asked for.
        url: String,
        /// What came.
        got: Md5Digest,
        /// What was wanted.
        wanted: Md5Digest,
    },
    /// The body does not match the expression, or does although it must not (`regex`,
    /// `regex_no_match`).
    #[error("body of {url} {} \"{regex}\"", if *.matched { "matches" } else { "does not match" })]
    Regex {
        /// The URL that was asked for.
        url: String,
        /// The expression.
        regex: String,
        /// True if it matched (and must not).
        matched: bool,
    },
    /// The search for an expression with look-around or back-references took too many steps.
    #[error("search for \"{regex}\" in the answer of {target} was given up after a million steps")]
    RegexTooCostly {
        /// The server.
        target: SocketAddr,
        /// The expression.
        regex: String,
    },
    /// The answer is longer than a check reads.
    #[error("answer of {url} is longer than {limit} octets")]
    TooLong {
        /// The URL that was asked for.
        url: String,
        /// The limit in octets.
        limit: u64,
    },
    /// The SMTP server answered with another code than wanted.
    #[error("SMTP code {got} from {target} instead of {wanted_code} for {wanted}")]
    SmtpCode {
        /// The server.
        target: SocketAddr,
        /// What came.
        got: u16,
        /// What was wanted.
        wanted_code: u16,
        /// The step of the dialogue.
        wanted: Wanted,
    },
    /// The name server answered with an error.
    #[error("DNS answer {code} from {target} for {question}")]
    DnsCode {
        /// The server.
        target: SocketAddr,
        /// The response code.
        code: ResponseCode,
        /// Type and name asked for.
        question: String,
    },
    /// The answer to a datagram has another length than allowed.
    #[error("answer of {got} octets from {target}, wanted {min} to {max}")]
    ReplyLength {
        /// The server.
        target: SocketAddr,
        /// What came.
        got: usize,
        /// `min_reply_length`.
        min: usize,
        /// `max_reply_length`.
        max: usize,
    },
    /// The answer differs from what is wanted (`require_reply`, or the expected text).
    #[error("answer from {target} does not match what is wanted")]
    ReplyMismatch {
        /// The server.
        target: SocketAddr,
    },
    /// There is no way to the host, or a router said so.
    #[error("cannot reach {target}: {error}")]
    PingUnreachable {
        /// The host.
        target: IpAddr,
        /// What the kernel said.
        error: SystemError,
    },
    /// The echo did not come back in time.
    #[error("no echo reply from {target} within {after:?}")]
    PingTimeout {
        /// The host.
        target: IpAddr,
        /// The limit.
        after: Duration,
    },
    /// The program could not be started.
    #[error("cannot run {}: {error}", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// What the kernel said.
        error: SystemError,
    },
    /// The program could have been changed by somebody else than root, so it was not run.
    #[error("{} was not run: {reason}", program.display())]
    Insecure {
        /// The program.
        program: PathBuf,
        /// What is wrong with its owner or permissions.
        reason: String,
    },
    /// The program ended with a status that means failure.
    #[error("{} ended with exit status {status}", program.display())]
    ExitStatus {
        /// The program.
        program: PathBuf,
        /// Its exit status.
        status: u8,
    },
    /// The program was ended by a signal that we did not send.
    #[error("{} was killed by signal {signal}", program.display())]
    Signalled {
        /// The program.
        program: PathBuf,
        /// The signal number.
        signal: i32,
    },
    /// The program did not end in time and was killed.
    #[error("{} did not end within {after:?} and was killed", program.display())]
    ProgramTimeout {
        /// The program.
        program: PathBuf,
        /// The limit (`misc_timeout`).
        after: Duration,
    },
    /// The tracked file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    FileRead {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        error: SystemError,
    },
    /// The tracked file is a pipe, a device or a directory, which is not read.
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// Reading the tracked file does not end, on a dead file server for instance.
    #[error("{} could not be read within {after:?}", path.display())]
    FileTimeout {
        /// The file.
        path: PathBuf,
        /// The limit.
        after: Duration,
    },
    /// The tracked file does not hold a number.
    #[error("{} does not hold a number", path.display())]
    FileContent {
        /// The file.
        path: PathBuf,
    },
    /// The number in the tracked file means failure.
    #[error("{} holds {value}, which means failure", path.display())]
    FileValue {
        /// The file.
        path: PathBuf,
        /// The number.
        value: i64,
    },
    /// The agent of the server said that it takes no traffic.
    #[error("agent at {target} says {word}{}{text}", if text.is_empty() { "" } else { ": " })]
    Agent {
        /// The agent.
        target: SocketAddr,
        /// `down`, `failed`, `stopped` or `maint`.
        word: String,
        /// What it gave as the reason.
        text: String,
    },
    /// The code of a probe panicked, which is a fault of that probe.
    #[error("the check itself failed: its code panicked")]
    Panicked,
    /// Told by somebody else, such as a BFD session.
    #[error("{0}")]
    Told(String),
}

impl Cause {
    /// True if the attempt failed because this machine is short of something (descriptors,
    /// memory, buffers), which says nothing about the server.
    #[must_use]
    pub fn is_local_shortage(&self) -> bool {
        let error = match self {
            Self::Unreachable { error, .. }
            | Self::Connect { error, .. }
            | Self::Local { error, .. }
            | Self::PingUnreachable { error, .. }
            | Self::Spawn { error, .. } => error,
            Self::Panicked => return true,
            _ => return false,
        };
        let shortages = [
            rustix::io::Errno::MFILE,
            rustix::io::Errno::NFILE,
            rustix::io::Errno::NOBUFS,
            rustix::io::Errno::NOMEM,
            rustix::io::Errno::AGAIN,
        ];
        shortages
            .iter()
            .any(|errno| error.errno() == Some(errno.raw_os_error()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_read_as_sentences() {
        let target = SocketAddr::from(([172, 16, 1, 4], 80));
        assert_eq!(
            Cause::Refused { target }.to_string(),
            "connection refused by 172.16.1.4:80"
        );
        let status = Cause::Status {
            url: "http://172.16.1.4:80/".to_owned(),
            got: StatusCode::new(503),
            wanted: StatusRanges::from(200),
        };
        assert_eq!(
            status.to_string(),
            "HTTP status 503 from http://172.16.1.4:80/, wanted 200"
        );
        let timeout = Cause::ConnectTimeout {
            target,
            after: Duration::from_secs(5),
        };
        assert_eq!(
            timeout.to_string(),
            "no connection to 172.16.1.4:80 within 5s"
        );
    }

    #[test]
    fn want_of_descriptors_is_not_the_servers_fault() {
        let target = SocketAddr::from(([172, 16, 1, 4], 80));
        let emfile = io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error());
        assert!(
            Cause::Connect {
                target,
                error: emfile.into()
            }
            .is_local_shortage()
        );
        assert!(!Cause::Refused { target }.is_local_shortage());
    }
}
