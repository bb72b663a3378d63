//! `paytone config`

use std::io::Write as _;

use super::Failure;

pub fn run() -> Result<(), Failure> {
    let text = crate::config::document();
    // A closed pipe, as of `head`, is not a fault.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(())
}
