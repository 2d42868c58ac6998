use std::fmt;

use thiserror::Error;

/// A short name in the kernel: a scheduler, a persistence engine or an interface.
///
/// One to fifteen bytes, none of them NUL (`IP_VS_SCHEDNAME_MAXLEN`, `IP_VS_PENAME_MAXLEN` and
/// `IP_VS_IFNAME_MAXLEN` are 16 with the closing NUL).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "String", into = "String"))]
pub struct Name(Box<str>);

impl Name {
    /// Longest name in bytes.
    pub const MAX_LEN: usize = 15;

    /// Checks and keeps a name.
    ///
    /// # Errors
    ///
    /// [`NameError`] if the name is empty, longer than [`Name::MAX_LEN`] bytes or holds a NUL.
    pub fn new(name: &str) -> Result<Self, NameError> {
        if name.is_empty() {
            Err(NameError::Empty)
        } else if name.len() > Self::MAX_LEN {
            Err(NameError::TooLong {
                name: name.to_owned(),
            })
        } else if name.contains('\0') {
            Err(NameError::Nul {
                name: name.to_owned(),
            })
        } else {
            Ok(Self(name.into()))
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Name {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        Self::new(name)
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(name: String) -> Result<Self, NameError> {
        Self::new(&name)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0.into()
    }
}

/// Why a text cannot be a [`Name`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing was given.
    #[error("a name must not be empty")]
    Empty,
    /// The kernel keeps fifteen bytes.
    #[error("name `{name}` is longer than 15 bytes; shorten it")]
    TooLong {
        /// What was given.
        name: String,
    },
    /// A NUL ends a name in the kernel.
    #[error("name {name:?} holds a NUL byte; remove it")]
    Nul {
        /// What was given.
        name: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_fifteen_bytes_and_no_more() {
        assert!(Name::new("abcdefghijklmno").is_ok());
        assert!(matches!(
            Name::new("abcdefghijklmnop"),
            Err(NameError::TooLong { .. })
        ));
        assert_eq!(Name::new(""), Err(NameError::Empty));
        assert!(matches!(Name::new("a\0b"), Err(NameError::Nul { .. })));
    }
}
