//! Views dropped and made again from the journal: what `paytone views rebuild` does.

use paytone_journal::JournalReader;

use super::{FollowError, follow::Writer, store};
use crate::{config::Config, derived::StoreError, stores::Stores};

#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    #[error(transparent)]
    Follow(#[from] FollowError),
    #[error("the views cannot be dropped: {0}")]
    Drop(#[from] StoreError),
    #[error("the journal is in use: stop the server first")]
    InUse,
}

/// Drops the views and makes them again; `progress` is told how far it got and how far it goes. Returns the position reached.
pub async fn rebuild(
    config: &Config,
    mut progress: impl FnMut(u64, u64),
) -> Result<u64, RebuildError> {
    let stores = Stores::of(config).map_err(FollowError::Open)?;
    // Holding the journal keeps a server from following into the file that is being made. In PostgreSQL a server that runs
    // notices, and takes its part in making the tables.
    let mut journal = match stores.journal().await {
        Ok(journal) => journal,
        Err(paytone_journal::OpenError::InUse { .. }) => return Err(RebuildError::InUse),
        Err(error) => return Err(FollowError::Open(error).into()),
    };
    let last = journal.last().await.map_err(FollowError::Read)?;
    let end = last.map_or(0, |tip| tip.seq);
    store::drop_all(&stores.views()).await?;
    let mut writer = Writer::open(&stores).await?;
    progress(0, end);
    while writer.step().await? {
        progress(writer.position(), end);
    }
    let reached = writer.position();
    writer.close().await.map_err(FollowError::Database)?;
    Ok(reached)
}
