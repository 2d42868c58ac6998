//! The meaning of a message, and its encoding.

use alloc::borrow::Cow;
use core::fmt;
use core::net::IpAddr;

use super::HEADER_LEN;
use super::checksum::{ChecksumForm, PseudoHeader, Sum};
use super::packet::TYPE_ADVERTISEMENT;
use crate::auth::Password;
use crate::ids::{Family, Priority, Version, Vrid};
use crate::time::Interval;

/// What an advertisement says.
///
/// Made by [`Packet::to_advertisement`](super::Packet::to_advertisement) or by hand. Borrowed
/// addresses make encoding free of allocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertisement<'a> {
    /// The protocol version.
    pub version: Version,
    /// The family of the IP header and of all addresses.
    pub family: Family,
    /// The virtual router.
    pub vrid: Vrid,
    /// The sender's priority.
    pub priority: Priority,
    /// The sender's interval.
    pub interval: Interval,
    /// The virtual addresses, at most 255.
    pub addresses: Cow<'a, [IpAddr]>,
    /// Authentication of version 2; nothing in version 3.
    pub auth: AuthData,
}

/// The authentication fields of a version 2 message. `Debug` does not show the data.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub enum AuthData {
    /// Type 0, zero bytes.
    #[default]
    None,
    /// Another type, with its eight bytes (over IPv6 they are not sent).
    Typed {
        /// 1 for a password, 2 under an authentication header.
        kind: u8,
        /// The eight bytes.
        data: [u8; 8],
    },
}

impl AuthData {
    /// Type 1 with that password.
    pub const fn password(password: &Password) -> Self {
        Self::Typed {
            kind: 1,
            data: *password.bytes(),
        }
    }

    /// Type 2, zero bytes: under an authentication header.
    pub const HEADER: Self = Self::Typed {
        kind: 2,
        data: [0; 8],
    };
}

impl fmt::Debug for AuthData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Typed { kind, .. } => write!(f, "Typed({kind}, ..)"),
        }
    }
}

/// A message cannot be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The buffer is too small.
    #[error("the buffer has {have} bytes, {need} are needed")]
    Buffer {
        /// Bytes needed.
        need: usize,
        /// Bytes there.
        have: usize,
    },
    /// More than the count field can say.
    #[error("{0} addresses do not fit in an advert; list at most 255")]
    TooManyAddresses(usize),
    /// An address, source or destination of the other family.
    #[error("{address} is not an {family} address")]
    Family {
        /// The address that does not fit.
        address: IpAddr,
        /// The family of the message.
        family: Family,
    },
    /// The version cannot carry the interval.
    #[error("version {version} cannot carry an interval of {interval}")]
    Interval {
        /// The interval.
        interval: Interval,
        /// The version.
        version: Version,
    },
}

impl Advertisement<'_> {
    /// Bytes of the encoded message.
    #[inline]
    pub fn encoded_len(&self) -> usize {
        let auth = if self.has_auth_data() { 8 } else { 0 };
        HEADER_LEN + self.addresses.len() * self.family.address_len() + auth
    }

    #[inline]
    const fn has_auth_data(&self) -> bool {
        matches!((self.version, self.family), (Version::V2, Family::V4))
    }

    /// Writes the message to the start of `out`, checksum included, and tells its length.
    ///
    /// `addresses` are those of the IP header; `form` matters for version 3 over IPv4 only.
    ///
    /// # Errors
    /// [`EncodeError`]; `out` may then hold a part of the message.
    #[inline]
    pub fn encode(
        &self,
        addresses: &PseudoHeader,
        form: ChecksumForm,
        out: &mut [u8],
    ) -> Result<usize, EncodeError> {
        let len = self.encode_without_checksum(out)?;
        let message = out.get_mut(..len).unwrap_or_default();
        write_checksum(message, self.version, addresses, form);
        Ok(len)
    }

    /// Writes the message with a checksum of zero.
    #[inline]
    pub(crate) fn encode_without_checksum(&self, out: &mut [u8]) -> Result<usize, EncodeError> {
        let len = self.encoded_len();
        let have = out.len();
        let short = EncodeError::Buffer { need: len, have };
        let Ok(count) = u8::try_from(self.addresses.len()) else {
            return Err(EncodeError::TooManyAddresses(self.addresses.len()));
        };
        if !self.interval.fits(self.version) {
            return Err(EncodeError::Interval {
                interval: self.interval,
                version: self.version,
            });
        }
        let Some(message) = out.get_mut(..len) else {
            return Err(short);
        };
        let Some((header, mut rest)) = message.split_first_chunk_mut::<HEADER_LEN>() else {
            return Err(short);
        };
        let (kind, data) = match self.auth {
            AuthData::None => (0, [0; 8]),
            AuthData::Typed { kind, data } => (kind, data),
        };
        let centiseconds = self.interval.centiseconds();
        let [fifth, sixth] = match self.version {
            Version::V2 => [kind, (centiseconds / 100) as u8],
            Version::V3 => centiseconds.to_be_bytes(),
        };
        // One store of eight bytes: the sum reads them back in words.
        *header = u64::from_be_bytes([
            self.version.number() << 4 | TYPE_ADVERTISEMENT,
            self.vrid.value(),
            self.priority.value(),
            count,
            fifth,
            sixth,
            0,
            0,
        ])
        .to_be_bytes();
        for address in self.addresses.iter() {
            rest = match (address, self.family) {
                (IpAddr::V4(address), Family::V4) => put(rest, &address.octets()).ok_or(short)?,
                (IpAddr::V6(address), Family::V6) => put(rest, &address.octets()).ok_or(short)?,
                _ => {
                    return Err(EncodeError::Family {
                        address: *address,
                        family: self.family,
                    });
                }
            };
        }
        if self.has_auth_data() {
            put(rest, &data).ok_or(short)?;
        }
        Ok(len)
    }
}

#[inline]
fn put<'a, const N: usize>(out: &'a mut [u8], bytes: &[u8; N]) -> Option<&'a mut [u8]> {
    let (to, rest) = out.split_first_chunk_mut::<N>()?;
    *to = *bytes;
    Some(rest)
}

/// Computes the checksum over `message`, whose checksum field is zero, and writes it there. Over
/// IPv6 a trailer belongs to `message`, over IPv4 it does not.
#[inline]
pub(crate) fn write_checksum(
    message: &mut [u8],
    version: Version,
    addresses: &PseudoHeader,
    form: ChecksumForm,
) {
    let mut sum = Sum::default();
    sum.add(message);
    let form = match (version, addresses.family()) {
        (Version::V2, Family::V4) => ChecksumForm::Message,
        (_, Family::V6) => ChecksumForm::PseudoHeader,
        (Version::V3, Family::V4) => form,
    };
    let sum = match form {
        ChecksumForm::Message => sum,
        ChecksumForm::PseudoHeader => addresses.sum(message.len()).plus(sum),
        ChecksumForm::MulticastPseudoHeader => addresses
            .with_multicast_destination()
            .sum(message.len())
            .plus(sum),
    };
    if let Some(field) = message.get_mut(6..8) {
        field.copy_from_slice(&sum.checksum().to_be_bytes());
    }
}
