//! A journal in memory, for simulation: it loses what a crash loses and fails when it is told to.
//!
//! ```text
//!   append ──▶ unsynced ──sync()──▶ synced ──▶ readers
//!                 │
//!                 └──crash()──▶ gone (or kept: a disk may do either)
//! ```
//!
//! Clones are handles on the same store: a second writer, a follower, the process after a restart. A crash ends every
//! handle made before it; [`MemoryJournal::reopen`] gives a new one.
//!
//! **Invariant:** readers see synced rows only. **Not here:** randomness and time; faults come from the caller.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use crate::row::{Hash, Row, Tip};
use crate::store::{AppendError, Journal, JournalReader, ReadError};
use crate::verdict::{Verdict, judge};

/// What a row takes beside its body.
const ROW_OVERHEAD_BYTES: u64 = 96;

/// What the next append meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// `Unknown`, and the row is there.
    UnknownHappened,
    /// `Unknown`, and the row is not there.
    UnknownNotHappened,
    /// A failed sync: `Broken`, for this append and all later ones; the row waits unsynced for what a crash does to it.
    Broken,
    /// No room: `Broken`, for this append and all later ones; the row is not there.
    Full,
    /// `Conflict`, without a rival row. For a real one, append through another handle.
    Conflict,
}

/// What a crash does to the row that was not yet synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsynced {
    /// The disk never got it.
    Lost,
    /// The disk got it although nobody was told.
    Kept,
}

/// A handle on a journal in memory.
#[derive(Debug, Clone)]
pub struct MemoryJournal {
    shared: Arc<Mutex<Disk>>,
    life: u64,
}

#[derive(Debug, Default)]
struct Disk {
    rows: Vec<Row>,
    /// How many were taken out before the first of them.
    gone: u64,
    unsynced: Option<Row>,
    faults: VecDeque<Fault>,
    syncs_held: bool,
    broken: bool,
    life: u64,
    waiting: Vec<Waker>,
}

impl Default for MemoryJournal {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryJournal {
    /// An empty journal that syncs each append at once.
    #[must_use]
    pub fn new() -> Self {
        Self {
            shared: Arc::default(),
            life: 0,
        }
    }

    /// Adds a fault to the end of the plan; each append uses up one.
    pub fn plan(&self, fault: Fault) {
        self.disk().faults.push_back(fault);
    }

    /// From now on appends wait for [`Self::sync`].
    pub fn hold_syncs(&self) {
        self.disk().syncs_held = true;
    }

    /// Appends no longer wait; one that waits is synced.
    pub fn release_syncs(&self) {
        self.disk().syncs_held = false;
        self.sync();
    }

    /// Makes the waiting row durable; says whether there was one.
    pub fn sync(&self) -> bool {
        let mut disk = self.disk();
        if disk.broken {
            return false;
        }
        let Some(row) = disk.unsynced.take() else {
            return false;
        };
        disk.rows.push(row);
        disk.wake();
        true
    }

    /// Whether an append waits for a sync.
    #[must_use]
    pub fn awaits_sync(&self) -> bool {
        self.disk().unsynced.is_some()
    }

    /// The machine dies: the unsynced row is lost, every handle so far is dead, planned faults are forgotten.
    pub fn crash(&self) {
        self.crash_with(Unsynced::Lost);
    }

    /// The machine dies, and `unsynced` says what the disk made of the row it was not told to sync.
    pub fn crash_with(&self, unsynced: Unsynced) {
        let mut disk = self.disk();
        match (disk.unsynced.take(), unsynced) {
            (Some(row), Unsynced::Kept) => disk.rows.push(row),
            (Some(_), Unsynced::Lost) | (None, _) => {}
        }
        disk.faults.clear();
        disk.broken = false;
        disk.life += 1;
        disk.wake();
    }

    /// A failover that lost what it had acknowledged: of the synced rows, the last ones are gone.
    pub fn lose_last(&self, rows: usize) {
        let mut disk = self.disk();
        let kept = disk.rows.len().saturating_sub(rows);
        disk.rows.truncate(kept);
        disk.unsynced = None;
    }

    /// Takes the rows up to `through` out, as [`crate::trim`] does: never the last. Says up to which they are gone.
    pub fn trim(&self, through: u64) -> u64 {
        let mut disk = self.disk();
        let most = disk.gone + (disk.rows.len() as u64).saturating_sub(1);
        let leaving = through.min(most).saturating_sub(disk.gone);
        disk.rows.drain(..usize::try_from(leaving).unwrap_or(0));
        disk.gone += leaving;
        disk.gone
    }

