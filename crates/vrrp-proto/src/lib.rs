//! VRRP versions 2 and 3 as a sans-I/O library: packets, authentication and the state machine.
#![cfg_attr(not(any(feature = "std", test)), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;

pub mod auth;
pub mod group;
mod ids;
pub mod machine;
pub mod sim;
mod time;
pub mod tracking;
pub mod wire;

pub use ids::{
    Family, MULTICAST_GROUP_V4, MULTICAST_GROUP_V6, PROTOCOL_AH, PROTOCOL_VRRP, Priority, Version,
    VirtualMac, Vrid,
};
pub use machine::{
    Accepted, Action, AddressCheck, Advert, AnnounceCause, AnnouncePolicy, Announcement, Config,
    ConfigError, Contest, DropReason, Event, Fault, GroupOrder, Heard, MemberReport, Overslept,
    Peer, Preemption, Reason, Received, Report, State, Stats, Transition, Transport, Verdict,
    VirtualRouter, Warning,
};
pub use time::{Instant, Interval, UnixTime};
