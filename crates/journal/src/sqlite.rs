//! The journal as one SQLite file: one writer, any number of readers, in any process.
//!
//! ```text
//!   SqliteJournal (lock file) ──append──▶ -wal, synced ──checkpoint──▶ journal file
//!   SqliteReader, SqliteReader, …  ◀────── read what is synced ───────┘
//! ```
//! Checkpoints run beside the appends, on a thread of their own.
//!
//! An append is one statement in a transaction of its own; `synchronous=FULL` syncs the write-ahead log before it
//! answers. The statements also run on PostgreSQL; only what makes the table is SQLite's own.
//!
//! **Invariant:** triggers refuse to change, delete or replace a row, whoever asks; only [`crate::trim`] takes the one against deletes
//! away, within its own transaction. A failure of the store poisons the
//! writer: what a failed sync left behind is only known after the file is opened again. **Not here:** retries, batching.

mod checkpoints;
mod log_file;

use std::path::{Path, PathBuf};

use futures_util::TryStreamExt;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnection, SqliteQueryResult};

use self::checkpoints::{Checkpoints, Pace};
use self::log_file::LogFile;
use crate::exclusive::Exclusive;
use crate::row::{Hash, Row, Tip};
use crate::sqlite_file::{Failure, Format, failure_of};
use crate::store::{AppendError, Journal, JournalReader, OpenError, ReadError};
use crate::stored::{RawRow, RawTip, row_of, tip_of};
use crate::verdict::{Verdict, judge};

pub(crate) const FORMAT: Format = Format {
    name: "a Paytone journal",
    // "PTJ1".
    application_id: 0x5054_4A31,
    version: 1,
    create: CREATE,
    settings: SETTINGS,
    // Bodies can be large.
    rows_ahead: 16,
};
/// The log is moved into the file beside the appends: see [`checkpoints`].
const SETTINGS: &str = "PRAGMA wal_autocheckpoint = 0;";
const CREATE: &str = "
    CREATE TABLE journal (
        seq INTEGER PRIMARY KEY,
        epoch INTEGER NOT NULL,
        batch_id BLOB NOT NULL CHECK (length(batch_id) = 16),
        previous_hash BLOB NOT NULL CHECK (length(previous_hash) = 32),
        hash BLOB NOT NULL CHECK (length(hash) = 32),
        body BLOB NOT NULL
    );
    CREATE TRIGGER journal_refuses_update BEFORE UPDATE ON journal
        BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
    CREATE TRIGGER journal_refuses_delete BEFORE DELETE ON journal
        BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
    CREATE TRIGGER journal_refuses_replace BEFORE INSERT ON journal
        WHEN EXISTS (SELECT 1 FROM journal WHERE seq = NEW.seq)
        BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
";

/// As [`CREATE`] has it, for whoever took it away for a moment.
pub(crate) const REFUSES_DELETE: &str = "
    CREATE TRIGGER journal_refuses_delete BEFORE DELETE ON journal
        BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
";

const APPEND: &str = "
    INSERT INTO journal (seq, epoch, batch_id, previous_hash, hash, body)
    SELECT $1, $2, $3, $4, $5, $6
    WHERE $1 = 1 OR EXISTS (SELECT 1 FROM journal WHERE seq = $1 - 1 AND hash = $4 AND epoch <= $2)";
const READ: &str = "
    SELECT seq, epoch, batch_id, previous_hash, hash, body FROM journal
    WHERE seq > $1 ORDER BY seq LIMIT $2";
const LAST: &str = "SELECT seq, epoch, hash FROM journal ORDER BY seq DESC LIMIT 1";
const TIP_AT: &str = "SELECT seq, epoch, hash FROM journal WHERE seq = $1";

