//! Tables and words for people.

use director_control::Timestamp;
use std::time::Duration;

/// Longest line of a table.
pub(crate) const WIDTH: usize = 100;

/// Colours of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colour {
    /// As it should be.
    Good,
    /// Somebody should look.
    Attention,
    /// Not as it should be.
    Bad,
    /// A heading.
    Heading,
    /// Details.
    Faint,
}

/// Writes with or without colours.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint(pub(crate) bool);

impl Paint {
    /// `text` in that colour.
    pub(crate) fn paint(self, colour: Colour, text: &str) -> String {
        if !self.0 {
            return text.to_owned();
        }
        let code = match colour {
            Colour::Good => "32",
            Colour::Attention => "33",
            Colour::Bad => "31;1",
            Colour::Heading => "1",
            Colour::Faint => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// `text` in exactly `width` columns: cut with an ellipsis, or filled up.
pub(crate) fn fit(text: &str, width: usize) -> String {
    format!("{:<width$}", cut(text, width))
}

/// The same, filled up on the left.
pub(crate) fn fit_right(text: &str, width: usize) -> String {
    format!("{:>width$}", cut(text, width))
}

/// `text` in at most `width` columns. Control characters, which may come from the network, are shown as dots.
pub(crate) fn cut(text: &str, width: usize) -> String {
    let plain = |character: char| {
        if character.is_control() {
            '.'
        } else {
            character
        }
    };
    if text.chars().count() <= width {
        return text.chars().map(plain).collect();
    }
    let kept = text.chars().take(width.saturating_sub(1)).map(plain);
    kept.chain(['…']).take(width).collect()
}

/// A duration in one or two units: `850 ms`, `12 s`, `3 min 5 s`, `2 h 10 min`, `4 d 3 h`.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 if duration.subsec_millis() > 0 => format!("{} ms", duration.subsec_millis()),
        0..60 => format!("{seconds} s"),
        60..600 if !seconds.is_multiple_of(60) => {
            format!("{} min {} s", seconds / 60, seconds % 60)
        }
        60..3600 => format!("{} min", seconds / 60),
        3600..36_000 if seconds % 3600 >= 60 => {
            format!("{} h {} min", seconds / 3600, seconds % 3600 / 60)
        }
        3600..86_400 => format!("{} h", seconds / 3600),
        _ if seconds % 86_400 >= 3600 => {
            format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600)
        }
        _ => format!("{} d", seconds / 86_400),
    }
}

/// From `since` to `now`, in one unit: `12s`, `3m`, `2h`, `4d`.
pub(crate) fn age(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.since(since).as_secs();
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A count in at most five columns: `99999`, `1234k`, `567M`.
pub(crate) fn count(number: u64) -> String {
    match number {
        0..100_000 => number.to_string(),
        100_000..10_000_000 => format!("{}k", number / 1000),
        10_000_000..10_000_000_000 => format!("{}M", number / 1_000_000),
        _ => format!("{}G", number / 1_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_cut() {
        assert_eq!(fit("abc", 5), "abc  ");
        assert_eq!(fit_right("7", 3), "  7");
        assert_eq!(cut("äöüß", 3), "äö…");
        assert_eq!(cut("a\nb\x1b[", 9), "a.b.[");
        assert_eq!(cut("abc", 0), "");
    }

    #[test]
    fn durations_are_told_in_two_units_at_most() {
        let told = |millis| duration(Duration::from_millis(millis));
        assert_eq!(
            [0, 850, 12_000, 185_000, 600_000, 7_800_000, 360_000_000].map(told),
            [
                "0 s",
                "850 ms",
                "12 s",
                "3 min 5 s",
                "10 min",
                "2 h 10 min",
                "4 d 4 h"
            ]
        );
        assert_eq!(
            [99_999, 1_234_567, 567_000_000].map(count),
            ["99999", "1234k", "567M"]
        );
    }
}
