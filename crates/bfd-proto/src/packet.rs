//! The control packet (RFC 5880 §4.1).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |Vers |  Diag   |Sta|P|F|C|A|D|M|  Detect Mult  |    Length     |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                       My Discriminator                        |
//! |                      Your Discriminator                       |
//! |                    Desired Min TX Interval                    |
//! |                   Required Min RX Interval                    |
//! |                 Required Min Echo RX Interval                 |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use std::fmt;
use std::time::Duration;

/// Octets of a packet without authentication.
pub const LENGTH: usize = 24;

const POLL: u8 = 0x20;
const FINAL: u8 = 0x10;
const CONTROL_PLANE_INDEPENDENT: u8 = 0x08;
const AUTHENTICATION: u8 = 0x04;
const DEMAND: u8 = 0x02;
const MULTIPOINT: u8 = 0x01;

/// State of a session (§6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Held down by an operator.
    AdminDown,
    /// Nothing has been heard, or not for too long.
    Down,
    /// The neighbour has been heard, but may not hear us.
    Init,
    /// Both hear one another.
    Up,
}

impl State {
    const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::AdminDown,
            1 => Self::Down,
            2 => Self::Init,
            _ => Self::Up,
        }
    }

    const fn bits(self) -> u8 {
        match self {
            Self::AdminDown => 0,
            Self::Down => 1,
            Self::Init => 2,
            Self::Up => 3,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AdminDown => "AdminDown",
            Self::Down => "Down",
            Self::Init => "Init",
            Self::Up => "Up",
        })
    }
}

/// Why a session last left the state Up (§4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Diagnostic {
    /// It has not.
    #[default]
    None,
    /// Nothing was heard for the detection time.
    DetectionTimeExpired,
    /// The echo function failed.
    EchoFailed,
    /// The neighbour said that the session is down.
    NeighborDown,
    /// The forwarding plane was reset.
    ForwardingPlaneReset,
    /// The path is down.
    PathDown,
    /// A path that this one is concatenated with is down.
    ConcatenatedPathDown,
    /// An operator took it down.
    AdminDown,
    /// The same, in the other direction.
    ReverseConcatenatedPathDown,
    /// A code without a meaning yet, 9–31.
    Other(u8),
}

impl Diagnostic {
    const fn from_bits(bits: u8) -> Self {
        match bits & 0x1f {
            0 => Self::None,
            1 => Self::DetectionTimeExpired,
            2 => Self::EchoFailed,
            3 => Self::NeighborDown,
            4 => Self::ForwardingPlaneReset,
            5 => Self::PathDown,
            6 => Self::ConcatenatedPathDown,
            7 => Self::AdminDown,
            8 => Self::ReverseConcatenatedPathDown,
            other => Self::Other(other),
        }
    }

    const fn bits(self) -> u8 {
        match self {
            Self::None => 0,
            Self::DetectionTimeExpired => 1,
            Self::EchoFailed => 2,
            Self::NeighborDown => 3,
            Self::ForwardingPlaneReset => 4,
            Self::PathDown => 5,
            Self::ConcatenatedPathDown => 6,
            Self::AdminDown => 7,
            Self::ReverseConcatenatedPathDown => 8,
            Self::Other(other) => other & 0x1f,
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "no diagnostic",
            Self::DetectionTimeExpired => "nothing heard for the detection time",
            Self::EchoFailed => "the echo function failed",
            Self::NeighborDown => "the neighbour says that the session is down",
            Self::ForwardingPlaneReset => "the forwarding plane was reset",
            Self::PathDown => "the path is down",
            Self::ConcatenatedPathDown => "a concatenated path is down",
            Self::AdminDown => "an operator took it down",
            Self::ReverseConcatenatedPathDown => "a concatenated path back is down",
            Self::Other(code) => return write!(f, "diagnostic {code}"),
        })
    }
}

