//! Health checkers.

use std::net::IpAddr;
use std::time::Duration;

use super::setting::settings;
use super::{Origin, Script, ScriptUser, Setting, Spanned, TrackWeight};

settings! {
    /// A checker of a real server, with all inherited values applied.
    ///
    /// Connection keywords (`connect_ip` to `fwmark`) mean nothing for `MISC_CHECK`, `FILE_CHECK`
    /// and `BFD_CHECK`; the schedule means nothing for the last two.
    pub struct Checker {
        /// Address to check: written, else the real server's.
        connect_ip: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
        /// Port to check: written, else the real server's; `None` if neither has one.
        connect_port: Option<u16> = None,
        /// Limit for connecting and for each wait; 5 s.
        connect_timeout: Duration = Duration::from_secs(5),
        /// Failed attempts tolerated before the server counts as down: 1; `DNS_CHECK` 3;
        /// `MISC_CHECK` 0.
        retry: u32 = 1,
        /// Pause before such an attempt: 1 s; HTTP 3 s; DNS `delay_loop`.
        delay_before_retry: Duration = Duration::from_secs(1),
        /// Upper bound of the random first delay; `delay_loop`.
        warmup: Duration = Duration::from_secs(60),
        /// Period of the check; 60 s.
        delay_loop: Duration = Duration::from_secs(60),
        /// Start as failed.
        alpha: bool = false,
        /// Log every failure, not only changes.
        log_all_failures: bool = false,
    } plus {
        /// Where connections come from; `None` if nothing was written.
        source: Option<Box<SourceBinding>> = None,
        /// `rise` and `jitter`; `None` if neither was written.
        pace: Option<Box<Pace>> = None,
        /// What is checked.
        kind: CheckerKind = CheckerKind::Tcp,
        /// Where the keyword stands.
        span: Origin = Origin::default(),
    }
}

/// `bindto`, `bind_port`, `bind_if`, `fwmark`.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SourceBinding {
    /// `bindto`: source address.
    pub bindto: Setting<Option<IpAddr>>,
    /// `bind_port`: source port.
    pub bind_port: Setting<Option<u16>>,
    /// `bind_if`: interface.
    pub bind_if: Setting<Option<String>>,
    /// `fwmark`: mark of the packets (SO_MARK); 0 for none.
    pub fwmark: Setting<u32>,
}

/// `rise` and `jitter`, which keepalived does not know.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Pace {
    /// `rise`: successes in a row that bring a failed server back; one if `None`.
    pub rise: Setting<Option<u32>>,
    /// `jitter`: upper bound of a random delay of each attempt.
    pub jitter: Setting<Duration>,
}

/// The kinds of checkers.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum CheckerKind {
    /// `TCP_CHECK`: a connection.
    Tcp,
    /// `PING_CHECK`: an ICMP echo.
    Ping,
    /// `UDP_CHECK`: a datagram.
    Udp(Box<UdpCheck>),
    /// `HTTP_GET`.
    Http(Box<HttpGet>),
    /// `SSL_GET`.
    Ssl(Box<HttpGet>),
    /// `SMTP_CHECK`.
    Smtp(Box<SmtpCheck>),
    /// `DNS_CHECK`.
    Dns(Box<DnsCheck>),
    /// `MISC_CHECK`: a script.
    Misc(Box<MiscCheck>),
    /// `FILE_CHECK`: a number in a file.
    File(Box<FileCheck>),
    /// `BFD_CHECK`: a BFD session.
    Bfd(Box<Spanned<String>>),
    /// `TALK_CHECK`: send and expect.
    Talk(Box<TalkCheck>),
    /// `AGENT_CHECK`: an agent on the server tells its weight.
    Agent(Box<AgentCheck>),
}

impl CheckerKind {
    /// The keyword.
    #[must_use]
    pub const fn keyword(&self) -> &'static str {
        match self {
            Self::Tcp => "TCP_CHECK",
            Self::Ping => "PING_CHECK",
            Self::Udp(_) => "UDP_CHECK",
            Self::Http(_) => "HTTP_GET",
            Self::Ssl(_) => "SSL_GET",
            Self::Smtp(_) => "SMTP_CHECK",
            Self::Dns(_) => "DNS_CHECK",
            Self::Misc(_) => "MISC_CHECK",
            Self::File(_) => "FILE_CHECK",
            Self::Bfd(_) => "BFD_CHECK",
            Self::Talk(_) => "TALK_CHECK",
            Self::Agent(_) => "AGENT_CHECK",
        }
    }
}

/// Half a byte of an expected reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Nibble {
    /// Must be this value, 0 to 15.
    Value(u8),
    /// `x`: may be anything.
    Any,
}

settings! {
    /// `UDP_CHECK { }`.
    pub struct UdpCheck {
        /// What to send; `None` is random.
        payload: Option<Vec<u8>> = None,
        /// Expected reply, two nibbles a byte; `None` if none is needed, empty for any reply.
        require_reply: Option<Vec<Nibble>> = None,
        /// Shortest reply in bytes.
        min_reply_length: u16 = 0,
        /// Longest reply in bytes.
        max_reply_length: u16 = 255,
    }
}

/// `http_protocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum HttpProtocol {
    /// `1.0`.
    Http10,
    /// `1.0C`: 1.0 with `Connection: close`.
    Http10Close,
    /// `1.0K`: 1.0 with `Connection: keep-alive`; director only.
    Http10KeepAlive,
    /// `1.1`.
    Http11,
    /// `1.1K`: 1.1 with `Connection: keep-alive`; director only.
    Http11KeepAlive,
}

