//! Moves what is over out of the engine's memory into the archive.
//!
//! **Invariant:** copies are durable before their eviction is asked for. What changes in between stays in memory: the engine
//! decides. **Not here:** the engine's thread does no more than copy a bounded number of things.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use paytone_domain::{
    Actor, Answer, Command,
    archive::{self, ArchiveCommand, ArchiveRefusal, MOST},
    time::SECOND,
};
use paytone_engine::EngineError;
use paytone_journal::{EitherReader, ReadError};
use tokio::sync::watch;

use crate::{
    archive::{RebuildError, hash_at, store},
    database::Session,
    node::Node,
    stores::Stores,
};

/// Between two looks when there is little to do.
const PAUSE: Duration = Duration::from_millis(500);
/// After a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// Copied at once on the engine's thread: a millisecond or so.
const COPIES: usize = MOST / 4;

#[derive(Debug, thiserror::Error)]
enum ArchivingError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Open(#[from] RebuildError),
    #[error(transparent)]
    Store(#[from] paytone_journal::OpenError),
    #[error("the engine does not let them go: {0:?}")]
    Refused(ArchiveRefusal),
}

pub async fn run(node: Arc<Node>, mut stopping: watch::Receiver<bool>) {
    let mut writer = None;
    loop {
        let pause = match once(&node, &mut writer).await {
            // There is more: at once.
            Ok(count) if count >= COPIES => Duration::ZERO,
            Ok(_) => PAUSE,
            Err(ArchivingError::Engine(error)) => {
                tracing::debug!(%error, "nothing is archived now");
                AFTER_FAILURE
            }
            Err(error) => {
                tracing::error!(%error, "what is over stays in memory; trying again");
                writer = None;
                AFTER_FAILURE
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

struct Writer {
    session: Session,
    journal: EitherReader,
}

/// How many left.
async fn once(node: &Node, writer: &mut Option<Writer>) -> Result<usize, ArchivingError> {
    // Of several nodes the one that leads archives, once it has shown that it does.
    if !node.engine.may_act() {
        return Ok(0);
    }
    let window = i64::from(node.config.archive.after_seconds) * SECOND;
    let read = node.engine.read(move |state, moment| {
        // Nodes of earlier releases may be there, which do not know evictions.
        let may = state.level() >= archive::LEVEL;
        let closed = may.then(|| state.oldest_closed(moment, window, COPIES));
        let closed = closed.unwrap_or_default();
        (closed, state.archive.evictions, moment.now)
    });
    // Told once it is durable: what is copied here is never taken back.
    let read = read.await?;
    let (closed, evictions, now) = read.answer;
    if closed.is_empty() {
        return Ok(0);
    }
    let number = evictions + 1;
    let open = match writer {
        Some(writer) => writer,
        None => writer.insert(open(node).await?),
    };
    let progress = store::Progress {
        position: read.position,
        hash: hash_at(&mut open.journal, read.position).await?,
        evictions: number,
        until: closed.last().map_or(now, |copy| copy.payment.changed_at),
    };
    store::write(&mut open.session, &closed, &progress).await?;
    let payments = closed
        .iter()
        .map(|copy| (copy.payment.id, copy.payment.changed_at))
        .collect();
    let command = Command::Archive(ArchiveCommand::Evict { number, payments });
    match node.submit(Actor::System, command).await?.answer {
        Answer::Archive(Ok(count)) => {
            let metrics = &node.metrics;
            metrics.evicted.fetch_add(count as u64, Ordering::Relaxed);
            Ok(count)
        }
        // All of them changed meanwhile; or another node leads by now.
        Answer::Archive(Err(ArchiveRefusal::NothingLeft | ArchiveRefusal::Number(_))) => Ok(0),
        Answer::Archive(Err(refusal)) => Err(ArchivingError::Refused(refusal)),
        _ => Ok(0),
    }
}

async fn open(node: &Node) -> Result<Writer, ArchivingError> {
    let stores = Stores::of(&node.config)?;
    let session = store::open(&stores.archive())
        .await
        .map_err(RebuildError::from)?;
    let journal = stores.journal_reader().await?;
    Ok(Writer { session, journal })
}
