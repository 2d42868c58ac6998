//! Giving memory back to the system, for which no safe crate has functions.

#![allow(unsafe_code)]

/// Heaps that the threads share. More would save waiting where threads allocate much at the same time, which none does
/// here; but what is free in one is of no use to the others.
#[cfg(target_env = "gnu")]
const HEAPS: libc::c_int = 1;

/// Bytes of the heap's end that stay when they are free: what reading a configuration again takes. Each page that is given
/// back costs a fault when it is needed again, and a reload would begin with hundreds of them.
#[cfg(target_env = "gnu")]
const SPARE: libc::c_int = 1 << 20;

/// Bytes that may be free in all of the heap. Reading a large configuration leaves more.
#[cfg(target_env = "gnu")]
const MOST_FREE: libc::c_int = 2 * SPARE;

/// The largest threshold that `mallopt` takes: the text of a configuration comes from the heap too.
#[cfg(target_env = "gnu")]
const HEAP_ONLY: libc::c_int = 32 << 20;

/// Keeps the heap small. To be called before there are threads.
pub(super) fn keep_heap_small() {
    #[cfg(target_env = "gnu")]
    // SAFETY: `mallopt` takes no pointers; what it does not like it refuses.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, HEAPS);
        libc::mallopt(libc::M_MMAP_THRESHOLD, HEAP_ONLY);
        libc::mallopt(libc::M_TRIM_THRESHOLD, SPARE);
        libc::mallopt(libc::M_TOP_PAD, SPARE);
    }
}

/// Gives back what is free in the heap: reading a configuration takes several times what the plan takes that comes of it.
pub(super) fn release_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: `malloc_trim` takes no pointers and may be called at any time from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Gives back what is free in the heap, if it is much, but for what the next reload takes.
pub(super) fn release_heap_but_spare() {
    #[cfg(target_env = "gnu")]
    // SAFETY: neither takes a pointer, and both may be called at any time from any thread.
    unsafe {
        // More than 2 GiB show as a negative number.
        if !(0..=MOST_FREE).contains(&libc::mallinfo().fordblks) {
            libc::malloc_trim(SPARE.unsigned_abs() as libc::size_t);
        }
    }
}

/// Gives back the pages of the program, and what the calling thread's stack has grown to: most of what a start or a reload needs
/// is not needed afterwards.
pub(super) fn release_program() {
    // SAFETY: the callback has the signature that is asked for, and does not use the pointer that it is given.
    unsafe {
        libc::dl_iterate_phdr(Some(release_constants), std::ptr::null_mut());
    }
    release_stack();
}

/// Takes the segments of the program itself that are never written, code and constants, out of the address space. They
/// stay in the system's cache, and come back page by page when they are used.
unsafe extern "C" fn release_constants(
    program: *mut libc::dl_phdr_info,
    _: libc::size_t,
    _: *mut libc::c_void,
) -> libc::c_int {
    // SAFETY: the pointer is good during the call, and so is the list of headers that it names.
    let (base, headers) = unsafe {
        let program = &*program;
        let count = usize::from(program.dlpi_phnum);
        let headers = std::slice::from_raw_parts(program.dlpi_phdr, count);
        (program.dlpi_addr, headers)
    };
    for header in headers {
        let constant = header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_W == 0;
        if !constant {
            continue;
        }
        // The first and the last page may hold parts of other segments.
        let begin = base.saturating_add(header.p_vaddr);
        let end = begin.saturating_add(header.p_memsz);
        if let (Ok(begin), Ok(end)) = (usize::try_from(begin), usize::try_from(end)) {
            // SAFETY: these are pages of a private mapping of the program's file that nobody has written or can write, so each
            // is read again from the file as it was.
            unsafe { release_pages(begin, end) };
        }
    }
    // Only the first, which is the program. User-mode Linux does not bring back the pages of the others.
    1
}

/// What the stack of a start, which reads a configuration, has grown to.
#[cfg(target_env = "gnu")]
#[inline(never)]
fn release_stack() {
    /// Stays, for the calls below this one.
    const NEXT: usize = 16 << 10;
    /// The system keeps so much free below the first thread's stack, which has no end of its own.
    const MOST: usize = 1 << 20;
    let here = 0_u8;
    let here = (&raw const here).addr();
    // SAFETY: the attributes are made by the first call, read by the second, and destroyed when they were made.
    let lowest = unsafe {
        let mut attributes = std::mem::zeroed();
        if libc::pthread_getattr_np(libc::pthread_self(), &raw mut attributes) != 0 {
            return;
        }
        let (mut lowest, mut size) = (std::ptr::null_mut(), 0);
        let found =
            libc::pthread_attr_getstack(&raw const attributes, &raw mut lowest, &raw mut size);
        libc::pthread_attr_destroy(&raw mut attributes);
        if found != 0 {
            return;
        }
        lowest.addr()
    };
    let (begin, end) = (
        lowest.max(here.saturating_sub(MOST)),
        here.saturating_sub(NEXT),
    );
    // SAFETY: the stack grows down, and this function, which is never part of another, has a small frame of its own: nothing
    // that lives is so far below `here`. What the next calls write there comes anew.
    unsafe { release_pages(begin, end) };
}

#[cfg(not(target_env = "gnu"))]
fn release_stack() {}

/// Gives back the whole pages between two addresses. With locked memory the system refuses, which is right.
///
/// # Safety
/// What is there is never read again, or comes again as it was.
unsafe fn release_pages(begin: usize, end: usize) {
    let page = page_size();
    let (begin, end) = (begin.next_multiple_of(page), end - end % page);
    let length = end.saturating_sub(begin);
    if length > 0 {
        // SAFETY: the caller's promise.
        unsafe {
            libc::madvise(begin as *mut libc::c_void, length, libc::MADV_DONTNEED);
        }
    }
}

fn page_size() -> usize {
    // SAFETY: `sysconf` takes no pointers.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size)
        .ok()
        .filter(|size| *size > 0)
        .unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_constants_are_there_again_when_they_are_used() {
        let page = crate::config::explain(crate::config::MISSING).map(str::to_owned);
        assert!(page.is_some());
        keep_heap_small();
        for _ in 0..2 {
            release_program();
            release_heap_but_spare();
            release_heap();
        }
        assert_eq!(
            crate::config::explain(crate::config::MISSING),
            page.as_deref()
        );
    }
}
