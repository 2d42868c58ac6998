//! The line of an agent: words with blanks, tabs or commas between.

use std::str::FromStr;

use crate::outcome::Weight;

/// What an agent said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AgentAnswer {
    /// `down`, `failed`, `stopped` or `maint`, if it said one of these.
    pub down: Option<String>,
    /// The text after `#`, which explains it.
    pub text: String,
    /// `75%` or `drain` (weight 0).
    pub weight: Option<Weight>,
}

/// The line holds no word of an agent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidAgentAnswer {
    /// A word is not one that agents use.
    #[error("unknown word `{0}`")]
    UnknownWord(String),
    /// There is no word at all.
    #[error("an empty line")]
    Empty,
}

impl FromStr for AgentAnswer {
    type Err = InvalidAgentAnswer;

    /// Reads one line. `up`, `ready` and `maxconn:N` are known and change nothing; the last of
    /// several weights or states counts.
    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let (words, text) = line.split_once('#').unwrap_or((line, ""));
        let mut answer = Self {
            text: printable(text),
            ..Self::default()
        };
        let mut any = false;
        for word in words
            .split([' ', '\t', ',', '\r', '\n'])
            .filter(|word| !word.is_empty())
        {
            any = true;
            let lower = word.to_ascii_lowercase();
            match lower.as_str() {
                "up" | "ready" => answer.down = None,
                "down" | "failed" | "fail" | "stopped" | "maint" => answer.down = Some(lower),
                "drain" => answer.weight = Some(Weight::Exact(0)),
                _ if is_connection_limit(&lower) => {}
                _ => match percent(&lower) {
                    Some(share) => answer.weight = Some(Weight::Percent(share)),
                    None => return Err(InvalidAgentAnswer::UnknownWord(printable(word))),
                },
            }
        }
        if any {
            Ok(answer)
        } else {
            Err(InvalidAgentAnswer::Empty)
        }
    }
}

fn percent(word: &str) -> Option<u32> {
    let digits = word.strip_suffix('%')?;
    digits
        .bytes()
        .all(|octet| octet.is_ascii_digit())
        .then(|| digits.parse().ok())?
}

fn is_connection_limit(word: &str) -> bool {
    word.strip_prefix("maxconn:")
        .is_some_and(|limit| limit.parse::<u32>().is_ok())
}

/// The text without what could upset a log or terminal.
fn printable(text: &str) -> String {
    text.trim()
        .chars()
        .filter(|c| !c.is_control())
        .take(120)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_the_words_of_an_agent() {
        let read = |line: &str| line.parse::<AgentAnswer>().unwrap();
        assert_eq!(read("75%\n").weight, Some(Weight::Percent(75)));
        assert_eq!(
            read("up, 200%\tmaxconn:30").weight,
            Some(Weight::Percent(200))
        );
        assert_eq!(read("drain").weight, Some(Weight::Exact(0)));
        assert_eq!(read("ready up").down, None);
        let down = read("DOWN # disk full\r\n");
        assert_eq!(
            (down.down.as_deref(), down.text.as_str()),
            (Some("down"), "disk full")
        );
    }

    #[test]
    fn refuses_other_text() {
        for line in [
            "",
            "  \n",
            "# only text",
            "%",
            "-5%",
            "1.5%",
            "maxconn:x",
            "HTTP/1.0 200 OK",
        ] {
            assert!(line.parse::<AgentAnswer>().is_err(), "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(line in any::<String>()) {
            let _ = line.parse::<AgentAnswer>();
        }
    }
}