/// A control packet without authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlPacket {
    /// Why the sender's session last left Up.
    pub diagnostic: Diagnostic,
    /// State of the sender's session.
    pub state: State,
    /// The sender wants an answer with `final_`.
    pub poll: bool,
    /// An answer to `poll`.
    pub final_: bool,
    /// The sender's BFD does not share fate with its control plane.
    pub control_plane_independent: bool,
    /// The sender wants no packets but polls while the session is up.
    pub demand: bool,
    /// Missed packets until the session is down, from 1.
    pub detect_multiplier: u8,
    /// The sender's name for the session, never 0.
    pub my_discriminator: u32,
    /// The receiver's name for the session; 0 if it is not known yet.
    pub your_discriminator: u32,
    /// Interval at which the sender would like to send; whole microseconds, up to 2^32.
    pub desired_min_tx: Duration,
    /// Least interval at which the sender can receive; zero: it wants no packets.
    pub required_min_rx: Duration,
    /// Least interval of echo packets that the sender sends back; zero: none.
    pub required_min_echo_rx: Duration,
}

/// The octets are no control packet that this crate takes (§6.8.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Too few octets, or fewer than the packet says.
    #[error("packet has {have} octets, {need} needed")]
    Truncated {
        /// Octets there should be.
        need: usize,
        /// Octets there are.
        have: usize,
    },
    /// Only version 1 is understood.
    #[error("version {0}, only 1 is understood")]
    Version(u8),
    /// The length field is below that of any packet.
    #[error("length {0} is below {LENGTH}")]
    Length(u8),
    /// The packet is authenticated, and nothing here can verify that.
    #[error("authentication is not understood")]
    Authentication,
    /// For point-to-multipoint, which is reserved.
    #[error("the reserved multipoint bit is set")]
    Multipoint,
    /// No session can live with this.
    #[error("detection multiplier 0")]
    ZeroMultiplier,
    /// The sender has no name for its session.
    #[error("my discriminator is 0")]
    ZeroDiscriminator,
    /// The receiver's name is missing in a state in which the sender must know it.
    #[error("your discriminator is 0 in state {0}")]
    MissingDiscriminator(State),
}

impl ControlPacket {
    /// Writes the packet. Intervals beyond 2^32 µs are cut to that.
    #[must_use]
    pub fn encode(&self) -> [u8; LENGTH] {
        let mut flags = self.state.bits() << 6;
        for (set, bit) in [
            (self.poll, POLL),
            (self.final_, FINAL),
            (self.control_plane_independent, CONTROL_PLANE_INDEPENDENT),
            (self.demand, DEMAND),
        ] {
            if set {
                flags |= bit;
            }
        }
        let head = [
            1 << 5 | self.diagnostic.bits(),
            flags,
            self.detect_multiplier,
            24,
        ];
        let words = [
            self.my_discriminator,
            self.your_discriminator,
            micros(self.desired_min_tx),
            micros(self.required_min_rx),
            micros(self.required_min_echo_rx),
        ];
        let mut octets = [0; LENGTH];
        let all = head
            .into_iter()
            .chain(words.into_iter().flat_map(u32::to_be_bytes));
        for (place, octet) in octets.iter_mut().zip(all) {
            *place = octet;
        }
        octets
    }

