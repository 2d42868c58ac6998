//! Giving memory back to the system, for which no safe crate has a function.

#![allow(unsafe_code)]

/// Gives back what is free in the heap: reading a configuration takes several times what the plan takes that comes of it.
pub(super) fn release_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: `malloc_trim` takes no pointers and may be called at any time from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}
