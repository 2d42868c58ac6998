//! MD5 digests of bodies, as `genhash` prints them.

use std::fmt;
use std::str::FromStr;

use md5::{Digest, Md5};

/// An MD5 digest: 16 octets, printed as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Md5Digest([u8; 16]);

/// The text is not 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an MD5 digest, which has 32 hexadecimal digits")]
pub struct InvalidDigest(pub String);

impl Md5Digest {
    /// The digest of these octets.
    #[must_use]
    pub fn of(octets: impl AsRef<[u8]>) -> Self {
        Self(Md5::digest(octets).into())
    }

    /// The octets of the digest.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl From<[u8; 16]> for Md5Digest {
    fn from(octets: [u8; 16]) -> Self {
        Self(octets)
    }
}

impl FromStr for Md5Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidDigest(text.to_owned());
        if text.len() != 32 || !text.bytes().all(|octet| octet.is_ascii_hexdigit()) {
            return Err(invalid());
        }
        let value = u128::from_str_radix(text, 16).map_err(|_| invalid())?;
        Ok(Self(value.to_be_bytes()))
    }
}

impl fmt::Display for Md5Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Md5Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Md5Digest({self})")
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Md5Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The digest of a body that comes in pieces.
#[derive(Clone, Debug, Default)]
pub struct BodyDigest(Md5);

impl BodyDigest {
    /// Takes the next piece.
    pub fn update(&mut self, octets: &[u8]) {
        self.0.update(octets);
    }

    /// The digest of all pieces.
    #[must_use]
    pub fn finish(self) -> Md5Digest {
        Md5Digest(self.0.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_digests_of_rfc_1321() {
        assert_eq!(
            Md5Digest::of("").to_string(),
            "d41d8cd98f00b204e9800998ecf8427e"
        );
        assert_eq!(
            Md5Digest::of("abc").to_string(),
            "900150983cd24fb0d6963f7d28e17f72"
        );
    }

    #[test]
    fn pieces_give_the_digest_of_the_whole() {
        let mut digest = BodyDigest::default();
        digest.update(b"a");
        digest.update(b"bc");
        assert_eq!(digest.finish(), Md5Digest::of("abc"));
    }

    #[test]
    fn reads_only_32_hexadecimal_digits() {
        let digest: Md5Digest = "900150983CD24FB0D6963F7D28E17F72".parse().unwrap();
        assert_eq!(digest, Md5Digest::of("abc"));
        for text in [
            "",
            "90",
            "+00150983cd24fb0d6963f7d28e17f72",
            "g00150983cd24fb0d6963f7d28e17f72",
        ] {
            assert!(text.parse::<Md5Digest>().is_err(), "{text:?}");
        }
    }
}
