//! Domain names.

use std::fmt;
use std::str::FromStr;

/// A domain name in its wire form: labels with their lengths, ended by an empty one.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Name(Vec<u8>);

/// The text is not a domain name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a domain name: labels have 1 to 63 octets, the name at most 255")]
pub struct InvalidName(pub String);

impl Name {
    /// The root, `.`.
    #[must_use]
    pub fn root() -> Self {
        Self(vec![0])
    }

    /// The wire form.
    #[must_use]
    pub fn wire(&self) -> &[u8] {
        &self.0
    }
}

impl Default for Name {
    fn default() -> Self {
        Self::root()
    }
}

impl FromStr for Name {
    type Err = InvalidName;

    /// Reads `www.example.org`, with or without a dot at the end. Nothing, and `.`, mean the
    /// root.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidName(text.to_owned());
        let mut wire = Vec::with_capacity(text.len() + 2);
        let labels = text.strip_suffix('.').unwrap_or(text);
        if !labels.is_empty() {
            for label in labels.split('.') {
                if label.is_empty() || label.len() > 63 {
                    return Err(invalid());
                }
                wire.push(u8::try_from(label.len()).map_err(|_| invalid())?);
                wire.extend_from_slice(label.as_bytes());
            }
        }
        wire.push(0);
        if wire.len() > 255 {
            Err(invalid())
        } else {
            Ok(Self(wire))
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_slice();
        let mut any = false;
        while let Some((length, tail)) = rest.split_first() {
            let Some((label, tail)) = tail.split_at_checked(usize::from(*length)) else {
                break;
            };
            if label.is_empty() {
                break;
            }
            write!(f, "{}.", String::from_utf8_lossy(label))?;
            any = true;
            rest = tail;
        }
        if any { Ok(()) } else { f.write_str(".") }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints_names() {
        let name: Name = "www.example.org".parse().unwrap();
        assert_eq!(name.wire(), b"\x03www\x07example\x03org\x00");
        assert_eq!(name.to_string(), "www.example.org.");
        assert_eq!("www.example.org.".parse::<Name>().unwrap(), name);
        assert_eq!(".".parse::<Name>().unwrap(), Name::root());
        assert_eq!("".parse::<Name>().unwrap().to_string(), ".");
    }

    #[test]
    fn refuses_what_is_no_name() {
        let long = "a".repeat(64);
        let longer = "a.".repeat(128);
        for text in ["a..b", ".a", "..", &long, &longer] {
            assert!(text.parse::<Name>().is_err(), "{text}");
        }
    }
}
