//! A journal where the settings say: in a file, or in PostgreSQL; and what was taken out of it, in its exports.

use crate::exports::{ExportReader, Exports};
use crate::postgres::{PostgresJournal, PostgresReader};
use crate::row::{Row, Tip};
use crate::sqlite::{SqliteJournal, SqliteReader};
use crate::store::{AppendError, Journal, JournalReader, ReadError};

/// A writer of either kind.
#[derive(Debug)]
pub enum EitherJournal {
    /// The one writer of a file.
    Sqlite(SqliteJournal),
    /// One of the writers of a table.
    Postgres(Box<PostgresJournal>),
}

/// A reader of either kind, and of what was exported and taken out.
#[derive(Debug)]
pub struct EitherReader {
    store: Store,
    exports: Option<ExportReader>,
    /// The last row that the store was found to lack.
    trimmed: u64,
}

#[derive(Debug)]
enum Store {
    /// Of a file.
    Sqlite(SqliteReader),
    /// Of a table.
    Postgres(Box<PostgresReader>),
}

impl From<SqliteReader> for EitherReader {
    fn from(reader: SqliteReader) -> Self {
        Self {
            store: Store::Sqlite(reader),
            exports: None,
            trimmed: 0,
        }
    }
}

impl From<PostgresReader> for EitherReader {
    fn from(reader: PostgresReader) -> Self {
        Self {
            store: Store::Postgres(Box::new(reader)),
            exports: None,
            trimmed: 0,
        }
    }
}

impl EitherReader {
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

macro_rules! read_either {
    ($either:ident) => {
        impl JournalReader for $either {
            async fn read(
                &mut self,
                after_seq: u64,
                limit_rows: usize,
                limit_bytes: usize,
            ) -> Result<Vec<Row>, ReadError> {
                match self {
                    Self::Sqlite(journal) => journal.read(after_seq, limit_rows, limit_bytes).await,
                    Self::Postgres(journal) => {
                        journal.read(after_seq, limit_rows, limit_bytes).await
                    }
                }
            }

            async fn last(&mut self) -> Result<Option<Tip>, ReadError> {
                match self {
                    Self::Sqlite(journal) => journal.last().await,
                    Self::Postgres(journal) => journal.last().await,
                }
            }

            async fn size_bytes(&mut self) -> Result<u64, ReadError> {
                match self {
                    Self::Sqlite(journal) => journal.size_bytes().await,
                    Self::Postgres(journal) => journal.size_bytes().await,
                }
            }
        }
    };
}

read_either!(EitherJournal);
read_either!(Store);

impl JournalReader for EitherReader {
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

impl Journal for EitherJournal {
    async fn append(&mut self, row: &Row) -> Result<(), AppendError> {
        match self {
            Self::Sqlite(journal) => journal.append(row).await,
            Self::Postgres(journal) => journal.append(row).await,
        }
    }
}
