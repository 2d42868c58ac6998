//! `PING_CHECK`: a host answers an ICMP echo request.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};

use socket2::{Protocol, Type};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use crate::dial::{Dialer, connect_cause};
use crate::outcome::{Cause, Detail, Outcome, SystemError};
use crate::probe::{Attempt, Probe, ProbeKey};

/// Octets of the payload, as many as keepalived sends.
const PAYLOAD: usize = 128;
/// Octets of the ICMP header.
const HEADER: usize = 8;

/// Settings of a [`PingProbe`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PingSettings {
    /// The host.
    pub target: IpAddr,
    /// Source address, interface, mark, and the limit on the answer (`connect_timeout`). The
    /// source port has no meaning here.
    pub dialer: Dialer,
}

impl PingSettings {
    /// A check of this host with everything else at its default.
    #[must_use]
    pub fn new(target: IpAddr) -> Self {
        Self {
            target,
            dialer: Dialer::default(),
        }
    }
}

/// Sends one ICMP echo request and waits for its reply (`PING_CHECK`).
///
/// It needs either a group that is within the sysctl `net.ipv4.ping_group_range`, or
/// `CAP_NET_RAW`.
#[derive(Clone, Debug)]
pub struct PingProbe {
    settings: PingSettings,
}

/// The two kinds of socket that can send an echo request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The kernel chooses the identifier and hands over only our replies, without IP header.
    Datagram,
    /// All ICMP of the host arrives, for IPv4 with the IP header.
    Raw,
}

impl PingProbe {
    /// A probe with these settings.
    #[must_use]
    pub const fn new(settings: PingSettings) -> Self {
        Self { settings }
    }

    fn open(&self) -> Result<(UdpSocket, Kind), Cause> {
        let mut dialer = self.settings.dialer.clone();
        dialer.bind_port = 0;
        let target = SocketAddr::new(self.settings.target, 0);
        let protocol = if target.is_ipv4() {
            Protocol::ICMPV4
        } else {
            Protocol::ICMPV6
        };
        match dialer.datagram_socket(target, Type::DGRAM, protocol) {
            Err(Cause::Connect { error, .. })
                if error.kind() == std::io::ErrorKind::PermissionDenied =>
            {
                let raw = dialer.datagram_socket(target, Type::RAW, protocol);
                raw.map(|socket| (socket, Kind::Raw))
                    .map_err(|cause| match cause {
                        Cause::Connect { error, .. } => self.unreachable(error),
                        other => other,
                    })
            }
            Err(Cause::Connect { error, .. } | Cause::Unreachable { error, .. }) => {
                Err(self.unreachable(error))
            }
            Err(other) => Err(other),
            Ok(socket) => Ok((socket, Kind::Datagram)),
        }
    }

    fn unreachable(&self, error: SystemError) -> Cause {
        Cause::PingUnreachable {
            target: self.settings.target,
            error,
        }
    }

    async fn check(&self, start: Instant) -> Result<Detail, Cause> {
        let target = self.settings.target;
        let limit = self.settings.dialer.connect_timeout;
        let (socket, kind) = self.open()?;
        let state = RandomState::new();
        let [a, b, c, d, ..] = state.hash_one(target).to_ne_bytes();
        let mut request = Vec::with_capacity(HEADER + PAYLOAD);
        request.extend_from_slice(&[if target.is_ipv4() { 8 } else { 128 }, 0, 0, 0, a, b, c, d]);
        for count in 0..PAYLOAD / 8 {
            request.extend_from_slice(&state.hash_one(count).to_ne_bytes());
        }
        if kind == Kind::Raw && target.is_ipv4() {
            // The kernel fills this in for the other kinds.
            let sum = checksum(&request).to_be_bytes();
            if let Some(field) = request.get_mut(2..4) {
                field.copy_from_slice(&sum);
            }
        }
        let exchange = async {
            socket.send(&request).await?;
            let mut buffer = [0_u8; 1500];
            loop {
                let length = socket.recv(&mut buffer).await?;
                if is_reply(
                    buffer.get(..length).unwrap_or_default(),
                    &request,
                    target,
                    kind,
                ) {
                    return Ok(());
                }
            }
        };
        match timeout_at(start + limit, exchange).await {
            Err(_elapsed) => Err(Cause::PingTimeout {
                target,
                after: limit,
            }),
            Ok(Ok(())) => Ok(Detail::Echo),
            Ok(Err(error)) => {
                match connect_cause(SocketAddr::new(target, 0), std::io::Error::into(error)) {
                    Cause::Unreachable { error, .. } | Cause::Connect { error, .. } => {
                        Err(self.unreachable(error))
                    }
                    other => Err(other),
                }
            }
        }
    }
}

/// True if this is the reply to our request: same sequence number and payload, and for a raw
/// socket the same identifier.
fn is_reply(packet: &[u8], request: &[u8], target: IpAddr, kind: Kind) -> bool {
    let message = if kind == Kind::Raw && target.is_ipv4() {
        let words = packet.first().map_or(0, |octet| usize::from(octet & 0x0f));
        packet.get(words * 4..).unwrap_or_default()
    } else {
        packet
    };
    let reply_type = if target.is_ipv4() { 0 } else { 129 };
    let identified = kind == Kind::Datagram || message.get(4..6) == request.get(4..6);
    message.starts_with(&[reply_type, 0])
        && identified
        && message.len() == request.len()
        && message.get(6..) == request.get(6..)
}

/// The Internet checksum (RFC 1071).
fn checksum(octets: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in octets.chunks(2) {
        let word = match *pair {
            [high, low] => u16::from_be_bytes([high, low]),
            [high] => u16::from_be_bytes([high, 0]),
            _ => 0,
        };
        sum += u32::from(word);
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

impl Probe for PingProbe {
    fn run(&self) -> Attempt<'_> {
        Box::pin(async move {
            let start = Instant::now();
            let result = self.check(start).await;
            Outcome::from_result(result, start.elapsed())
        })
    }

    fn key(&self) -> Option<ProbeKey> {
        Some(ProbeKey::new(self.settings.clone()))
    }

    fn host(&self) -> Option<IpAddr> {
        Some(self.settings.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_of_the_example_in_rfc_1071() {
        let octets = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(checksum(&octets), !0xddf2);
        assert_eq!(checksum(&[0xff]), !0xff00);
    }

    #[test]
    fn only_the_reply_to_the_request_counts() {
        let target = IpAddr::from([127, 0, 0, 1]);
        let request = [8, 0, 0, 0, 1, 2, 0, 3, 9, 9];
        let reply = [0, 0, 5, 5, 7, 7, 0, 3, 9, 9];
        assert!(is_reply(&reply, &request, target, Kind::Datagram));
        let mut raw = vec![0x45; 20];
        raw.extend_from_slice(&reply);
        assert!(!is_reply(&raw, &request, target, Kind::Raw));
        raw[24..26].copy_from_slice(&[1, 2]);
        assert!(is_reply(&raw, &request, target, Kind::Raw));
        assert!(!is_reply(&request, &request, target, Kind::Datagram));
        assert!(!is_reply(&[], &request, target, Kind::Raw));
    }
}
