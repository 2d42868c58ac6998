//! `MISC_CHECK`: a program of the operator says whether the server is well.

mod probe;
mod process;
mod security;

pub use probe::{Credentials, InvalidMisc, MiscProbe, MiscSettings};
pub use security::{InsecureProgram, check_program};
