//! Just enough DNS for the client: one question for the IPv4 addresses of a name.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use thiserror::Error;
use tokio::net::UdpSocket;

/// Why a name has no address.
#[derive(Debug, Error)]
pub(crate) enum DnsError {
    #[error("no name server in /etc/resolv.conf")]
    NoServer,
    #[error("`{0}` is not a host name")]
    Name(String),
    #[error("name server: {0}")]
    Io(#[from] io::Error),
    #[error("name server refused, code {0}")]
    Refused(u8),
    #[error("name server gave no address")]
    NoAddress,
    #[error("name server gave a malformed answer")]
    Malformed,
}

/// The first name server of `/etc/resolv.conf`.
pub(crate) fn name_server() -> Option<IpAddr> {
    let text = std::fs::read_to_string("/etc/resolv.conf").ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix("nameserver")?.trim().parse().ok())
}

/// Asks for the addresses, in the order of the answer. The caller sets the time limit.
pub(crate) async fn resolve(
    server: IpAddr,
    name: &str,
    id: u16,
) -> Result<Vec<Ipv4Addr>, DnsError> {
    let question = encode(name, id)?;
    let any: SocketAddr = match server {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        IpAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect((server, 53)).await?;
    socket.send(&question).await?;
    let mut buffer = [0_u8; 1500];
    loop {
        let length = socket.recv(&mut buffer).await?;
        let answer = buffer.get(..length).unwrap_or_default();
        // Anything else on this port is not for this question.
        if answer.get(..2) == Some(&id.to_be_bytes()) {
            return decode(answer);
        }
    }
}

fn encode(name: &str, id: u16) -> Result<Vec<u8>, DnsError> {
    let mut message = Vec::with_capacity(64);
    message.extend_from_slice(&id.to_be_bytes());
    // Recursion desired; one question.
    message.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.trim_end_matches('.').split('.') {
        let length = u8::try_from(label.len())
            .ok()
            .filter(|length| (1..=63).contains(length));
        message.push(length.ok_or_else(|| DnsError::Name(name.to_owned()))?);
        message.extend_from_slice(label.as_bytes());
    }
    // The root, type A, class IN.
    message.extend_from_slice(&[0, 0, 1, 0, 1]);
    Ok(message)
}

fn decode(message: &[u8]) -> Result<Vec<Ipv4Addr>, DnsError> {
    let word = |at: usize| {
        let bytes = message.get(at..at + 2).ok_or(DnsError::Malformed)?;
        bytes
            .try_into()
            .map(u16::from_be_bytes)
            .map_err(|_| DnsError::Malformed)
    };
    let code = (word(2)? & 0x0f) as u8;
    if code != 0 {
        return Err(DnsError::Refused(code));
    }
    let (questions, answers) = (word(4)?, word(6)?);
    let mut at = 12;
    for _ in 0..questions {
        at = after_name(message, at)? + 4;
    }
    let mut addresses = Vec::new();
    for _ in 0..answers {
        at = after_name(message, at)?;
        let (kind, length) = (word(at)?, usize::from(word(at + 8)?));
        let data = message
            .get(at + 10..at + 10 + length)
            .ok_or(DnsError::Malformed)?;
        if let (1, Ok(four)) = (kind, <[u8; 4]>::try_from(data)) {
            addresses.push(Ipv4Addr::from(four));
        }
        at += 10 + length;
    }
    if addresses.is_empty() {
        Err(DnsError::NoAddress)
    } else {
        Ok(addresses)
    }
}

/// The offset behind a name, which may end in a pointer.
fn after_name(message: &[u8], mut at: usize) -> Result<usize, DnsError> {
    loop {
        match *message.get(at).ok_or(DnsError::Malformed)? {
            0 => return Ok(at + 1),
            length @ 1..=63 => at += usize::from(length) + 1,
            0xc0.. => return Ok(at + 2),
            _ => return Err(DnsError::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answer() -> Vec<u8> {
        let mut message = encode("www.example", 7).unwrap();
        message[2] = 0x81;
        message[7] = 2;
        for last in [8, 9] {
            message.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 172, 16, 1, last]);
        }
        message
    }

    #[test]
    fn addresses_come_in_order() {
        let addresses = decode(&answer()).unwrap();
        assert_eq!(
            addresses,
            [Ipv4Addr::new(172, 16, 1, 8), Ipv4Addr::new(172, 16, 1, 9)]
        );
    }

    #[test]
    fn refusals_and_bad_names_are_told() {
        let mut refused = answer();
        refused[3] = 3;
        assert!(matches!(decode(&refused), Err(DnsError::Refused(3))));
        assert!(matches!(encode("a..b", 1), Err(DnsError::Name(_))));
    }

    proptest! {
        #[test]
        fn no_answer_does_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
        }

        #[test]
        fn a_damaged_answer_does_no_harm(at in 0_usize..61, byte in any::<u8>(), cut in 0_usize..61) {
            let mut bytes = answer();
            if let Some(place) = bytes.get_mut(at) { *place = byte; }
            bytes.truncate(cut);
            let _ = decode(&bytes);
        }
    }
}