settings! {
    /// `HTTP_GET { }` and `SSL_GET { }`.
    pub struct HttpGet {
        /// Host header: checker, else real server, else virtual server.
        virtualhost: Option<String> = None,
        /// Protocol version of requests.
        http_protocol: HttpProtocol = HttpProtocol::Http10,
        /// No pause between URLs while recovering.
        fast_recovery: bool = false,
        /// Send the server name in TLS.
        enable_sni: bool = false,
        /// The server name to send; implies `enable_sni`.
        sni_name: Option<String> = None,
        /// Send `close_notify`.
        tls_compliant: bool = false,
        /// Limit on one whole answer; `connect_timeout` if `None`.
        response_timeout: Option<Duration> = None,
    } plus {
        /// What is asked for, in order; at least one.
        url: Vec<Url> = Vec::new(),
        /// What is wanted of the server's certificate, and our own; `None` if nothing was written.
        tls: Option<Box<TlsTrust>> = None,
    }
}

/// Verification and identity in TLS, which keepalived does not do for each check.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct TlsTrust {
    /// `verify_ca`: file of the authorities that must have signed the server's certificate.
    pub verify_ca: Setting<Option<String>>,
    /// `client_certificate`: file of our certificate chain.
    pub client_certificate: Setting<Option<String>>,
    /// `client_key`: file of its private key.
    pub client_key: Setting<Option<String>>,
    /// `certificate_warning`: days before the end of the server's certificate from which the log
    /// warns.
    pub certificate_warning: Setting<Option<u32>>,
    /// `old_tls`: versions 1.0 and 1.1 will do.
    pub old_tls: Setting<bool>,
}

/// Accepted HTTP status codes, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct StatusRange {
    /// First code, from 100.
    pub first: u16,
    /// Last code, up to 599.
    pub last: u16,
}

settings! {
    /// `url { }`.
    pub struct Url {
        /// Path of the request.
        path: String = String::new(),
        /// MD5 of the body.
        digest: Option<[u8; 16]> = None,
        /// Accepted status codes: written ones, else 200-299.
        status_code: Vec<StatusRange> = vec![StatusRange { first: 200, last: 299 }],
        /// Host header for this URL.
        virtualhost: Option<String> = None,
        /// Expression the body must match, escapes resolved.
        regex: Option<String> = None,
        /// The body must not match.
        regex_no_match: bool = false,
        /// PCRE2 options by name.
        regex_options: Vec<&'static str> = Vec::new(),
        /// First offset at which a match may start.
        regex_min_offset: u64 = 0,
        /// Last offset at which a match may start; `None` is unlimited.
        regex_max_offset: Option<u64> = None,
        /// Stack of the matcher: first and greatest size in bytes.
        regex_stack: Option<(u32, u32)> = None,
        /// Send `close_notify`.
        tls_compliant: bool = false,
    } plus {
        /// Where the block stands.
        span: Origin = Origin::default(),
    }
}

settings! {
    /// `SMTP_CHECK { }`.
    pub struct SmtpCheck {
        /// Argument of HELO.
        helo_name: String = String::from("smtpchecker.keepalived.org"),
    }
}

/// Record type of a DNS query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[allow(missing_docs)]
pub enum DnsType {
    A,
    Ns,
    Cname,
    Soa,
    Mx,
    Txt,
    Aaaa,
    Rrsig,
    Dnskey,
}

impl DnsType {
    /// Number of the record type (RFC 1035 and later).
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::A => 1,
            Self::Ns => 2,
            Self::Cname => 5,
            Self::Soa => 6,
            Self::Mx => 15,
            Self::Txt => 16,
            Self::Aaaa => 28,
            Self::Rrsig => 46,
            Self::Dnskey => 48,
        }
    }
}

settings! {
    /// `DNS_CHECK { }`.
    pub struct DnsCheck {
        /// Record type.
        kind: DnsType = DnsType::Soa,
        /// Name to ask for; `.` is the root.
        name: String = String::from("."),
    }
}

settings! {
    /// `MISC_CHECK { }`.
    pub struct MiscCheck {
        /// The command.
        misc_path: Option<Script> = None,
        /// When a run counts as failed; `delay_loop` unless written.
        misc_timeout: Duration = Duration::from_secs(60),
        /// Exit codes 2 to 255 set the weight to code - 2.
        misc_dynamic: bool = false,
        /// Who runs it; written here or beside the command, else `script_user`.
        user: Option<ScriptUser> = None,
    }
}

settings! {
    /// `FILE_CHECK { }`.
    pub struct FileCheck {
        /// Name of the `track_file`.
        track_file: Option<String> = None,
        /// Multiplied with the number in the file; the `track_file`'s unless written.
        weight: TrackWeight = TrackWeight { weight: 1, reverse: false },
    }
}

/// One turn of a [`TalkCheck`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum TalkTurn {
    /// `send`: these bytes go out.
    Send(Vec<u8>),
    /// `expect`: these bytes must stand in the answer.
    Expect(Vec<u8>),
    /// `expect_regex`: the answer must match.
    ExpectRegex(Spanned<String>),
}

settings! {
    /// `TALK_CHECK { }`.
    pub struct TalkCheck {
        /// TLS from the first byte on.
        tls: bool = false,
        /// Limit on the whole talk; `connect_timeout` if `None`.
        response_timeout: Option<Duration> = None,
    } plus {
        /// What is sent and expected, in order.
        turns: Vec<TalkTurn> = Vec::new(),
    }
}

settings! {
    /// `AGENT_CHECK { }`.
    pub struct AgentCheck {
        /// Sent before the agent's line is read.
        send: Option<Vec<u8>> = None,
    }
}
