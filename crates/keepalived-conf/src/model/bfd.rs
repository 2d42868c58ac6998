//! `bfd_instance`.

use std::net::IpAddr;
use std::time::Duration;

use super::setting::settings;
use super::{Origin, Spanned, TrackWeight};

settings! {
    /// `bfd_instance NAME { }`.
    pub struct BfdInstance {
        /// The neighbour; mandatory.
        neighbor_ip: Option<IpAddr> = None,
        /// Own address.
        source_ip: Option<IpAddr> = None,
        /// Required minimum receive interval, 1 ms to 4294967 ms.
        min_rx: Duration = Duration::from_millis(10),
        /// Desired minimum transmit interval.
        min_tx: Duration = Duration::from_millis(10),
        /// Transmit interval while down, from 1 s.
        idle_tx: Duration = Duration::from_secs(1),
        /// Missed packets until down, 1 to 255.
        multiplier: u8 = 5,
        /// Do not initiate the session.
        passive: bool = false,
        /// Time to live or hop limit; `None` means 255 (IPv4) or 64 (IPv6).
        ttl: Option<u8> = None,
        /// Most hops to the neighbour; 255 and `None` switch the check off.
        max_hops: Option<u8> = Some(0),
        /// Use the multihop port 4784.
        multihop: bool = false,
        /// Default weight for `track_bfd`, -253 to 253.
        weight: TrackWeight = TrackWeight::default(),
        /// Events go to VRRP.
        vrrp: bool = true,
        /// Events go to the checkers.
        checker: bool = true,
    } plus {
        /// Name of the instance, fewer than 32 bytes.
        name: Spanned<String> = Spanned::new(String::new(), Origin::default().0),
        /// Where the block stands.
        span: Origin = Origin::default(),
    }
}
