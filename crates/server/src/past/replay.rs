//! The replay itself, on a thread of its own.

use std::sync::Arc;

use paytone_domain::{
    Event, State,
    archive::ArchiveEvent,
    payment::Payment,
    time::{Moment, Timestamp},
};
use paytone_engine::{
    Batch, BatchError, Core, ReplayError, Walk,
    replay::newest,
    snapshot::Header,
    what_if::{Otherwise, Report, WhatIf},
};
use paytone_journal::{
    ChainError, EitherReader, JournalReader, OpenError, ReadError, Row, Snapshots, Tip,
};
use tokio::sync::oneshot;

use super::Progress;
use crate::{
    archive::{Archive, ArchiveError, Known, known::Copies},
    config::Config,
    stores::Stores,
};

/// A look finds out step by step what it needs.
const ROUNDS: usize = 6;

/// Why the past cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum PastError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error("batch {seq}: {error}")]
    Batch { seq: u64, error: BatchError },
    #[error("it was stopped")]
    Stopped,
    #[error("it took longer than the settings allow (limits.look_back_seconds)")]
    TooLong,
    #[error("the thread that replays ended: {0}")]
    Thread(String),
}

impl From<ReplayError> for PastError {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Read(error) => Self::Read(error),
            ReplayError::Chain(error) => Self::Chain(error),
            ReplayError::Batch { seq, error } => Self::Batch { seq, error },
        }
    }
}

/// Where a replay begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begins {
    /// With the newest snapshot that is early enough; with the first row where there is none.
    AtSnapshot,
    AtFirstRow,
}

/// Where a replay ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The snapshot that it began with; zero for none.
    pub snapshot: u64,
    /// The last row that counts; zero before the first.
    pub row: u64,
    /// Its engine time.
    pub time: Timestamp,
}

/// The state as of a moment, and what had left memory by then.
pub struct Then {
    core: Core,
    /// Of what left memory after the snapshot; more is in the archive.
    left: Copies,
    at: Timestamp,
    pub reached: Reached,
}

impl Then {
    pub fn state(&self) -> &State {
        self.core.state()
    }

    /// `at` in the calendar of then.
    pub fn moment(&self) -> Moment {
        self.core.moment_at(self.at)
    }

    /// Looks at it. `None` where something was asked for that had left memory before the snapshot and changed since: only a replay
    /// that begins with the first row knows how it was.
    pub async fn look<T>(
        &mut self,
        archive: &Archive,
        look: impl Fn(&Known<'_>) -> T,
    ) -> Result<Option<T>, ArchiveError> {
        for _ in 0..ROUNDS {
            let known = Known::new(self.core.state(), &self.left);
            let (seen, missing) = (look(&known), known.missing());
            if missing.is_empty() || self.reached.snapshot == 0 {
                return Ok(Some(seen));
            }
            if !self.left.fetch_as_of(archive, &missing, self.at).await? {
                return Ok(None);
            }
        }
        Ok(None)
    }
}

impl Drop for Then {
    /// A large state takes longer to go than a thread that serves requests should be held up.
    fn drop(&mut self) {
        let core = std::mem::take(&mut self.core);
        let thread = std::thread::Builder::new().name("look-back".to_owned());
        // Without a thread it is dropped here.
        let _ = thread.spawn(move || drop(core));
    }
}

/// The state as of `at`: with every row decided until then, and none after; and of what left memory during the replay what `keep`
/// says.
pub async fn state_at(
    config: &Config,
    at: Timestamp,
    begins: Begins,
    progress: Arc<Progress>,
    keep: impl Fn(&Payment) -> bool + Send + 'static,
) -> Result<Then, PastError> {
    let run = move |config: Config| async move {
        let mut past = Past::open(&config, &progress).await?;
        let core = match begins {
            Begins::AtSnapshot => past.snapshot(|time| time <= at).await?,
            Begins::AtFirstRow => Core::new(),
        };
        let mut then = Then {
            reached: Reached {
                snapshot: core.tip().map_or(0, |tip| tip.seq),
                row: core.tip().map_or(0, |tip| tip.seq),
                time: core.moment().now,
            },
            core,
            left: Copies::default(),
            at,
        };
        past.rows(then.core.tip(), |row, batch| {
            if batch.moment.now > at {
                return Ok(false);
            }
            for event in batch.items.iter().flat_map(|item| &item.events) {
                let leaving = then.core.state().leaving(event).into_iter();
                leaving
                    .filter(|copy| keep(&copy.payment))
                    .for_each(|copy| then.left.add(copy));
                if let Event::Archive(ArchiveEvent::Recalled { copy }) = event {
                    then.left.remove(copy.payment.id);
                }
            }
            then.core.apply(row).map_err(|error| PastError::Batch {
                seq: row.seq,
                error,
            })?;
            (then.reached.row, then.reached.time) = (row.seq, batch.moment.now);
            Ok(true)
        })
        .await?;
        Ok(then)
    };
    apart(config.clone(), run).await
}

/// Decides a period again.
pub async fn what_if(
    config: &Config,
    otherwise: Otherwise,
    progress: Arc<Progress>,
) -> Result<Report, PastError> {
    let run = move |config: Config| async move {
        let mut past = Past::open(&config, &progress).await?;
        let from = otherwise.from;
        let core = past.snapshot(|time| time < from).await?;
        let tip = core.tip();
        let mut what_if = WhatIf::new(otherwise, core.into_state());
        past.rows(tip, |_, batch| Ok(what_if.take(batch))).await?;
        Ok(what_if.report())
    };
    apart(config.clone(), run).await
}

/// The journal and its snapshots, for one replay.
struct Past<'a> {
    journal: EitherReader,
    snapshots: Option<Snapshots>,
    progress: &'a Progress,
}