    /// A handle for the process that starts after a crash.
    #[must_use]
    pub fn reopen(&self) -> Self {
        let life = self.disk().life;
        Self {
            shared: Arc::clone(&self.shared),
            life,
        }
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        // No code panics while it holds the lock half-way through a change, so a poisoned lock guards sound data.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk {
    fn wake(&mut self) {
        for waker in self.waiting.drain(..) {
            waker.wake();
        }
    }

    fn at(&self, seq: u64) -> Option<&Row> {
        let index = usize::try_from(seq.checked_sub(1 + self.gone)?).ok()?;
        self.rows.get(index)
    }

    /// Starts an append: `Some` when the answer is already known.
    fn start(&mut self, row: &Row) -> Option<Result<(), AppendError>> {
        if self.broken {
            return Some(Err(AppendError::Broken(
                "an earlier sync failed".to_owned(),
            )));
        }
        if let Some(waiting) = &self.unsynced {
            // A repeat of the row that waits joins it; anything else would be the second statement at a time.
            let joins = waiting.hash == row.hash;
            return (!joins).then(|| {
                Err(AppendError::Unknown(
                    "another row is being synced".to_owned(),
                ))
            });
        }
        let before = row
            .seq
            .checked_sub(1)
            .and_then(|seq| self.at(seq))
            .map(Row::tip);
        match judge(row, self.at(row.seq).map(|held| held.hash), before) {
            Verdict::AlreadyThere => return Some(Ok(())),
            Verdict::Refused(error) => return Some(Err(error)),
            Verdict::Fits => {}
        }
        match self.faults.pop_front() {
            Some(Fault::UnknownHappened) => {
                self.rows.push(row.clone());
                Some(Err(AppendError::Unknown(
                    "planned; the row is there".to_owned(),
                )))
            }
            Some(Fault::UnknownNotHappened) => Some(Err(AppendError::Unknown(
                "planned; the row is not there".to_owned(),
            ))),
            Some(Fault::Broken) => {
                self.unsynced = Some(row.clone());
                self.broken = true;
                Some(Err(AppendError::Broken(
                    "planned: the sync failed".to_owned(),
                )))
            }
            Some(Fault::Full) => {
                self.broken = true;
                Some(Err(AppendError::Broken(
                    "planned: the disk is full".to_owned(),
                )))
            }
            Some(Fault::Conflict) => Some(Err(AppendError::Conflict {
                seq: row.seq,
                held: Hash::GENESIS,
                offered: row.hash,
            })),
            None if self.syncs_held => {
                self.unsynced = Some(row.clone());
                None
            }
            None => {
                self.rows.push(row.clone());
                Some(Ok(()))
            }
        }
    }
}

impl Journal for MemoryJournal {
    async fn append(&mut self, row: &Row) -> Result<(), AppendError> {
        let crashed = || Err(AppendError::Broken("the process has crashed".to_owned()));
        {
            let mut disk = self.disk();
            if disk.life != self.life {
                return crashed();
            }
            if let Some(answer) = disk.start(row) {
                return answer;
            }
        }
        poll_fn(|context| {
            let mut disk = self.disk();
            if disk.life != self.life {
                return Poll::Ready(crashed());
            }
            if disk.at(row.seq).is_some_and(|held| held.hash == row.hash) {
                return Poll::Ready(Ok(()));
            }
            disk.waiting.push(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

impl JournalReader for MemoryJournal {
    async fn read(
        &mut self,
        after_seq: u64,
        limit_rows: usize,
        limit_bytes: usize,
    ) -> Result<Vec<Row>, ReadError> {
        let disk = self.disk();
        if disk.life != self.life {
            return Err(ReadError::Unavailable("the process has crashed".to_owned()));
        }
        let skipped = after_seq.saturating_sub(disk.gone);
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        let mut bytes = 0_usize;
        let mut rows = Vec::new();
        for row in disk.rows.iter().skip(skipped).take(limit_rows) {
            bytes = bytes.saturating_add(row.body.len());
            if bytes > limit_bytes && !rows.is_empty() {
                break;
            }
            rows.push(row.clone());
        }
        Ok(rows)
    }

    async fn last(&mut self) -> Result<Option<Tip>, ReadError> {
        let disk = self.disk();
        if disk.life != self.life {
            return Err(ReadError::Unavailable("the process has crashed".to_owned()));
        }
        Ok(disk.rows.last().map(Row::tip))
    }

    async fn size_bytes(&mut self) -> Result<u64, ReadError> {
        let disk = self.disk();
        Ok(disk
            .rows
            .iter()
            .map(|row| row.body.len() as u64 + ROW_OVERHEAD_BYTES)
            .sum())
    }
}

#[cfg(test)]
mod tests;
