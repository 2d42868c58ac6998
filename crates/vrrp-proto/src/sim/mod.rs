//! Simulation: any number of routers on links that lose, delay, duplicate and reorder packets, with
//! one-way failures, partitions, stalls, crashes, restarts and clocks that go wrong.
//!
//! Time is virtual and everything depends on a seed alone: the same seed replays the same run, packet
//! by packet. The routers are real [`VirtualRouter`](crate::VirtualRouter)s and exchange real
//! encoded adverts. After every step these invariants are checked:
//!
//! - no two masters that hear each other for longer than
//!   [`Scenario::overlap_bound`], which the intervals and delays make;
//! - once it is quiet, at least one master on each link after [`Scenario::settling_time`]
//!   (3 x interval + skew), and exactly one at the end unless a handover is just going on;
//! - no transition without a cause: its reason is one that the step's input can give, and silence
//!   that is claimed was heard;
//! - a router has the addresses if and only if it is master;
//! - the members of a sync group are all master or none is.
//!
//! ```
//! use vrrp_proto::sim;
//!
//! let summary = sim::run(42).unwrap();
//! assert_eq!(sim::run(42).unwrap().fingerprint, summary.fingerprint);
//! ```
//!
//! `cargo run --release -p vrrp-proto --example simulate -- 100000` runs many seeds.
//!
//! Not modelled: the IP layer, address resolution, and the time that handling a packet takes.

mod clock;
mod invariants;
mod network;
mod random;
mod scenario;
mod world;

pub use invariants::{Broken, Violation};
pub use scenario::{Disturbance, Node, Scenario};
pub use world::{Simulation, Summary};

/// Runs the scenario that `seed` makes.
///
/// # Errors
/// The first [`Violation`] of an invariant; it tells when, where and which.
pub fn run(seed: u64) -> Result<Summary, Violation> {
    Simulation::new(Scenario::random(seed)).run()
}
