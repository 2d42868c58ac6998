//! The IPv4 header, for raw sockets that deliver and take it.

use core::net::Ipv4Addr;

use super::checksum::Sum;
use super::packet::ParseError;

/// Bytes of an IPv4 header without options.
pub const IPV4_HEADER_LEN: usize = 20;

/// An IPv4 header without options (RFC 791 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4Header {
    /// Type of service; adverts go out with 0xc0, internetwork control.
    pub tos: u8,
    /// Header and payload together, in bytes.
    pub total_len: u16,
    /// Identification.
    pub identification: u16,
    /// Flags and fragment offset.
    pub fragment: u16,
    /// Time to live.
    pub ttl: u8,
    /// The protocol of the payload.
    pub protocol: u8,
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
}

impl Ipv4Header {
    /// Internetwork control, the type of service of adverts.
    pub const TOS_INTERNETWORK_CONTROL: u8 = 0xc0;

    /// Splits a datagram into the header's fields, the header's bytes with options, and the payload
    /// up to the total length. Later fragments are refused: they do not start with a message.
    ///
    /// # Errors
    /// [`ParseError::Ipv4Header`] if it is no complete IPv4 datagram.
    #[inline]
    pub fn parse(datagram: &[u8]) -> Result<(Self, &[u8], &[u8]), ParseError> {
        let (fixed, _) = datagram
            .split_first_chunk::<IPV4_HEADER_LEN>()
            .ok_or(ParseError::Ipv4Header)?;
        let [
            first,
            tos,
            len_high,
            len_low,
            id_high,
            id_low,
            fragment @ ..,
        ] = *fixed;
        let [
            fragment_high,
            fragment_low,
            ttl,
            protocol,
            _,
            _,
            addresses @ ..,
        ] = fragment;
        let [a, b, c, d, e, f, g, h] = addresses;
        let header_len = usize::from(first & 0xf) * 4;
        let total_len = u16::from_be_bytes([len_high, len_low]);
        let fragment = u16::from_be_bytes([fragment_high, fragment_low]);
        if first >> 4 != 4 || header_len < IPV4_HEADER_LEN || fragment & 0x1fff != 0 {
            return Err(ParseError::Ipv4Header);
        }
        let whole = datagram
            .get(..usize::from(total_len))
            .ok_or(ParseError::Ipv4Header)?;
        let (header, payload) = whole
            .split_at_checked(header_len)
            .ok_or(ParseError::Ipv4Header)?;
        let fields = Self {
            tos,
            total_len,
            identification: u16::from_be_bytes([id_high, id_low]),
            fragment,
            ttl,
            protocol,
            source: Ipv4Addr::new(a, b, c, d),
            destination: Ipv4Addr::new(e, f, g, h),
        };
        Ok((fields, header, payload))
    }

    /// The header as bytes, checksum included.
    #[inline]
    pub fn encode(&self) -> [u8; IPV4_HEADER_LEN] {
        let [len_high, len_low] = self.total_len.to_be_bytes();
        let [id_high, id_low] = self.identification.to_be_bytes();
        let [fragment_high, fragment_low] = self.fragment.to_be_bytes();
        let [a, b, c, d] = self.source.octets();
        let [e, f, g, h] = self.destination.octets();
        let mut bytes = [
            0x45,
            self.tos,
            len_high,
            len_low,
            id_high,
            id_low,
            fragment_high,
            fragment_low,
            self.ttl,
            self.protocol,
            0,
            0,
            a,
            b,
            c,
            d,
            e,
            f,
            g,
            h,
        ];
        let mut sum = Sum::default();
        sum.add(&bytes);
        let [high, low] = sum.checksum().to_be_bytes();
        bytes[10] = high;
        bytes[11] = low;
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Ipv4Header {
        Ipv4Header {
            tos: Ipv4Header::TOS_INTERNETWORK_CONTROL,
            total_len: 24,
            identification: 7,
            fragment: 0,
            ttl: 255,
            protocol: 112,
            source: Ipv4Addr::new(10, 0, 0, 1),
            destination: Ipv4Addr::new(224, 0, 0, 18),
        }
    }

    #[test]
    fn a_header_survives_and_padding_is_cut() {
        let mut datagram = header().encode().to_vec();
        datagram.extend([1, 2, 3, 4, 0xee, 0xee]);
        let (fields, bytes, payload) = Ipv4Header::parse(&datagram).unwrap();
        assert_eq!(fields, header());
        assert_eq!(bytes.len(), 20);
        assert_eq!(payload, [1, 2, 3, 4]);
        let mut sum = Sum::default();
        sum.add(bytes);
        assert_eq!(sum.folded(), 0xffff);
    }

    #[test]
    fn item_047_options_are_skipped_and_later_fragments_refused() {
        let mut datagram = header().encode().to_vec();
        datagram[0] = 0x46;
        datagram.extend([0x94, 4, 0, 0]);
        let (_, bytes, payload) = Ipv4Header::parse(&datagram).unwrap();
        assert_eq!((bytes.len(), payload.len()), (24, 0));
        datagram[7] = 1;
        assert_eq!(Ipv4Header::parse(&datagram), Err(ParseError::Ipv4Header));
    }

    #[test]
    fn impossible_lengths_are_refused() {
        let good = header().encode();
        for len in 0..20 {
            assert_eq!(Ipv4Header::parse(&good[..len]), Err(ParseError::Ipv4Header));
        }
        // The total length says 24 and there are 20.
        assert_eq!(Ipv4Header::parse(&good), Err(ParseError::Ipv4Header));
    }
}
