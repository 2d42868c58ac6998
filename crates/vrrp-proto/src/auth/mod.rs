//! Authentication: the password and the authentication header of RFC 2338, and the signed trailer
//! (`auth_hmac`) of keepalived 2.4.
//!
//! | | on the wire | protects against |
//! | --- | --- | --- |
//! | none | version 2: type 0 and eight ignored bytes; version 3: nothing | nothing |
//! | [`Authentication::Password`] | type 1 and the eight bytes in clear | misconfiguration |
//! | [`Authentication::Header`] | IP protocol 51 before the message, type 2 | forgery, replay |
//! | [`Signing`] | 28 bytes after the message, any version and family | forgery, replay |
//!
//! Digests and passwords are compared in constant time; `Debug` shows no secret.

mod header;
mod replay;
mod trailer;

pub use header::{AH_LEN, AuthenticationHeader, HeaderKey};
pub use replay::ReplayGuard;
pub(crate) use trailer::Signed;
pub use trailer::{
    AntiReplay, HmacKey, KeyLengthError, Signing, SigningMode, Stamp, TRAILER_LEN, Trailer,
    TrailerError,
};

use core::fmt;

/// The authentication of version 2 (`authentication { auth_type ... auth_pass ... }`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Authentication {
    /// Type 0: nothing is checked.
    #[default]
    None,
    /// `auth_type PASS`: type 1, eight bytes in clear (RFC 2338 section 5.3.6.2).
    Password(Password),
    /// `auth_type AH`: type 2 under an authentication header, IPv4 only (RFC 2338 section 5.3.6.3).
    Header(Password),
}

/// A shared secret of up to eight bytes (`auth_pass`), padded with zero bytes.
///
/// `Debug` does not show it and comparison takes the same time wherever the difference is.
#[derive(Clone)]
pub struct Password([u8; 8]);

impl Password {
    /// The first eight bytes of `secret`; longer ones are cut, as every implementation does.
    pub fn new(secret: &[u8]) -> Self {
        let mut bytes = [0; 8];
        for (to, from) in bytes.iter_mut().zip(secret) {
            *to = *from;
        }
        Self(bytes)
    }

    /// The eight bytes as they stand in a packet. They are secret.
    pub const fn bytes(&self) -> &[u8; 8] {
        &self.0
    }

    /// Compares in constant time.
    pub fn matches(&self, received: &[u8; 8]) -> bool {
        equal_in_constant_time(&self.0, received)
    }
}

impl PartialEq for Password {
    fn eq(&self, other: &Self) -> bool {
        self.matches(&other.0)
    }
}

impl Eq for Password {}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// Whether `a` and `b` are equal, looking at every byte whatever the earlier ones say.
pub(crate) fn equal_in_constant_time<const N: usize>(a: &[u8; N], b: &[u8; N]) -> bool {
    let difference = a
        .iter()
        .zip(b)
        .fold(0u8, |difference, (a, b)| difference | (a ^ b));
    core::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn item_095_passwords_are_cut_at_eight_bytes_padded_and_compared_whole() {
        let password = Password::new(b"s3cret12-and-more");
        assert!(password.matches(b"s3cret12"));
        assert!(!password.matches(b"s3cret1\0"));
        assert!(Password::new(b"abc").matches(b"abc\0\0\0\0\0"));
        assert!(!Password::new(b"abc").matches(b"abc\0\0\0\0x"));
    }

    #[test]
    fn secrets_are_not_printed() {
        let printed = format!("{:?}", Authentication::Password(Password::new(b"s3cret12")));
        assert!(!printed.contains("s3cret"), "{printed}");
    }
}
