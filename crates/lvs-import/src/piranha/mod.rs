//! Piranha's `lvs.cf`.

mod convert;
mod file;
mod monitor;
mod pulse;

pub(crate) use convert::import;
pub(crate) use file::is_key;
