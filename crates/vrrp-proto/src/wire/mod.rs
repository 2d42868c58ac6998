//! VRRP messages as bytes.
//!
//! [`Packet`] is a checked view that copies nothing: after [`Packet::new_checked`] no accessor
//! panics. [`Advertisement`] is the owned meaning of a message; it encodes into a caller's buffer
//! without allocating. [`Ipv4Header`] reads and writes the IP header for raw sockets.
//!
//! No function here panics on any input.

mod advertisement;
mod checksum;
mod ipv4;
mod packet;

pub(crate) use advertisement::write_checksum;
pub use advertisement::{Advertisement, AuthData, EncodeError};
pub use checksum::{ChecksumForm, PseudoHeader};
pub use ipv4::{IPV4_HEADER_LEN, Ipv4Header};
pub use packet::{AddressIter, Packet, ParseError};

use crate::auth::{AH_LEN, TRAILER_LEN};
use crate::ids::{PROTOCOL_AH, PROTOCOL_VRRP, Version, Vrid};

/// Bytes of the fixed part of a message.
pub const HEADER_LEN: usize = 8;

/// The longest message there is: 255 IPv6 addresses.
pub const MAX_MESSAGE_LEN: usize = HEADER_LEN + 255 * 16;

/// A buffer of this size holds whatever this crate encodes, IPv4 header, authentication header and
/// trailer included.
pub const MAX_ENCODED_LEN: usize = IPV4_HEADER_LEN + AH_LEN + MAX_MESSAGE_LEN + TRAILER_LEN;

/// What [`peek`] finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peek {
    /// The virtual router.
    pub vrid: Vrid,
    /// The version, if it is one we know.
    pub version: Option<Version>,
}

/// Which virtual router `payload` (what follows the IP header) of IP protocol `protocol` is for.
///
/// For the demultiplexer: looks at two bytes, behind an authentication header if there is one, and
/// checks nothing else. `None` if there are no such bytes, the VRID is 0 or the protocol is neither
/// 112 nor 51.
#[inline]
pub fn peek(protocol: u8, payload: &[u8]) -> Option<Peek> {
    let message = match protocol {
        PROTOCOL_VRRP => payload,
        PROTOCOL_AH => payload.get(AH_LEN..)?,
        _ => return None,
    };
    let [first, vrid, ..] = *message else {
        return None;
    };
    Some(Peek {
        vrid: Vrid::new(vrid)?,
        version: Version::from_number(first >> 4),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peeking_finds_the_router_behind_either_protocol() {
        let message = [0x31, 7, 100, 0];
        let found = peek(PROTOCOL_VRRP, &message).unwrap();
        assert_eq!((found.vrid.value(), found.version), (7, Some(Version::V3)));
        let mut behind = [0u8; AH_LEN + 2];
        behind[AH_LEN..].copy_from_slice(&[0x21, 9]);
        let found = peek(PROTOCOL_AH, &behind).unwrap();
        assert_eq!((found.vrid.value(), found.version), (9, Some(Version::V2)));
        assert_eq!(peek(17, &message), None);
        assert_eq!(peek(PROTOCOL_VRRP, &[0x31]), None);
        assert_eq!(peek(PROTOCOL_VRRP, &[0x31, 0]), None);
        assert_eq!(peek(PROTOCOL_AH, &message), None);
    }
}
