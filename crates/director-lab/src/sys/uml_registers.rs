//! A library of its own, built by `build.rs` and loaded into user-mode Linux before its C library:
//! `ptrace` for processors with more registers than that kernel knows.
//!
//! User-mode Linux 6.1 keeps 2,696 octets of a process's extended registers (XSAVE). A processor
//! with AMX has 11 KiB of them. The kernel hands out the first part on request, but takes back
//! nothing except all of them (`EFAULT`). So what is handed back is completed here with what the
//! process has now. The rest is the matrix registers, which no process uses that did not ask the
//! kernel for them, and user-mode Linux knows no such request.
#![no_std]

use core::cell::UnsafeCell;
use core::ffi::{CStr, c_char, c_int, c_long, c_uint, c_void};
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use core::{mem, ptr};

/// `linux/ptrace.h`
const PTRACE_GETREGSET: c_uint = 0x4204;
const PTRACE_SETREGSET: c_uint = 0x4205;
/// `linux/elf.h`
const NT_X86_XSTATE: usize = 0x202;
/// `dlfcn.h`: the symbol of the libraries after this one.
const RTLD_NEXT: *mut c_void = ptr::without_provenance_mut(usize::MAX);

/// Enough for any processor so far.
const ROOM: usize = 64 * 1024;

#[repr(C)]
struct IoVec {
    base: *mut c_void,
    length: usize,
}

/// Not on the stack: that of user-mode Linux has two pages.
struct Registers(UnsafeCell<[u8; ROOM]>);
// SAFETY: user-mode Linux traces from one thread.
unsafe impl Sync for Registers {}

static WHOLE: Registers = Registers(UnsafeCell::new([0; ROOM]));
static NEXT: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
/// User-mode Linux knows all registers of this processor.
static ALL_KNOWN: AtomicBool = AtomicBool::new(false);

type Ptrace = unsafe extern "C" fn(c_uint, ...) -> c_long;

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

fn next() -> Option<Ptrace> {
    let mut next = NEXT.load(Ordering::Relaxed);
    if next.is_null() {
        const NAME: &CStr = c"ptrace";
        // SAFETY: a valid name.
        next = unsafe { dlsym(RTLD_NEXT, NAME.as_ptr()) };
        NEXT.store(next, Ordering::Relaxed);
    }
    if next.is_null() {
        return None;
    }
    // SAFETY: the C library's `ptrace` has this type.
    Some(unsafe { mem::transmute::<*mut c_void, Ptrace>(next) })
}

/// `ptrace(2)` as the C library has it, with registers completed.
///
/// # Safety
/// As for the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ptrace(
    request: c_uint,
    process: c_int,
    address: *mut c_void,
    data: *mut c_void,
) -> c_long {
    let Some(next) = next() else { return -1 };
    if request == PTRACE_SETREGSET
        && address.addr() == NT_X86_XSTATE
        && !ALL_KNOWN.load(Ordering::Relaxed)
    {
        // SAFETY: the caller's, for this request and this kind.
        let given = unsafe { &*data.cast::<IoVec>() };
        let mut whole = IoVec {
            base: WHOLE.0.get().cast(),
            length: ROOM,
        };
        // SAFETY: `whole` is writable in its length.
        let got = unsafe { next(PTRACE_GETREGSET, process, address, &raw mut whole) };
        if got == 0 && whole.length > given.length {
            // SAFETY: both are at least as long as `given`, and different memory.
            unsafe { ptr::copy_nonoverlapping(given.base, whole.base, given.length) };
            // SAFETY: `whole` is readable in its length.
            return unsafe { next(PTRACE_SETREGSET, process, address, &raw mut whole) };
        }
        ALL_KNOWN.store(got == 0, Ordering::Relaxed);
    }
    // SAFETY: what the caller asked for.
    unsafe { next(request, process, address, data) }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
