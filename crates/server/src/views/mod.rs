//! Views: ordinary SQL tables derived from the journal, for lists, reports and people with a SQL client.
//!
//! ```text
//!   journal ──reader──▶ follower ──one transaction──▶ tables + how far it got ──▶ lists, feed, overview
//!                          ▲ woken by the engine's position
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`rows`], `schema.sql` | the tables |
//! | [`mod@write`], [`copied`] | many rows at once, in each database's way |
//! | [`project`] | what events do to them: a step function |
//! | [`follow`] | the driver: reads the journal, writes the tables |
//! | [`store`] | the database: a file, or a schema of PostgreSQL |
//! | [`feed`], [`lists`], [`overview`], `till_messages` | what is asked of them |
//! | [`mod@rebuild`] | dropped and made again |
//!
//! **Invariant:** the tables always show the journal up to exactly one position. Ids only: names, numbers and texts stay sealed
//! in the journal, so there is nothing here to erase. **Not here:** anything that is not in the journal; rights.

mod copied;
pub mod feed;
pub mod follow;
pub mod lists;
pub mod overview;
pub mod project;
mod rebuild;
pub mod rows;
pub mod store;
mod till_messages;
mod write;

use std::time::Duration;

use paytone_journal::PublicIds;
use tokio::sync::watch;

use crate::database::Pool;

pub use feed::MerchantEvent;
pub use follow::{FollowError, give_way};
pub use lists::{Filter, HistoryItem, HistoryKind, TimelineStep};
pub use overview::Overview;
pub use project::Misfit;
pub use rebuild::{RebuildError, rebuild};
pub use rows::PaymentRow;

/// The tables cannot be read now.
#[derive(Debug, thiserror::Error)]
#[error("the views cannot be read: {0}")]
pub struct ViewsError(#[from] sqlx::Error);

/// Where an event stands in the journal: what lists and feeds are ordered and continued by. Always the same, however often the
/// views are rebuilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventNumber(pub u64);

impl EventNumber {
    /// Bits for the place within one batch.
    const PLACE_BITS: u32 = 24;

    pub fn of(seq: u64, place: u64) -> Self {
        debug_assert!(
            place >> Self::PLACE_BITS == 0,
            "a batch of that many events"
        );
        Self((seq << Self::PLACE_BITS) | place)
    }

    /// As merchants are shown it.
    pub fn event_id(self, ids: &PublicIds) -> String {
        ids.encode("evt", self.0)
    }

    /// The journal's row.
    pub fn position(self) -> u64 {
        self.0 >> Self::PLACE_BITS
    }
}

/// What edges hold: reads the tables. Cheap to clone.
#[derive(Clone)]
pub struct Views {
    pool: Pool,
    position: watch::Receiver<u64>,
    paused: watch::Sender<bool>,
    journal: overview::SizedJournal,
    ids: PublicIds,
}

impl Views {
    /// Lets the tables stay where they are until they are let go on; nothing is lost meanwhile.
    pub fn pause(&self, paused: bool) {
        self.paused.send_replace(paused);
    }

    /// The journal's position that the tables show.
    pub fn position(&self) -> u64 {
        *self.position.borrow()
    }

    /// Follows that position; for workers that read on as the tables do.
    pub fn positions(&self) -> watch::Receiver<u64> {
        self.position.clone()
    }

    /// Waits until the tables show `position`, no longer than `patience`; says whether they do.
    pub async fn reached(&self, position: u64, patience: Duration) -> bool {
        let mut seen = self.position.clone();
        let reached = seen.wait_for(|now| *now >= position);
        matches!(tokio::time::timeout(patience, reached).await, Ok(Ok(_)))
    }
}
