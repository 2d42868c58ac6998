//! HTTP status codes and the ranges of them that are wanted.

use std::fmt;
use std::str::FromStr;

/// A status code, 100 to 999 in practice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct StatusCode(u16);

impl StatusCode {
    /// Takes the number as it is.
    #[must_use]
    pub const fn new(code: u16) -> Self {
        Self(code)
    }

    /// The number.
    #[must_use]
    pub const fn code(self) -> u16 {
        self.0
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A set of wanted status codes (`status_code`); 200 to 299 by default.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StatusRanges(Vec<(u16, u16)>);

/// A status code or range is not one of 100 to 599.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a status code or range such as 200 or 200-299, within 100 to 599")]
pub struct InvalidStatus(pub String);

impl StatusRanges {
    /// A set of ranges, both ends included.
    ///
    /// # Errors
    /// If there is none, or one is empty or not within 100 to 599.
    pub fn new(ranges: impl IntoIterator<Item = (u16, u16)>) -> Result<Self, InvalidStatus> {
        let ranges: Vec<_> = ranges.into_iter().collect();
        if ranges.is_empty() {
            return Err(InvalidStatus(String::new()));
        }
        match ranges
            .iter()
            .find(|(low, high)| *low < 100 || *high > 599 || low > high)
        {
            Some((low, high)) => Err(InvalidStatus(format!("{low}-{high}"))),
            None => Ok(Self(ranges)),
        }
    }

    /// True if the code is in the set.
    #[must_use]
    pub fn contains(&self, status: StatusCode) -> bool {
        self.0
            .iter()
            .any(|(low, high)| (*low..=*high).contains(&status.0))
    }

    /// The ranges, both ends included.
    pub fn iter(&self) -> impl Iterator<Item = (u16, u16)> + '_ {
        self.0.iter().copied()
    }
}

impl Default for StatusRanges {
    fn default() -> Self {
        Self(vec![(200, 299)])
    }
}

impl From<u16> for StatusRanges {
    /// Exactly this code.
    fn from(code: u16) -> Self {
        Self(vec![(code, code)])
    }
}

impl FromStr for StatusRanges {
    type Err = InvalidStatus;

    /// Reads `200`, `200-299` or several of these with blanks or commas between.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |word: &str| {
            let digits = word.len() == 3 && word.bytes().all(|octet| octet.is_ascii_digit());
            if digits {
                word.parse::<u16>().ok()
            } else {
                None
            }
        };
        let mut ranges = Vec::new();
        for word in text.split([' ', '\t', ',']).filter(|word| !word.is_empty()) {
            let (low, high) = word.split_once('-').unwrap_or((word, word));
            match (number(low), number(high)) {
                (Some(low), Some(high)) => ranges.push((low, high)),
                _ => return Err(InvalidStatus(word.to_owned())),
            }
        }
        Self::new(ranges)
    }
}

impl fmt::Display for StatusRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (low, high)) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(" ")?;
            }
            if low == high {
                write!(f, "{low}")?;
            } else {
                write!(f, "{low}-{high}")?;
            }
        }
        Ok(())
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for StatusRanges {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints_ranges() {
        let ranges: StatusRanges = "200-299 404,503".parse().unwrap();
        assert_eq!(ranges.to_string(), "200-299 404 503");
        assert!(ranges.contains(StatusCode::new(250)));
        assert!(ranges.contains(StatusCode::new(404)));
        assert!(!ranges.contains(StatusCode::new(403)));
    }

    #[test]
    fn refuses_what_is_no_range() {
        for text in ["", "20", "200-", "299-200", "600", "099", "2 0 0", "+20"] {
            assert!(text.parse::<StatusRanges>().is_err(), "{text:?}");
        }
    }
}
