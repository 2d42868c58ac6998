//! A table of one's own in the kernel's nf_tables, over netlink and without the `nft` program.
//!
//! Covers what a director needs: tables with sets, maps, base chains and simple rules, put in place, replaced and
//! removed whole. It is no firewall language: no intervals, no connection tracking, no address translation.
//!
//! Each call is one transaction of the kernel: it happens whole or not at all, and packets never see half of it.
//!
//! ```no_run
//! use vrrp_net::nftables::{
//!     Action, Chain, Family, Field, Hook, Match, Nftables, Rule, Set, Table, Type, Value,
//! };
//!
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let table = Table::new(Family::Inet, "example")
//!     .with_set(
//!         Set::new("services", [Type::Ipv4Address, Type::Protocol, Type::Port]).with_element([
//!             Value::from([10, 0, 0, 1]),
//!             Value::U8(6),
//!             Value::U16(80),
//!         ]),
//!     )
//!     .with_chain(
//!         Chain::base("mark", Hook::Prerouting, -150).with_rule(
//!             Rule::new(Action::SetMark(1000))
//!                 .matching(Match::in_set(
//!                     [Field::Ipv4Destination, Field::Protocol, Field::DestinationPort],
//!                     "services",
//!                 ))
//!                 .counted(),
//!         ),
//!     );
//! let mut nftables = Nftables::open()?;
//! nftables.replace(&[table])?; // also replaces what a killed predecessor left
//! nftables.remove(&[(Family::Inet, "example")])?;
//! # Ok(())
//! # }
//! ```
//!
//! Needs `CAP_NET_ADMIN` and a kernel with nf_tables (3.13; `inet` tables 3.14, concatenated keys 4.1).

mod encode;
mod rule;
mod socket;
mod table;
mod watch;
mod wire;

pub use rule::{Action, Field, Match, Rule};
pub use socket::{ElementChange, Nftables, NftablesError};
pub(crate) use watch::{TableNotices, TableWatch};

pub use table::{Chain, ChainKind, Element, Family, Hook, Set, Table, Type, Value};
