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
//! The table is an SQLite file of one node, or stands in PostgreSQL for all of them.
//!
//! **Invariant:** a key is durable before anything is sealed under it; once erased, a subject never gets another.
//! **Known limit:** a page that SQLite has let go of is overwritten, but what a disk keeps of it below the file system
//! is beyond reach; the wrapping by a master key elsewhere is what protects those remains.

mod cache;
pub(crate) mod postgres;
mod sqlite;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::rand;
use tokio::sync::{Mutex as AsyncMutex, RwLock};
use zeroize::Zeroizing;

use crate::keyring::{CipherKeys, Keyring, OpenSealedError, cipher, open_from, seal_into};
use crate::postgres_store::PostgresStore;
use crate::store::OpenError;
use cache::KeyCache;
use postgres::PostgresTable;
use sqlite::SqliteTable;

/// Unwrapped keys held in memory, at about 100 bytes each.
const CACHED_KEYS: usize = 200_000;
/// The first byte of every sealed text.
const TEXT_VERSION: u8 = 1;
const TEXT_DOMAIN: &[u8] = b"paytone subject text v1\0";

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

/// A subject and its key, wrapped.
pub(crate) type Wrapped = (u64, Vec<u8>);

/// What became of keys that were to be made.
#[derive(Default)]
pub(crate) struct Made {
    count: usize,
    /// Those of which it is known that the new key is theirs.
    certain: Vec<u64>,
}

/// What the table says of a subject.
pub(crate) enum Found {
    Key(Vec<u8>),
    Erased,
    Nothing,
}

enum Table {
    Sqlite(SqliteTable),
    Postgres(Box<PostgresTable>),
}

/// The table of keys. Every method takes `&self`; share it in an `Arc`.
pub struct SubjectKeys {
    master: Arc<CipherKeys>,
    cache: Mutex<KeyCache>,
    table: Table,
    /// Held by whoever changes the table. Locked before `reading` where both are.
    changing: AsyncMutex<()>,
    /// Held by whoever reads a key until it is in the cache, so that no erasure can come in between.
    reading: RwLock<()>,
}

impl SubjectKeys {
    /// Opens the table in the file at `path`, and makes it when there is none.
    pub async fn open(path: impl AsRef<Path>, keyring: &Keyring) -> Result<Self, OpenError> {
        let table = SqliteTable::open(path.as_ref()).await?;
        Ok(Self::of(Table::Sqlite(table), keyring))
    }

    /// Opens the table in PostgreSQL, and makes it when there is none.
    pub async fn open_postgres(
        store: &PostgresStore,
        keyring: &Keyring,
    ) -> Result<Self, OpenError> {
        let table = PostgresTable::open(store).await?;
        Ok(Self::of(Table::Postgres(Box::new(table)), keyring))
    }

    fn of(table: Table, keyring: &Keyring) -> Self {
        Self {
            master: keyring.master(),
            cache: Mutex::new(KeyCache::new(CACHED_KEYS)),
            table,
            changing: AsyncMutex::new(()),
            reading: RwLock::new(()),
        }
    }

    /// Makes keys for those of `subjects` that have none and were never erased; returns how many it made.
    /// All are durable when it returns, or none is.
    pub async fn create_many(&self, subjects: &[u64]) -> Result<usize, SubjectKeyChangeError> {
        let mut subjects = subjects.to_vec();
        subjects.sort_unstable();
        subjects.dedup();
        let keys = draw(subjects.len());
        let wrap = |(subject, key): (&u64, &SubjectKey)| {
            let wrapped = self.master.seal(key.0.as_slice(), &subject.to_be_bytes());
            (*subject, wrapped)
        };
        let rows: Vec<Wrapped> = subjects.iter().zip(&keys).map(wrap).collect();
        let master_key_id = i64::from(self.master.newest_id());
        let _changing = self.changing.lock().await;
        let made = match &self.table {
            Table::Sqlite(table) => table.insert(master_key_id, &rows).await,
            Table::Postgres(table) => table.insert(master_key_id, &rows).await,
        };
        let mut made = made.map_err(unchanged)?;
        made.certain.sort_unstable();
        // Still under the lock: an erasure that waits for it must find the keys in the cache to take them out.
        let mut cache = self.cache();
        let certain = |subject: &u64| made.certain.binary_search(subject).is_ok();
        let known = subjects
            .into_iter()
            .zip(keys)
            .filter(|(subject, _)| certain(subject));
        for (subject, key) in known.take(CACHED_KEYS) {
            cache.insert(subject, key);
        }
        Ok(made.count)
    }

    /// The key of a subject.
    pub async fn get(&self, subject: u64) -> Result<SubjectKey, SubjectKeyError> {
        if let Some(key) = self.cache().get(subject) {
            return Ok(key);
        }
        let _reading = self.reading.read().await;
        let found = match &self.table {
            Table::Sqlite(table) => table.find(subject).await,
            Table::Postgres(table) => table.find(subject).await,
        };
        let wrapped = match found.map_err(unavailable)? {
            Found::Key(wrapped) => wrapped,
            Found::Erased => return Err(SubjectKeyError::Erased(subject)),
            Found::Nothing => return Err(SubjectKeyError::NoKey(subject)),
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
    /// from the table, and from the log of an SQLite file. After an error repeat it.
    pub async fn erase_many(&self, subjects: &[u64]) -> Result<(), SubjectKeyChangeError> {
        let _changing = self.changing.lock().await;
        let _no_reading = self.reading.write().await;
        {
            let mut cache = self.cache();
            for subject in subjects {
                cache.remove(*subject);
            }
        }
        match &self.table {
            Table::Sqlite(table) => table.erase(subjects).await,
            Table::Postgres(table) => table.erase(subjects).await.map_err(unchanged),
        }
    }

    /// Everybody who was ever erased, in ascending order.
    pub async fn erased(&self) -> Result<Vec<u64>, SubjectKeyError> {
        let subjects = match &self.table {
            Table::Sqlite(table) => table.erased().await,
            Table::Postgres(table) => table.erased().await,
        };
        let subjects = subjects.map_err(unavailable)?.into_iter();
        let mut subjects: Vec<u64> = subjects.map(i64::cast_unsigned).collect();
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

    /// Finishes what is under way and lets go of the table.
    pub async fn close(self) -> Result<(), SubjectKeyChangeError> {
        match self.table {
            Table::Sqlite(table) => table.close().await.map_err(unchanged),
            Table::Postgres(table) => {
                table.close().await;
                Ok(())
            }
        }
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

fn unavailable(error: sqlx::Error) -> SubjectKeyError {
    SubjectKeyError::Unavailable(error.to_string())
}

fn unchanged(error: sqlx::Error) -> SubjectKeyChangeError {
    SubjectKeyChangeError(error.to_string())
}

#[cfg(test)]
mod tests;
