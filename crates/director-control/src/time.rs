//! Times of day as the protocol writes them.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds in a day.
const DAY: i64 = 86_400_000;

/// A time of day in UTC, to the millisecond; in JSON an RFC 3339 text such as
/// `2026-03-01T12:00:00.250Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp {
    milliseconds: i64,
}

/// The text is no RFC 3339 time in UTC.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time; write it as 2026-03-01T12:00:00.250Z")]
pub struct TimestampError(String);

impl Timestamp {
    /// The time so many milliseconds after (before, if negative) the beginning of 1970 in UTC.
    #[must_use]
    pub const fn from_unix_milliseconds(milliseconds: i64) -> Self {
        Self { milliseconds }
    }

    /// Milliseconds since the beginning of 1970 in UTC.
    #[must_use]
    pub const fn unix_milliseconds(self) -> i64 {
        self.milliseconds
    }

    /// This much later; saturates at the ends of the range.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let more = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_unix_milliseconds(self.milliseconds.saturating_add(more))
    }

    /// From `earlier` to this; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        let milliseconds = self.milliseconds.saturating_sub(earlier.milliseconds);
        Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let milliseconds = |duration: Duration| i64::try_from(duration.as_millis());
        Self::from_unix_milliseconds(match time.duration_since(UNIX_EPOCH) {
            Ok(after) => milliseconds(after).unwrap_or(i64::MAX),
            Err(before) => milliseconds(before.duration()).map_or(i64::MIN, |before| -before),
        })
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (day, rest) = (
            self.milliseconds.div_euclid(DAY),
            self.milliseconds.rem_euclid(DAY),
        );
        let (year, month, day) = civil(day);
        let (seconds, milliseconds) = (rest / 1000, rest % 1000);
        let (minutes, second) = (seconds / 60, seconds % 60);
        let (hour, minute) = (minutes / 60, minutes % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z"
        )
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        parse(text).ok_or_else(|| TimestampError(text.chars().take(64).collect()))
    }
}

fn parse(text: &str) -> Option<Timestamp> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-');
    let (year, month, day) = (
        number(date.next()?, 4)?,
        number(date.next()?, 2)?,
        number(date.next()?, 2)?,
    );
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut time = time.splitn(3, ':');
    let (hour, minute, second) = (
        number(time.next()?, 2)?,
        number(time.next()?, 2)?,
        number(time.next()?, 2)?,
    );
    let in_range = (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60
        && !fraction.is_empty()
        && fraction.len() <= 9
        && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if !in_range {
        return None;
    }
    let fraction = format!("{fraction:0<3}");
    let milliseconds: i64 = fraction.get(..3)?.parse().ok()?;
    let seconds = (hour * 60 + minute) * 60 + second;
    Some(Timestamp::from_unix_milliseconds(
        days(year, month, day) * DAY + seconds * 1000 + milliseconds,
    ))
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let plain = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

const fn days_in(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date, with years that begin in March so that leap days come last.
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The date of a day since 1970-01-01.
const fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "format": "date-time",
            "description": "A time of day in UTC, RFC 3339 with milliseconds, such as 2026-03-01T12:00:00.250Z."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_times() {
        for (milliseconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_826_332_001, "2000-02-29T12:12:12.001Z"),
            (1_772_366_400_250, "2026-03-01T12:00:00.250Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            let time = Timestamp::from_unix_milliseconds(milliseconds);
            assert_eq!(time.to_string(), text);
            assert_eq!(text.parse(), Ok(time));
        }
        assert_eq!(
            "2026-03-01T12:00:00Z".parse(),
            "2026-03-01T12:00:00.000Z".parse::<Timestamp>()
        );
        for wrong in [
            "",
            "now",
            "2026-02-30T00:00:00Z",
            "2026-03-01T12:00:00",
            "2026-3-1T1:0:0Z",
            "2026-03-01T12:00:00.Z",
        ] {
            assert!(wrong.parse::<Timestamp>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(milliseconds in -62_135_596_800_000_i64..253_402_300_799_999) {
            let time = Timestamp::from_unix_milliseconds(milliseconds);
            prop_assert_eq!(time.to_string().parse::<Timestamp>().unwrap(), time);
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            let _ = text.parse::<Timestamp>();
        }
    }
}
