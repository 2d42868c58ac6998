//! Octets written as hexadecimal digits, with digits that do not matter.

use std::str::FromStr;

/// The text is not a row of hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a hexadecimal digit (`x` may stand only in a wanted reply)")]
pub struct InvalidHex(pub char);

/// Octets that an answer is compared with (`require_reply`), each with a mask of the bits that
/// matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ReplyPattern(Vec<(u8, u8)>);

impl ReplyPattern {
    /// True if the answer agrees, up to the length of the shorter of the two, as in keepalived.
    #[must_use]
    pub fn matches(&self, reply: &[u8]) -> bool {
        self.0
            .iter()
            .zip(reply)
            .all(|((octet, mask), got)| (octet ^ got) & mask == 0)
    }

    /// True if it compares nothing: any answer will do.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for ReplyPattern {
    type Err = InvalidHex;

    /// Reads hexadecimal digits, with `x` for a digit that does not matter. Two digits make an
    /// octet; a single one before a blank does too.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text, true).map(Self)
    }
}

/// Reads the octets to send (`payload`): hexadecimal digits with blanks anywhere between octets;
/// a single digit before a blank is an octet.
///
/// # Errors
/// If there is any other character.
pub fn parse_payload(text: &str) -> Result<Vec<u8>, InvalidHex> {
    Ok(parse(text, false)?
        .into_iter()
        .map(|(octet, _)| octet)
        .collect())
}

fn parse(text: &str, wildcards: bool) -> Result<Vec<(u8, u8)>, InvalidHex> {
    let mut octets = Vec::new();
    for word in text.split_ascii_whitespace() {
        let mut digits = word.chars();
        while let Some(first) = digits.next() {
            let first = nibble(first, wildcards)?;
            octets.push(match digits.next() {
                Some(second) => {
                    let second = nibble(second, wildcards)?;
                    (first.0 << 4 | second.0, first.1 << 4 | second.1)
                }
                // The upper half of a lone digit is zero, and compared as such.
                None => (first.0, 0xf0 | first.1),
            });
        }
    }
    Ok(octets)
}

fn nibble(digit: char, wildcards: bool) -> Result<(u8, u8), InvalidHex> {
    match digit.to_digit(16).map(u8::try_from) {
        Some(Ok(value)) => Ok((value, 0x0f)),
        _ if wildcards && matches!(digit, 'x' | 'X') => Ok((0, 0)),
        _ => Err(InvalidHex(digit)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_free_format_of_keepalived() {
        let octets = parse_payload("Ab12f 3 456 546443123").unwrap();
        assert_eq!(
            octets,
            [
                0xab, 0x12, 0x0f, 0x03, 0x45, 0x06, 0x54, 0x64, 0x43, 0x12, 0x03
            ]
        );
        assert_eq!(parse_payload("").unwrap(), [0_u8; 0]);
        assert!(parse_payload("xx").is_err());
        assert!(parse_payload("0g").is_err());
    }

    #[test]
    fn compares_up_to_the_shorter_length_and_skips_wildcards() {
        let pattern: ReplyPattern = "01 xX 3x".parse().unwrap();
        assert!(pattern.matches(&[0x01, 0xff, 0x3c, 0x00]));
        assert!(pattern.matches(&[0x01]));
        assert!(pattern.matches(&[]));
        assert!(!pattern.matches(&[0x01, 0x00, 0x4c]));
    }
}
