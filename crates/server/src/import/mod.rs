//! Imports: what the network knows of its lines, and what subscribers already hold.
//!
//! ```text
//!   file ── chunks of whole rows ──▶ parse, normalise, hash ──▶ look at holders ──▶ make keys, seal ──▶ its turn: decide
//!                                    several chunks at a time, on all cores                              one after the other
//! ```
//! A chunk is CSV with the file's own header. Chunks may be under way together; what they do to the journal happens in the
//! file's order. A row that cannot be taken in is told back with its line, its column and why; the rest goes in.
//!
//! **Invariant:** the same file twice changes nothing. **Not here:** what a row does, which `paytone-domain` decides; files.

pub mod balances;
mod chunk;
mod fields;
pub mod lines;
mod sessions;

use serde::Serialize;

pub use chunk::{Read, Record, Rows};
pub use sessions::{Import, Imports, Kind, Turn};

/// A row that was not taken in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rejected {
    /// In the file, counted from one.
    pub line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<&'static str>,
    pub code: &'static str,
    pub reason: String,
}

impl Rejected {
    pub fn new(line: u64, code: &'static str, reason: impl Into<String>) -> Self {
        Self {
            line,
            column: None,
            code,
            reason: reason.into(),
        }
    }

    /// The engine answered what nothing here knows: it is not taken as good.
    pub fn unexpected(line: u64, answer: &paytone_domain::Answer) -> Self {
        tracing::error!(line, ?answer, "a row was answered with something else");
        Self::new(line, "internal", "the engine answered something unexpected")
    }

    pub fn column(mut self, column: &'static str) -> Self {
        self.column = Some(column);
        self
    }
}
