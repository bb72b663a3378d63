//! Snapshots of a running node: made beside the engine, on a schedule and on demand; and how the last start went.
//!
//! ```text
//!   schedule, `paytone snapshot` ──▶ a thread of its own: newest snapshot + rows after it ─▶ state ─▶ pages
//!   start ──▶ newest snapshot that fits + rows after it
//! ```
//! **Invariants:** one is made at a time, since each takes a state of its own; the engine's thread does nothing for it. A
//! snapshot holds what the journal holds: ids, hashes and ciphertext. **Not here:** what a snapshot looks like.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use paytone_engine::{
    replay::{Progress, Restart},
    snapshot::{self, Keep, Made, MakeError},
};
use paytone_journal::{OpenError, Snapshots, snapshots::Listed};

use crate::{
    config::Config,
    past::{self, PastError},
    stores::Stores,
};

/// How this node's start went, and what became of snapshots since.
#[derive(Debug)]
pub struct SnapshotLog {
    pub start: Start,
    newest: Mutex<Option<Newest>>,
    making: AtomicBool,
    failed: AtomicU64,
}

/// What a start did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Start {
    /// The position of the snapshot that it began with; zero if it began with the first row.
    pub snapshot: u64,
    pub rows: u64,
    pub events: u64,
    pub took: Duration,
}

/// The newest snapshot that this node made or found.
#[derive(Clone, Copy, Debug)]
pub struct Newest {
    pub seq: u64,
    pub bytes: u64,
}

/// Why there is no new snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotFailure {
    #[error("a snapshot is being made already")]
    Busy,
    #[error(transparent)]
    Make(#[from] MakeError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Past(#[from] PastError),
}

impl SnapshotFailure {
    pub fn code(&self) -> &'static str {
        match self {
            Self::Busy => "snapshot_busy",
            Self::Make(error) => error.code(),
            Self::Open(error) => error.code(),
            Self::Past(_) => "snapshot_failed",
        }
    }
}

/// Ends the making, whatever became of it.
struct Making<'a>(&'a AtomicBool);

impl Drop for Making<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl SnapshotLog {
    pub fn new(start: Start) -> Self {
        Self {
            start,
            newest: Mutex::new(None),
            making: AtomicBool::new(false),
            failed: AtomicU64::new(0),
        }
    }

    pub fn newest(&self) -> Option<Newest> {
        *self.newest.lock()
    }

    /// Tries that came to nothing.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Makes one at the journal's end. `progress` is told rows and rows in all.
    pub async fn make(
        &self,
        config: &Config,
        progress: impl Fn(u64, u64) + Send + 'static,
    ) -> Result<Made, SnapshotFailure> {
        if self.making.swap(true, Ordering::AcqRel) {
            return Err(SnapshotFailure::Busy);
        }
        let _making = Making(&self.making);
        let made = made(config, progress).await;
        match &made {
            Ok(made) => self.saw(&made.listed),
            Err(_) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
        made
    }

    pub fn saw(&self, listed: &Listed) {
        *self.newest.lock() = Some(Newest {
            seq: listed.seq,
            bytes: listed.bytes,
        });
    }
}

async fn made(
    config: &Config,
    progress: impl Fn(u64, u64) + Send + 'static,
) -> Result<Made, SnapshotFailure> {
    let begun = Instant::now();
    let keep = Keep {
        newest: config.snapshot.keep,
        days: config.snapshot.keep_days,
    };
    let make = move |config: Config| async move {
        let stores = Stores::of(&config)?;
        let mut journal = stores.journal_reader().await?;
        let snapshots = stores.snapshots().await?;
        let seen = |seen: Progress| {
            if let Progress::Replaying { seq, end, .. } = seen {
                progress(seq, end);
            }
        };
        Ok(snapshot::make_keeping(&mut journal, &snapshots, keep, seen).await)
    };
    let made = past::apart(config.clone(), make).await??;
    if made.is_new {
        let took_ms = begun.elapsed().as_millis();
        let (position, bytes, rows) = (made.listed.seq, made.listed.bytes, made.rows);
        tracing::info!(position, bytes, rows, took_ms, "snapshot made");
    }
    Ok(made)
}

/// The stores' snapshots; none, with a warning, where they cannot be had: a start then takes longer, and is as right.
pub async fn open(stores: &Stores) -> Option<Snapshots> {
    match stores.snapshots().await {
        Ok(snapshots) => Some(snapshots),
        Err(error) => {
            let hint = "on PostgreSQL the owner's script makes their tables: paytone store sql";
            tracing::warn!(%error, hint, "there are no snapshots; the whole journal is replayed");
            None
        }
    }
}

impl Start {
    /// What `restart` did in this time.
    pub fn of(restart: &Restart, took: Duration) -> Self {
        let start = Self {
            snapshot: restart.snapshot.unwrap_or(0),
            rows: restart.rows,
            events: restart.events,
            took,
        };
        tracing::info!(
            snapshot = start.snapshot,
            rows = start.rows,
            events = start.events,
            took_ms = start.took.as_millis(),
            "journal replayed"
        );
        start
    }
}
