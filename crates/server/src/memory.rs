//! Memory that is taken before it is needed.
//!
//! A process that grows waits for the system at each new page, and on a virtual machine for the machine below as well: taking
//! memory there for the first time can be slower than filling it by ten times. Memory reserved at the start was waited for once.
//!
//! **Not here:** a limit. What is needed beyond is taken as ever.

use std::ffi::{c_int, c_long};

/// Taken and given back to the allocator in pieces that it keeps beside others.
const PIECE: usize = 8 << 20;

/// `mi_option_purge_delay` of mimalloc 3.
const PURGE_DELAY: c_int = 15;
const NEVER: c_long = -1;

/// Takes so much memory that was never touched, touches it, and leaves it with the allocator, which from now on gives nothing
/// back to the system.
pub fn reserve(mib: usize) {
    if mib == 0 {
        return;
    }
    // SAFETY: it stores one number in a table of the allocator's, at any time and from any thread.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, NEVER) };
    let pieces = (mib << 20).div_ceil(PIECE);
    // Anything but zeroes, which the system would hand out without touching them.
    let taken: Vec<Vec<u8>> = (0..pieces).map(|_| vec![1; PIECE]).collect();
    std::hint::black_box(&taken);
}
