//! `director doctor`: what usually keeps LVS from working, found on this machine and from it.
//!
//! [`gather()`] collects facts: settings, interfaces, routes, the packet filter, and what a few harmless packets bring to
//! light. [`judge()`] draws conclusions from facts and [`Wishes`] alone, so that each can be tested without a network.

mod facts;
mod filter;
mod finding;
mod gather;
mod judge;
mod sys;
mod wishes;

pub(crate) use finding::{Report, Severity};
pub(crate) use gather::{Depth, gather};
pub(crate) use judge::judge;
pub(crate) use wishes::{Method, Wishes};
