//! The `paytone` program. All of it is in the library; this only begins.

use std::process::ExitCode;

/// Many threads allocate what others free (a request is read on one, decided on another, written on a third), which is what
/// this allocator is made for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    paytone::cli::main()
}
