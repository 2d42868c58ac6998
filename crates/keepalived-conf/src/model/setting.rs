//! Values that know where they came from.

use std::ops::Deref;

use crate::source::Span;

/// Where something stands. Two origins are always equal: models are compared by meaning.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
pub struct Origin(pub Span);

impl Default for Origin {
    fn default() -> Self {
        Self(Span::new(0, 0))
    }
}

impl PartialEq for Origin {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Origin {}

impl Deref for Origin {
    type Target = Span;

    fn deref(&self) -> &Span {
        &self.0
    }
}

/// A value that was written in the file. Equality compares the value only.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// The text that says so.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// A value and the text that says so.
    pub const fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

impl<T: PartialEq> PartialEq for Spanned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Spanned<T> {}

impl<T> Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// The effective value of a keyword. Equality compares the value only.
///
/// `span` is the text that set it: in this block or, for inherited values (`garp_master_delay` of
/// an instance from `vrrp_garp_master_delay`), in the block it was inherited from. `None` means
/// that nobody wrote it and `value` is the built-in default.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Setting<T> {
    /// The effective value.
    pub value: T,
    /// The text that set it; `None` for the default.
    pub span: Option<Span>,
}

impl<T> Setting<T> {
    /// A default that nobody wrote.
    pub const fn default_of(value: T) -> Self {
        Self { value, span: None }
    }

    /// A written value.
    pub const fn written(value: T, span: Span) -> Self {
        Self {
            value,
            span: Some(span),
        }
    }

    /// True if somebody wrote it.
    #[must_use]
    pub const fn is_written(&self) -> bool {
        self.span.is_some()
    }

    /// Replaces value and span.
    pub fn set(&mut self, value: T, span: Span) {
        self.value = value;
        self.span = Some(span);
    }
}

impl<T> Setting<T> {
    /// Somebody wrote it, but so that it cannot be understood: no default is to be remarked on.
    pub(crate) fn spoil(&mut self, span: Span) {
        self.span.get_or_insert(span);
    }
}

impl<T: Clone> Setting<T> {
    /// Takes the other's value if nobody wrote this one.
    pub(crate) fn inherit(&mut self, from: &Self) {
        if self.span.is_none() {
            self.clone_from(from);
        }
    }
}

impl<T: PartialEq> PartialEq for Setting<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value && self.span.is_some() == other.span.is_some()
    }
}

impl<T: Eq> Eq for Setting<T> {}

impl<T: Default> Default for Setting<T> {
    fn default() -> Self {
        Self::default_of(T::default())
    }
}

impl<T> Deref for Setting<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// A password or key. Neither `Debug` nor serialisation shows it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Wraps secret bytes.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes themselves. Do not log them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("********")
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("********")
    }
}

/// Declares a block of the model: fields in the first group are [`Setting`]s with their default,
/// fields in the second are taken as they are.
macro_rules! settings {
    ($(#[$meta:meta])* pub struct $name:ident {
        $( $(#[$field_meta:meta])* $field:ident : $ty:ty = $default:expr, )*
    } $(plus {
        $( $(#[$plain_meta:meta])* $plain:ident : $plain_ty:ty = $plain_default:expr, )*
    })?) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        #[non_exhaustive]
        pub struct $name {
            $( $(#[$field_meta])* pub $field: $crate::model::Setting<$ty>, )*
            $( $( $(#[$plain_meta])* pub $plain: $plain_ty, )* )?
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $( $field: $crate::model::Setting::default_of($default), )*
                    $( $( $plain: $plain_default, )* )?
                }
            }
        }
    };
}
pub(crate) use settings;
