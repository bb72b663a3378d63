//! Snapshots kept beside the journal, so that a start need not replay all of it.
//!
//! ```text
//!   begin ──put(page)──put(page)──…──finish──▶ listed, newest first ──open──▶ Pages ──check──▶ what was put
//!                                                   └──set_aside──▶ kept for a person, and never used
//! ```
//! | store | where | when it is there |
//! |---|---|---|
//! | files | a folder, a file each | renamed to its name once it is synced |
//! | [`postgres`] | two tables | its row is marked complete once every page is in |
//! | memory | for simulation | when it is finished |
//!
//! **Invariants:** a snapshot is there whole or not at all. What a page gives has the checksum it was written with, and no page is
//! missing, doubled or of another snapshot. **Not here:** what is in a page, whether it fits the journal, which ones stay.

mod files;
mod memory;
mod page;
pub mod postgres;

pub use page::Page;

use files::{File, Folder, Reading};
use memory::Memory;
use postgres::{PostgresSnapshots, Rows};

use crate::store::OpenError;

/// Why a snapshot was not written or read. The journal is not touched by it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotsError {
    /// Disk full, no connection, no right.
    #[error("snapshots cannot be kept now: {0}")]
    Unavailable(String),
    /// What is there is not what was written.
    #[error("the snapshot is damaged: {0}")]
    Damaged(String),
    /// Another node is writing one.
    #[error("another node is making a snapshot")]
    Busy,
}

impl SnapshotsError {
    /// A stable name for logs and answers.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "snapshots_unavailable",
            Self::Damaged(_) => "snapshot_damaged",
            Self::Busy => "snapshot_busy",
        }
    }
}

/// One that is whole, as far as its store knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The journal position it was made at.
    pub seq: u64,
    pub bytes: u64,
    /// What people call it.
    pub name: String,
}

/// Where snapshots are. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Snapshots {
    Files(Folder),
    Postgres(Box<PostgresSnapshots>),
    Memory(Memory),
}

impl Snapshots {
    /// In a folder, which is made with the first one.
    pub fn folder(path: impl Into<std::path::PathBuf>) -> Self {
        Self::Files(Folder::new(path.into()))
    }

    /// In a PostgreSQL database.
    pub async fn postgres(store: &crate::PostgresStore) -> Result<Self, OpenError> {
        let tables = PostgresSnapshots::open(store, true).await?;
        Ok(Self::Postgres(Box::new(tables)))
    }

    /// In a PostgreSQL database, of which nothing is changed: fails where there are none.
    pub async fn in_postgres_as_it_is(store: &crate::PostgresStore) -> Result<Self, OpenError> {
        let tables = PostgresSnapshots::open(store, false).await?;
        Ok(Self::Postgres(Box::new(tables)))
    }

    /// For simulation.
    #[must_use]
    pub fn memory() -> Self {
        Self::Memory(Memory::default())
    }

    /// Those that are whole and not set aside, newest first.
    pub async fn list(&self) -> Result<Vec<Listed>, SnapshotsError> {
        let mut listed = match self {
            Self::Files(folder) => folder.list()?,
            Self::Postgres(tables) => tables.list().await?,
            Self::Memory(memory) => memory.list(),
        };
        listed.sort_unstable_by_key(|listed| std::cmp::Reverse(listed.seq));
        Ok(listed)
    }

    /// Begins one at a journal position. What is not finished is never seen.
    pub async fn begin(&self, seq: u64) -> Result<Writing, SnapshotsError> {
        let to = match self {
            Self::Files(folder) => To::File(folder.begin(seq)?),
            Self::Postgres(tables) => To::Rows(Box::new(tables.begin(seq).await?)),
            Self::Memory(memory) => To::Memory(memory.clone(), Vec::new()),
        };
        Ok(Writing {
            to,
            seq,
            pages: 0,
            bytes: 0,
        })
    }