    /// Reads a packet; what follows it in the datagram is ignored.
    ///
    /// # Errors
    /// What RFC 5880 §6.8.6 has discarded before the session is looked up.
    pub fn decode(octets: &[u8]) -> Result<Self, DecodeError> {
        let have = octets.len();
        let Some((packet, _)) = octets.split_first_chunk::<LENGTH>() else {
            return Err(DecodeError::Truncated { need: LENGTH, have });
        };
        let [first, flags, detect_multiplier, length, rest @ ..] = packet;
        let version = first >> 5;
        if version != 1 {
            return Err(DecodeError::Version(version));
        }
        let need = usize::from(*length);
        if need < LENGTH {
            return Err(DecodeError::Length(*length));
        }
        if need > have {
            return Err(DecodeError::Truncated { need, have });
        }
        if *detect_multiplier == 0 {
            return Err(DecodeError::ZeroMultiplier);
        }
        if flags & MULTIPOINT != 0 {
            return Err(DecodeError::Multipoint);
        }
        if flags & AUTHENTICATION != 0 {
            return Err(DecodeError::Authentication);
        }
        let mut words = rest.chunks_exact(4).map(|word| {
            word.iter()
                .fold(0_u32, |value, octet| value << 8 | u32::from(*octet))
        });
        let mut word = || words.next().unwrap_or(0);
        let interval = |micros: u32| Duration::from_micros(micros.into());
        let packet = Self {
            diagnostic: Diagnostic::from_bits(*first),
            state: State::from_bits(flags >> 6),
            poll: flags & POLL != 0,
            final_: flags & FINAL != 0,
            control_plane_independent: flags & CONTROL_PLANE_INDEPENDENT != 0,
            demand: flags & DEMAND != 0,
            detect_multiplier: *detect_multiplier,
            my_discriminator: word(),
            your_discriminator: word(),
            desired_min_tx: interval(word()),
            required_min_rx: interval(word()),
            required_min_echo_rx: interval(word()),
        };
        if packet.my_discriminator == 0 {
            return Err(DecodeError::ZeroDiscriminator);
        }
        if packet.your_discriminator == 0 && matches!(packet.state, State::Init | State::Up) {
            return Err(DecodeError::MissingDiscriminator(packet.state));
        }
        Ok(packet)
    }
}

fn micros(interval: Duration) -> u32 {
    u32::try_from(interval.as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What keepalived 2.2.7 sends at first: state Down, 10 ms wanted once up, 1 s for now.
    const FIRST: [u8; LENGTH] = [
        0x20, 0x40, 5, 24, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0x0f, 0x42, 0x40, 0, 0, 0x27, 0x10, 0, 0, 0,
        0,
    ];

    #[test]
    fn a_packet_is_read_and_written() {
        let packet = ControlPacket::decode(&FIRST).unwrap();
        assert_eq!(
            packet,
            ControlPacket {
                diagnostic: Diagnostic::None,
                state: State::Down,
                poll: false,
                final_: false,
                control_plane_independent: false,
                demand: false,
                detect_multiplier: 5,
                my_discriminator: 7,
                your_discriminator: 0,
                desired_min_tx: Duration::from_secs(1),
                required_min_rx: Duration::from_millis(10),
                required_min_echo_rx: Duration::ZERO,
            }
        );
        assert_eq!(packet.encode(), FIRST);
    }

    #[test]
    fn what_is_wrong_is_told() {
        let with = |at: usize, value: u8| {
            let mut packet = FIRST;
            packet[at] = value;
            ControlPacket::decode(&packet)
        };
        for (result, error) in [
            (with(0, 0x40), DecodeError::Version(2)),
            (with(1, 0x44), DecodeError::Authentication),
            (with(1, 0x41), DecodeError::Multipoint),
            (with(1, 0xc0), DecodeError::MissingDiscriminator(State::Up)),
            (with(2, 0), DecodeError::ZeroMultiplier),
            (with(3, 23), DecodeError::Length(23)),
            (with(3, 25), DecodeError::Truncated { need: 25, have: 24 }),
            (with(7, 0), DecodeError::ZeroDiscriminator),
            (
                ControlPacket::decode(&FIRST[..23]),
                DecodeError::Truncated { need: 24, have: 23 },
            ),
        ] {
            assert_eq!(result, Err(error));
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_alike(octets in proptest::collection::vec(any::<u8>(), 0..40), fix: bool) {
            let mut octets = octets;
            if fix && octets.len() >= LENGTH {
                octets[0] = 0x20 | octets[0] & 0x1f;
                octets[1] &= !(AUTHENTICATION | MULTIPOINT);
                octets[3] = 24;
            }
            if let Ok(packet) = ControlPacket::decode(&octets) {
                let written = packet.encode();
                prop_assert_eq!(ControlPacket::decode(&written), Ok(packet));
                if octets[3] == 24 {
                    prop_assert_eq!(&written[..], &octets[..LENGTH]);
                }
            }
        }
    }
}
