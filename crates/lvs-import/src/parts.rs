//! Parts that all three files have: services, servers, checks.

use crate::block::{Block, escaped, quoted};
use std::net::IpAddr;

/// Transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

impl Protocol {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }

    const fn keyword(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        }
    }
}

/// What a service is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    Address(IpAddr, u16, Protocol),
    Mark(u32, bool),
}

impl Target {
    pub(crate) const fn is_v6(self) -> bool {
        match self {
            Self::Address(address, ..) => address.is_ipv6(),
            Self::Mark(_, v6) => v6,
        }
    }

    /// `tcp 192.0.2.1:80`, for comments and for commands.
    pub(crate) fn text(self) -> String {
        match self {
            Self::Address(address, port, _) => std::net::SocketAddr::new(address, port).to_string(),
            Self::Mark(mark, _) => mark.to_string(),
        }
    }

    /// The head of its block.
    pub(crate) fn block(self) -> Block {
        match self {
            Self::Address(address, port, protocol) => {
                let mut block = Block::new(format!("virtual_server {address} {port}"));
                block.line(format!("protocol {}", protocol.keyword()));
                block
            }
            Self::Mark(mark, v6) => {
                let mut block = Block::new(format!("virtual_server fwmark {mark}"));
                if v6 {
                    block.line("ip_family inet6");
                }
                block
            }
        }
    }
}

/// The schedulers of the configuration language.
const SCHEDULERS: &[&str] = &[
    "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "fo", "ovf", "sed", "nq", "twos",
];

pub(crate) fn is_scheduler(name: &str) -> bool {
    SCHEDULERS.contains(&name)
}

/// The head of a server's block; without a port where there is none.
pub(crate) fn server(address: IpAddr, port: Option<u16>) -> Block {
    match port.filter(|port| *port != 0) {
        Some(port) => Block::new(format!("real_server {address} {port}")),
        None => Block::new(format!("real_server {address}")),
    }
}

/// `ADDRESS [PORT]` of a sorry server.
pub(crate) fn sorry(address: IpAddr, port: Option<u16>) -> String {
    match port.filter(|port| *port != 0) {
        Some(port) => format!("sorry_server {address} {port}"),
        None => format!("sorry_server {address}"),
    }
}

/// When and how long a check runs, in seconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Timing {
    pub(crate) timeout: Option<u32>,
    /// Failures in a row before the server counts as down, at least 1.
    pub(crate) failures: u32,
    /// Successes in a row before it counts as up again; 0 is 1.
    pub(crate) rise: u32,
    /// Pause before another attempt.
    pub(crate) pause: Option<u32>,
    pub(crate) port: Option<u16>,
    pub(crate) address: Option<IpAddr>,
}

impl Timing {
    fn lines(&self, block: &mut Block) {
        if let Some(address) = self.address {
            block.line(format!("connect_ip {address}"));
        }
        if let Some(port) = self.port {
            block.line(format!("connect_port {port}"));
        }
        if let Some(timeout) = self.timeout {
            block.line(format!("connect_timeout {}", timeout.clamp(1, 4294)));
        }
        self.retry(block);
    }

    fn retry(&self, block: &mut Block) {
        let retry = self.failures.saturating_sub(1);
        block.line(format!("retry {retry}"));
        if self.rise > 1 {
            block.line(format!("rise {}", self.rise));
        }
        if let Some(pause) = self.pause.filter(|_| retry > 0 || self.rise > 1) {
            block.line(format!("delay_before_retry {}", pause.max(1)));
        }
    }
}

/// An HTTP request and what its answer must be.
#[derive(Debug, Clone, Default)]
pub(crate) struct Http {
    pub(crate) tls: bool,
    pub(crate) path: String,
    pub(crate) host: Option<String>,
    /// As the language writes it, such as `200` or `100-599`.
    pub(crate) status: Option<String>,
    pub(crate) regex: Option<String>,
}

/// A check.
#[derive(Debug, Clone)]
pub(crate) enum Check {
    Tcp,
    Ping,
    Http(Http),
    Smtp,
    Dns {
        kind: &'static str,
        name: Option<String>,
    },
    /// Bytes to send, and bytes that the reply must begin with.
    Udp {
        send: Vec<u8>,
        expect: Vec<u8>,
    },
    /// Texts to send and expressions for the answers, in turn.
    Talk {
        tls: bool,
        turns: Vec<Turn>,
    },
    /// Program and arguments.
    Misc(Vec<String>),
}

/// A turn of a talk.
#[derive(Debug, Clone)]
pub(crate) enum Turn {
    Send(Vec<u8>),
    Expect(String),
}

