//! One key per person, in a table that can forget.
//!
//! ```text
//!   create_many ──▶ key, wrapped by the master key ──▶ seal_text ──▶ ciphertext in the journal, for ever
//!                        │                                              │
//!                      erase ──▶ gone, and recorded                     └─▶ open_text: Erased
//! ```
//!
//! The journal cannot be rewritten, and people can ask to be forgotten: names, numbers and free text stand in it only
//! as ciphertext under the key of the person they are about. Erasing the key makes them unreadable everywhere at once,
//! backups of the journal included. A restore of *this* table must have the erasures since then applied again:
//! [`SubjectKeys::erased`] tells them, [`SubjectKeys::erase_many`] takes them.
//!
//! **Invariant:** a key is durable before anything is sealed under it; once erased, a subject never gets another.
//! **Known limit:** a page that SQLite has let go of is overwritten, but what a disk keeps of it below the file system
//! is beyond reach; the wrapping by a master key elsewhere is what protects those remains.

mod cache;

use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::rand;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection, Row as _};
use tokio::sync::Mutex as AsyncMutex;
use zeroize::Zeroizing;

use crate::exclusive::Exclusive;
use crate::keyring::{CipherKeys, Keyring, OpenSealedError, cipher, open_from, seal_into};
use crate::sqlite_file::Format;
use crate::store::OpenError;
use cache::KeyCache;

/// Keys per statement when many are made. SQLite looks the name of each parameter up in a list of all, so that much
/// longer statements are slower again.
const KEYS_PER_STATEMENT: usize = 64;
/// Unwrapped keys held in memory, at about 100 bytes each.
const CACHED_KEYS: usize = 200_000;
/// The first byte of every sealed text.
const TEXT_VERSION: u8 = 1;
const TEXT_DOMAIN: &[u8] = b"paytone subject text v1\0";

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

/// Why a text could not be sealed or opened, or a key not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubjectKeyError {
    /// The person was forgotten.
    #[error("subject {0} was erased")]
    Erased(u64),
    /// No key was ever made for them here: a bug, or the table does not belong to this journal.
    #[error("subject {0} has no key")]
    NoKey(u64),
    /// The key or the text was changed, or belongs to another subject, place or keyring.
    #[error("the key or the text of subject {0} is damaged")]
    Damaged(u64),
    /// The table did not answer; another try may succeed.
    #[error("the subject keys cannot be read now: {0}")]
    Unavailable(String),
}

impl SubjectKeyError {
    /// A stable name for logs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Erased(_) => "subject_erased",
            Self::NoKey(_) => "subject_no_key",
            Self::Damaged(_) => "subject_damaged",
            Self::Unavailable(_) => "subject_keys_unavailable",
        }
    }
}

/// A change of the table that may or may not have happened. Creating and erasing can both simply be repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the subject keys could not be changed: {0}")]
pub struct SubjectKeyChangeError(String);

/// The 32 secret bytes of one person, wiped when the last holder lets go.
#[derive(Clone)]
pub struct SubjectKey(Arc<Zeroizing<[u8; 32]>>);

/// The table of keys. Every method takes `&self`; share it in an `Arc`.
pub struct SubjectKeys {
    master: Arc<CipherKeys>,
    cache: Mutex<KeyCache>,
    /// Locked before `reading` where both are.
    writing: AsyncMutex<SqliteConnection>,
    reading: AsyncMutex<SqliteConnection>,
    _exclusive: Exclusive,
}