impl<'a> Past<'a> {
    async fn open(config: &Config, progress: &'a Progress) -> Result<Self, PastError> {
        let stores = Stores::of(config)?;
        Ok(Self {
            journal: stores.journal_reader().await?,
            snapshots: stores.snapshots_as_they_are().await.ok(),
            progress,
        })
    }

    /// The state of the newest snapshot of a moment that is `wanted`; that before the first row where there is none.
    async fn snapshot(&mut self, wanted: impl Fn(Timestamp) -> bool) -> Result<Core, PastError> {
        let Some(snapshots) = &self.snapshots else {
            return Ok(Core::new());
        };
        let wanted = |header: &Header| wanted(header.moment.now);
        let found = newest(&mut self.journal, snapshots, wanted, |_| {}).await?;
        self.progress.check()?;
        Ok(found.unwrap_or_default())
    }

    /// Every row after `tip` in order, its chain checked, until `each` has enough.
    async fn rows(
        &mut self,
        tip: Option<Tip>,
        mut each: impl FnMut(&Row, &Batch) -> Result<bool, PastError>,
    ) -> Result<(), PastError> {
        let (journal, progress) = (&mut self.journal, self.progress);
        let end = journal.last().await?.map_or(0, |tip| tip.seq);
        let mut walk = Walk::after(tip, end);
        loop {
            progress.set(walk.position(), end);
            progress.check()?;
            let rows = walk.next(journal).await?;
            if rows.is_empty() {
                return Ok(());
            }
            for (row, batch) in &rows {
                if !each(row, batch)? {
                    return Ok(());
                }
            }
        }
    }
}

/// Runs it on a thread that gives way to everything else.
pub async fn apart<T, F, R>(config: Config, run: R) -> Result<T, PastError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, PastError>>,
    R: FnOnce(Config) -> F + Send + 'static,
{
    let (done, outcome) = oneshot::channel();
    let thread = std::thread::Builder::new().name("look-back".to_owned());
    thread
        .spawn(move || {
            crate::views::give_way();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let outcome = match runtime {
                Ok(runtime) => runtime.block_on(run(config)),
                Err(error) => Err(PastError::Thread(error.to_string())),
            };
            // Whoever asked may be gone.
            let _ = done.send(outcome);
        })
        .map_err(|error| PastError::Thread(error.to_string()))?;
    outcome
        .await
        .unwrap_or_else(|_| Err(PastError::Thread("it broke off".to_owned())))
}
