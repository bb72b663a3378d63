//! A journal as if nothing had ever been taken out of it: rows that it lacks are read from their exports.
//!
//! **Invariant:** what is given is one unbroken chain from the row that was asked for on, or an error that names the rows that are
//! nowhere. **Not here:** whether what an export says is of this journal; its chain ends with the row that the journal still has.

use crate::exports::{ExportReader, Exports};
use crate::row::{Row, Tip};
use crate::store::{JournalReader, ReadError};

/// Reads a store, and what was exported and taken out of it.
#[derive(Debug)]
pub struct WithExports<R> {
    store: R,
    exports: Option<ExportReader>,
    /// The last row that the store was found to lack.
    trimmed: u64,
}

impl<R> WithExports<R> {
    /// Of a store alone: what it lacks is told and not read.
    pub fn none(store: R) -> Self {
        Self {
            store,
            exports: None,
            trimmed: 0,
        }
    }

    /// Reads there what the store lacks.
    #[must_use]
    pub fn with_exports(mut self, exports: Exports) -> Self {
        self.exports = Some(ExportReader::of(exports));
        self
    }

    /// The last row that is known to have been taken out of the store; zero for none.
    #[must_use]
    pub fn trimmed(&self) -> u64 {
        self.trimmed
    }
}

impl<R: JournalReader> JournalReader for WithExports<R> {
    async fn read(
        &mut self,
        after_seq: u64,
        limit_rows: usize,
        limit_bytes: usize,
    ) -> Result<Vec<Row>, ReadError> {
        if after_seq >= self.trimmed {
            let rows = self.store.read(after_seq, limit_rows, limit_bytes).await?;
            match rows.first() {
                // Rows are taken out oldest first, and never the last: those that are there end the chain.
                Some(row) if row.seq > after_seq + 1 => self.trimmed = row.seq - 1,
                _ => return Ok(rows),
            }
        }
        match &mut self.exports {
            Some(exports) => exports.read(after_seq, self.trimmed, limit_rows, limit_bytes),
            None => Err(ReadError::Trimmed {
                from: after_seq + 1,
                through: self.trimmed,
                folder: "a folder of exports".to_owned(),
            }),
        }
    }

    async fn last(&mut self) -> Result<Option<Tip>, ReadError> {
        self.store.last().await
    }

    async fn size_bytes(&mut self) -> Result<u64, ReadError> {
        self.store.size_bytes().await
    }
}
