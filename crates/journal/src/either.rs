//! A journal where the settings say: in a file, or in PostgreSQL; and what was taken out of it, in its exports.

use crate::postgres::{PostgresJournal, PostgresReader};
use crate::row::{Row, Tip};
use crate::sqlite::{SqliteJournal, SqliteReader};
use crate::store::{AppendError, Journal, JournalReader, ReadError};
use crate::with_exports::WithExports;

/// A writer of either kind.
#[derive(Debug)]
pub enum EitherJournal {
    /// The one writer of a file.
    Sqlite(SqliteJournal),
    /// One of the writers of a table.
    Postgres(Box<PostgresJournal>),
}

/// A reader of either kind, and of what was exported and taken out.
pub type EitherReader = WithExports<Store>;

/// A reader of either kind.
#[derive(Debug)]
pub enum Store {
    /// Of a file.
    Sqlite(SqliteReader),
    /// Of a table.
    Postgres(Box<PostgresReader>),
}

impl From<SqliteReader> for EitherReader {
    fn from(reader: SqliteReader) -> Self {
        Self::none(Store::Sqlite(reader))
    }
}

impl From<PostgresReader> for EitherReader {
    fn from(reader: PostgresReader) -> Self {
        Self::none(Store::Postgres(Box::new(reader)))
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

impl Journal for EitherJournal {
    async fn append(&mut self, row: &Row) -> Result<(), AppendError> {
        match self {
            Self::Sqlite(journal) => journal.append(row).await,
            Self::Postgres(journal) => journal.append(row).await,
        }
    }
}
