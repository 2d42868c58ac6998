//! The socket part of `UDP_CHECK`.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::ReplyPattern;
use crate::dial::{Dialer, connect_cause};
use crate::outcome::{Cause, Detail, Outcome, Wanted};
use crate::probe::{Attempt, Probe, ProbeKey};

/// The longest payload of a UDP datagram over IPv4.
const LONGEST: usize = 65_507;

/// Settings of a [`UdpProbe`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UdpSettings {
    /// Address and port to send to.
    pub target: SocketAddr,
    /// Source address, interface, mark, and the time to wait for an answer or an ICMP error
    /// (`connect_timeout`).
    pub dialer: Dialer,
    /// What is sent (`payload`), at most 65,507 octets; 16 random octets if `None`.
    pub payload: Option<Vec<u8>>,
    /// An answer must come, and agree with this (`require_reply`). `None` takes silence for a
    /// good sign: only an ICMP error within the time is a failure.
    pub require_reply: Option<ReplyPattern>,
    /// The shortest answer that is allowed, in octets (`min_reply_length`).
    pub min_reply_length: u16,
    /// The longest answer that is allowed, in octets (`max_reply_length`).
    pub max_reply_length: u16,
}

impl UdpSettings {
    /// A check that sends random octets and needs no answer.
    #[must_use]
    pub fn new(target: SocketAddr) -> Self {
        Self {
            target,
            dialer: Dialer::default(),
            payload: None,
            require_reply: None,
            min_reply_length: 0,
            max_reply_length: 255,
        }
    }
}

/// The settings of a UDP check cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidUdp {
    /// The payload does not fit into a datagram.
    #[error("a payload of {0} octets does not fit into a datagram, which holds 65507")]
    PayloadTooLong(usize),
    /// No answer can have an allowed length.
    #[error("min_reply_length {min} is greater than max_reply_length {max}: always fails")]
    NoLength {
        /// `min_reply_length`.
        min: u16,
        /// `max_reply_length`.
        max: u16,
    },
}

/// Sends a datagram and waits for an answer or an ICMP error (`UDP_CHECK`).
#[derive(Clone, Debug)]
pub struct UdpProbe {
    settings: Arc<UdpSettings>,
}

impl UdpProbe {
    /// A probe with these settings.
    ///
    /// # Errors
    /// If the payload is too long, or no answer can have an allowed length.
    pub fn new(settings: UdpSettings) -> Result<Self, InvalidUdp> {
        if let Some(payload) = &settings.payload
            && payload.len() > LONGEST
        {
            return Err(InvalidUdp::PayloadTooLong(payload.len()));
        }
        if settings.require_reply.is_some() && settings.min_reply_length > settings.max_reply_length
        {
            return Err(InvalidUdp::NoLength {
                min: settings.min_reply_length,
                max: settings.max_reply_length,
            });
        }
        Ok(Self {
            settings: Arc::new(settings),
        })
    }

    async fn check(&self, start: Instant) -> Result<Detail, Cause> {
        let settings = &self.settings;
        let target = settings.target;
        let limit = settings.dialer.connect_timeout;
        let socket = settings.dialer.connect_udp(target)?;
        let random;
        let payload = match &settings.payload {
            Some(payload) => payload.as_slice(),
            None => {
                let state = RandomState::new();
                random = [state.hash_one(0_u8), state.hash_one(1_u8)].map(u64::to_ne_bytes);
                random.as_flattened()
            }
        };
        // One octet more than allowed, so that a longer answer is seen to be longer.
        let mut buffer = vec![0_u8; usize::from(settings.max_reply_length) + 1];
        let exchange = async {
            socket.send(payload).await?;
            socket.recv(&mut buffer).await
        };
        let length = match timeout_at(start + limit, exchange).await {
            Ok(Ok(length)) => length,
            Ok(Err(error)) => return Err(connect_cause(target, error.into())),
            Err(_elapsed) if settings.require_reply.is_none() => return Ok(Detail::NotRefused),
            Err(_elapsed) => {
                return Err(Cause::Timeout {
                    target,
                    wanted: Wanted::Datagram,
                    after: limit,
                });
            }
        };
        let Some(pattern) = &settings.require_reply else {
            return Ok(Detail::Reply { bytes: length });
        };
        let min = usize::from(settings.min_reply_length);
        let max = usize::from(settings.max_reply_length);
        if !(min..=max).contains(&length) {
            return Err(Cause::ReplyLength {
                target,
                got: length,
                min,
                max,
            });
        }
        if !pattern.matches(buffer.get(..length).unwrap_or_default()) {
            return Err(Cause::ReplyMismatch { target });
        }
        Ok(Detail::Reply { bytes: length })
    }
}

impl Probe for UdpProbe {
    fn run(&self) -> Attempt<'_> {
        Box::pin(async move {
            let start = Instant::now();
            let result = self.check(start).await;
            Outcome::from_result(result, start.elapsed())
        })
    }

    fn key(&self) -> Option<ProbeKey> {
        Some(ProbeKey::shared(Arc::clone(&self.settings)))
    }

    fn host(&self) -> Option<IpAddr> {
        Some(self.settings.target.ip())
    }
}
