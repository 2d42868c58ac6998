//! Messages of the family as bytes.
//!
//! Reading never panics, whatever the bytes: everything is bounds-checked, and what this version
//! does not know is skipped or kept as a number. Writing appends to a buffer that the caller uses
//! again. The clients do all this by themselves; use it to speak over a transport of your own.

mod answer;
pub(crate) mod consts;
mod daemon;
mod destination;
mod reader;
#[cfg(feature = "fake")]
mod received;
mod request;
mod service;
mod stats;
mod writer;

pub use answer::{Answer, Body, Incoming, decode};
pub use reader::DecodeError;
pub use request::{Query, encode_command};

#[cfg(feature = "fake")]
pub(crate) use answer::{encode_acknowledgement, encode_answer, encode_done};
#[cfg(feature = "fake")]
pub(crate) use reader::Messages;
#[cfg(feature = "fake")]
pub(crate) use received::Request;
