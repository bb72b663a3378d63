//! The archive made again from the journal: what every eviction took out of memory, as it was then.

use std::collections::BTreeMap;

use paytone_domain::{
    State,
    archive::Closed,
    idempotency::OldAnswer,
    ids::{PaymentId, RepeatKey},
    time::HOUR,
};
use paytone_engine::{BatchError, Core, ReplayError, Walk};
use paytone_journal::{ChainError, JournalReader, OpenError, ReadError};

use super::store::{self, Leaving, Progress};
use crate::{config::Config, database::Session, derived::StoreError, stores::Stores};

/// Copies written together at least, but for the last.
const COPIES: usize = 4_096;

#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    #[error("the archive cannot be opened: {0}")]
    Store(#[from] StoreError),
    #[error("the archive cannot be written: {0}")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error("batch {seq}: {error}")]
    Batch { seq: u64, error: BatchError },
    #[error("the journal is in use: stop the server first")]
    InUse,
}

impl From<ReplayError> for RebuildError {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Read(error) => Self::Read(error),
            ReplayError::Chain(error) => Self::Chain(error),
            ReplayError::Batch { seq, error } => Self::Batch { seq, error },
        }
    }
}

/// Opens the archive of a node that is about to start with this state, and makes it complete.
/// `progress` is told how far in the journal it got, should all of it have to be read.
pub async fn catch_up(
    stores: &Stores,
    state: &State,
    mut progress: impl FnMut(u64, u64),
) -> Result<(), RebuildError> {
    let mut session = store::open(&stores.archive()).await?;
    let found = store::progress(&mut session).await?;
    let mut fits = true;
    if let Some(found) = &found {
        let mut journal = stores.journal_reader().await?;
        fits = hash_at(&mut journal, found.position).await? == found.hash;
    }
    if !fits {
        tracing::warn!("the archive is of another journal, or of what it was once");
        store::clear(&mut session).await?;
    }
    let needed = state.archive.evictions;
    let complete = found.map_or(0, |found| found.evictions);
    if !fits || complete < needed {
        tracing::warn!(needed, "the archive is made again from the journal");
        let end = stores.journal_reader().await?.last().await?;
        let end = end.map_or(0, |tip| tip.seq);
        make(stores, &mut session, |seq| progress(seq, end)).await?;
    }
    session.close().await?;
    Ok(())
}

/// Makes the whole archive again; `progress` is told how far in the journal it got. Returns how many copies it wrote.
pub async fn rebuild(
    config: &Config,
    mut progress: impl FnMut(u64, u64),
) -> Result<u64, RebuildError> {
    let stores = Stores::of(config)?;
    // A server that runs writes the same file; in PostgreSQL both write the same copies.
    let mut journal = match stores.journal().await {
        Ok(journal) => journal,
        Err(OpenError::InUse { .. }) => return Err(RebuildError::InUse),
        Err(error) => return Err(error.into()),
    };
    let end = journal.last().await?.map_or(0, |tip| tip.seq);
    drop(journal);
    let mut session = store::open(&stores.archive()).await?;
    store::clear(&mut session).await?;
    progress(0, end);
    make(&stores, &mut session, |seq| progress(seq, end)).await?;
    let (copies,): (i64,) = session.ask("SELECT count(*) FROM payments").one().await?;
    session.close().await?;
    Ok(copies.cast_unsigned())
}

/// The hash of the journal's row at `position`; empty where there is none.
pub async fn hash_at(
    journal: &mut impl JournalReader,
    position: u64,
) -> Result<Vec<u8>, ReadError> {
    let Some(before) = position.checked_sub(1) else {
        return Ok(Vec::new());
    };
    let rows = journal.read(before, 1, 1).await?;
    let hash = rows.first().map(|row| row.hash.as_bytes().to_vec());
    Ok(hash.unwrap_or_default())
}

async fn make(
    stores: &Stores,
    session: &mut Session,
    mut seen: impl FnMut(u64),
) -> Result<(), RebuildError> {
    let mut journal = stores.journal_reader().await?;
    let mut core = Core::new();
    let mut walk = Walk::after(None, u64::MAX);
    // The last of each, should it have come back and left again.
    let mut copies: BTreeMap<PaymentId, Closed> = BTreeMap::new();
    let mut answers: BTreeMap<RepeatKey, OldAnswer> = BTreeMap::new();
    let (mut seq, mut hash) = (0, Vec::new());
    loop {
        let rows = walk.next(&mut journal).await?;
        for (row, batch) in &rows {
            // What leaves was the same for some seconds: what else is in its batch is not of it.
            let events = batch.items.iter().flat_map(|item| &item.events);
            let leaving = events.flat_map(|event| core.state().leaving(event));
            copies.extend(leaving.map(|copy| (copy.payment.id, copy)));
            let events = batch.items.iter().flat_map(|item| &item.events);
            let keys = events.flat_map(|event| core.state().leaving_keys(event));
            answers.extend(keys.map(|old| (old.key, old)));
            core.apply(row).map_err(|error| RebuildError::Batch {
                seq: row.seq,
                error,
            })?;
            (seq, hash) = (row.seq, row.hash.as_bytes().to_vec());
        }
        let progress = Progress {
            position: seq,
            hash: hash.clone(),
            evictions: core.state().archive.evictions,
            until: core.moment().now,
        };
        if rows.is_empty() || copies.len() + answers.len() >= COPIES {
            let hours = i64::from(core.state().rules.idempotency_hours);
            let leaving = Leaving {
                payments: std::mem::take(&mut copies).into_values().collect(),
                answers: std::mem::take(&mut answers).into_values().collect(),
                forget_before: core.moment().now.plus(-hours * HOUR),
            };
            store::write(session, &leaving, &progress).await?;
        }
        if rows.is_empty() {
            return Ok(());
        }
        seen(seq);
    }
}
