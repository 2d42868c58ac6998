//! Bringing the kernel to what is wished.

mod addresses;
mod ipvs;
mod marks;
#[cfg(test)]
mod marks_traffic_tests;

pub(crate) use addresses::{AddressWatch, local_addresses};
pub(crate) use ipvs::{AtStake, IpvsTable, TableError};
pub(crate) use marks::Marks;
