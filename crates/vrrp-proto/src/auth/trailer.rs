//! The signed trailer of keepalived 2.4 (`auth_hmac`).

use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use core::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::ids::{Version, Vrid};
use crate::time::UnixTime;

/// Bytes of a trailer.
pub const TRAILER_LEN: usize = 28;

/// The only type of trailer there is: HMAC-SHA-256 cut to 16 bytes.
const TYPE_HMAC_SHA256_128: u8 = 1;

/// When and as which advert of that moment a message was signed; grows with every advert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(u64);

impl Stamp {
    /// The stamp of the first advert at `time`.
    pub const fn at(time: UnixTime) -> Self {
        Self(((time.seconds() as u64) << 32) | ((time.fraction() as u64) << 16))
    }

    /// The stamp with these parts: seconds since 1970, fraction in 1/65536 s, counter.
    pub const fn from_parts(seconds: u32, fraction: u16, counter: u16) -> Self {
        Self(((seconds as u64) << 32) | ((fraction as u64) << 16) | counter as u64)
    }

    /// The stamp with that number; the opposite of [`value`](Self::value).
    pub const fn from_value(value: u64) -> Self {
        Self(value)
    }

    /// Seconds since 1970-01-01 00:00 UTC.
    pub const fn seconds(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The whole stamp as one number: seconds, fraction, counter from the top.
    pub const fn value(self) -> u64 {
        self.0
    }

    /// The next greater stamp.
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// Whether this stamp comes after `other` in 64-bit serial arithmetic.
    pub const fn is_after(self, other: Self) -> bool {
        let ahead = self.0.wrapping_sub(other.0);
        ahead != 0 && ahead < 1 << 63
    }
}

/// A key of 32 to 64 bytes (`key ID VALUE`). `Debug` does not show it.
#[derive(Clone)]
pub struct HmacKey {
    id: u8,
    secret: Vec<u8>,
    /// The digest after the key block, so that an advert costs two blocks fewer.
    keyed: Hmac<Sha256>,
}

/// A key was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyLengthError {
    /// The secret is too short or too long.
    #[error("the key has {0} bytes; give it 32 to 64")]
    Length(usize),
    /// Key identifiers start at 1.
    #[error("key identifier 0 is not allowed; use 1 to 255")]
    ZeroId,
}

impl HmacKey {
    /// The key `id` (1 to 255) with a secret of 32 to 64 bytes.
    ///
    /// # Errors
    /// [`KeyLengthError`] if the identifier is 0 or the secret has another length.
    pub fn new(id: u8, secret: &[u8]) -> Result<Self, KeyLengthError> {
        if id == 0 {
            return Err(KeyLengthError::ZeroId);
        }
        if !(32..=64).contains(&secret.len()) {
            return Err(KeyLengthError::Length(secret.len()));
        }
        let keyed = Hmac::<Sha256>::new_from_slice(secret)
            .map_err(|_| KeyLengthError::Length(secret.len()))?;
        Ok(Self {
            id,
            secret: secret.to_vec(),
            keyed,
        })
    }

    /// The identifier that trailers name this key by.
    pub const fn id(&self) -> u8 {
        self.id
    }

    fn digest(&self, input: &Signed<'_>, head: &[u8; 12]) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        let mut pseudo = [0u8; 20];
        let [family, version, vrid, _, address @ ..] = &mut pseudo;
        *version = input.version.number();
        *vrid = input.vrid.value();
        match input.source {
            IpAddr::V4(source) => {
                *family = 4;
                for (to, from) in address.iter_mut().zip(source.octets()) {
                    *to = from;
                }
            }
            IpAddr::V6(source) => {
                *family = 6;
                *address = source.octets();
            }
        }
        mac.update(&pseudo);
        // The checksum, bytes 6 and 7 of the message, counts as zero.
        let (start, rest) = input.message.split_at(input.message.len().min(6));
        mac.update(start);
        mac.update(&[0, 0]);
        mac.update(rest.get(2..).unwrap_or_default());
        mac.update(head);
        mac.update(&[0; 16]);
        mac
    }
}

impl PartialEq for HmacKey {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.secret == other.secret
    }
}

impl Eq for HmacKey {}

impl fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HmacKey({}, ..)", self.id)
    }
}

/// What a trailer vouches for, besides itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed<'a> {
    pub(crate) version: Version,
    pub(crate) vrid: Vrid,
    pub(crate) source: IpAddr,
    /// The complete message, authentication data of version 2 included.
    pub(crate) message: &'a [u8],
}

/// Whether adverts are signed and whether they must be (`mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SigningMode {
    /// Sign, and drop what is not signed.
    #[default]
    Enforce,
    /// Sign, accept unsigned adverts too.
    Permissive,
    /// Do not sign, accept both: the first step of a rollout.
    ReceiveOnly,
}

/// How an old advert that somebody plays again is told from a new one (`anti_replay`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AntiReplay {
    /// The stamp must be within this window of our wall clock (`time_window`, 1 s to 300 s) and
    /// greater than the sender's last.
    Time(Duration),
    /// The stamp must be greater than the sender's last; clocks do not matter.
    Monotonic,
}

/// Signed adverts (`auth_hmac`), an extension of keepalived 2.4 for every version and family.
///
/// Several keys may be known; one of them signs. To change keys: add the new key everywhere, make
/// it the active one everywhere, remove the old one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signing {
    keys: Vec<HmacKey>,
    active: u8,
    /// Whether adverts are signed and whether they must be.
    pub mode: SigningMode,
    /// How replays are recognised.
    pub anti_replay: AntiReplay,
}

