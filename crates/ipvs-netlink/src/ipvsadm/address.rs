//! Addresses and numbers as ipvsadm and the C library read them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Resolver;
use crate::types::Protocol;

/// A `HOST[:PORT]` as it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HostPort {
    pub(super) address: IpAddr,
    pub(super) port: Option<u16>,
}

/// Reads `HOST[:PORT]`. An IPv6 address with a port stands in brackets, one without does not; the
/// name of a service is looked up for `protocol`, and is not known without one.
pub(super) fn host_port(
    text: &str,
    protocol: Option<Protocol>,
    resolver: &dyn Resolver,
) -> Option<HostPort> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            (host, Some(rest.strip_prefix(':')?))
        }
        None => (text, None),
    };
    let (address, port) = match host.parse::<Ipv6Addr>() {
        Ok(address) => (IpAddr::V6(address), port),
        // What stood in brackets and is no IPv6 address is read again without them.
        Err(_) => {
            let (host, port) = match host.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (host, None),
            };
            let address = ipv4(host).or_else(|| resolver.host(host))?;
            (IpAddr::V4(address), port)
        }
    };
    let port = match port {
        None => None,
        Some(text) => Some(match number(text, 0, 65_535) {
            Some(port) => u16::try_from(port).ok()?,
            None => resolver.port(text, protocol?)?,
        }),
    };
    Some(HostPort { address, port })
}

/// An IPv4 address in any of the ways of `inet_aton`: one to four parts, the last of which fills
/// the rest; octal with `0` and hexadecimal with `0x` in front; blanks and anything after them at
/// the end do not count.
pub(super) fn ipv4(text: &str) -> Option<Ipv4Addr> {
    let text = text.split([' ', '\t', '\n', '\r', '\x0b', '\x0c']).next()?;
    let parts: Vec<u32> = text.split('.').map(part).collect::<Option<_>>()?;
    let (last, bytes) = parts.split_last()?;
    let rest_bits = 32_u32.checked_sub(8 * u32::try_from(bytes.len()).ok()?)?;
    if rest_bits == 0 || u64::from(*last) >> rest_bits != 0 {
        return None;
    }
    let mut bits = *last;
    for (index, byte) in bytes.iter().enumerate() {
        let byte = u8::try_from(*byte).ok()?;
        bits |= u32::from(byte) << (24 - 8 * index);
    }
    Some(Ipv4Addr::from(bits))
}

fn part(text: &str) -> Option<u32> {
    let (digits, radix) = match text.strip_prefix('0') {
        None => (text, 10),
        Some("") => return Some(0),
        Some(rest) => match rest.strip_prefix(['x', 'X']) {
            Some(hexadecimal) => (hexadecimal, 16),
            None => (rest, 8),
        },
    };
    if !digits.starts_with(|digit: char| digit.is_digit(radix)) {
        return None;
    }
    u32::from_str_radix(digits, radix).ok()
}

/// A decimal number with optional blanks and sign in front and nothing behind.
pub(super) fn number(text: &str, least: i64, most: i64) -> Option<i64> {
    let text = text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    let value: i64 = text.parse().ok()?;
    (least..=most).contains(&value).then_some(value)
}

/// The number at the beginning of a text, as `atoi` reads it.
pub(super) fn leading_number(text: &str) -> i64 {
    let end = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    text.get(..end)
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::Numeric;
    use super::*;

    #[test]
    fn reads_addresses_as_the_c_library_does() {
        let read = |text: &str| ipv4(text).map(|address| address.to_string());
        assert_eq!(read("10.0.0.1").as_deref(), Some("10.0.0.1"));
        assert_eq!(read("10.0.0").as_deref(), Some("10.0.0.0"));
        assert_eq!(read("010.0.0.21 x").as_deref(), Some("8.0.0.21"));
        assert_eq!(read("0x0a.1").as_deref(), Some("10.0.0.1"));
        assert_eq!(read("24").as_deref(), Some("0.0.0.24"));
        for bad in [
            "",
            "300.1.1.1",
            "1.2.3.4.5",
            "1.2.3.",
            "foo",
            "1.2.3.256",
            "08.1.1.1",
            "+1.2.3.4",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn reads_hosts_with_and_without_ports() {
        let read = |text: &str| {
            host_port(text, Some(Protocol::Tcp), &Numeric)
                .map(|read| (read.address.to_string(), read.port))
        };
        let some = |address: &str, port| Some((address.to_owned(), port));
        assert_eq!(read("10.0.0.1"), some("10.0.0.1", None));
        assert_eq!(read("10.0.0.1:080"), some("10.0.0.1", Some(80)));
        assert_eq!(read("10.0.0.21 : 80"), some("10.0.0.21", Some(80)));
        assert_eq!(read("[2001:db8::1]:80"), some("2001:db8::1", Some(80)));
        assert_eq!(read("2001:db8::4:80"), some("2001:db8::4:80", None));
        assert_eq!(read("[10.0.0.1]:80"), some("10.0.0.1", None));
        for bad in [
            "",
            "80",
            ":80",
            "10.0.0.1:",
            "10.0.0.1:65536",
            "10.0.0.1:-1",
            "10.0.0.1:0x50",
            "[2001:db8::1]",
            "[::1",
            "host:80",
            "10.0.0.1:http",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
