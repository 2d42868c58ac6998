//! A checked view of a received message.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::HEADER_LEN;
use super::advertisement::{Advertisement, AuthData};
use super::checksum::{ChecksumForm, PseudoHeader, Sum};
use crate::ids::{Family, Priority, Version, Vrid};
use crate::time::Interval;

/// The only type of message there is.
pub(super) const TYPE_ADVERTISEMENT: u8 = 1;

/// A received message, checked for completeness; it copies nothing.
///
/// Version 3 (RFC 9568 section 5.2):
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |Ver = 3|Type=1 | Virtual Rtr ID|   Priority    |Count IPvX Addr|
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |Reserve|  Max Advertise Int.   |          Checksum             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                  IPv4 or IPv6 addresses ...                   |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
///
/// Version 2 (RFC 3768 section 5.1; over IPv6 without authentication data):
///
/// ```text
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |Ver = 2|Type=1 | Virtual Rtr ID|   Priority    | Count IP Addrs|
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Auth Type   |   Adver Int   |          Checksum             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                       IP addresses ...                        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                     Authentication Data                       |
/// +                                                               +
/// |                                                               |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Copy)]
pub struct Packet<'a> {
    bytes: &'a [u8],
    header: &'a [u8; HEADER_LEN],
    addresses: &'a [u8],
    auth_data: Option<&'a [u8; 8]>,
    trailing: &'a [u8],
    version: Version,
    vrid: Vrid,
    family: Family,
}

/// Bytes that are no VRRP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Fewer bytes than the fixed part or the address count ask for.
    #[error("{have} bytes where {need} are needed")]
    Truncated {
        /// Bytes needed.
        need: usize,
        /// Bytes there.
        have: usize,
    },
    /// Neither version 2 nor 3.
    #[error("version {0} is not known")]
    Version(u8),
    /// Not an advertisement.
    #[error("type {0} is not an advertisement")]
    Type(u8),
    /// Virtual router 0 does not exist.
    #[error("virtual router identifier 0")]
    VridZero,
    /// The checksum is wrong in every form the version and family know.
    #[error("checksum {found:#06x} is wrong")]
    Checksum {
        /// The checksum in the message.
        found: u16,
    },
    /// No complete IPv4 datagram, or a later fragment of one.
    #[error("not a complete IPv4 datagram")]
    Ipv4Header,
}

impl<'a> Packet<'a> {
    /// Checks version, type, virtual router identifier and completeness; the checksum is separate.
    /// `family` is that of the IP header. Bytes after the message are [`trailing`](Self::trailing).
    ///
    /// # Errors
    /// A [`ParseError`] for the first thing that is wrong.
    #[inline]
    pub fn new_checked(bytes: &'a [u8], family: Family) -> Result<Self, ParseError> {
        let Some((header, rest)) = bytes.split_first_chunk::<HEADER_LEN>() else {
            return Err(ParseError::Truncated {
                need: HEADER_LEN,
                have: bytes.len(),
            });
        };
        let Some(version) = Version::from_number(header[0] >> 4) else {
            return Err(ParseError::Version(header[0] >> 4));
        };
        if header[0] & 0xf != TYPE_ADVERTISEMENT {
            return Err(ParseError::Type(header[0] & 0xf));
        }
        let Some(vrid) = Vrid::new(header[1]) else {
            return Err(ParseError::VridZero);
        };
        let addresses_len = usize::from(header[3]) * family.address_len();
        let has_auth_data = matches!((version, family), (Version::V2, Family::V4));
        let truncated = ParseError::Truncated {
            need: HEADER_LEN + addresses_len + if has_auth_data { 8 } else { 0 },
            have: bytes.len(),
        };
        let Some((addresses, rest)) = rest.split_at_checked(addresses_len) else {
            return Err(truncated);
        };
        let (auth_data, trailing) = if has_auth_data {
            let Some((auth_data, trailing)) = rest.split_first_chunk::<8>() else {
                return Err(truncated);
            };
            (Some(auth_data), trailing)
        } else {
            (None, rest)
        };
        Ok(Self {
            bytes,
            header,
            addresses,
            auth_data,
            trailing,
            version,
            vrid,
            family,
        })
    }

    /// The protocol version.
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The address family, as given.
    pub const fn family(&self) -> Family {
        self.family
    }

    /// The virtual router.
    pub const fn vrid(&self) -> Vrid {
        self.vrid
    }

    /// The sender's priority.
    pub const fn priority(&self) -> Priority {
        Priority::new(self.header[2])
    }

    /// How many addresses are listed.
    pub const fn count(&self) -> u8 {
        self.header[3]
    }

    /// Version 2: the authentication type (0 none, 1 password, 2 authentication header).
    pub const fn auth_type(&self) -> Option<u8> {
        match self.version {
            Version::V2 => Some(self.header[4]),
            Version::V3 => None,
        }
    }

