//! Webhooks: the events of the feed, sent to where merchants want them.
//!
//! ```text
//!   views' feed ─▶ deliveries + position, one transaction ─▶ courier: who may start ─▶ Sender ─▶ log
//!                                     ▲ due again, by schedule, for three days ◀── not taken ──┘
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`store`] | deliveries and their log, in a database of their own |
//! | [`courier`] | which delivery starts when: a step function |
//! | [`worker`] | the driver |
//! | [`secrets`] | addresses and secrets, sealed by the keyring |
//!
//! **Invariant:** at least once, under an id that never changes. The body is made anew for each attempt, from the journal's
//! facts, and is the same each time; nothing of it is kept here. **Not here:** whether an address may be spoken to, which the
//! connector checks on the socket.

pub mod courier;
pub mod secrets;
pub mod store;
mod worker;

use paytone_connectors::webhook::{Sender, Settings};
use tokio::sync::Notify;

use crate::{config, stores::Place, views::EventNumber};
use store::{LogError, Store};

pub use worker::spawn;

/// What edges and the worker share.
pub struct Webhooks {
    pub sender: Sender,
    pub store: Store,
    /// Something became due by request.
    pub wanted: Notify,
}

/// Why webhooks cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum WebhooksError {
    #[error("the delivery log cannot be used: {0}")]
    Store(#[from] LogError),
    #[error("no TLS: {0}")]
    Tls(String),
}

impl Webhooks {
    /// Opens the log. A new one begins after `position`: what happened before is not sent.
    pub async fn open(
        place: &Place,
        allowed: &config::Webhooks,
        position: u64,
    ) -> Result<Self, WebhooksError> {
        let settings = Settings {
            allow_private: allowed.allow_private,
            allow_http: allowed.allow_http,
            // Systems inside the operator's network listen where they like.
            allow_any_port: allowed.allow_private,
            ..Settings::default()
        };
        let sender =
            Sender::new(settings).map_err(|error| WebhooksError::Tls(error.to_string()))?;
        Ok(Self {
            sender,
            store: Store::open(place, up_to(position)).await?,
            wanted: Notify::new(),
        })
    }
}

/// The greatest number that an event at or before this position of the journal can have.
fn up_to(position: u64) -> EventNumber {
    EventNumber(EventNumber::of(position + 1, 0).0 - 1)
}
