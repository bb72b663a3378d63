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
    archive::{self, ArchiveCommand, ArchiveRefusal, MOST, QUIET},
    time::{HOUR, SECOND, Timestamp},
};
use paytone_engine::{Engine, EngineError};
use paytone_journal::{EitherReader, ReadError};
use tokio::sync::watch;

use crate::{
    archive::{
        Archive, RebuildError, hash_at,
        keys::Keys,
        known::LookError,
        store::{self, Leaving},
    },
    config::Config,
    database::Session,
    node::Node,
    stores::Stores,
};

/// Between two looks when there is little to do.
const PAUSE: Duration = Duration::from_millis(500);
/// After a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// Copied at once on the engine's thread: a few milliseconds.
const COPIES: usize = MOST;
const KEYS: usize = 2 * COPIES;

#[derive(Debug, thiserror::Error)]
pub enum ArchivingError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Keys(#[from] LookError),
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
    let stores = match Stores::of(&node.config) {
        Ok(stores) => stores,
        Err(error) => {
            tracing::error!(%error, "what is over stays in memory");
            return;
        }
    };
    let mut archiver = Archiver::new(
        node.engine.clone(),
        node.archive.clone(),
        stores,
        &node.config,
    );
    loop {
        let pause = match archiver.once(&node.keys).await {
            // There is more: at once.
            Ok(left) if left.is_more => {
                node.metrics
                    .evicted
                    .fetch_add(left.payments, Ordering::Relaxed);
                Duration::ZERO
            }
            Ok(left) => {
                node.metrics
                    .evicted
                    .fetch_add(left.payments, Ordering::Relaxed);
                PAUSE
            }
            Err(ArchivingError::Engine(error)) => {
                tracing::debug!(%error, "nothing is archived now");
                AFTER_FAILURE
            }
            Err(error) => {
                tracing::error!(%error, "what is over stays in memory; trying again");
                AFTER_FAILURE
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

/// What left at a time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Left {
    pub payments: u64,
    /// Whether more waits.
    pub is_more: bool,
}

/// Moves some out of memory at a time.
pub struct Archiver {
    engine: Engine,
    archive: Archive,
    stores: Stores,
    /// How long what is over stays in memory, in milliseconds.
    window: i64,
    keys_window: i64,
    writer: Option<Writer>,
}

struct Writer {
    session: Session,
    journal: EitherReader,
}

impl Archiver {
    pub fn new(engine: Engine, archive: Archive, stores: Stores, config: &Config) -> Self {
        Self {
            engine,
            archive,
            stores,
            window: i64::from(config.archive.after_seconds) * SECOND,
            keys_window: i64::from(config.archive.keys_after_seconds) * SECOND,
            writer: None,
        }
    }

    pub async fn once(&mut self, keys: &Keys) -> Result<Left, ArchivingError> {
        let writer = self.writer.take();
        let mut writer = match writer {
            Some(writer) => writer,
            None => self.open().await?,
        };
        // One that failed is opened again.
        let left = self.move_some(keys, &mut writer).await?;
        self.writer = Some(writer);
        Ok(left)
    }

    async fn open(&self) -> Result<Writer, ArchivingError> {
        let session = store::open(&self.stores.archive()).await;
        Ok(Writer {
            session: session.map_err(RebuildError::from)?,
            journal: self.stores.journal_reader().await?,
        })
    }

    async fn move_some(&self, keys: &Keys, writer: &mut Writer) -> Result<Left, ArchivingError> {
        if !keys.is_filled() {
            keys.fill(&self.engine, &self.archive).await?;
        }
        // Of several nodes the one that leads archives, once it has shown that it does.
        if !self.engine.may_act() {
            return Ok(Left::default());
        }
        let (window, keys_window) = (self.window, self.keys_window);
        let read = self.engine.read(move |state, moment| {
            // Nodes of earlier releases may be there, which do not know evictions.
            let may = state.level() >= archive::LEVEL;
            let mut leaving = Leaving::default();
            let mut keys_before = Timestamp::default();
            if may {
                leaving.payments = state.oldest_closed(moment, window, COPIES);
            }
            if state.level() >= archive::REST_LEVEL {
                let before = moment.now.plus(-keys_window.max(QUIET));
                (leaving.answers, keys_before) = state.repeats.oldest(before, KEYS);
            }
            let hours = i64::from(state.rules.idempotency_hours);
            leaving.forget_before = moment.now.plus(-hours * HOUR);
            let keys = (state.repeats.left_before(), keys_before);
            (leaving, keys, state.archive.evictions, moment.now)
        });
        // Told once it is durable: what is copied here is never taken back.
        let read = read.await?;
        let (leaving, (keys_from, keys_before), evictions, now) = read.answer;
        let Leaving {
            payments: closed,
            answers,
            forget_before,
        } = &leaving;
        if closed.is_empty() && answers.is_empty() {
            return Ok(Left::default());
        }
        let number = evictions + 1;
        let progress = store::Progress {
            position: read.position,
            hash: hash_at(&mut writer.journal, read.position).await?,
            evictions: number,
            until: closed.last().map_or(now, |copy| copy.payment.changed_at),
        };
        let run = store::write(&mut writer.session, &leaving, &progress).await?;
        // Whoever asks under one of them from now on finds it, before the engine does not.
        keys.add(answers, run, keys_from, keys_before);
        keys.forget(*forget_before);
        let payments = closed
            .iter()
            .map(|copy| (copy.payment.id, copy.payment.changed_at))
            .collect();
        let command = Command::Archive(ArchiveCommand::Evict {
            number,
            payments,
            keys_before,
        });
        let submitted = self.engine.submit(Actor::System, 0, command);
        match submitted.await?.answer {
            Answer::Archive(Ok(count)) => Ok(Left {
                payments: count as u64,
                is_more: closed.len() >= COPIES || answers.len() >= KEYS,
            }),
            // All of them changed meanwhile; or another node leads by now.
            Answer::Archive(Err(ArchiveRefusal::NothingLeft | ArchiveRefusal::Number(_))) => {
                Ok(Left::default())
            }
            Answer::Archive(Err(refusal)) => Err(ArchivingError::Refused(refusal)),
            _ => Ok(Left::default()),
        }
    }
}
