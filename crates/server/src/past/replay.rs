//! The replay itself, on a thread of its own.

use std::sync::Arc;

use paytone_domain::{Event, archive::ArchiveEvent, payment::Payment, time::Timestamp};
use paytone_engine::{
    Batch, BatchError, Core,
    what_if::{Otherwise, Report, WhatIf},
};
use paytone_journal::{ChainError, ChainVerifier, JournalReader, OpenError, ReadError, Row};
use tokio::sync::oneshot;

use super::Progress;
use crate::{archive::known::Copies, config::Config, stores::Stores};

const ROWS: usize = 1_024;
const BYTES: usize = 8 << 20;

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

/// Where a replay ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The last row that counts; zero before the first.
    pub row: u64,
    /// Its engine time.
    pub time: Timestamp,
}

/// Shows `look` the state as of `at`: with every row decided until then, and none after. Of what had left memory by then it
/// is shown what `keep` says.
pub async fn state_at<T: Send + 'static>(
    config: &Config,
    at: Timestamp,
    progress: Arc<Progress>,
    keep: impl Fn(&Payment) -> bool + Send + 'static,
    look: impl FnOnce(&Core, &Copies) -> T + Send + 'static,
) -> Result<(T, Reached), PastError> {
    let run = move |config: Config| async move {
        let mut core = Core::new();
        let mut left = Copies::default();
        let mut reached = Reached {
            row: 0,
            time: Timestamp(0),
        };
        rows(&config, &progress, |row, batch| {
            if batch.moment.now > at {
                return Ok(false);
            }
            for event in batch.items.iter().flat_map(|item| &item.events) {
                let leaving = core.state().leaving(event).into_iter();
                leaving
                    .filter(|copy| keep(&copy.payment))
                    .for_each(|copy| left.add(copy));
                if let Event::Archive(ArchiveEvent::Recalled { copy }) = event {
                    left.remove(copy.payment.id);
                }
            }
            core.apply(row).map_err(|error| PastError::Batch {
                seq: row.seq,
                error,
            })?;
            reached = Reached {
                row: row.seq,
                time: batch.moment.now,
            };
            Ok(true)
        })
        .await?;
        Ok((look(&core, &left), reached))
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
        let mut what_if = WhatIf::new(otherwise);
        rows(&config, &progress, |_, batch| Ok(what_if.take(batch))).await?;
        Ok(what_if.report())
    };
    apart(config.clone(), run).await
}

/// Every row in order, its chain checked, until `each` has enough.
async fn rows(
    config: &Config,
    progress: &Progress,
    mut each: impl FnMut(&Row, &Batch) -> Result<bool, PastError>,
) -> Result<(), PastError> {
    let mut journal = Stores::of(config)?.journal_reader().await?;
    let end = journal.last().await?.map_or(0, |tip| tip.seq);
    let mut chain = ChainVerifier::new();
    let mut after = 0;
    while after < end {
        progress.set(after, end);
        progress.check()?;
        let rows = journal.read(after, ROWS, BYTES).await?;
        if rows.is_empty() {
            break;
        }
        for row in rows.into_iter().take_while(|row| row.seq <= end) {
            chain.accept(&row)?;
            let batch = Batch::decode(&row.body).map_err(|error| PastError::Batch {
                seq: row.seq,
                error,
            })?;
            if !each(&row, &batch)? {
                return Ok(());
            }
            after = row.seq;
        }
    }
    progress.set(after, end);
    Ok(())
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
