//! What a route puts around packets (`encap`).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::route::option;

/// An outer header that the kernel puts around packets of a route. Needs the kernel's light-weight tunnels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Encapsulation {
    /// For a tunnel interface in external mode (`encap ip`).
    Ip(OuterHeader<Ipv4Addr>),
    /// The same over IPv6 (`encap ip6`).
    Ip6(OuterHeader<Ipv6Addr>),
    /// MPLS labels below 2²⁰, the outermost first (`encap mpls`).
    Mpls(Vec<u32>),
    /// Identifier locator addressing: the locator (`encap ila`).
    Ila(u64),
}

/// Fields of an outer IP header; what is `None` the tunnel decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OuterHeader<A> {
    /// Tunnel number (`id`).
    pub id: Option<u64>,
    /// The other end (`dst`).
    pub destination: Option<A>,
    /// This end (`src`).
    pub source: Option<A>,
    /// Time to live or hop limit (`ttl`, `hoplimit`).
    pub hop_limit: Option<u8>,
    /// Type of service or traffic class (`tos`, `tc`).
    pub traffic_class: Option<u8>,
    /// Bits of `TUNNEL_*` in the kernel's `if_tunnel.h` (`flags`).
    pub flags: Option<u16>,
}

impl<A> Default for OuterHeader<A> {
    fn default() -> Self {
        Self {
            id: None,
            destination: None,
            source: None,
            hop_limit: None,
            traffic_class: None,
            flags: None,
        }
    }
}

impl<A: Copy + Into<IpAddr>> OuterHeader<A> {
    /// The fields as attributes, `LWTUNNEL_IP_*` or `LWTUNNEL_IP6_*`: both count alike.
    pub(crate) fn attributes(&self) -> Vec<(u16, Vec<u8>)> {
        let octets = |address: A| match address.into() {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let fields = [
            (1, self.id.map(|id| id.to_be_bytes().to_vec())),
            (2, self.destination.map(octets)),
            (3, self.source.map(octets)),
            (4, self.hop_limit.map(|limit| vec![limit])),
            (5, self.traffic_class.map(|class| vec![class])),
            (6, self.flags.map(|flags| flags.to_be_bytes().to_vec())),
        ];
        let given = fields.into_iter();
        given
            .filter_map(|(kind, value)| Some((kind, value?)))
            .collect()
    }
}

impl<A: Copy + fmt::Display> OuterHeader<A> {
    fn write(&self, f: &mut fmt::Formatter<'_>, limit: &str, class: &str) -> fmt::Result {
        option(f, "id", self.id)?;
        option(f, "dst", self.destination)?;
        option(f, "src", self.source)?;
        option(f, limit, self.hop_limit)?;
        option(f, class, self.traffic_class)?;
        option(f, "flags", self.flags)
    }
}

impl fmt::Display for Encapsulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(header) => {
                f.write_str("ip")?;
                header.write(f, "ttl", "tos")
            }
            Self::Ip6(header) => {
                f.write_str("ip6")?;
                header.write(f, "hoplimit", "tc")
            }
            Self::Mpls(labels) => {
                let labels: Vec<String> = labels.iter().map(u32::to_string).collect();
                write!(f, "mpls {}", labels.join("/"))
            }
            Self::Ila(locator) => {
                let words =
                    [48, 32, 16, 0].map(|shift| format!("{:x}", (locator >> shift) & 0xffff));
                write!(f, "ila {}", words.join(":"))
            }
        }
    }
}

impl Encapsulation {
    /// The kernel's module without which it cannot be; the others are part of the kernel.
    pub(crate) const fn module(&self) -> Option<&'static str> {
        match self {
            Self::Mpls(_) => Some("mpls_iptunnel"),
            Self::Ila(_) => Some("ila"),
            Self::Ip(_) | Self::Ip6(_) => None,
        }
    }

    /// `LWTUNNEL_ENCAP_*`, and the attributes within.
    pub(crate) fn attributes(&self) -> (u16, Vec<(u16, Vec<u8>)>) {
        const MPLS: u16 = 1;
        const IP: u16 = 2;
        const ILA: u16 = 3;
        const IP6: u16 = 4;
        match self {
            Self::Ip(header) => (IP, header.attributes()),
            Self::Ip6(header) => (IP6, header.attributes()),
            Self::Mpls(labels) => (MPLS, vec![(1, label_stack(labels))]),
            Self::Ila(locator) => (ILA, vec![(1, locator.to_be_bytes().to_vec())]),
        }
    }
}

/// RFC 3032 section 2.1; the last one carries the bottom-of-stack bit.
fn label_stack(labels: &[u32]) -> Vec<u8> {
    const BOTTOM: u32 = 1 << 8;
    let last = labels.len().saturating_sub(1);
    let entries = labels.iter().enumerate().flat_map(|(position, label)| {
        let bottom = if position == last { BOTTOM } else { 0 };
        (label << 12 | bottom).to_be_bytes()
    });
    entries.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_label_is_marked() {
        let (kind, attributes) = Encapsulation::Mpls(vec![100, 200]).attributes();
        assert_eq!(kind, 1);
        assert_eq!(attributes, [(1, vec![0, 6, 0x40, 0, 0, 0x0c, 0x81, 0])]);
        assert_eq!(
            Encapsulation::Mpls(vec![100, 200]).to_string(),
            "mpls 100/200"
        );
        let ila = Encapsulation::Ila(0x0011_0022_0033_0044);
        assert_eq!(ila.to_string(), "ila 11:22:33:44");
    }

    #[test]
    fn only_what_is_given_is_told() {
        let header = OuterHeader {
            id: Some(7),
            destination: Some(Ipv4Addr::new(10, 0, 0, 1)),
            ..OuterHeader::default()
        };
        let (kind, attributes) = Encapsulation::Ip(header).attributes();
        assert_eq!(kind, 2);
        assert_eq!(
            attributes,
            [(1, vec![0, 0, 0, 0, 0, 0, 0, 7]), (2, vec![10, 0, 0, 1])]
        );
    }
}