/// Writes a row behind the one it follows; no row is affected if that is not there.
pub(crate) async fn insert(
    connection: &mut SqliteConnection,
    seq: i64,
    epoch: i64,
    row: &Row,
) -> Result<SqliteQueryResult, sqlx::Error> {
    sqlx::query(APPEND)
        .bind(seq)
        .bind(epoch)
        .bind(row.batch_id.to_vec())
        .bind(row.previous_hash.as_bytes().to_vec())
        .bind(row.hash.as_bytes().to_vec())
        .bind(row.body.clone())
        .execute(connection)
        .await
}

/// The one writer of a journal file.
#[derive(Debug)]
pub struct SqliteJournal {
    reader: SqliteReader,
    poisoned: Option<String>,
    checkpoints: Checkpoints,
    log: LogFile,
    _exclusive: Exclusive,
}

/// Reads a journal file, also while another process writes it.
#[derive(Debug)]
pub struct SqliteReader {
    connection: SqliteConnection,
    path: PathBuf,
}

impl SqliteJournal {
    /// Opens the journal at `path` for writing, and makes it when there is none.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::open_with(path.as_ref(), Pace::default()).await
    }

    async fn open_with(path: &Path, pace: Pace) -> Result<Self, OpenError> {
        let exclusive = Exclusive::take(path)?;
        let connection = FORMAT.open_or_create(path).await?;
        let beside = FORMAT.open_or_create(path).await?;
        let checkpoints = Checkpoints::start(beside, pace).map_err(|error| OpenError::Failed {
            path: path.display().to_string(),
            why: error.to_string(),
        })?;
        let reader = SqliteReader {
            connection,
            path: path.to_owned(),
        };
        Ok(Self {
            reader,
            poisoned: None,
            checkpoints,
            log: LogFile::of(path, pace.at_most + 2 * pace.every),
            _exclusive: exclusive,
        })
    }

    /// Opens the journal at `path` for reading.
    pub async fn reader(path: impl AsRef<Path>) -> Result<SqliteReader, OpenError> {
        let path = path.as_ref();
        let connection = FORMAT.open_to_read(path).await?;
        Ok(SqliteReader {
            connection,
            path: path.to_owned(),
        })
    }

    /// Moves the log into the file and lets go of it. Dropping loses nothing either; it only leaves that work behind.
    pub async fn close(self) -> Result<(), ReadError> {
        // The last connection to be closed moves what is left of the log.
        drop(self.checkpoints);
        self.reader
            .connection
            .close()
            .await
            .map_err(|error| unavailable(&error))
    }

    /// Finds out why a statement inserted nothing.
    async fn judge(&mut self, row: &Row) -> Result<Verdict, ReadError> {
        let held = self.reader.tip_at(row.seq).await?.map(|tip| tip.hash);
        let before = match row.seq.checked_sub(1) {
            Some(seq) => self.reader.tip_at(seq).await?,
            None => None,
        };
        Ok(judge(row, held, before))
    }

    fn poison(&mut self, why: String) -> AppendError {
        self.poisoned = Some(why.clone());
        AppendError::Broken(why)
    }
}

impl Journal for SqliteJournal {
    async fn append(&mut self, row: &Row) -> Result<(), AppendError> {
        if let Some(why) = &self.poisoned {
            return Err(AppendError::Broken(why.clone()));
        }
        if let Some(why) = self.checkpoints.failure() {
            return Err(self.poison(why));
        }
        let too_large =
            |_| AppendError::Broken(format!("row {}: position or epoch beyond 63 bits", row.seq));
        let seq = i64::try_from(row.seq).map_err(too_large)?;
        let epoch = i64::try_from(row.epoch).map_err(too_large)?;
        // The statement lets any first row in; that it starts a chain is a matter of its own fields.
        if row.seq == 1 && row.previous_hash != Hash::GENESIS {
            return Err(AppendError::Broken(
                "row 1: it is chained to a row before it".to_owned(),
            ));
        }
        self.log.make_room();
        let inserted = insert(&mut self.reader.connection, seq, epoch, row).await;
        match inserted {
            Ok(done) if done.rows_affected() == 1 => {
                self.checkpoints.appended(row.body.len());
                return Ok(());
            }
            Ok(_) => {}
            Err(error) => match failure_of(&error) {
                Failure::Refused => {}
                Failure::Busy => return Err(AppendError::Unknown(error.to_string())),
                Failure::Store => return Err(self.poison(error.to_string())),
            },
        }
        match self.judge(row).await {
            Ok(Verdict::AlreadyThere) => Ok(()),
            Ok(Verdict::Refused(error)) => Err(error),
            // Another writer added the row before it between the two statements.
            Ok(Verdict::Fits) => Err(AppendError::Unknown(format!(
                "row {} fits only now",
                row.seq
            ))),
            Err(ReadError::Unavailable(why)) => Err(AppendError::Unknown(why)),
            Err(error) => Err(self.poison(error.to_string())),
        }
    }
}

