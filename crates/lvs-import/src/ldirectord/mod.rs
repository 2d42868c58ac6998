//! `ldirectord.cf`.

mod check;
mod convert;
mod file;
mod real;

pub(crate) use convert::import;
pub(crate) use file::is_key;
