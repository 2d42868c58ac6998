//! Questions to a name server (RFC 1035 §4.1).

use std::fmt;
use std::str::FromStr;

use super::Name;

/// Type of the record that is asked for (`type`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RecordType {
    /// IPv4 address.
    A,
    /// Name server of a zone.
    Ns,
    /// Alias.
    Cname,
    /// Start of a zone.
    #[default]
    Soa,
    /// Mail exchange.
    Mx,
    /// Text.
    Txt,
    /// IPv6 address.
    Aaaa,
    /// Signature of a record set (RFC 4034).
    Rrsig,
    /// Key of a zone (RFC 4034).
    Dnskey,
    /// Any other type, by its number.
    Other(u16),
}

impl RecordType {
    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::A => 1,
            Self::Ns => 2,
            Self::Cname => 5,
            Self::Soa => 6,
            Self::Mx => 15,
            Self::Txt => 16,
            Self::Aaaa => 28,
            Self::Rrsig => 46,
            Self::Dnskey => 48,
            Self::Other(code) => code,
        }
    }
}

/// The name of a record type is not one that the check knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown DNS type `{0}`, use one of A NS CNAME SOA MX TXT AAAA RRSIG DNSKEY")]
pub struct UnknownRecordType(pub String);

impl FromStr for RecordType {
    type Err = UnknownRecordType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.to_ascii_uppercase().as_str() {
            "A" => Self::A,
            "NS" => Self::Ns,
            "CNAME" => Self::Cname,
            "SOA" => Self::Soa,
            "MX" => Self::Mx,
            "TXT" => Self::Txt,
            "AAAA" => Self::Aaaa,
            "RRSIG" => Self::Rrsig,
            "DNSKEY" => Self::Dnskey,
            _ => return Err(UnknownRecordType(text.to_owned())),
        })
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::Ns => "NS",
            Self::Cname => "CNAME",
            Self::Soa => "SOA",
            Self::Mx => "MX",
            Self::Txt => "TXT",
            Self::Aaaa => "AAAA",
            Self::Rrsig => "RRSIG",
            Self::Dnskey => "DNSKEY",
            Self::Other(code) => return write!(f, "TYPE{code}"),
        })
    }
}

/// A question of class IN.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// What is asked about.
    pub name: Name,
    /// What is asked for.
    pub record_type: RecordType,
}

impl Question {
    /// The query as it goes into a datagram, with recursion desired.
    #[must_use]
    pub fn encode(&self, id: u16) -> Vec<u8> {
        let mut query = Vec::with_capacity(17 + self.name.wire().len());
        query.extend_from_slice(&id.to_be_bytes());
        // Recursion desired, one question, no records.
        query.extend_from_slice(&[0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0]);
        query.extend_from_slice(self.name.wire());
        query.extend_from_slice(&self.record_type.code().to_be_bytes());
        query.extend_from_slice(&[0, 1]);
        query
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.record_type)
    }
}
