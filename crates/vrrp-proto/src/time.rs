//! Time as the caller tells it: instants on a count of microseconds, advertisement intervals, and
//! the wall clock that signed adverts carry.

use core::fmt;
use core::num::NonZeroU64;
use core::ops::{Add, AddAssign, Sub};
use core::time::Duration;

use crate::ids::Version;

/// A moment on a monotonic count of microseconds kept by the caller.
///
/// The count may start anywhere (boot, program start); only differences matter. Nothing in this
/// crate reads a clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant {
    /// One more than the count: so an `Option` of a moment takes no more room than a moment.
    count_and_one: NonZeroU64,
}

impl Instant {
    /// The start of the count.
    pub const ZERO: Self = Self::from_micros(0);

    /// The moment `micros` microseconds after the start of the count; saturates at one less than `u64::MAX`.
    pub const fn from_micros(micros: u64) -> Self {
        Self {
            count_and_one: NonZeroU64::MIN.saturating_add(micros),
        }
    }

    /// The moment `millis` milliseconds after the start of the count; saturates.
    pub const fn from_millis(millis: u64) -> Self {
        Self::from_micros(millis.saturating_mul(1_000))
    }

    /// Microseconds since the start of the count.
    pub const fn as_micros(self) -> u64 {
        self.count_and_one.get() - 1
    }

    /// How long after `earlier` this moment is; zero if it is not after it.
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.micros_since(earlier))
    }

    pub(crate) const fn plus_micros(self, micros: u64) -> Self {
        Self {
            count_and_one: self.count_and_one.saturating_add(micros),
        }
    }

    pub(crate) const fn micros_since(self, earlier: Self) -> u64 {
        let (this, earlier) = (self.count_and_one.get(), earlier.count_and_one.get());
        this.saturating_sub(earlier)
    }
}

impl Default for Instant {
    /// The start of the count.
    fn default() -> Self {
        Self::ZERO
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Instant {
    /// Microseconds since the start of the count.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_micros().serialize(serializer)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Instant {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(Self::from_micros)
    }
}

/// Microseconds in a duration; saturates, parts of a microsecond are dropped.
pub(crate) const fn micros(duration: Duration) -> u64 {
    duration
        .as_secs()
        .saturating_mul(1_000_000)
        .saturating_add(duration.subsec_micros() as u64)
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates at the end of the count.
    fn add(self, after: Duration) -> Self {
        self.plus_micros(micros(after))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, after: Duration) {
        *self = *self + after;
    }
}

impl Sub for Instant {
    type Output = Duration;

    /// Zero if `earlier` is not earlier.
    fn sub(self, earlier: Self) -> Duration {
        self.saturating_duration_since(earlier)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.as_micros();
        write!(f, "{}.{:06}s", micros / 1_000_000, micros % 1_000_000)
    }
}

/// Wall-clock time since 1970-01-01 00:00 UTC, for the trailer of signed adverts (`auth_hmac`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixTime {
    micros: u64,
}

impl UnixTime {
    /// The time `since_epoch` after 1970-01-01 00:00 UTC.
    pub const fn new(since_epoch: Duration) -> Self {
        Self {
            micros: micros(since_epoch),
        }
    }

    /// The time `micros` microseconds after 1970-01-01 00:00 UTC.
    pub const fn from_micros(micros: u64) -> Self {
        Self { micros }
    }

    /// Microseconds since 1970-01-01 00:00 UTC.
    pub const fn as_micros(self) -> u64 {
        self.micros
    }

    /// Whole seconds, as the trailer carries them (32 bits).
    pub const fn seconds(self) -> u32 {
        (self.micros / 1_000_000) as u32
    }

    /// The fraction of a second in units of 1/65536.
    pub const fn fraction(self) -> u16 {
        ((self.micros % 1_000_000) * 65_536 / 1_000_000) as u16
    }
}

/// An advertisement interval: 10 ms to 255 s in steps of 10 ms (`advert_int`).
///
/// Version 2 carries whole seconds up to 255, version 3 centiseconds up to 40.95 s.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct Interval {
    centiseconds: u16,
}

impl Interval {
    /// One second, the default of both versions.
    pub const DEFAULT: Self = Self { centiseconds: 100 };
    /// The shortest, 10 ms.
    pub const MIN: Self = Self { centiseconds: 1 };
    /// The longest of version 3, 40.95 s (RFC 9568 section 5.2.7).
    pub const MAX_V3: Self = Self {
        centiseconds: 4_095,
    };
    /// The longest of version 2, 255 s.
    pub const MAX_V2: Self = Self {
        centiseconds: 25_500,
    };

    /// `centiseconds` x 10 ms; `None` for 0 and above 25,500.
    pub const fn from_centiseconds(centiseconds: u16) -> Option<Self> {
        if centiseconds == 0 || centiseconds > 25_500 {
            None
        } else {
            Some(Self { centiseconds })
        }
    }

    /// Whole seconds; `None` for 0.
    pub const fn from_seconds(seconds: u8) -> Option<Self> {
        Self::from_centiseconds(seconds as u16 * 100)
    }

