//! The seam between the engine and whatever keeps its batches.
//!
//! Four methods. An implementation is right when [`conformance::run`](crate::conformance::run) passes on it.
//!
//! | what the caller sees | did the row get in? | what the caller does |
//! |---|---|---|
//! | `Ok` | yes, and it is durable | answers |
//! | [`AppendError::Conflict`] | no, and it never will | discards its state, reloads, says "try again" |
//! | [`AppendError::Unknown`] | perhaps | repeats the identical append |
//! | [`AppendError::Broken`] | perhaps | stops the process |
//!
//! **Invariant:** repeating an identical append that got in is `Ok`. **Not here:** retrying.

use std::future::Future;

use crate::row::{Hash, Row, Tip};

/// Why a row was not appended, or may not have been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// It definitely did not happen: another row has that position.
    #[error("another row has position {seq}, with hash {held} where {offered} was offered")]
    Conflict {
        /// The position both wanted.
        seq: u64,
        /// The hash of the row that is there.
        held: Hash,
        /// The hash of the row that was refused.
        offered: Hash,
    },
    /// It may have happened. Repeat the identical append until it answers something else.
    #[error("whether the row was written is unknown: {0}")]
    Unknown(String),
    /// Failed sync, full disk, a hash or position that does not fit: stop. After a failure of the store itself every later
    /// append answers this as well.
    #[error("the journal is broken: {0}")]
    Broken(String),
}

impl AppendError {
    /// A stable name for logs and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "journal_conflict",
            Self::Unknown(_) => "journal_unknown",
            Self::Broken(_) => "journal_broken",
        }
    }
}

/// Why rows could not be read. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The store did not answer; another try may succeed.
    #[error("the journal cannot be read now: {0}")]
    Unavailable(String),
    /// What was read is not a row.
    #[error("the journal is damaged: {0}")]
    Damaged(String),
    /// The rows were exported and taken out, and the export is not where it should be.
    #[error(
        "rows {from} to {through} were trimmed from the journal, and there is no export of them in {folder}: put it back there. \
         What is after row {through} can be answered without them"
    )]
    Trimmed {
        from: u64,
        through: u64,
        folder: String,
    },
}

impl ReadError {
    /// A stable name for logs and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "journal_unavailable",
            Self::Damaged(_) => "journal_damaged",
            Self::Trimmed { .. } => "journal_trimmed",
        }
    }
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open for writing.
    #[error("{path} is in use by another process{}", holder.as_ref().map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    InUse {
        /// The file that is in use.
        path: String,
        /// The id of the process, where it is known.
        holder: Option<u32>,
    },
    /// There is no such store.
    #[error("{0} does not exist")]
    Missing(String),
    /// It is there, and is not what it should be.
    #[error("{path} is not a store of this version: {why}")]
    Unfit {
        /// The file.
        path: String,
        /// What does not fit.
        why: String,
    },
    /// The operating system or the database refused.
    #[error("cannot open {path}: {why}")]
    Failed {
        /// The file.
        path: String,
        /// What was said.
        why: String,
    },
}

impl OpenError {
    /// A stable name for logs and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InUse { .. } => "store_in_use",
            Self::Missing(_) => "store_missing",
            Self::Unfit { .. } => "store_unfit",
            Self::Failed { .. } => "store_failed",
        }
    }
}

/// Reads durable rows. A reader may be used while a writer appends.
pub trait JournalReader: Send {
    /// The rows after position `after_seq`, in order: at most `limit_rows`, and no more once their bodies exceed
    /// `limit_bytes` together; a single row larger than that is still returned, so a caller always gets on.
    /// Empty means that there is nothing yet.
    fn read(
        &mut self,
        after_seq: u64,
        limit_rows: usize,
        limit_bytes: usize,
    ) -> impl Future<Output = Result<Vec<Row>, ReadError>> + Send;

    /// The end of the chain; `None` before the first row.
    fn last(&mut self) -> impl Future<Output = Result<Option<Tip>, ReadError>> + Send;

    /// How much room the journal takes, in bytes, overhead included.
    fn size_bytes(&mut self) -> impl Future<Output = Result<u64, ReadError>> + Send;
}

/// Appends rows. There may be several writers; the chain itself lets only one of them win each position.
pub trait Journal: JournalReader {
    /// Makes `row` durable as the row after the last, if that one carries `row.previous_hash` and no greater epoch.
    ///
    /// A dropped future leaves the same doubt as [`AppendError::Unknown`].
    fn append(&mut self, row: &Row) -> impl Future<Output = Result<(), AppendError>> + Send;
}
