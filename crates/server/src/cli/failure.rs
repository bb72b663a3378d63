//! Why a command failed, in words for the person who called it.

use std::fmt;

/// What to print and what to exit with.
#[derive(Debug)]
pub struct Failure {
    pub text: String,
    pub exit: u8,
}

impl Failure {
    pub fn new(text: impl fmt::Display) -> Self {
        Self {
            text: text.to_string(),
            exit: 1,
        }
    }

    /// With what was being done in front.
    pub fn doing(what: impl fmt::Display, error: impl fmt::Display) -> Self {
        Self::new(format_args!("{what}: {error}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