impl Check {
    /// The block; `None` if a text in it cannot be written in the language.
    pub(crate) fn block(&self, timing: &Timing) -> Option<Block> {
        let mut block;
        match self {
            Self::Tcp => {
                block = Block::new("TCP_CHECK");
                timing.lines(&mut block);
            }
            Self::Ping => {
                block = Block::new("PING_CHECK");
                let timing = Timing {
                    port: None,
                    ..timing.clone()
                };
                timing.lines(&mut block);
            }
            Self::Smtp => {
                block = Block::new("SMTP_CHECK");
                timing.lines(&mut block);
            }
            Self::Http(http) => block = self::http(http, timing)?,
            Self::Dns { kind, name } => {
                block = Block::new("DNS_CHECK");
                block.line(format!("type {kind}"));
                if let Some(name) = name {
                    block.line(format!("name {}", word(name)?));
                }
                timing.lines(&mut block);
            }
            Self::Udp { send, expect } => {
                block = Block::new("UDP_CHECK");
                if !send.is_empty() {
                    block.line(format!("payload {}", hexadecimal(send)));
                }
                let reply = format!("require_reply {}", hexadecimal(expect));
                block.line(reply.trim_end());
                timing.lines(&mut block);
            }
            Self::Talk { tls, turns } => {
                block = Block::new("TALK_CHECK");
                if *tls {
                    block.line("tls");
                }
                for turn in turns {
                    match turn {
                        Turn::Send(bytes) => block.line(format!("send \"{}\"", octets(bytes))),
                        Turn::Expect(pattern) => {
                            block.line(format!("expect_regex \"{}\"", expression(pattern)));
                        }
                    }
                }
                timing.lines(&mut block);
            }
            Self::Misc(words) => {
                block = Block::new("MISC_CHECK");
                block.line(format!("misc_path {}", command(words)));
                if let Some(timeout) = timing.timeout {
                    block.line(format!("misc_timeout {}", timeout.clamp(1, 4294)));
                }
                timing.retry(&mut block);
            }
        }
        Some(block)
    }
}

fn http(http: &Http, timing: &Timing) -> Option<Block> {
    let mut block = Block::new(if http.tls { "SSL_GET" } else { "HTTP_GET" });
    let mut url = Block::new("url");
    url.line(format!("path {}", word(&http.path)?));
    if let Some(status) = &http.status {
        url.line(format!("status_code {status}"));
    }
    if let Some(host) = &http.host {
        url.line(format!("virtualhost {}", word(host)?));
    }
    if let Some(regex) = &http.regex {
        url.line(format!("regex {}", escaped(regex)));
    }
    block.block(url);
    timing.lines(&mut block);
    if http.tls && http.host.is_some() {
        block.line("enable_sni");
    }
    Some(block)
}

/// As one word, quoted where it must be.
pub(crate) fn word(text: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+,=?&*()[]<>|;".contains(c);
    if !text.is_empty() && text.chars().all(plain) && text.len() < 900 {
        return Some(text.to_owned());
    }
    quoted(text).filter(|_| !text.is_empty())
}

/// A command with its arguments, so that each arrives as it was.
pub(crate) fn command(words: &[String]) -> String {
    let simple = |word: &String| {
        !word.is_empty()
            && word
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_./:@%+,=".contains(c))
    };
    if words.iter().all(simple) {
        return format!("\"{}\"", words.join(" "));
    }
    let parts: Vec<String> = words
        .iter()
        .map(|word| {
            if simple(word) {
                word.clone()
            } else {
                escaped(word)
            }
        })
        .collect();
    format!("'{}'", parts.join(" "))
}

/// The words of a command line of the old file, split at blanks, quotes respected.
pub(crate) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for character in text.chars() {
        match (quote, character) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Bytes in the words of `send`.
fn octets(bytes: &[u8]) -> String {
    let mut out = String::new();
    for byte in bytes {
        match byte {
            b'\r' => out.push_str("\\r"),
            b'\n' => out.push_str("\\n"),
            b'\t' => out.push_str("\\t"),
            b'"' | b'\'' | b'\\' | b'#' | b'!' | b'{' | b'}' | b'$' | b'~' => {
                out.push_str(&format!("\\x{byte:02x}"));
            }
            b' '..=b'~' => out.push(char::from(*byte)),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out
}

/// An expression between double quotes: what may not stand there, the expression can say in another way.
fn expression(pattern: &str) -> String {
    let mut out = String::new();
    for character in pattern.chars() {
        if character == '"' || character.is_ascii_control() {
            out.push_str(&format!("\\x{:02x}", u32::from(character)));
        } else {
            out.push(character);
        }
    }
    out
}

/// An expression that matches the text itself.
pub(crate) fn literal(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        if r"\.+*?()|[]{}^$".contains(character) {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes
        .iter()
        .take(255)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The prefix length of a dotted mask with its ones in front.
pub(crate) fn prefix_length(mask: &str) -> Option<u8> {
    let mask = u32::from(mask.parse::<std::net::Ipv4Addr>().ok()?);
    let length = mask.leading_ones();
    let contiguous = mask.count_ones() == length;
    contiguous.then(|| u8::try_from(length).unwrap_or(32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_keep_their_words() {
        let simple = ["/bin/x".to_owned(), "1.2.3.4".to_owned()];
        assert_eq!(command(&simple), "\"/bin/x 1.2.3.4\"");
        let hard = ["/bin/sh".to_owned(), "-c".to_owned(), "a \"b\"".to_owned()];
        assert_eq!(command(&hard), r#"'/bin/sh -c "a \x22b\x22"'"#);
        assert_eq!(words("a 'b c' d"), ["a", "b c", "d"]);
    }

    #[test]
    fn masks() {
        assert_eq!(prefix_length("255.255.255.0"), Some(24));
        assert_eq!(prefix_length("255.255.255.255"), Some(32));
        assert_eq!(prefix_length("255.0.255.0"), None);
        assert_eq!(prefix_length("x"), None);
    }
}
