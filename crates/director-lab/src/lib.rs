//! Network laboratories for load balancers: namespaces, scenarios, traffic and real IPVS on any Linux

pub mod cli;
mod clock;
mod event;
mod guest;
mod helper;
mod ipvs;
mod judge;
mod launch;
mod options;
mod record;
mod report;
mod scenario;
mod stage;
mod timeline;
mod tools;

pub use launch::{Lab, LabError};
pub use options::{IpvsChoice, Options, Program};
pub use record::{Failure, Record, TrafficSummary};
pub use report::{Report, SCHEMA, StepReport};
pub use scenario::{LoadError, Problem, Scenario};
pub use timeline::Timeline;
