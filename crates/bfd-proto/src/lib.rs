//! Bidirectional Forwarding Detection (RFC 5880): control packets and the session, without I/O.
//!
//! [`ControlPacket`] is the packet, [`Session`] the state machine. A session is given packets
//! ([`Session::handle_packet`]) and the time ([`Session::handle_timeout`], [`Session::poll_transmit`]),
//! and tells the next deadline ([`Session::poll_timeout`]) and what has happened
//! ([`Session::poll_event`]). Time is any monotonic count from any start, as a [`Duration`](std::time::Duration).
//!
//! No authentication, no echo function, no demand mode of our own.
#![forbid(unsafe_code)]

mod packet;
mod session;

pub use packet::{ControlPacket, DecodeError, Diagnostic, LENGTH, State};
pub use session::{Dropped, Event, Session, SessionConfig};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExample;
