//! The Internet checksum (RFC 1071) and what VRRP puts in front of the message for it.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::ids::{Family, MULTICAST_GROUP_V4, PROTOCOL_VRRP};

/// Over which bytes a checksum is computed.
///
/// Version 2 over IPv4 has only [`Message`](Self::Message), IPv6 only
/// [`PseudoHeader`](Self::PseudoHeader). For version 3 over IPv4 there are two readings: RFC 5798
/// was taken to ask for a pseudo-header, RFC 9568 section 5.2.8 asks for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum ChecksumForm {
    /// The message alone (`v3_checksum_as_v2`).
    Message,
    /// A pseudo-header of source, destination, protocol and length, then the message.
    #[default]
    PseudoHeader,
    /// As `PseudoHeader`, but with 224.0.0.18 as destination whatever the true one is, as old
    /// versions of keepalived do on unicast (`old_unicast_checksum`).
    MulticastPseudoHeader,
}

/// The addresses of the IP header, which some checksums cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PseudoHeader {
    /// IPv4: source, destination.
    V4(Ipv4Addr, Ipv4Addr),
    /// IPv6: source, destination.
    V6(Ipv6Addr, Ipv6Addr),
}

impl PseudoHeader {
    /// `None` if the addresses are of different families.
    #[inline]
    pub const fn new(source: IpAddr, destination: IpAddr) -> Option<Self> {
        match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => Some(Self::V4(source, destination)),
            (IpAddr::V6(source), IpAddr::V6(destination)) => Some(Self::V6(source, destination)),
            _ => None,
        }
    }

    /// The family of both addresses.
    pub const fn family(&self) -> Family {
        match self {
            Self::V4(..) => Family::V4,
            Self::V6(..) => Family::V6,
        }
    }

    /// The same header with the destination that old unicast checksums use.
    #[inline]
    pub(crate) const fn with_multicast_destination(self) -> Self {
        match self {
            Self::V4(source, _) => Self::V4(source, MULTICAST_GROUP_V4),
            Self::V6(..) => self,
        }
    }

    /// Its part of the sum, for a message of `len` bytes.
    #[inline]
    pub(crate) fn sum(&self, len: usize) -> Sum {
        let mut sum = Sum::default();
        match self {
            Self::V4(source, destination) => {
                sum.add(&source.octets());
                sum.add(&destination.octets());
            }
            Self::V6(source, destination) => {
                sum.add(&source.octets());
                sum.add(&destination.octets());
            }
        }
        // Zero, protocol and length are two 16-bit words; a length fits in one.
        sum.add_word(u16::from(PROTOCOL_VRRP));
        sum.add_word(len as u16);
        sum
    }
}

/// A one's complement sum of 16-bit words in host order of the bytes as they stand, which is
/// independent of byte order until it is read (RFC 1071 section 2).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum(u64);

impl Sum {
    /// Adds `bytes`; an odd last byte counts as if a zero followed.
    #[inline]
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        let mut sum = self.0;
        let (words, rest) = bytes.as_chunks::<4>();
        for word in words {
            sum += u64::from(u32::from_ne_bytes(*word));
        }
        let (halves, odd) = rest.as_chunks::<2>();
        for half in halves {
            sum += u64::from(u16::from_ne_bytes(*half));
        }
        if let [last] = odd {
            sum += u64::from(u16::from_ne_bytes([*last, 0]));
        }
        self.0 = sum;
    }

    #[inline]
    pub(crate) fn add_word(&mut self, word: u16) {
        self.0 += u64::from(word.to_be());
    }

    /// The sum of both.
    #[inline]
    pub(crate) const fn plus(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// The folded sum; 0xffff over a message whose checksum is right.
    #[inline]
    pub(crate) const fn folded(self) -> u16 {
        let mut sum = self.0;
        sum = (sum & 0xffff_ffff) + (sum >> 32);
        sum = (sum & 0xffff_ffff) + (sum >> 32);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        u16::from_be(sum as u16)
    }

    /// The checksum to put in the message.
    #[inline]
    pub(crate) const fn checksum(self) -> u16 {
        !self.folded()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// The example of RFC 1071 section 3.
    #[test]
    fn the_sum_is_that_of_rfc_1071() {
        let mut sum = Sum::default();
        sum.add(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.folded(), 0xddf2);
        assert_eq!(sum.checksum(), !0xddf2);
    }

    #[test]
    fn odd_lengths_and_long_inputs_agree_with_a_plain_sum() {
        let bytes: Vec<u8> = (0..4_095u32).map(|n| (n * 7 + 255) as u8).collect();
        for len in [0, 1, 2, 3, 5, 20, 63, 4_095] {
            let mut plain = 0u32;
            for pair in bytes[..len].chunks(2) {
                plain += u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low));
                plain = (plain & 0xffff) + (plain >> 16);
            }
            let mut sum = Sum::default();
            sum.add(&bytes[..len]);
            assert_eq!(u32::from(sum.folded()), plain, "{len}");
        }
    }
}