    /// Begins reading one.
    pub async fn open(&self, listed: &Listed) -> Result<Pages, SnapshotsError> {
        let from = match self {
            Self::Files(folder) => From::File(Box::new(folder.open(listed)?)),
            Self::Postgres(tables) => From::Rows(Box::new(tables.read(listed.seq).await?)),
            Self::Memory(memory) => From::Memory(memory.read(listed.seq)),
        };
        Ok(Pages {
            from,
            seq: listed.seq,
            next: 0,
            ended: false,
        })
    }

    /// It is of no use and stays for a person to look at.
    pub async fn set_aside(&self, listed: &Listed) -> Result<(), SnapshotsError> {
        match self {
            Self::Files(folder) => folder.set_aside(listed),
            Self::Postgres(tables) => tables.set_aside(listed.seq).await,
            Self::Memory(memory) => {
                memory.remove(listed.seq);
                Ok(())
            }
        }
    }

    /// Changes a byte in the middle of one, for tests of what is made of that. Only in memory.
    pub fn damage(&self, seq: u64) {
        if let Self::Memory(memory) = self {
            memory.damage(seq);
        }
    }

    /// Drops those that are not `wanted`.
    pub async fn keep_only(&self, wanted: impl Fn(&Listed) -> bool) -> Result<(), SnapshotsError> {
        for old in self.list().await?.into_iter().filter(|one| !wanted(one)) {
            match self {
                Self::Files(folder) => folder.remove(&old)?,
                Self::Postgres(tables) => tables.remove(old.seq).await?,
                Self::Memory(memory) => memory.remove(old.seq),
            }
        }
        Ok(())
    }
}

#[derive(Debug)]
enum To {
    File(File),
    Rows(Box<Rows>),
    Memory(Memory, Vec<Vec<u8>>),
}

/// A snapshot that is being written. Dropped before it is finished, it never was.
#[derive(Debug)]
pub struct Writing {
    to: To,
    seq: u64,
    pages: u32,
    bytes: u64,
}

impl Writing {
    pub async fn put(&mut self, bytes: &[u8]) -> Result<(), SnapshotsError> {
        self.page(bytes, false).await
    }

    async fn page(&mut self, bytes: &[u8], is_last: bool) -> Result<(), SnapshotsError> {
        let page = page::seal(self.seq, self.pages, is_last, bytes)
            .ok_or_else(|| SnapshotsError::Unavailable("a page is too long".to_owned()))?;
        let place = self.pages;
        self.pages += 1;
        self.bytes += page.len() as u64;
        match &mut self.to {
            To::File(file) => file.write(&page),
            To::Rows(rows) => rows.write(place, &page).await,
            To::Memory(_, pages) => {
                pages.push(page);
                Ok(())
            }
        }
    }

    /// Makes it durable.
    pub async fn finish(mut self) -> Result<Listed, SnapshotsError> {
        self.page(&[], true).await?;
        let name = match self.to {
            To::File(file) => file.finish()?,
            To::Rows(rows) => rows.finish(self.bytes).await?,
            To::Memory(memory, pages) => memory.keep(self.seq, pages),
        };
        Ok(Listed {
            seq: self.seq,
            bytes: self.bytes,
            name,
        })
    }
}

#[derive(Debug)]
enum From {
    File(Box<Reading>),
    Rows(Box<postgres::Reading>),
    Memory(std::vec::IntoIter<Vec<u8>>),
}

/// The pages of one snapshot, in order.
#[derive(Debug)]
pub struct Pages {
    from: From,
    seq: u64,
    next: u32,
    ended: bool,
}

impl Pages {
    /// The next one as it was stored, still to be checked; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Page>, SnapshotsError> {
        if self.ended {
            return Ok(None);
        }
        let stored = match &mut self.from {
            From::File(reading) => reading.next()?,
            From::Rows(reading) => reading.next(self.next).await?,
            From::Memory(pages) => pages.next(),
        };
        let stored =
            stored.ok_or_else(|| SnapshotsError::Damaged("its end is missing".to_owned()))?;
        let page = Page::of(self.seq, self.next, stored)?;
        self.next += 1;
        if page.is_last() {
            self.ended = true;
            // Its checksum tells that nothing was cut off before it.
            page.check()?;
            return Ok(None);
        }
        Ok(Some(page))
    }
}

#[cfg(test)]
mod tests;
