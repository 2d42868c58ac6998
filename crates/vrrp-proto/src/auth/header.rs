//! The authentication header (AH) of VRRP version 2, IP protocol 51.

use core::net::Ipv4Addr;

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;

use super::Password;
use crate::ids::PROTOCOL_VRRP;

/// Bytes of an authentication header with HMAC-MD5-96.
pub const AH_LEN: usize = 24;

/// An authentication header (RFC 2402 section 2), as VRRP uses it (RFC 2338 section 5.3.6.3).
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |Next Header=112| Payload Len=4 |          RESERVED = 0         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Security Parameters Index: the sender's IPv4 address        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                        Sequence Number                        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                                                               |
/// +             HMAC-MD5, first 12 of 16 bytes                    +
/// |                                                               |
/// +                                                               +
/// |                                                               |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthenticationHeader {
    /// The sender's address.
    pub spi: Ipv4Addr,
    /// Grows with every advert.
    pub sequence: u32,
    /// The digest, cut to 96 bits.
    pub icv: [u8; 12],
}

impl AuthenticationHeader {
    /// Splits an IP payload into header and message; `None` if it is no such header.
    pub fn parse(payload: &[u8]) -> Option<(Self, &[u8])> {
        let (bytes, message) = payload.split_first_chunk::<AH_LEN>()?;
        let [next, len, reserved_high, reserved_low, rest @ ..] = bytes;
        if (*next, *len, *reserved_high, *reserved_low) != (PROTOCOL_VRRP, 4, 0, 0) {
            return None;
        }
        let [a, b, c, d, e, f, g, h, icv @ ..] = *rest;
        let header = Self {
            spi: Ipv4Addr::new(a, b, c, d),
            sequence: u32::from_be_bytes([e, f, g, h]),
            icv,
        };
        Some((header, message))
    }

    /// The header as bytes.
    pub fn encode(&self) -> [u8; AH_LEN] {
        let [a, b, c, d] = self.spi.octets();
        let [e, f, g, h] = self.sequence.to_be_bytes();
        let [i, j, k, l, m, n, o, p, q, r, s, t] = self.icv;
        [
            PROTOCOL_VRRP,
            4,
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
            i,
            j,
            k,
            l,
            m,
            n,
            o,
            p,
            q,
            r,
            s,
            t,
        ]
    }
}

/// The key of the digest, made from the password.
#[derive(Clone, Debug)]
pub struct HeaderKey(Hmac<Md5>);

impl HeaderKey {
    /// The eight bytes of `password`, zero padding included, are the key.
    pub fn new(password: &Password) -> Self {
        // HMAC takes keys of any length; the other arm is never reached and signs with no key.
        Self(
            Hmac::<Md5>::new_from_slice(password.bytes())
                .unwrap_or_else(|_| Hmac::<Md5>::new(&Default::default())),
        )
    }

    /// The digest over the IPv4 header (`ip_header`, with options), `header` and `message`.
    ///
    /// What may change on the way counts as zero: type of service, fragment field, checksum, and
    /// on unicast the TTL. On multicast the TTL is part of it, as keepalived has it.
    pub fn sign(
        &self,
        ip_header: &[u8],
        header: &AuthenticationHeader,
        message: &[u8],
    ) -> [u8; 12] {
        let digest = self
            .digest(ip_header, header, message)
            .finalize()
            .into_bytes();
        let mut icv = [0; 12];
        for (to, from) in icv.iter_mut().zip(digest.iter()) {
            *to = *from;
        }
        icv
    }

    /// Whether the digest in `header` is right, compared in constant time.
    pub fn verify(&self, ip_header: &[u8], header: &AuthenticationHeader, message: &[u8]) -> bool {
        self.digest(ip_header, header, message)
            .verify_truncated_left(&header.icv)
            .is_ok()
    }

    fn digest(&self, ip_header: &[u8], header: &AuthenticationHeader, message: &[u8]) -> Hmac<Md5> {
        let mut mac = self.0.clone();
        if let Some((fixed, options)) = ip_header.split_first_chunk::<20>() {
            let mut fixed = *fixed;
            let multicast =
                Ipv4Addr::new(fixed[16], fixed[17], fixed[18], fixed[19]).is_multicast();
            fixed[1] = 0;
            fixed[6] = 0;
            fixed[7] = 0;
            if !multicast {
                fixed[8] = 0;
            }
            fixed[10] = 0;
            fixed[11] = 0;
            mac.update(&fixed);
            mac.update(options);
        }
        let blank = AuthenticationHeader {
            icv: [0; 12],
            ..*header
        };
        mac.update(&blank.encode());
        mac.update(message);
        mac
    }
}
