//! The `paytone` program. All of it is in the library; this only begins.

use std::process::ExitCode;

/// A payment is many small allocations on several threads; the system's allocator spends a tenth of the processor on them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    paytone::cli::main()
}
