//! VRRP on Linux: raw sockets, gratuitous ARP, virtual addresses and a thread that keeps the timers.
//!
//! [`vrrp_proto`] decides, this crate does: an [`Engine`] runs any number of virtual routers
//! ([`InstanceConfig`]) on a thread of its own. It takes a [`Configuration`] at start and at each
//! reload ([`Engine::replace`]), results of what others watch ([`Engine::tracker_result`]), and
//! tells what happens by [`Events`] and [`Snapshot`]s.
//!
//! It reads no configuration files, runs no scripts, knows nothing of IPVS.
//!
//! # Example
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use vrrp_net::vrrp_proto::{Config, Family, Vrid};
//! use vrrp_net::{Configuration, Engine, InstanceConfig, Settings, State, VirtualAddress};
//!
//! let vrid = Vrid::new(51).ok_or("0 is no virtual router id")?;
//! let mut instance = InstanceConfig::new("VI_1", "eth0", Config::new(vrid, Family::V4));
//! instance.addresses.push(VirtualAddress::new("172.16.1.8".parse()?));
//! let configuration = Configuration { instances: vec![instance.into()], ..Configuration::default() };
//!
//! let (engine, _events) = Engine::start(Settings::default(), configuration)?;
//! let mut snapshots = engine.snapshots();
//! snapshots.wait_for(|now| now.instances["VI_1"].state == State::Master).await;
//! engine.shutdown().await; // resigns, then takes the address off
//! # Ok(())
//! # }
//! ```
//!
//! # How it keeps time
//!
//! The thread has one timer, set to the earliest deadline of all routers. When it fires, adverts of
//! all routers that are due go out first, then addresses change, then announcements are sent. No
//! lock is shared with other threads, nothing is logged from here, and an event that finds its
//! channel full is dropped and counted. [`Counters::slowest_takeover`] says how late the first
//! advert after a master-down deadline was.
//!
//! # Passing a running engine on
//!
//! [`Engine::hand_over`] stops an engine where it stands, and [`Engine::resume`] starts another one, in another process
//! too, that goes on from there: no resignation, no transition, no address taken away, the next advert on time.
//!
//! # Features
//!
//! `serde` writes and reads a [`Handover`].
//!
//! # Privileges and panics
//!
//! Needs `CAP_NET_ADMIN` and `CAP_NET_RAW` in the network namespace of the thread that calls
//! [`Engine::start`]. No input from the network, the kernel or the caller makes it panic, except
//! where a function says so.

mod address;
mod announce;
mod belongings;
mod cleanup;
mod encapsulation;
mod engine;
mod error;
mod event;
mod handover;
mod instance;
mod kernel;
pub mod nftables;
mod route;
mod rule;
mod settings;
mod snapshot;
mod sys;
mod virtual_link;
mod wire;

pub use address::{AddressError, AddressScope, Broadcast, MAX_NAME_LENGTH, VirtualAddress};
pub use belongings::Belongings;
pub use cleanup::remove_addresses;
pub use encapsulation::{Encapsulation, OuterHeader};
pub use engine::{Engine, Handle, Order};
pub use error::{ConfigurationError, OrderError, ReplaceError, StartError, Stopped};
pub use event::{Event, Events, Reason};
pub use handover::{Handover, Held};
pub use instance::{Configuration, GroupConfig, InstanceConfig, ReceiveBuffer, TrackerConfig};
pub use route::{
    MAIN_TABLE, NextHop, Prefix, Route, RouteKind, RouteMetric, RouteMetricKind, RoutePlacement,
    RoutePreference, RoutingError,
};
pub use rule::{Rule, RuleAction};
pub use settings::{
    AutoPriority, DEFAULT_ADDRESS_MARK, DEFAULT_ROUTE_MARK, DEFAULT_TABLE, Firewall, GarpGroup,
    Settings, UpDownDelay,
};
pub use snapshot::{
    Contest, Counters, GroupStatus, HeldAddress, InstanceStatus, MasterSeen, Snapshot,
    SnapshotWatch,
};
pub use virtual_link::{IpvlanMode, VirtualLink, VirtualLinkKind, virtual_mac};
/// The protocol core, whose types appear in this crate's configuration.
pub use vrrp_proto;
pub use vrrp_proto::tracking::{Tracker, TrackerState};
pub use vrrp_proto::{Disagreement, State};

#[doc = include_str!("../README.md")]
#[cfg(doctest)]
pub struct ReadmeDoctests;
