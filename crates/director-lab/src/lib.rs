//! Network laboratories for load balancers: namespaces, scenarios, traffic and real IPVS on any Linux

pub mod cli;
mod options;

pub use options::{IpvsChoice, Options, Program};
