//! The table of keys as an SQLite file.
//!
//! **Invariant:** when an erasure returns, the key is gone from table and log; a trigger refuses another for its subject.

use std::path::Path;
use std::sync::LazyLock;

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection, Row as _};
use tokio::sync::Mutex as AsyncMutex;

use super::{Found, Made, SubjectKeyChangeError, Wrapped, unchanged};
use crate::exclusive::Exclusive;
use crate::sqlite_file::Format;
use crate::store::OpenError;

/// Keys per statement when many are made. SQLite looks the name of each parameter up in a list of all, so that much
/// longer statements are slower again.
const KEYS_PER_STATEMENT: usize = 64;

const FORMAT: Format = Format {
    name: "a table of Paytone subject keys",
    // "PTK1".
    application_id: 0x5054_4B31,
    version: 1,
    create: "
        CREATE TABLE subject_keys (
            subject INTEGER PRIMARY KEY,
            master_key_id INTEGER NOT NULL,
            wrapped BLOB NOT NULL
        );
        CREATE TABLE erasures (
            subject INTEGER PRIMARY KEY,
            erased_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
        );
        CREATE TRIGGER subject_keys_stay_erased BEFORE INSERT ON subject_keys
            WHEN EXISTS (SELECT 1 FROM erasures WHERE subject = NEW.subject)
            BEGIN SELECT RAISE(IGNORE); END;
    ",
    settings: "PRAGMA secure_delete = ON;",
    rows_ahead: 16,
};
static INSERT_FULL: LazyLock<String> = LazyLock::new(|| insert_statement(KEYS_PER_STATEMENT));

/// The one user of the file.
pub struct SqliteTable {
    /// Locked before `reading` where both are.
    writing: AsyncMutex<SqliteConnection>,
    reading: AsyncMutex<SqliteConnection>,
    _exclusive: Exclusive,
}

impl SqliteTable {
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        let exclusive = Exclusive::take(path)?;
        let writing = FORMAT.open_or_create(path).await?;
        let reading = FORMAT.open_to_read(path).await?;
        Ok(Self {
            writing: AsyncMutex::new(writing),
            reading: AsyncMutex::new(reading),
            _exclusive: exclusive,
        })
    }

    pub async fn insert(&self, master_key_id: i64, rows: &[Wrapped]) -> Result<Made, sqlx::Error> {
        let mut writing = self.writing.lock().await;
        let mut transaction = writing.begin().await?;
        let mut made = Made::default();
        for chunk in rows.chunks(KEYS_PER_STATEMENT) {
            let mut statement = if chunk.len() == KEYS_PER_STATEMENT {
                sqlx::query(INSERT_FULL.as_str())
            } else {
                sqlx::query(AssertSqlSafe(insert_statement(chunk.len()))).persistent(false)
            };
            statement = statement.bind(master_key_id);
            for (subject, wrapped) in chunk {
                statement = statement
                    .bind(subject.cast_signed())
                    .bind(wrapped.as_slice());
            }
            let inserted = statement.execute(&mut *transaction).await?.rows_affected();
            let inserted = usize::try_from(inserted).unwrap_or(usize::MAX);
            made.count += inserted;
            // Where some had a key already, the statement does not say which; those are read when they are needed.
            if inserted == chunk.len() {
                made.certain
                    .extend(chunk.iter().map(|(subject, _)| *subject));
            }
        }
        transaction.commit().await?;
        Ok(made)
    }

    pub async fn find(&self, subject: u64) -> Result<Found, sqlx::Error> {
        let mut reading = self.reading.lock().await;
        let wrapped: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT wrapped FROM subject_keys WHERE subject = $1")
                .bind(subject.cast_signed())
                .fetch_optional(&mut *reading)
                .await?;
        if let Some(wrapped) = wrapped {
            return Ok(Found::Key(wrapped));
        }
        let erased: Option<i64> =
            sqlx::query_scalar("SELECT subject FROM erasures WHERE subject = $1")
                .bind(subject.cast_signed())
                .fetch_optional(&mut *reading)
                .await?;
        Ok(erased.map_or(Found::Nothing, |_| Found::Erased))
    }

    pub async fn erase(&self, subjects: &[u64]) -> Result<(), SubjectKeyChangeError> {
        let mut writing = self.writing.lock().await;
        // A reader would keep old pages in the log.
        let _no_reading = self.reading.lock().await;
        let mut transaction = writing.begin().await.map_err(unchanged)?;
        for subject in subjects {
            sqlx::query(
                "INSERT INTO erasures (subject) VALUES ($1) ON CONFLICT (subject) DO NOTHING",
            )
            .bind(subject.cast_signed())
            .execute(&mut *transaction)
            .await
            .map_err(unchanged)?;
            sqlx::query("DELETE FROM subject_keys WHERE subject = $1")
                .bind(subject.cast_signed())
                .execute(&mut *transaction)
                .await
                .map_err(unchanged)?;
        }
        transaction.commit().await.map_err(unchanged)?;
        // The log still holds the pages as they were before.
        let emptied = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .fetch_one(&mut *writing)
            .await
            .map_err(unchanged)?;
        let busy: i64 = emptied.try_get(0).map_err(unchanged)?;
        if busy != 0 {
            return Err(SubjectKeyChangeError(
                "another reader keeps the old pages in the log".to_owned(),
            ));
        }
        Ok(())
    }

    pub async fn erased(&self) -> Result<Vec<i64>, sqlx::Error> {
        let mut reading = self.reading.lock().await;
        sqlx::query_scalar("SELECT subject FROM erasures")
            .fetch_all(&mut *reading)
            .await
    }

    pub async fn close(self) -> Result<(), sqlx::Error> {
        self.reading.into_inner().close().await?;
        self.writing.into_inner().close().await
    }
}

/// `$1` is the master key's id, then come subject and wrapped key in turn.
fn insert_statement(keys: usize) -> String {
    let mut statement =
        "INSERT INTO subject_keys (master_key_id, subject, wrapped) VALUES ".to_owned();
    for key in 0..keys {
        let separator = if key == 0 { "" } else { ", " };
        let (subject, wrapped) = (2 * key + 2, 2 * key + 3);
        statement.push_str(&format!("{separator}($1, ${subject}, ${wrapped})"));
    }
    statement.push_str(" ON CONFLICT (subject) DO NOTHING");
    statement
}