impl SubjectKeys {
    /// Opens the table at `path`, and makes it when there is none.
    pub async fn open(path: impl AsRef<Path>, keyring: &Keyring) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let exclusive = Exclusive::take(path)?;
        let writing = FORMAT.open_or_create(path).await?;
        let reading = FORMAT.open_to_read(path).await?;
        Ok(Self {
            master: keyring.master(),
            cache: Mutex::new(KeyCache::new(CACHED_KEYS)),
            writing: AsyncMutex::new(writing),
            reading: AsyncMutex::new(reading),
            _exclusive: exclusive,
        })
    }

    /// Makes keys for those of `subjects` that have none and were never erased; returns how many it made.
    /// All are durable when it returns, or none is.
    pub async fn create_many(&self, subjects: &[u64]) -> Result<usize, SubjectKeyChangeError> {
        let mut subjects = subjects.to_vec();
        subjects.sort_unstable();
        subjects.dedup();
        let mut writing = self.writing.lock().await;
        let mut transaction = writing.begin().await.map_err(unchanged)?;
        let mut made = 0;
        let mut for_cache = Vec::with_capacity(subjects.len().min(CACHED_KEYS));
        for chunk in subjects.chunks(KEYS_PER_STATEMENT) {
            let keys = draw(chunk.len());
            let mut statement = if chunk.len() == KEYS_PER_STATEMENT {
                sqlx::query(INSERT_FULL.as_str())
            } else {
                sqlx::query(AssertSqlSafe(insert_statement(chunk.len()))).persistent(false)
            };
            statement = statement.bind(i64::from(self.master.newest_id()));
            for (subject, key) in chunk.iter().zip(&keys) {
                let wrapped = self.master.seal(key.0.as_slice(), &subject.to_be_bytes());
                statement = statement.bind(subject.cast_signed()).bind(wrapped);
            }
            let inserted = statement
                .execute(&mut *transaction)
                .await
                .map_err(unchanged)?
                .rows_affected();
            let inserted = usize::try_from(inserted).unwrap_or(usize::MAX);
            made += inserted;
            // Where some had a key already, the statement does not say which; those are read when they are needed.
            if inserted == chunk.len() && for_cache.len() < CACHED_KEYS {
                for_cache.extend(chunk.iter().copied().zip(keys));
            }
        }
        transaction.commit().await.map_err(unchanged)?;
        // Still under the lock: an erasure that waits for it must find the keys in the cache to take them out.
        let mut cache = self.cache();
        for (subject, key) in for_cache {
            cache.insert(subject, key);
        }
        Ok(made)
    }

    /// The key of a subject.
    pub async fn get(&self, subject: u64) -> Result<SubjectKey, SubjectKeyError> {
        if let Some(key) = self.cache().get(subject) {
            return Ok(key);
        }
        // Held until the key is in the cache, so that no erasure can come in between.
        let mut reading = self.reading.lock().await;
        let unavailable = |error: sqlx::Error| SubjectKeyError::Unavailable(error.to_string());
        let found: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT wrapped FROM subject_keys WHERE subject = $1")
                .bind(subject.cast_signed())
                .fetch_optional(&mut *reading)
                .await
                .map_err(unavailable)?;
        let Some(wrapped) = found else {
            let erased: Option<i64> =
                sqlx::query_scalar("SELECT subject FROM erasures WHERE subject = $1")
                    .bind(subject.cast_signed())
                    .fetch_optional(&mut *reading)
                    .await
                    .map_err(unavailable)?;
            return Err(match erased {
                Some(_) => SubjectKeyError::Erased(subject),
                None => SubjectKeyError::NoKey(subject),
            });
        };
        let key = self
            .unwrap_key(subject, &wrapped)
            .ok_or(SubjectKeyError::Damaged(subject))?;
        self.cache().insert(subject, key.clone());
        Ok(key)
    }

    /// Makes a person's texts unreadable, for ever.
    pub async fn erase(&self, subject: u64) -> Result<(), SubjectKeyChangeError> {
        self.erase_many(&[subject]).await
    }

    /// As [`Self::erase`], for several; also applies erasures again after a restore. When it returns the keys are gone
    /// from table and log. After an error repeat it.
    pub async fn erase_many(&self, subjects: &[u64]) -> Result<(), SubjectKeyChangeError> {
        let mut writing = self.writing.lock().await;
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
        {
            let mut cache = self.cache();
            for subject in subjects {
                cache.remove(*subject);
            }
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

    /// Everybody who was ever erased, in ascending order.
    pub async fn erased(&self) -> Result<Vec<u64>, SubjectKeyError> {
        let mut reading = self.reading.lock().await;
        let subjects: Vec<i64> =
            sqlx::query_scalar("SELECT subject FROM erasures ORDER BY subject")
                .fetch_all(&mut *reading)
                .await
                .map_err(|error| SubjectKeyError::Unavailable(error.to_string()))?;
        let mut subjects: Vec<u64> = subjects.into_iter().map(i64::cast_unsigned).collect();
        subjects.sort_unstable();
        Ok(subjects)
    }

    /// Seals a text about a subject, for one place (`context`, such as the field it stands in).
    pub async fn seal_text(
        &self,
        subject: u64,
        context: &[u8],
        plain: &str,
    ) -> Result<Vec<u8>, SubjectKeyError> {
        Ok(self.get(subject).await?.seal_text(subject, context, plain))
    }

    /// Opens what [`Self::seal_text`] made for the same subject and context.
    pub async fn open_text(
        &self,
        subject: u64,
        context: &[u8],
        sealed: &[u8],
    ) -> Result<String, SubjectKeyError> {
        self.get(subject).await?.open_text(subject, context, sealed)
    }

    /// Finishes what is under way and lets go of the file.
    pub async fn close(self) -> Result<(), SubjectKeyChangeError> {
        self.reading.into_inner().close().await.map_err(unchanged)?;
        self.writing.into_inner().close().await.map_err(unchanged)
    }

    fn unwrap_key(&self, subject: u64, wrapped: &[u8]) -> Option<SubjectKey> {
        let plain: Result<Zeroizing<Vec<u8>>, OpenSealedError> =
            self.master.open(wrapped, &subject.to_be_bytes());
        let plain = plain.ok()?;
        Some(SubjectKey::from_bytes(
            *plain.first_chunk::<32>().filter(|_| plain.len() == 32)?,
        ))
    }

    fn cache(&self) -> MutexGuard<'_, KeyCache> {
        // A cache is sound after every step of a change, so a poisoned lock guards sound data.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SubjectKey {
    fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Arc::new(Zeroizing::new(bytes)))
    }

    /// As [`SubjectKeys::seal_text`], for who seals several texts about one subject.
    #[must_use]
    pub fn seal_text(&self, subject: u64, context: &[u8], plain: &str) -> Vec<u8> {
        let mut sealed = vec![TEXT_VERSION];
        seal_into(
            &cipher(&self.0),
            &authenticated(subject, context),
            plain.as_bytes(),
            &mut sealed,
        );
        sealed
    }

    /// As [`SubjectKeys::open_text`].
    pub fn open_text(
        &self,
        subject: u64,
        context: &[u8],
        sealed: &[u8],
    ) -> Result<String, SubjectKeyError> {
        let damaged = || SubjectKeyError::Damaged(subject);
        let (version, rest) = sealed.split_first().ok_or_else(damaged)?;
        if *version != TEXT_VERSION {
            return Err(damaged());
        }
        let plain = open_from(&cipher(&self.0), &authenticated(subject, context), rest)
            .ok_or_else(damaged)?;
        str::from_utf8(&plain)
            .map(str::to_owned)
            .map_err(|_| damaged())
    }
}

impl std::fmt::Debug for SubjectKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SubjectKey(secret)")
    }
}

impl std::fmt::Debug for SubjectKeys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SubjectKeys")
    }
}

fn authenticated(subject: u64, context: &[u8]) -> Vec<u8> {
    [TEXT_DOMAIN, &subject.to_be_bytes(), context].concat()
}

fn draw(count: usize) -> Vec<SubjectKey> {
    let mut bytes = Zeroizing::new(vec![0; count * 32]);
    rand::fill(&mut bytes).expect("the system has a source of randomness");
    let (keys, _) = bytes.as_chunks::<32>();
    keys.iter()
        .map(|key| SubjectKey::from_bytes(*key))
        .collect()
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

fn unchanged(error: sqlx::Error) -> SubjectKeyChangeError {
    SubjectKeyChangeError(error.to_string())
}

#[cfg(test)]
mod tests;
