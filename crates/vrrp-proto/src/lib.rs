//! VRRP versions 2 and 3 as a sans-I/O library: packets, authentication and the state machine.
//!
//! A [`VirtualRouter`] is one virtual router on one interface. It owns no socket and no clock: packets,
//! local happenings and the time go in, [`Action`]s and the next deadline come out. Times are
//! [`Instant`]s, microseconds on any monotonic count.
//!
//! ```
//! use vrrp_proto::{Action, Config, Event, Family, Instant, State, VirtualRouter, Vrid};
//!
//! let mut config = Config::new(Vrid::new(51).unwrap(), Family::V4);
//! config.source = Some("192.0.2.2".parse().unwrap());
//! config.addresses = vec!["192.0.2.100".parse().unwrap()];
//! let mut router = VirtualRouter::new(config).unwrap();
//!
//! router.handle_event(Instant::ZERO, Event::Startup);
//! assert_eq!(router.state(), State::Backup);
//! // Nobody speaks. 3 x 1 s + (256 - 100) / 256 s later:
//! let deadline = router.poll_timeout().unwrap();
//! router.handle_timeout(deadline);
//! assert_eq!(router.state(), State::Master);
//! let sentences: Vec<String> = std::iter::from_fn(|| router.poll_action())
//!     .filter_map(|action| match action {
//!         Action::Transition(transition) => Some(transition.to_string()),
//!         _ => None,
//!     })
//!     .collect();
//! assert_eq!(sentences[1], "BACKUP -> MASTER: no advert for 3.609 s");
//! ```
//!
//! # What it is not
//!
//! It does not open sockets, send ARP, configure addresses or read configuration files, and it does not
//! do proxy ARP or router advertisements. It never sends both versions at once (RFC 9568 section 8.4).
//!
//! # Driving a router
//!
//! 1. [`VirtualRouter::new`], then [`Event::Startup`].
//! 2. For each packet: [`wire::peek`] or [`Received::peek`] tells which router it is for, then
//!    [`VirtualRouter::handle_packet`]. Hand over all packets that wait before letting time pass.
//! 3. At [`VirtualRouter::poll_timeout`]: [`VirtualRouter::handle_timeout`].
//! 4. After each of these: [`VirtualRouter::poll_action`] until `None`, in order. On becoming master that
//!    is advert, addresses, announcements.
//! 5. [`VirtualRouter::reconfigure`] changes everything but the identity, without a transition.
//! 6. [`VirtualRouter::hand_over`] and [`VirtualRouter::resume`] pass a running router on to another process.
//!
//! # Panics
//!
//! No function of this crate panics, whatever its input. Arithmetic on time saturates.
//!
//! # Where it deviates from keepalived
//!
//! - A dropped packet changes nothing; keepalived restarts a master's advert timer.
//! - Version 3 over IPv4 accepts the checksum with and without pseudo-header, and a wrong one never.
//! - Version 3 adverts with interval 0, or without addresses where we have some, are dropped.
//! - A recovered owner is master at once (RFC 9568 section 6.4.1).
//! - A router that slept through a master-down interval listens before it speaks; see [`Overslept`].
//! - Two masters whose authentication headers count in step hear each other; one strict counter for
//!   sending and receiving would have each take the other for a replay.
//! - Adverts keep their times; lateness does not add up.
//! - A repeated resignation does not put a takeover off.
//! - Announcements after a lower advert come at most once per advert interval.
//!
//! # Features
//!
//! `std` (default) links the standard library; `serde` serialises identifiers, states, reasons, reports
//! and counters. Without `std` the crate needs `alloc` only.

#![cfg_attr(not(any(feature = "std", test)), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;

pub mod auth;
pub mod group;
mod ids;
pub mod machine;
pub mod pacing;
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
    ConfigError, Contest, Disagreement, DropReason, Event, Fault, GroupOrder, Handover, Heard,
    MemberReport, Overslept, Peer, Preemption, Reason, Received, Report, ResumeError, State, Stats,
    Transition, Transport, Verdict, VirtualRouter, Warning,
};
pub use time::{Instant, Interval, UnixTime};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
