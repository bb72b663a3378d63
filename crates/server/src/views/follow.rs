//! The follower: reads the journal in order and writes the tables, on a thread of its own so that no request waits for it.
//!
//! ```text
//!   Writer::step: read rows ─▶ claim ─▶ want, load ─▶ project ─▶ write ─▶ commit ─▶ position
//! ```
//! In PostgreSQL other nodes may write the same tables: who claims a position writes it, the others go on from there.
//!
//! **Invariant:** rows and progress are committed together. Views that are not of this journal, or that lack what it names, are
//! dropped and made again. **Not here:** waiting for anything but the journal.

use std::{
    thread::JoinHandle,
    time::{Duration, Instant},
};

use paytone_engine::{Batch, BatchError};
use paytone_journal::{EitherReader, JournalReader, OpenError, PublicIds, ReadError, Row};
use tokio::sync::{oneshot, watch};

use super::{
    Misfit, Views,
    overview::SizedJournal,
    project::Tables,
    store::{self, Progress},
    write::Statements,
};
use crate::{database::Session, derived::StoreError, stores::Stores};

/// Rows of the journal taken together at most.
const ROWS: usize = 512;
const BYTES: usize = 4 << 20;
/// Between two commits at least, so that small batches are taken together and the engine keeps the processor.
const PACE: Duration = Duration::from_millis(4);
/// After a failure.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("batch {seq}: {error}")]
    Batch { seq: u64, error: BatchError },
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// The views were made of another journal.
    #[error("the views are not of this journal")]
    AnotherJournal,
}

impl FollowError {
    /// Whether making the views again helps.
    fn is_of_the_views(&self) -> bool {
        match self {
            Self::Misfit(_) | Self::AnotherJournal => true,
            Self::Database(_)
            | Self::Store(_)
            | Self::Open(_)
            | Self::Read(_)
            | Self::Batch { .. } => false,
        }
    }
}

/// Writes the tables; one step takes what waits in the journal.
pub struct Writer {
    reader: EitherReader,
    session: Session,
    statements: Statements,
    tables: Tables,
    position: u64,
    /// What comes after it, if it was read already.
    ahead: Option<Taken>,
}

/// Rows of the journal on their way into the tables.
struct Taken {
    batches: Vec<(u64, Batch)>,
    progress: Progress,
    /// More waits behind them.
    are_most: bool,
}

impl Writer {
    pub async fn open(stores: &Stores) -> Result<Self, FollowError> {
        let reader = stores.journal_reader().await?;
        let session = store::open(&stores.views()).await?;
        let mut writer = Self {
            reader,
            session,
            statements: Statements::default(),
            tables: Tables::default(),
            position: 0,
            ahead: None,
        };
        writer.resume().await?;
        Ok(writer)
    }

    /// Goes on where the tables are, with nothing in memory of how they were.
    async fn resume(&mut self) -> Result<(), FollowError> {
        let found: Option<(i64, Vec<u8>)> = self.session.ask(store::PROGRESS).first().await?;
        self.position = match found.map(Progress::from) {
            None => 0,
            Some(progress) => {
                let row = self.reader.read(progress.position - 1, 1, 1).await?;
                if row
                    .first()
                    .is_none_or(|row| row.hash.as_bytes()[..] != progress.hash[..])
                {
                    return Err(FollowError::AnotherJournal);
                }
                progress.position
            }
        };
        self.ahead = None;
        self.tables = Tables::default();
        self.tables
            .resume(&mut self.session, &mut self.statements)
            .await?;
        Ok(())
    }

    /// The position that the tables show.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Takes in what waits, up to a limit; says whether there was anything.
    pub async fn step(&mut self) -> Result<bool, FollowError> {
        let ahead = match self.ahead.take() {
            Some(taken) => Some(taken),
            None => read(&mut self.reader, self.position).await?,
        };
        let Some(taken) = ahead else {
            return Ok(false);
        };
        self.session.begin().await?;
        match self.take(&taken).await {
            Ok(true) => {
                self.session.commit().await?;
                self.tables.written();
                self.position = taken.progress.position;
            }
            Ok(false) => {
                // Another node wrote these rows.
                self.session.roll_back().await?;
                self.resume().await?;
            }
            Err(error) => {
                // A session that is lost has nothing to undo.
                let _ = self.session.roll_back().await;
                return Err(error);
            }
        }
        Ok(true)
    }

    /// Writes what batches did; `false` if the tables are not where they were left.
    async fn take(&mut self, taken: &Taken) -> Result<bool, FollowError> {
        let Taken {
            batches,
            progress,
            are_most,
        } = taken;
        if !store::claim(&mut self.session, self.position, progress).await? {
            return Ok(false);
        }
        for (_, batch) in batches {
            self.tables.want(batch);
        }
        self.tables
            .load(&mut self.session, &mut self.statements)
            .await?;
        for (seq, batch) in batches {
            self.tables.project(*seq, batch)?;
        }
        // Of what waits the next part is read while this is written.
        let next = async {
            match are_most {
                true => read(&mut self.reader, progress.position).await,
                false => Ok(None),
            }
        };
        let (written, next) = tokio::join!(
            biased;
            self.tables.write(&mut self.session, &mut self.statements),
            next,
        );
        written?;
        self.ahead = next?;
        Ok(true)
    }

    pub async fn close(self) -> Result<(), sqlx::Error> {
        self.session.close().await
    }
}

