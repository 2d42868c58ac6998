//! When to try, and what the results mean: pure rules on a time given by the caller.

mod policy;
mod tracker;

pub use policy::Policy;
pub use tracker::{Change, Tracker, Verdict};
