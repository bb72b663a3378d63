//! Moves the log into the journal file beside the appends, on a thread and a connection of its own.
//!
//! SQLite does this by itself inside an append, which then takes as long as writing and syncing megabytes takes. Done beside, the
//! appends go on meanwhile. Only when the log has become long all the same, because it grew as fast as it was moved, appends wait
//! for the little that is left, so that it begins again from the start.
//!
//! **Invariant:** a failure is told to the next append. **Not here:** durability, which is the log's.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
};

use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use crate::sqlite_file::{Failure, failure_of};

/// When there is something to do, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Appended since it was done last.
    pub every: u64,
    /// In the log: appends wait until it is empty.
    pub at_most: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            every: 1 << 20,
            at_most: 64 << 20,
        }
    }
}

/// Bytes of the log for one page: the page and its header.
const FRAME: u64 = 4_096 + 24;

#[derive(Debug)]
pub(super) struct Checkpoints {
    pace: Pace,
    appended: u64,
    /// `None` once it is told to end.
    wanted: Option<SyncSender<()>>,
    failed: Arc<Mutex<Option<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    pub fn start(connection: SqliteConnection, pace: Pace) -> io::Result<Self> {
        let (wanted, to_do) = sync_channel(1);
        let failed = Arc::default();
        let tell = Arc::clone(&failed);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let thread = std::thread::Builder::new()
            .name("checkpoints".to_owned())
            .spawn(move || runtime.block_on(work(connection, &to_do, pace, &tell)))?;
        Ok(Self {
            pace,
            appended: 0,
            wanted: Some(wanted),
            failed,
            thread: Some(thread),
        })
    }

    /// So much is in the log more.
    pub fn appended(&mut self, bytes: usize) {
        self.appended += bytes as u64;
        if self.appended >= self.pace.every
            && let Some(wanted) = &self.wanted
            && wanted.try_send(()).is_ok()
        {
            self.appended = 0;
        }
    }

    /// Why the log cannot be moved, if it failed.
    pub fn failure(&self) -> Option<String> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.clone()
    }
}

impl Drop for Checkpoints {
    /// Whoever opens the file next finds nobody at work on it.
    fn drop(&mut self) {
        drop(self.wanted.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

async fn work(
    mut connection: SqliteConnection,
    to_do: &Receiver<()>,
    pace: Pace,
    failed: &Mutex<Option<String>>,
) {
    while to_do.recv().is_ok() {
        if let Err(error) = move_log(&mut connection, pace).await
            && failure_of(&error) != Failure::Busy
        {
            *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
            break;
        }
    }
    // Nothing of its own is left to be written.
    drop(connection.close().await);
}

async fn move_log(connection: &mut SqliteConnection, pace: Pace) -> Result<(), sqlx::Error> {
    // Whether it was kept from it, the pages in the log, and those of them that are in the file.
    let (_, pages, _): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(PASSIVE)")
        .fetch_one(&mut *connection)
        .await?;
    if u64::try_from(pages).unwrap_or_default() * FRAME >= pace.at_most {
        sqlx::query("PRAGMA wal_checkpoint(RESTART)")
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
