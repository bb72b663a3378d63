//! The archive: what is over and has left the engine's memory, on disk by its id.
//!
//! ```text
//!   archiver: engine.read ─▶ copies, durable ─▶ one transaction, synced ─▶ Evict ─▶ out of memory
//!   edge:     engine says Archived ─▶ look it up ─▶ Recall ─▶ the same request again
//!   reads:    engine.read ─▶ what it lacks is looked up ─▶ engine.read beside the copies
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`store`] | the database: a file, or a schema of PostgreSQL |
//! | [`answers`], [`keys`], [`filter`] | idempotency keys that have left memory, with what was answered |
//! | [`known`] | the state and, beside it, copies of what it lacks |
//! | [`recall`] | brings something back into memory |
//! | [`mod@rebuild`] | made again from the journal |
//!
//! **Invariants:** copies are on disk before their eviction is asked for. An archive knows the number of the eviction that it is
//! complete to; one that the state is ahead of is made again before the node starts. Copies hold ids and ciphertext alone, so
//! that there is nothing here to erase. **Not here:** when something is over, and whether a copy is good: the domain's.

pub mod answers;
mod filter;
pub mod keys;
pub mod known;
mod rebuild;
mod recall;
pub mod store;

use paytone_domain::{
    archive::Closed,
    ids::{PaymentId, RefundId},
};
use sqlx::AssertSqlSafe;

pub use known::Known;
pub use rebuild::{RebuildError, catch_up, hash_at, rebuild};
pub use recall::RecallError;

use crate::{database::Pool, stores::Place};

/// Ids of one statement; fewer are filled up, so that it is prepared once.
const IDS: usize = 32;

#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("the archive cannot be read: {0}")]
    Database(#[from] sqlx::Error),
    #[error("a copy in the archive is damaged: {0}")]
    Damaged(String),
}

/// What edges hold: reads it. Cheap to clone.
#[derive(Clone)]
pub struct Archive {
    pool: Pool,
}

impl Archive {
    pub fn of(place: &Place) -> Self {
        Self {
            pool: store::readers(place),
        }
    }

    /// Those that are there, in any order.
    pub async fn payments(&self, ids: &[PaymentId]) -> Result<Vec<Closed>, ArchiveError> {
        let ids: Vec<i64> = ids.iter().map(|id| id.0.cast_signed()).collect();
        let bodies: Vec<(i64, Vec<u8>)> = self.rows("id, body", "payments", &ids).await?;
        let copies = bodies.iter().map(|(_, body)| Closed::decode(body));
        copies
            .map(|copy| copy.map_err(ArchiveError::Damaged))
            .collect()
    }

    /// Whose refunds these are, as far as they are there.
    pub async fn payments_of(
        &self,
        refunds: &[RefundId],
    ) -> Result<Vec<(RefundId, PaymentId)>, ArchiveError> {
        let ids: Vec<i64> = refunds.iter().map(|id| id.0.cast_signed()).collect();
        let found: Vec<(i64, i64)> = self.rows("id, payment", "refunds", &ids).await?;
        let pair = |(refund, payment): (i64, i64)| {
            (
                RefundId(refund.cast_unsigned()),
                PaymentId(payment.cast_unsigned()),
            )
        };
        Ok(found.into_iter().map(pair).collect())
    }

    async fn rows<T: crate::database::Record>(
        &self,
        columns: &str,
        table: &str,
        ids: &[i64],
    ) -> Result<Vec<T>, sqlx::Error> {
        let mut found = Vec::with_capacity(ids.len());
        let (one, some) = (1..=1, 1..=IDS);
        for ids in ids.chunks(IDS) {
            let range = if ids.len() == 1 {
                one.clone()
            } else {
                some.clone()
            };
            let places: Vec<_> = range.clone().map(|place| format!("${place}")).collect();
            let places = places.join(", ");
            let text = format!("SELECT {columns} FROM {table} WHERE id IN ({places})");
            let mut asking = self.pool.ask(AssertSqlSafe(text));
            for place in range {
                asking = asking.bind(ids[(place - 1).min(ids.len() - 1)]);
            }
            found.extend(asking.all::<T>().await?);
        }
        Ok(found)
    }
}
