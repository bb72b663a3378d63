//! What a node measures of itself: for Prometheus, for `paytone top`, for whoever decides whether it gets requests.
//!
//! ```text
//!   durable batches ──tally──▶ ┐
//!   requests ──────────────────┤ Metrics: counters ──┐
//!   engine, views, webhooks, state, process ─────────┴─▶ Reading ─▶ text for Prometheus, JSON for the admin API
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`payments`] | what durable batches did, counted |
//! | [`requests`] | what was asked over HTTP and how it was answered |
//! | [`tills`] | what was asked over links and how it was answered |
//! | [`lag`] | since when the views have been behind |
//! | [`reading`], [`exposition`] | all of it at one moment, and as Prometheus reads it |
//! | [`health`] | whether the node should get requests |
//! | [`serve`] | where it can be asked |
//!
//! **Invariants:** the engine's thread counts nothing here: payments are counted from durable batches by a follower. Labels
//! are names of this program's own (routes, outcomes, reasons), never ids, numbers or what somebody sent. **Not here:** the
//! public listener: what is measured reveals volumes, so it has a listener of its own.

pub mod exposition;
pub mod health;
pub mod lag;
pub mod payments;
pub mod reading;
pub mod requests;
pub mod serve;
pub mod tills;

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Instant,
};

use parking_lot::Mutex;
use paytone_domain::State;
use paytone_engine::{
    Durable,
    stats::{Histogram, SIZES, TIMES_US},
};
use tokio::sync::{
    broadcast::{Receiver, error::RecvError},
    watch,
};

pub use health::{NotReady, not_ready};
pub use reading::Reading;
pub use serve::{MayLook, router};

use crate::edge::time;
use lag::Lag;
use payments::{Open, Payments};
use requests::Requests;
use tills::Tills;

/// The node's own counters.
pub struct Metrics {
    begun: Instant,
    pub payments: Payments,
    pub requests: Requests,
    pub tills: Tills,
    /// Items of each durable batch.
    batch_items: Histogram,
    /// From a payment's request to its prompt on a phone's stream.
    pub prompt_us: Histogram,
    /// Payments that left memory for the archive, by this node.
    pub evicted: AtomicU64,
    lag: Mutex<Lag>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            begun: Instant::now(),
            payments: Payments::default(),
            requests: Requests::default(),
            tills: Tills::default(),
            batch_items: Histogram::new(SIZES),
            prompt_us: Histogram::new(TIMES_US),
            evicted: AtomicU64::new(0),
            lag: Mutex::default(),
        }
    }
}

/// Counts durable batches until the engine is gone. `open` is what waits for an answer already.
pub async fn follow(
    metrics: Arc<Metrics>,
    mut open: Open,
    mut durable: Receiver<Arc<Durable>>,
    views: watch::Receiver<u64>,
) {
    loop {
        match durable.recv().await {
            Ok(durable) => {
                metrics.batch_items.record(durable.batch.items.len() as u64);
                metrics.payments.take(&durable.batch, &mut open);
                let shown = *views.borrow();
                metrics
                    .lag
                    .lock()
                    .durable(durable.seq, time::now().0, shown);
            }
            Err(RecvError::Lagged(batches)) => {
                // What they did is in the journal and in the views; these counters say that they miss it.
                metrics.payments.missed(batches);
                open.clear();
            }
            Err(RecvError::Closed) => return,
        }
    }
}

/// Payments that wait for an answer, for [`follow`].
pub fn open_payments(state: &State) -> Open {
    Open::of(state)
}
