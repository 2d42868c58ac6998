//! What one attempt saw, and how to say it to a person.

mod cause;

pub use cause::{Cause, SystemError, Wanted};

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::http::StatusCode;

/// The result of one attempt of one probe.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Outcome {
    /// The server did what was asked of it.
    Up {
        /// What was seen.
        detail: Detail,
        /// From the start of the attempt to its end.
        took: Duration,
    },
    /// The server did not do what was asked of it.
    Down {
        /// Why.
        cause: Cause,
        /// From the start of the attempt to its end.
        took: Duration,
    },
    /// The attempt could not be made for want of a local resource (file descriptors, memory), so
    /// it says nothing about the server. The verdict stays, and the attempt is made again.
    Inconclusive {
        /// What was missing.
        cause: Cause,
        /// From the start of the attempt to its end.
        took: Duration,
    },
}

impl Outcome {
    /// Joins the result of an attempt with its duration.
    #[must_use]
    pub fn from_result(result: Result<Detail, Cause>, took: Duration) -> Self {
        match result {
            Ok(detail) => Self::Up { detail, took },
            Err(cause) if cause.is_local_shortage() => Self::Inconclusive { cause, took },
            Err(cause) => Self::Down { cause, took },
        }
    }

    /// True if the attempt succeeded.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        matches!(self, Self::Up { .. })
    }

    /// From the start of the attempt to its end.
    #[must_use]
    pub const fn took(&self) -> Duration {
        match self {
            Self::Up { took, .. } | Self::Down { took, .. } | Self::Inconclusive { took, .. } => {
                *took
            }
        }
    }

    /// Why the attempt failed; `None` if it succeeded.
    #[must_use]
    pub const fn cause(&self) -> Option<&Cause> {
        match self {
            Self::Up { .. } => None,
            Self::Down { cause, .. } | Self::Inconclusive { cause, .. } => Some(cause),
        }
    }

    /// When the certificate of the server ends, if the check saw one.
    #[must_use]
    pub const fn certificate_expires(&self) -> Option<SystemTime> {
        match self {
            Self::Up {
                detail:
                    Detail::Http {
                        certificate_expires,
                        ..
                    },
                ..
            } => *certificate_expires,
            _ => None,
        }
    }

    /// The weight that the server or script asked for, if this kind of check carries one.
    #[must_use]
    pub const fn weight(&self) -> Option<Weight> {
        match self {
            Self::Up { detail, .. } => detail.weight(),
            Self::Down { .. } | Self::Inconclusive { .. } => None,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up { detail, .. } => detail.fmt(f),
            Self::Down { cause, .. } => cause.fmt(f),
            Self::Inconclusive { cause, .. } => write!(f, "could not check: {cause}"),
        }
    }
}

/// How a successful attempt wants the weight of its server to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Weight {
    /// Use this weight in place of the configured one (`misc_dynamic`: exit status less 2).
    Exact(u32),
    /// Add this to the configured weight (`FILE_CHECK`); never below 0 when programmed.
    Adjust(i64),
    /// Use this share of the configured weight, in per cent (agent text).
    Percent(u32),
}

impl Weight {
    /// The weight to program, from the configured one. Saturates at the limits of 31 bits, the
    /// range of the kernel.
    #[must_use]
    pub fn apply(self, configured: u32) -> u32 {
        let limit = i64::from(i32::MAX);
        let configured = i64::from(configured);
        let wanted = match self {
            Self::Exact(weight) => i64::from(weight),
            Self::Adjust(change) => configured.saturating_add(change),
            Self::Percent(share) => configured.saturating_mul(i64::from(share)) / 100,
        };
        u32::try_from(wanted.clamp(0, limit)).unwrap_or(0)
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(weight) => write!(f, "weight {weight}"),
            Self::Adjust(change) => write!(f, "weight {change:+}"),
            Self::Percent(share) => write!(f, "weight {share}%"),
        }
    }
}

/// What a successful attempt saw.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Detail {
    /// The TCP connection was accepted.
    Connected,
    /// Every URL gave the wanted answer; the values are those of the last one.
    Http {
        /// The status code of the answer.
        status: StatusCode,
        /// Octets of the body as they came over the wire.
        body_bytes: u64,
        /// When the certificate of the server ends, over TLS. To warn before that is up to the
        /// caller; without verification a certificate that has ended is no failure.
        certificate_expires: Option<SystemTime>,
    },
    /// The SMTP dialogue was answered as it should be, by every host.
    Smtp,
    /// The name server answered with code 0.
    Dns {
        /// Records in the answer section.
        answers: u16,
    },
    /// The server sent an answer that fits.
    Reply {
        /// Its length in octets.
        bytes: usize,
    },
    /// No answer was wanted and no ICMP error came within the time.
    NotRefused,
    /// The echo came back.
    Echo,
    /// The program ended with a status that means success.
    Exited {
        /// Its exit status.
        status: u8,
        /// The weight that the status stands for, if the check is dynamic.
        weight: Option<Weight>,
    },
    /// The tracked file holds this value.
    Tracked {
        /// The number in the file.
        value: i64,
        /// The weight that it stands for, if the check has a weight.
        weight: Option<Weight>,
    },
    /// The agent of the server said that it takes traffic.
    Agent {
        /// The weight it asked for, if any.
        weight: Option<Weight>,
    },
    /// Told by somebody else, such as a BFD session.
    Told(String),
}

impl Detail {
    /// The weight that the server or script asked for, if this kind of check carries one.
    #[must_use]
    pub const fn weight(&self) -> Option<Weight> {
        match self {
            Self::Exited { weight, .. } | Self::Tracked { weight, .. } | Self::Agent { weight } => {
                *weight
            }
            _ => None,
        }
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected => f.write_str("connection accepted"),
            Self::Http {
                status, body_bytes, ..
            } => {
                write!(f, "HTTP status {status}, {body_bytes} octets")
            }
            Self::Smtp => f.write_str("SMTP dialogue completed"),
            Self::Dns { answers: 1 } => f.write_str("DNS answer with 1 record"),
            Self::Dns { answers } => write!(f, "DNS answer with {answers} records"),
            Self::Reply { bytes } => write!(f, "answer of {bytes} octets"),
            Self::NotRefused => f.write_str("datagram not refused"),
            Self::Echo => f.write_str("echo reply received"),
            Self::Exited {
                status,
                weight: None,
            } => write!(f, "exit status {status}"),
            Self::Exited {
                status,
                weight: Some(weight),
            } => {
                write!(f, "exit status {status}: {weight}")
            }
            Self::Tracked {
                value,
                weight: None,
            } => write!(f, "file holds {value}"),
            Self::Tracked {
                value,
                weight: Some(weight),
            } => {
                write!(f, "file holds {value}: {weight}")
            }
            Self::Agent { weight: None } => f.write_str("agent says up"),
            Self::Agent {
                weight: Some(weight),
            } => write!(f, "agent says up: {weight}"),
            Self::Told(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_stay_in_the_range_of_the_kernel() {
        assert_eq!(Weight::Exact(253).apply(1), 253);
        assert_eq!(Weight::Adjust(-10).apply(3), 0);
        assert_eq!(Weight::Adjust(i64::MAX).apply(3), i32::MAX as u32);
        assert_eq!(Weight::Percent(50).apply(7), 3);
    }

    #[test]
    fn outcomes_read_as_sentences() {
        let up = Outcome::from_result(Ok(Detail::Dns { answers: 2 }), Duration::ZERO);
        assert_eq!(up.to_string(), "DNS answer with 2 records");
    }
}