impl JournalReader for SqliteJournal {
    async fn read(
        &mut self,
        after_seq: u64,
        limit_rows: usize,
        limit_bytes: usize,
    ) -> Result<Vec<Row>, ReadError> {
        self.reader.read(after_seq, limit_rows, limit_bytes).await
    }

    async fn last(&mut self) -> Result<Option<Tip>, ReadError> {
        self.reader.last().await
    }

    async fn size_bytes(&mut self) -> Result<u64, ReadError> {
        self.reader.size_bytes().await
    }
}

impl SqliteReader {
    async fn tip_at(&mut self, seq: u64) -> Result<Option<Tip>, ReadError> {
        let Ok(seq) = i64::try_from(seq) else {
            return Ok(None);
        };
        let raw: Option<RawTip> = sqlx::query_as(TIP_AT)
            .bind(seq)
            .fetch_optional(&mut self.connection)
            .await
            .map_err(|error| unavailable(&error))?;
        raw.map(tip_of).transpose()
    }
}

impl JournalReader for SqliteReader {
    async fn read(
        &mut self,
        after_seq: u64,
        limit_rows: usize,
        limit_bytes: usize,
    ) -> Result<Vec<Row>, ReadError> {
        let Ok(after_seq) = i64::try_from(after_seq) else {
            return Ok(Vec::new());
        };
        let mut found = sqlx::query_as::<_, RawRow>(READ)
            .bind(after_seq)
            .bind(i64::try_from(limit_rows).unwrap_or(i64::MAX))
            .fetch(&mut self.connection);
        let mut bytes = 0_usize;
        let mut rows = Vec::new();
        while let Some(raw) = found
            .try_next()
            .await
            .map_err(|error| unavailable(&error))?
        {
            bytes = bytes.saturating_add(raw.5.len());
            if bytes > limit_bytes && !rows.is_empty() {
                break;
            }
            rows.push(row_of(raw)?);
            // Spares the fetch of a row that could not be taken.
            if bytes >= limit_bytes {
                break;
            }
        }
        Ok(rows)
    }

    async fn last(&mut self) -> Result<Option<Tip>, ReadError> {
        let raw: Option<RawTip> = sqlx::query_as(LAST)
            .fetch_optional(&mut self.connection)
            .await
            .map_err(|error| unavailable(&error))?;
        raw.map(tip_of).transpose()
    }

    async fn size_bytes(&mut self) -> Result<u64, ReadError> {
        let mut log = self.path.as_os_str().to_owned();
        log.push("-wal");
        let file = tokio::fs::metadata(&self.path)
            .await
            .map_err(|error| ReadError::Unavailable(error.to_string()))?;
        // There is no log before the first append and after a clean close.
        let log_bytes = tokio::fs::metadata(log).await.map_or(0, |log| log.len());
        Ok(file.len() + log_bytes)
    }
}

fn unavailable(error: &sqlx::Error) -> ReadError {
    match failure_of(error) {
        Failure::Busy => ReadError::Unavailable(error.to_string()),
        Failure::Refused | Failure::Store => ReadError::Damaged(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
