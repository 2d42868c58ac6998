//! The conformance list, item by item: `item_NNN_...` is item NNN.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code: a surprise is a failure"
)]

mod authentication;
mod backup;
mod beyond;
mod format;
mod harness;
mod lifecycle;
mod master;
mod receiving;
mod timers;
