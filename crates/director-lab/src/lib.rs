//! Network laboratories for load balancers: namespaces, scenarios, traffic and real IPVS on any
//! Linux.
//!
//! [`Scenario::load`] reads a scenario's directory, [`Lab::run`] plays it and gives a [`Report`];
//! [`Lab::run_observed`] also shows every [`Record`] as it happens, for instance to a [`Timeline`].
//! [`cli`] is the same as a command line, which `director lab` and the program `director-lab` use.
//!
//! ```
//! use std::path::Path;
//!
//! use director_lab::Scenario;
//!
//! let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios/two-nodes");
//! # if !directory.exists() { return Ok(()) } // the published crate has no tests
//! let scenario = Scenario::load(&directory)?;
//! assert_eq!(scenario.name(), "two-nodes");
//! assert!(!scenario.needs_ipvs());
//! # Ok::<(), director_lab::LoadError>(())
//! ```
//!
//! # What it is not
//!
//! No simulator: processes, packets and IPVS tables are real, and so is time; deadlines therefore
//! carry a slack for busy machines. No container runtime: nodes see this machine's files, read-only.
//!
//! # How it stays clean
//!
//! The runner starts itself again ([`Program`]) as process 1 of new PID, mount and network
//! namespaces. A pipe and the parent-death signal tie that process to the caller; with it the kernel
//! ends everything else. Nodes are threads of it with namespaces of their own that nothing outside
//! refers to.
//!
//! # Where things are
//!
//! | module | content |
//! | --- | --- |
//! | `scenario` | the format, its checks, and the checked model |
//! | `launch` | which kernel, and starting the stage on it |
//! | `guest` | process 1 of user-mode Linux |
//! | `sys` | no module: a library for user-mode Linux, built by `build.rs` |
//! | `stage` | bridges, nodes, their processes; playing the steps |
//! | `judge` | what is known and whether an expectation holds; no I/O, no clock |
//! | `helper` | web server, client, resolver |
//! | `record`, `report`, `timeline` | what comes out |

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

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
