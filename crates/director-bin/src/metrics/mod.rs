//! Metrics for Prometheus and its relatives: names and units follow its conventions.
//!
//! A page is made from a snapshot when it is asked for. The number of series is bounded: what is per real server is left
//! out when there are too many of them, and what comes from the network is never a label.

mod page;
mod server;
mod text;
mod vrrp;

pub(crate) use page::page;
pub(crate) use server::{Listener, MetricsError};
pub(crate) use text::Format;
