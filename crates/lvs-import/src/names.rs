//! Names of hosts and services.

use std::net::IpAddr;

/// Knows what names stand for.
pub trait Names {
    /// An address of the host, of the given family.
    fn host(&self, name: &str, v6: bool) -> Option<IpAddr>;
    /// The port of the service; `protocol` is `tcp` or `udp`.
    fn port(&self, service: &str, protocol: &str) -> Option<u16>;
}

/// Knows no hosts, and of the services only the common ones.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoNames;

impl Names for NoNames {
    fn host(&self, _: &str, _: bool) -> Option<IpAddr> {
        None
    }

    fn port(&self, _: &str, _: &str) -> Option<u16> {
        None
    }
}

/// Services that LVS boxes usually balance.
const PORTS: &[(&str, u16)] = &[
    ("ftp", 21),
    ("ssh", 22),
    ("telnet", 23),
    ("smtp", 25),
    ("domain", 53),
    ("http", 80),
    ("www", 80),
    ("pop3", 110),
    ("nntp", 119),
    ("ntp", 123),
    ("imap", 143),
    ("imap2", 143),
    ("ldap", 389),
    ("https", 443),
    ("submission", 587),
    ("ldaps", 636),
    ("imaps", 993),
    ("pop3s", 995),
    ("radius", 1812),
    ("mysql", 3306),
    ("postgresql", 5432),
    ("sip", 5060),
];

/// A number, or a name that is common or that `names` knows.
pub(crate) fn port(text: &str, protocol: &str, names: &dyn Names) -> Option<u16> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok();
    }
    names.port(text, protocol).or_else(|| {
        PORTS
            .iter()
            .find(|(name, _)| *name == text)
            .map(|(_, port)| *port)
    })
}

/// An address, in brackets or not, or a name that `names` knows.
pub(crate) fn host(text: &str, v6: bool, names: &dyn Names) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|t| t.strip_suffix(']'))
        .unwrap_or(text);
    bare.parse().ok().or_else(|| names.host(bare, v6))
}

/// `HOST[:PORT]`, `[V6]:PORT`; the port as text.
pub(crate) fn split(text: &str) -> (&str, Option<&str>) {
    if let Some(rest) = text.strip_prefix('[')
        && let Some((host, port)) = rest.split_once(']')
    {
        return (host, port.strip_prefix(':'));
    }
    match text.rsplit_once(':') {
        // More than one colon without brackets is an IPv6 address.
        Some((host, _)) if host.contains(':') => (text, None),
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    }
}