impl Signing {
    /// Signs with `key`, enforced, with the time window that keepalived takes for `interval`
    /// (3 x interval, at least 5 s, at most 300 s).
    pub fn new(key: HmacKey, interval: crate::Interval) -> Self {
        let window =
            (interval.as_duration() * 3).clamp(Duration::from_secs(5), Duration::from_secs(300));
        Self {
            active: key.id,
            keys: alloc::vec![key],
            mode: SigningMode::Enforce,
            anti_replay: AntiReplay::Time(window),
        }
    }

    /// Adds a key that is accepted from others; it replaces one with the same identifier.
    pub fn add_key(&mut self, key: HmacKey) {
        match self.keys.iter_mut().find(|known| known.id == key.id) {
            Some(known) => *known = key,
            None => self.keys.push(key),
        }
    }

    /// Signs with key `id` from now on; `false` and no change if there is no such key.
    pub fn activate(&mut self, id: u8) -> bool {
        let known = self.key(id).is_some();
        if known {
            self.active = id;
        }
        known
    }

    /// The identifier of the key that signs.
    pub const fn active_key(&self) -> u8 {
        self.active
    }

    /// The identifiers of all keys.
    pub fn key_ids(&self) -> impl Iterator<Item = u8> + '_ {
        self.keys.iter().map(HmacKey::id)
    }

    pub(crate) fn key(&self, id: u8) -> Option<&HmacKey> {
        self.keys.iter().find(|key| key.id == id)
    }

    /// Whether adverts carry a trailer.
    pub const fn signs(&self) -> bool {
        !matches!(self.mode, SigningMode::ReceiveOnly)
    }

    /// The trailer for `signed` with the active key; `None` if there is none to sign with.
    pub(crate) fn sign(&self, signed: &Signed<'_>, stamp: Stamp) -> Option<[u8; TRAILER_LEN]> {
        let key = self.key(self.active)?;
        let mut trailer = [0u8; TRAILER_LEN];
        let (head, mac) = trailer.split_first_chunk_mut::<12>()?;
        let [kind, id, _, _, rest @ ..] = head;
        *kind = TYPE_HMAC_SHA256_128;
        *id = key.id;
        *rest = stamp.0.to_be_bytes();
        let digest = key.digest(signed, head).finalize().into_bytes();
        for (to, from) in mac.iter_mut().zip(digest.iter()) {
            *to = *from;
        }
        Some(trailer)
    }

    /// Checks form, time window, key and digest, in that order; the caller checks for replay.
    pub(crate) fn verify(
        &self,
        signed: &Signed<'_>,
        trailer: &Trailer<'_>,
        clock: UnixTime,
    ) -> Result<Stamp, TrailerError> {
        let stamp = trailer.stamp();
        if trailer.kind() != TYPE_HMAC_SHA256_128 || trailer.reserved() != 0 {
            return Err(TrailerError::Malformed);
        }
        if let AntiReplay::Time(window) = self.anti_replay {
            let skew = stamp.seconds().abs_diff(clock.seconds());
            if u64::from(skew) > window.as_secs() {
                return Err(TrailerError::Stale { seconds: skew });
            }
        }
        let key = self
            .key(trailer.key_id())
            .ok_or_else(|| TrailerError::UnknownKey(trailer.key_id()))?;
        key.digest(signed, trailer.head())
            .verify_truncated_left(trailer.mac())
            .map_err(|_| TrailerError::Invalid)?;
        Ok(stamp)
    }
}

/// Why a trailer was refused; the replay check comes after these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrailerError {
    /// Another type, or reserved bits that are not zero.
    #[error("the signature trailer is malformed")]
    Malformed,
    /// Signed too long ago, or in the future.
    #[error("signed {seconds} s away from our clock; check that both clocks are set")]
    Stale {
        /// The distance between the clocks.
        seconds: u32,
    },
    /// We have no key with that identifier.
    #[error("signed with key {0}, which is not configured here")]
    UnknownKey(u8),
    /// The digest does not match: another secret, or changed on the way.
    #[error("the signature does not match")]
    Invalid,
}

/// A view of a trailer.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |    Type = 1   |     Key ID    |         Reserved = 0          |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                    Seconds since 1970 (UTC)                   |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |    Fraction (1/65536 s)       |            Counter            |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                                                               |
/// +             HMAC-SHA-256, first 16 of 32 bytes                +
/// |                                                               |
/// +                                                               +
/// |                                                               |
/// +                                                               +
/// |                                                               |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
///
/// The digest covers a pseudo-header (4 or 6, version, VRID, zero, the source address padded to
/// 16 bytes), the message with its checksum as zero, the first 12 bytes of the trailer and 16 zero
/// bytes. Destination and IP header are left out, so that all unicast copies share one trailer.
#[derive(Clone, Copy, Debug)]
pub struct Trailer<'a> {
    head: &'a [u8; 12],
    mac: &'a [u8; 16],
}

impl<'a> Trailer<'a> {
    /// A view of `bytes` if they have the length of a trailer.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let (head, mac) = bytes.split_first_chunk::<12>()?;
        Some(Self {
            head,
            mac: mac.try_into().ok()?,
        })
    }

    /// The type; 1 is the only one known.
    pub const fn kind(&self) -> u8 {
        self.head[0]
    }

    /// Which key signed it.
    pub const fn key_id(&self) -> u8 {
        self.head[1]
    }

    /// Must be zero.
    pub const fn reserved(&self) -> u16 {
        u16::from_be_bytes([self.head[2], self.head[3]])
    }

    /// Seconds, fraction and counter.
    pub const fn stamp(&self) -> Stamp {
        let [_, _, _, _, a, b, c, d, e, f, g, h] = *self.head;
        Stamp(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }

    /// The digest.
    pub const fn mac(&self) -> &'a [u8; 16] {
        self.mac
    }

    const fn head(&self) -> &'a [u8; 12] {
        self.head
    }
}
