//! `UDP_CHECK`: a datagram is not refused, or is answered as it should be.

mod pattern;
mod probe;

pub use pattern::{InvalidHex, ReplyPattern, parse_payload};
pub use probe::{InvalidUdp, UdpProbe, UdpSettings};
