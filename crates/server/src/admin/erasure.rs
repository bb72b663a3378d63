//! Erasing a subscriber: first the decision, durable, then the key.

use std::sync::Arc;

use paytone_domain::subscriber::SubscriberStatus;

use crate::node::Node;

/// Applies every erasure of the journal again: after a crash between decision and key, or a restore of the key table.
pub async fn erase_again(node: &Arc<Node>) {
    let erased = node
        .engine
        .read(|state, _| {
            let erased = |subscriber: &&paytone_domain::subscriber::Subscriber| {
                subscriber.status == SubscriberStatus::Erased
            };
            let subjects = state.subscribers.iter().filter(erased);
            subjects
                .map(|subscriber| subscriber.subject)
                .collect::<Vec<_>>()
        })
        .await;
    let Ok(erased) = erased else { return };
    if erased.answer.is_empty() {
        return;
    }
    if let Err(error) = node.subjects.erase_many(&erased.answer).await {
        tracing::error!(%error, "erased subscribers' keys could not be erased again");
    }
}