    /// Version 2 over IPv4: the eight bytes of authentication data.
    pub const fn auth_data(&self) -> Option<&'a [u8; 8]> {
        self.auth_data
    }

    /// The interval between adverts; `None` if the field is 0.
    pub const fn interval(&self) -> Option<Interval> {
        match self.version {
            Version::V2 => Interval::from_seconds(self.header[5]),
            Version::V3 => Interval::from_centiseconds(
                u16::from_be_bytes([self.header[4], self.header[5]]) & 0x0fff,
            ),
        }
    }

    /// The checksum field.
    pub const fn checksum(&self) -> u16 {
        u16::from_be_bytes([self.header[6], self.header[7]])
    }

    /// The listed addresses, in order.
    pub fn addresses(&self) -> AddressIter<'a> {
        AddressIter {
            bytes: self.addresses,
            family: self.family,
        }
    }

    /// The message proper: fixed part, addresses, authentication data.
    pub fn message(&self) -> &'a [u8] {
        self.bytes
            .get(..self.bytes.len() - self.trailing.len())
            .unwrap_or_default()
    }

    /// What follows the message in the IP packet: a signature trailer, or excess.
    pub const fn trailing(&self) -> &'a [u8] {
        self.trailing
    }

    /// Verifies the checksum and tells its form. Where there are several readings (version 3 over
    /// IPv4) each is tried: with pseudo-header, without, and with the destination that old unicast
    /// senders use.
    ///
    /// # Errors
    /// [`ParseError::Checksum`] if no form matches.
    #[inline]
    pub fn verify_checksum(&self, addresses: &PseudoHeader) -> Result<ChecksumForm, ParseError> {
        const RIGHT: u16 = 0xffff;
        let message = self.message();
        let mut sum = Sum::default();
        match (self.version, self.family) {
            (Version::V2, Family::V4) => {
                sum.add(message);
                if sum.folded() == RIGHT {
                    return Ok(ChecksumForm::Message);
                }
            }
            (Version::V3, Family::V4) => {
                sum.add(message);
                if addresses.sum(message.len()).plus(sum).folded() == RIGHT {
                    return Ok(ChecksumForm::PseudoHeader);
                }
                if sum.folded() == RIGHT {
                    return Ok(ChecksumForm::Message);
                }
                let old = addresses.with_multicast_destination();
                if old.sum(message.len()).plus(sum).folded() == RIGHT {
                    return Ok(ChecksumForm::MulticastPseudoHeader);
                }
            }
            (_, Family::V6) => {
                // The kernel fills it in over everything, a trailer included.
                sum.add(self.bytes);
                if addresses.sum(self.bytes.len()).plus(sum).folded() == RIGHT {
                    return Ok(ChecksumForm::PseudoHeader);
                }
            }
        }
        Err(ParseError::Checksum {
            found: self.checksum(),
        })
    }

    /// The owned meaning; `None` if the interval field is 0, which means nothing.
    pub fn to_advertisement(&self) -> Option<Advertisement<'static>> {
        Some(Advertisement {
            version: self.version,
            family: self.family,
            vrid: self.vrid,
            priority: self.priority(),
            interval: self.interval()?,
            addresses: self.addresses().collect(),
            auth: match (self.auth_type(), self.auth_data) {
                (None | Some(0), _) => AuthData::None,
                (Some(kind), data) => AuthData::Typed {
                    kind,
                    data: data.copied().unwrap_or_default(),
                },
            },
        })
    }
}

impl fmt::Debug for Packet<'_> {
    /// Leaves the authentication data out, which may be a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packet")
            .field("version", &self.version)
            .field("vrid", &self.vrid)
            .field("priority", &self.priority())
            .field("interval", &self.interval())
            .field("addresses", &self.count())
            .field("trailing", &self.trailing.len())
            .finish_non_exhaustive()
    }
}

/// The addresses of a message, in order.
#[derive(Clone, Debug)]
pub struct AddressIter<'a> {
    bytes: &'a [u8],
    family: Family,
}

impl Iterator for AddressIter<'_> {
    type Item = IpAddr;

    #[inline]
    fn next(&mut self) -> Option<IpAddr> {
        match self.family {
            Family::V4 => {
                let (address, rest) = self.bytes.split_first_chunk::<4>()?;
                self.bytes = rest;
                Some(IpAddr::V4(Ipv4Addr::from(*address)))
            }
            Family::V6 => {
                let (address, rest) = self.bytes.split_first_chunk::<16>()?;
                self.bytes = rest;
                Some(IpAddr::V6(Ipv6Addr::from(*address)))
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.bytes.len() / self.family.address_len();
        (left, Some(left))
    }
}

impl ExactSizeIterator for AddressIter<'_> {}
