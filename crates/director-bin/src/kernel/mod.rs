//! Bringing the kernel to what is wished.

mod ipvs;

pub(crate) use ipvs::{IpvsTable, TableError};