/// What waits in the journal behind a position, up to a limit.
async fn read(reader: &mut EitherReader, after: u64) -> Result<Option<Taken>, FollowError> {
    let rows = reader.read(after, ROWS, BYTES).await?;
    let Some(last) = rows.last() else {
        return Ok(None);
    };
    let progress = Progress {
        position: last.seq,
        hash: last.hash.as_bytes().to_vec(),
    };
    let bytes: usize = rows.iter().map(|row| row.body.len()).sum();
    Ok(Some(Taken {
        batches: rows.iter().map(decode).collect::<Result<_, _>>()?,
        progress,
        are_most: rows.len() == ROWS || bytes > BYTES / 2,
    }))
}

fn decode(row: &Row) -> Result<(u64, Batch), FollowError> {
    match Batch::decode(&row.body) {
        Ok(batch) => Ok((row.seq, batch)),
        Err(error) => Err(FollowError::Batch {
            seq: row.seq,
            error,
        }),
    }
}

/// The running follower.
pub struct Following {
    pub views: Views,
    thread: JoinHandle<()>,
}

impl Following {
    pub fn into_parts(self) -> (Views, JoinHandle<()>) {
        (self.views, self.thread)
    }
}

/// Starts following. It ends, with all in the tables that is in the journal, once `durable` has lost its sender.
pub async fn start(
    stores: Stores,
    ids: PublicIds,
    durable: watch::Receiver<u64>,
) -> Result<Following, FollowError> {
    let (opened, position_seen) = oneshot::channel();
    let (paused, pause_seen) = watch::channel(false);
    let pool = store::readers(&stores.views());
    let held_stores = stores.clone();
    let thread = std::thread::Builder::new().name("views".to_owned());
    let thread = thread.spawn(move || {
        // Before anything is opened: the database's own thread inherits it.
        give_way();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime for the views");
        runtime.block_on(async {
            let writer = match open_or_rebuild(&stores).await {
                Ok(writer) => writer,
                Err(error) => {
                    // Whoever starts the node is waiting for this.
                    let _ = opened.send(Err(error));
                    return;
                }
            };
            let (position, seen) = watch::channel(writer.position());
            let _ = opened.send(Ok(seen));
            follow(writer, &stores, durable, pause_seen, &position).await;
        });
    });
    let thread = thread.map_err(|error| FollowError::Database(sqlx::Error::Io(error)))?;
    let position = position_seen
        .await
        .map_err(|_| FollowError::Database(sqlx::Error::WorkerCrashed))??;
    Ok(Following {
        views: Views {
            pool,
            position,
            paused,
            journal: SizedJournal::of(held_stores),
            ids,
        },
        thread,
    })
}

/// Decisions and answers come first when there is not enough of the processor for all: the calling thread lags then and catches
/// up later.
pub fn give_way() {
    // SAFETY: setpriority takes plain numbers; on Linux, process 0 is the calling thread.
    #[expect(unsafe_code, reason = "the standard library has no priorities")]
    let refused = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 10) } != 0;
    if refused {
        tracing::debug!("background work runs at the priority of everything else");
    }
}

async fn open_or_rebuild(stores: &Stores) -> Result<Writer, FollowError> {
    match Writer::open(stores).await {
        Err(error) if error.is_of_the_views() => {
            tracing::warn!(%error, "the views are made again");
            store::drop_all(&stores.views()).await?;
            Writer::open(stores).await
        }
        opened => opened,
    }
}

async fn follow(
    mut writer: Writer,
    stores: &Stores,
    mut durable: watch::Receiver<u64>,
    mut paused: watch::Receiver<bool>,
    position: &watch::Sender<u64>,
) {
    let mut rebuilt = false;
    let mut last = Instant::now();
    loop {
        // A pause ends with whoever could end it, and with the engine.
        tokio::select! {
            _ = paused.wait_for(|paused| !paused) => {}
            _ = durable.wait_for(|_| false) => {}
        }
        match writer.step().await {
            Ok(true) => {
                position.send_replace(writer.position());
                tokio::time::sleep(PACE.saturating_sub(last.elapsed())).await;
                last = Instant::now();
            }
            Ok(false) => {
                let reached = writer.position();
                if durable.wait_for(|now| *now > reached).await.is_err() {
                    // The engine is gone. What it made durable at the very last may still be unread.
                    while matches!(writer.step().await, Ok(true)) {
                        position.send_replace(writer.position());
                    }
                    if let Err(error) = writer.close().await {
                        tracing::warn!(%error, "the views are not closed in order");
                    }
                    return;
                }
            }
            Err(error) if error.is_of_the_views() && rebuilt => {
                tracing::error!(%error, "the views do not fit the journal even when made again; they stay behind");
                return;
            }
            Err(error) => {
                rebuilt = error.is_of_the_views();
                tracing::error!(%error, rebuilt, "the views stopped; trying again");
                match reopen(stores, rebuilt, &durable).await {
                    Some(opened) => writer = opened,
                    None => return,
                }
            }
        }
    }
}

/// Tries until it opens; what is in memory of a go that failed is of no use. `None` once the engine is gone.
async fn reopen(stores: &Stores, empty: bool, durable: &watch::Receiver<u64>) -> Option<Writer> {
    loop {
        tokio::time::sleep(PAUSE).await;
        durable.has_changed().ok()?;
        let opened = if empty {
            // Readers keep the file open, so that the rows go and the file stays.
            match store::clear(&stores.views()).await {
                Ok(()) => Writer::open(stores).await,
                Err(error) => Err(error.into()),
            }
        } else {
            Writer::open(stores).await
        };
        match opened {
            Ok(writer) => return Some(writer),
            Err(error) => tracing::error!(%error, "the views cannot be opened"),
        }
    }
}
