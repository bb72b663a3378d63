//! The admin API: operators' pages and the command line.
//!
//! It is served over HTTP beside the other APIs and on a local socket that only the owner of the process can open.

mod chart;
mod erasure;
mod imports;
mod journal;
mod look_back;
mod merchants;
pub mod operation;
mod operators;
mod overview;
pub mod password;
mod payments;
mod proof;
mod replay;
mod rules;
mod session;
mod snapshots;
mod socket;
mod subscribers;
mod tills;
mod words;
mod worklist;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    http::{HeaderMap, StatusCode},
};

pub use erasure::{ErasureError, erase_again};
pub use password::SignIns;
pub use session::SignedIn;
pub use socket::Socket;

use crate::{
    edge::{position, problem::Problem, time},
    node::Node,
    views::ViewsError,
};

/// How long a list may wait for what it is asked to show.
const VIEWS_PATIENCE: Duration = Duration::from_secs(2);

pub fn router() -> Router<Arc<Node>> {
    Router::new()
        .merge(session::router())
        .merge(operators::router())
        .merge(merchants::router())
        .merge(subscribers::router())
        .merge(tills::router())
        .merge(payments::router())
        .merge(rules::router())
        .merge(overview::router())
        .merge(imports::router())
        .merge(worklist::router())
        .merge(look_back::router())
        .merge(replay::router())
        .merge(snapshots::router())
        .merge(journal::router())
        .merge(proof::router())
        .merge(crate::metrics::serve::admin())
        .merge(crate::cluster::status::admin())
}

/// Marks requests that came by the local socket: from the person at the machine.
#[derive(Clone, Copy, Debug)]
pub struct AtTheMachine;

/// Names a new key for a person's or merchant's texts: by the clock and a counter, so that those of one import stand beside
/// each other in the table of keys. Drawn ones would touch a page of it each, which takes longer than all the rest.
pub fn new_subject() -> u64 {
    const COUNTED_BITS: u32 = 20;
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let counted = NEXT.fetch_add(1, Ordering::Relaxed) & ((1 << COUNTED_BITS) - 1);
    // Below 2^63 for two centuries.
    (time::now().0.cast_unsigned() << COUNTED_BITS) | counted
}

/// The table of keys did not answer.
fn key_problem(error: impl std::fmt::Display) -> Problem {
    tracing::error!(%error, "subject keys");
    Problem {
        retry_after_s: Some(1),
        ..Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "keys_unavailable",
            "the table of keys does not answer; nothing was done; try again",
        )
    }
}

/// The views cannot be read now.
fn views_problem(error: ViewsError) -> Problem {
    tracing::error!(%error, "views");
    Problem {
        retry_after_s: Some(1),
        ..Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "views_unavailable",
            "the lists cannot be read now; try again",
        )
    }
}

/// A read that presents a position waits briefly until the lists are there.
async fn wait_for_views(node: &Node, headers: &HeaderMap) -> Result<(), Problem> {
    let Some(asked) = position::asked(headers, node) else {
        return Ok(());
    };
    if node.views.reached(asked, VIEWS_PATIENCE).await {
        return Ok(());
    }
    Err(Problem {
        retry_after_s: Some(1),
        ..Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "views_behind",
            "the lists do not show this position yet; try again",
        )
    })
}
