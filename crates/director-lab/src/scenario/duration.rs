//! Times in a scenario: plain ones and those that VRRP promises.
//!
//! ```text
//! sum  = term { "+" term }
//! term = [ count "*" ] ( DURATION | FUNCTION "(" priority [ "," DURATION ] ")" )
//! DURATION = number ( "ms" | "s" | "min" )
//! FUNCTION = "master_down" | "skew" | "master_down_v3" | "skew_v3"
//! ```

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use thiserror::Error;

/// A time as written in the scenario, together with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    /// What the scenario says, for messages: `master_down(99)`.
    pub(crate) text: String,
    /// Its value.
    pub(crate) value: Duration,
}

impl Span {
    pub(crate) fn seconds(seconds: u64) -> Self {
        Self {
            text: format!("{seconds}s"),
            value: Duration::from_secs(seconds),
        }
    }

    /// Understands one expression.
    pub(crate) fn parse(text: &str) -> Result<Self, SpanError> {
        let mut total = Duration::ZERO;
        for term in split_terms(text) {
            total += parse_term(term.trim())?;
        }
        if total > LONGEST {
            return Err(SpanError::TooLong(text.to_owned()));
        }
        Ok(Self {
            text: text.trim().to_owned(),
            value: total,
        })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.text.contains('(') || self.text.contains('+') {
            write!(f, "{} = {}", self.text, Seconds(self.value))
        } else {
            write!(f, "{}", Seconds(self.value))
        }
    }
}

/// Prints a time as people write it: `0.61 s`, `12.0 s`.
pub(crate) struct Seconds(pub(crate) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        if seconds < 10.0 {
            write!(f, "{seconds:.2} s")
        } else {
            write!(f, "{seconds:.1} s")
        }
    }
}

/// No wait of a scenario is longer.
const LONGEST: Duration = Duration::from_secs(3600);

/// Why a time could not be understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum SpanError {
    #[error(
        "`{0}` is not a time: write a number with ms, s or min, `master_down(PRIORITY)`, \
         `skew(PRIORITY)`, their `_v3` forms, or a sum of these"
    )]
    NotATime(String),
    #[error("`{0}` is not a VRRP priority, it must be 1 to 254")]
    Priority(String),
    #[error("`{0}` is longer than an hour")]
    TooLong(String),
}

/// Splits at `+` outside parentheses.
fn split_terms(text: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    text.split(move |c| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        c == '+' && depth == 0
    })
    .collect()
}

fn parse_term(term: &str) -> Result<Duration, SpanError> {
    let wrong = || SpanError::NotATime(term.to_owned());
    if let Some((count, rest)) = term.split_once('*') {
        let count: u32 = count.trim().parse().map_err(|_| wrong())?;
        return parse_term(rest.trim())?
            .checked_mul(count)
            .ok_or_else(wrong);
    }
    let Some((function, rest)) = term.split_once('(') else {
        return parse_plain(term);
    };
    let inside = rest.strip_suffix(')').ok_or_else(wrong)?;
    let (priority, interval) = match inside.split_once(',') {
        Some((priority, interval)) => (priority.trim(), parse_plain(interval.trim())?),
        None => (inside.trim(), Duration::from_secs(1)),
    };
    let priority: u32 = priority
        .parse()
        .ok()
        .filter(|p| (1..=254).contains(p))
        .ok_or_else(|| SpanError::Priority(priority.to_owned()))?;
    // RFC 3768 section 6.1 counts the skew in parts of a second, RFC 9568 section 6.1 in parts of
    // the advertisement interval.
    let skew = |of: Duration| of * (256 - priority) / 256;
    let second = Duration::from_secs(1);
    match function.trim() {
        "master_down" => Ok(interval * 3 + skew(second)),
        "skew" => Ok(skew(second)),
        "master_down_v3" => Ok(interval * 3 + skew(interval)),
        "skew_v3" => Ok(skew(interval)),
        _ => Err(wrong()),
    }
}

fn parse_plain(text: &str) -> Result<Duration, SpanError> {
    let wrong = || SpanError::NotATime(text.to_owned());
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: f64 = digits.trim().parse().map_err(|_| wrong())?;
    let factor = match text.get(digits.len()..).unwrap_or_default() {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "min" => 60.0,
        _ => return Err(wrong()),
    };
    Duration::try_from_secs_f64(number * factor).map_err(|_| wrong())
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Span;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time such as 5, \"500ms\", \"3s\" or \"master_down(100)\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                Span::parse(text).map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Span, E> {
                Span::parse(&format!("{seconds}s")).map_err(E::custom)
            }
            fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Span, E> {
                Span::parse(&format!("{seconds}s")).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(text: &str) -> u128 {
        Span::parse(text).unwrap().value.as_millis()
    }

    #[test]
    fn plain_times() {
        assert_eq!(millis("3s"), 3000);
        assert_eq!(millis("250ms"), 250);
        assert_eq!(millis("1.5"), 1500);
        assert_eq!(millis("2min"), 120_000);
        assert_eq!(millis("3s + 250 ms"), 3250);
    }

    #[test]
    fn what_vrrp_promises() {
        assert_eq!(millis("master_down(100)"), 3609);
        assert_eq!(millis("master_down(99, 2s)"), 6613);
        assert_eq!(millis("skew(128)"), 500);
        assert_eq!(millis("master_down_v3(128, 100ms)"), 350);
        assert_eq!(millis("2 * skew(128) + 1s"), 2000);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "soon",
            "3 parsecs",
            "-1s",
            "master_down",
            "master_down(100",
            "1e400s",
        ] {
            assert!(
                matches!(Span::parse(text), Err(SpanError::NotATime(_))),
                "{text}"
            );
        }
        assert!(matches!(
            Span::parse("skew(255)"),
            Err(SpanError::Priority(_))
        ));
        assert!(matches!(Span::parse("70min"), Err(SpanError::TooLong(_))));
    }
}
