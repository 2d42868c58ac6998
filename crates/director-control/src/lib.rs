//! The control protocol of the director: what it is doing and why, and what an operator tells it to do.
//!
//! The director listens on a Unix socket. A client writes a [`Call`] as one line of JSON and reads
//! [`Reply`]s, one line each. [`Snapshot`] is everything at one moment; [`Event`] is something that
//! happened; [`Action`] is what an operator may do. The protocol is plain JSON, so a shell with
//! `socat` and `jq` is a client too; the schema is [`SCHEMA`].
//!
//! This crate holds the types and two small clients: [`client::Client`], which blocks, and
//! `client::tokio::Client` (feature `tokio`). It has no server, decides nothing, and needs no
//! privilege but access to the socket.
//!
//! ```no_run
//! use director_control::client::{Client, default_paths};
//! use director_control::{Request, Response};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut client = Client::find(&default_paths())?;
//! if let Response::Status { snapshot } = client.call(Request::Status)? {
//!     for instance in &snapshot.instances {
//!         println!("{} is {}: {}", instance.name, instance.state, instance.reason);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Compatibility
//!
//! Within one [`VERSION`] fields, variants and event names are only added; a reader ignores what it
//! does not know. Times are RFC 3339 in UTC with milliseconds, durations are seconds as a number.

mod action;
pub mod client;
mod event;
mod message;
mod schema;
pub mod snapshot;
mod time;

pub use action::{Action, ActionOutcome, Order, Override, OverrideKind, Who};
pub use event::{Event, Level};
pub use message::{
    Call, Explanation, Fact, Line, Problem, ProblemKind, Reply, Request, Response, VERSION,
};
#[cfg(feature = "schema")]
pub use schema::make as make_schema;
pub use schema::{SCHEMA, Violation, validate};
pub use snapshot::Snapshot;
pub use time::{Timestamp, TimestampError};

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