    /// The nearest interval that `version` can carry: version 2 rounds to whole seconds (half up,
    /// 1 to 255 s), version 3 to 10 ms (0.01 to 40.95 s). keepalived rounds the same way.
    pub const fn nearest(version: Version, wished: Duration) -> Self {
        let micros = micros(wished);
        let (step, least, most) = match version {
            Version::V2 => (1_000_000, 1, 255),
            Version::V3 => (10_000, 1, 4_095),
        };
        let mut steps = micros.saturating_add(step / 2) / step;
        if steps < least {
            steps = least;
        }
        if steps > most {
            steps = most;
        }
        // At most 25,500 by the limits above.
        Self {
            centiseconds: (steps * (step / 10_000)) as u16,
        }
    }

    /// Whether `version` can carry this interval exactly.
    pub const fn fits(self, version: Version) -> bool {
        match version {
            Version::V2 => self.centiseconds.is_multiple_of(100),
            Version::V3 => self.centiseconds <= 4_095,
        }
    }

    /// In units of 10 ms.
    pub const fn centiseconds(self) -> u16 {
        self.centiseconds
    }

    /// In microseconds.
    pub const fn as_micros(self) -> u64 {
        self.centiseconds as u64 * 10_000
    }

    /// As a duration.
    pub const fn as_duration(self) -> Duration {
        Duration::from_micros(self.as_micros())
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Interval {
    /// Centiseconds, as they are serialised.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let centiseconds = u16::deserialize(deserializer)?;
        Self::from_centiseconds(centiseconds)
            .ok_or_else(|| serde::de::Error::custom("an interval is 1 to 25500 centiseconds"))
    }
}

impl Default for Interval {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl fmt::Debug for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.centiseconds / 100, self.centiseconds % 100);
        if part == 0 {
            write!(f, "{whole} s")
        } else {
            write!(f, "{whole}.{part:02} s")
        }
    }
}

/// Writes a duration as seconds with three decimals, as operators read VRRP times.
pub(crate) struct Seconds(pub(crate) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = micros(self.0) / 1_000;
        write!(f, "{}.{:03} s", millis / 1_000, millis % 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn a_moment_is_its_count_and_an_option_of_it_is_no_larger() {
        for micros in [0, 1, 1_500_000, u64::MAX - 1] {
            assert_eq!(Instant::from_micros(micros).as_micros(), micros);
        }
        let last = Instant::from_micros(u64::MAX);
        assert_eq!(last.as_micros(), u64::MAX - 1);
        assert_eq!(last + Duration::MAX, last);
        assert_eq!(last - Instant::ZERO, Duration::from_micros(u64::MAX - 1));
        assert_eq!(Instant::ZERO - last, Duration::ZERO);
        assert!(Instant::ZERO < Instant::from_micros(1) && Instant::default() == Instant::ZERO);
        assert_eq!(size_of::<Option<Instant>>(), size_of::<u64>());
        assert_eq!(format!("{:?}", Instant::from_millis(1_500)), "1.500000s");
    }

    #[test]
    fn item_018_version_2_rounds_fractions_half_up() {
        let rounded = |millis| {
            Interval::nearest(Version::V2, Duration::from_millis(millis)).centiseconds() / 100
        };
        assert_eq!(rounded(1_600), 2);
        assert_eq!(rounded(1_499), 1);
        assert_eq!(rounded(1_500), 2);
        assert_eq!(rounded(100), 1);
        assert_eq!(rounded(900_000), 255);
    }

    #[test]
    fn item_017_item_053_version_3_rounds_to_ten_milliseconds_and_stops_at_its_limits() {
        let rounded =
            |micros| Interval::nearest(Version::V3, Duration::from_micros(micros)).centiseconds();
        assert_eq!(rounded(0), 1);
        assert_eq!(rounded(14_999), 1);
        assert_eq!(rounded(15_000), 2);
        assert_eq!(rounded(1_000_000), 100);
        assert_eq!(rounded(100_000_000), 4_095);
    }

    #[test]
    fn an_instant_saturates_and_never_goes_backwards() {
        let late = Instant::from_micros(u64::MAX);
        assert_eq!(late + Duration::from_secs(1), late);
        assert_eq!(Instant::ZERO - late, Duration::ZERO);
        assert_eq!(
            format!("{:?}", Instant::from_micros(1_000_002)),
            "1.000002s"
        );
    }

    #[test]
    fn the_wall_clock_splits_into_seconds_and_fraction() {
        let time = UnixTime::new(Duration::from_micros(1_795_229_277_500_000));
        assert_eq!((time.seconds(), time.fraction()), (1_795_229_277, 0x8000));
    }

    #[test]
    fn intervals_read_as_seconds() {
        assert_eq!(format!("{}", Interval::DEFAULT), "1 s");
        assert_eq!(format!("{}", Interval::MIN), "0.01 s");
        assert_eq!(
            format!("{}", Seconds(Duration::from_micros(3_609_375))),
            "3.609 s"
        );
    }
}
