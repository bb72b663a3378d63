//! The `paytone` program. All of it is in the library; this only begins.

use std::process::ExitCode;

fn main() -> ExitCode {
    paytone::cli::main()
}
