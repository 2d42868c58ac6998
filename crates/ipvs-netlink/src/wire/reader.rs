use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;

use super::consts::{af, netlink};
use crate::types::{Family, Name};

/// Why bytes are not a message of the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end in the middle of a message, or a message says that it is shorter than its
    /// own header.
    #[error("message of {need} bytes in {have}")]
    Message {
        /// Bytes that the message claims.
        need: usize,
        /// Bytes that are there.
        have: usize,
    },
    /// The same for an attribute.
    #[error("attribute of {need} bytes in {have}")]
    Attribute {
        /// Bytes that the attribute claims.
        need: usize,
        /// Bytes that are there.
        have: usize,
    },
    /// An attribute has the wrong size for its type.
    #[error("value of {have} bytes where {need} are needed")]
    Value {
        /// Size of the type.
        need: usize,
        /// Size of the value.
        have: usize,
    },
    /// An attribute without which the message means nothing is missing.
    #[error("attribute {name} is missing")]
    Missing {
        /// Its name in `linux/ip_vs.h`, without the prefix.
        name: &'static str,
    },
    /// A name is empty, too long or not UTF-8.
    #[error("attribute {name} is no name")]
    Name {
        /// Its name in `linux/ip_vs.h`, without the prefix.
        name: &'static str,
    },
    /// An address family that is neither IPv4 nor IPv6.
    #[error("unknown address family {0}")]
    Family(u16),
    /// A sync daemon that is neither master nor backup.
    #[error("unknown state {0} of a sync daemon")]
    DaemonState(u32),
    /// A command that the family does not have, or not in this direction.
    #[error("unexpected command {0}")]
    Command(u8),
}

/// One attribute.
#[derive(Clone, Copy)]
pub(crate) struct Attribute<'a> {
    pub(crate) kind: u16,
    pub(crate) value: &'a [u8],
}

/// The attributes in a run of bytes; ends at the first that is malformed.
#[derive(Clone)]
pub(crate) struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Attributes<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let have = self.rest.len();
        if have == 0 {
            return None;
        }
        let Some((&[l0, l1, k0, k1], _)) = self.rest.split_first_chunk::<4>() else {
            self.rest = &[];
            return Some(Err(DecodeError::Attribute { need: 4, have }));
        };
        let need = usize::from(u16::from_ne_bytes([l0, l1]));
        let Some(value) = self.rest.get(4..need) else {
            self.rest = &[];
            return Some(Err(DecodeError::Attribute { need, have }));
        };
        let kind = u16::from_ne_bytes([k0, k1]) & netlink::ATTRIBUTE_MASK;
        self.rest = self.rest.get(align(need)..).unwrap_or(&[]);
        Some(Ok(Attribute { kind, value }))
    }
}

/// Netlink pads messages and attributes to four bytes.
pub(crate) const fn align(len: usize) -> usize {
    (len + 3) & !3
}

impl<'a> Attribute<'a> {
    fn fixed<const N: usize>(&self) -> Result<[u8; N], DecodeError> {
        let wrong = DecodeError::Value {
            need: N,
            have: self.value.len(),
        };
        self.value.try_into().map_err(|_| wrong)
    }

    pub(crate) fn u8(&self) -> Result<u8, DecodeError> {
        self.fixed().map(u8::from_ne_bytes)
    }

    pub(crate) fn u16(&self) -> Result<u16, DecodeError> {
        self.fixed().map(u16::from_ne_bytes)
    }

    pub(crate) fn u16_be(&self) -> Result<u16, DecodeError> {
        self.fixed().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&self) -> Result<u32, DecodeError> {
        self.fixed().map(u32::from_ne_bytes)
    }

    pub(crate) fn u32_be(&self) -> Result<u32, DecodeError> {
        self.fixed().map(u32::from_be_bytes)
    }

    /// A counter of four or eight bytes.
    pub(crate) fn counter(&self) -> Result<u64, DecodeError> {
        if self.value.len() == 4 {
            self.u32().map(u64::from)
        } else {
            self.fixed().map(u64::from_ne_bytes)
        }
    }

    pub(crate) const fn nested(&self) -> Attributes<'a> {
        Attributes::new(self.value)
    }

    /// Text that ends at the first NUL or with the attribute.
    pub(crate) fn text(&self, name: &'static str) -> Result<&'a str, DecodeError> {
        let end = self
            .value
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(self.value.len());
        let bytes = self.value.get(..end).unwrap_or(self.value);
        std::str::from_utf8(bytes).map_err(|_| DecodeError::Name { name })
    }

    pub(crate) fn name(&self, name: &'static str) -> Result<Name, DecodeError> {
        Name::new(self.text(name)?).map_err(|_| DecodeError::Name { name })
    }

    /// An address in the 16-byte union of the kernel, or in as many bytes as its family has.
    pub(crate) fn address(&self, family: Family) -> Result<IpAddr, DecodeError> {
        let short = |need| DecodeError::Value {
            need,
            have: self.value.len(),
        };
        match family {
            Family::V4 => {
                let bytes = self.value.first_chunk::<4>().ok_or_else(|| short(4))?;
                Ok(IpAddr::V4(Ipv4Addr::from(*bytes)))
            }
            Family::V6 => {
                let bytes = self.value.first_chunk::<16>().ok_or_else(|| short(16))?;
                Ok(IpAddr::V6(Ipv6Addr::from(*bytes)))
            }
        }
    }

    pub(crate) fn family(&self) -> Result<Family, DecodeError> {
        match self.u16()? {
            af::INET => Ok(Family::V4),
            af::INET6 => Ok(Family::V6),
            other => Err(DecodeError::Family(other)),
        }
    }
}

/// One netlink message.
#[derive(Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    pub(crate) payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// Command number and attributes of a generic-netlink message.
    pub(crate) fn generic(&self) -> Result<(u8, Attributes<'a>), DecodeError> {
        let short = DecodeError::Message {
            need: 4,
            have: self.payload.len(),
        };
        let (&[command, ..], attributes) = self.payload.split_first_chunk::<4>().ok_or(short)?;
        Ok((command, Attributes::new(attributes)))
    }
}

/// The messages of a datagram; ends at the first that is malformed.
pub(crate) struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    pub(crate) const fn new(datagram: &'a [u8]) -> Self {
        Self { rest: datagram }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let have = self.rest.len();
        if have == 0 {
            return None;
        }
        let Some((header, _)) = self.rest.split_first_chunk::<{ netlink::HEADER_LEN }>() else {
            self.rest = &[];
            return Some(Err(DecodeError::Message {
                need: netlink::HEADER_LEN,
                have,
            }));
        };
        let &[l0, l1, l2, l3, k0, k1, f0, f1, s0, s1, s2, s3, _, _, _, _] = header;
        let need = u32::from_ne_bytes([l0, l1, l2, l3]);
        let need = usize::try_from(need).unwrap_or(usize::MAX);
        let Some(payload) = self.rest.get(netlink::HEADER_LEN..need) else {
            self.rest = &[];
            return Some(Err(DecodeError::Message { need, have }));
        };
        self.rest = self.rest.get(align(need)..).unwrap_or(&[]);
        Some(Ok(Message {
            kind: u16::from_ne_bytes([k0, k1]),
            flags: u16::from_ne_bytes([f0, f1]),
            sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
            payload,
        }))
    }
}
