//! Places in the model that take a value of the grammar.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::value::Value;
use crate::model::{Script, ScriptUser, Secret, Setting, TrackWeight};
use crate::source::Span;

/// A field that takes values of one kind. A row whose grammar and field do not fit is found by the
/// test that exercises every row.
pub(crate) trait Slot {
    fn put(&mut self, value: Value, span: Span);

    /// The value written could not be understood.
    fn spoil(&mut self, span: Span) {
        let _ = span;
    }
}

/// A kind of value that a [`Setting`] can hold.
pub(crate) trait FromValue: Sized {
    fn from_value(value: Value) -> Option<Self>;
}

macro_rules! from_value {
    ($($ty:ty: $pattern:pat => $value:expr;)*) => {
        $(impl FromValue for $ty {
            fn from_value(value: Value) -> Option<Self> {
                match value {
                    $pattern => $value,
                    _ => None,
                }
            }
        })*
    };
}

from_value! {
    bool: Value::Boolean(b) => Some(b);
    u8: Value::Integer(i) => Self::try_from(i).ok();
    u16: Value::Integer(i) => Self::try_from(i).ok();
    u32: Value::Integer(i) => Self::try_from(i).ok();
    u64: Value::Integer(i) => Self::try_from(i).ok();
    i8: Value::Integer(i) => Self::try_from(i).ok();
    i32: Value::Integer(i) => Self::try_from(i).ok();
    Duration: Value::Time(t) => Some(t);
    String: Value::Text(t) => Some(t);
    Secret: Value::Text(t) => Some(Self::new(t));
    IpAddr: Value::Address(a) => Some(a);
    Ipv4Addr: Value::Address(IpAddr::V4(a)) => Some(a);
    Ipv6Addr: Value::Address(IpAddr::V6(a)) => Some(a);
    Script: Value::Script(s) => Some(s);
    ScriptUser: Value::User(u) => Some(u);
    TrackWeight: Value::Weight(w) => Some(w);
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Value) -> Option<Self> {
        T::from_value(value).map(Some)
    }
}

impl<T: FromValue> Slot for Setting<T> {
    fn put(&mut self, value: Value, span: Span) {
        let value = T::from_value(value);
        debug_assert!(
            value.is_some(),
            "the field does not take what its grammar gives"
        );
        if let Some(value) = value {
            self.set(value, span);
        }
    }

    fn spoil(&mut self, span: Span) {
        Self::spoil(self, span);
    }
}

impl Slot for Option<Script> {
    fn put(&mut self, value: Value, _: Span) {
        if let Value::Script(script) = value {
            *self = Some(script);
        }
    }
}

impl Slot for Option<Box<Script>> {
    fn put(&mut self, value: Value, _: Span) {
        if let Value::Script(script) = value {
            *self = Some(Box::new(script));
        }
    }
}
