//! The engine in network namespaces of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test stops where it fails"
)]

mod contest;
mod encapsulation;
mod engine;
mod filter;
mod frr;
mod handover;
mod interop;
mod keepalived;
mod machine;
mod neighbours;
mod nftables;
mod orders;
mod reload;
mod routing;
mod support;
mod virtual_mac;
mod wire;
