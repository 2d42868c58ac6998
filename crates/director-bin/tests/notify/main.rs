//! What scripts, FIFOs and mails are told, against Debian's keepalived with the same configuration.
//!
//! Both run at the same time, each in a network namespace of its own, and live through the same.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that fails may panic, and says when it cannot run"
)]

mod node;
mod servers;
mod vrrp;
