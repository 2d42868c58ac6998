//! The load-balancing director for Linux.
fn main() {}
