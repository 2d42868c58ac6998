//! Room for what the kernel hands over.

use std::io;
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};
use std::slice;

/// Zeroed bytes that take memory page by page, as they are first written: most of the room for the largest of messages is
/// never used.
#[derive(Debug)]
pub(crate) struct Pages {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: it owns its mapping alone, as a `Box` does, and the bytes belong to no thread.
unsafe impl Send for Pages {}

impl Pages {
    /// So many bytes, more than none.
    pub(crate) fn new(length: usize) -> io::Result<Self> {
        // SAFETY: a new private mapping at a place of the kernel's choice touches nothing that is there.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, length })
    }
}

impl Deref for Pages {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the mapping has this length, reads as zeros where nothing was written, and lives as long as `self`.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl DerefMut for Pages {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and nobody else has it while `self` is borrowed alone.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, whole, and nobody borrows from it any more. A failure leaves it there.
        unsafe {
            libc::munmap(self.start.as_ptr().cast(), self.length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_zero_until_they_are_written() {
        let mut pages = Pages::new(100_000).unwrap();
        assert_eq!(pages.len(), 100_000);
        pages[99_999] = 7;
        let written: Vec<usize> = (0..pages.len()).filter(|at| pages[*at] != 0).collect();
        assert_eq!(written, [99_999]);
    }

    #[test]
    fn no_bytes_are_refused() {
        assert!(Pages::new(0).is_err());
    }
}
