//! User-mode Linux 6.1 does not start on processors that have more registers than it knows (those
//! with AMX). A library loaded before its C library mends that, see `src/sys/uml_registers.rs`.

use std::io;
use std::path::Path;

/// Empty where it is of no use, or could not be built.
static LIBRARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/uml-registers.so"));

/// Writes the library. False if there is none.
pub(crate) fn write(file: &Path) -> io::Result<bool> {
    if LIBRARY.is_empty() {
        return Ok(false);
    }
    std::fs::write(file, LIBRARY)?;
    Ok(true)
}
