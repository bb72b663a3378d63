//! Erasures once more: after a crash between decision and key, or a restore of the key table.

use std::{collections::BTreeSet, sync::Arc};

use paytone_domain::subscriber::SubscriberStatus;

use crate::node::Node;

/// Somebody who was erased could still be read: the node does not go on like this.
#[derive(Debug, thiserror::Error)]
#[error("the key of an erased subscriber is still there: {0}")]
pub struct ErasureError(String);

/// Applies every erasure of the journal that the key table does not know of.
pub async fn erase_again(node: &Arc<Node>) -> Result<(), ErasureError> {
    let failed = |error: &dyn std::fmt::Display| ErasureError(error.to_string());
    let erased = node
        .engine
        .read(|state, _| {
            let subscribers = state.subscribers.iter();
            subscribers
                .filter(|subscriber| subscriber.status == SubscriberStatus::Erased)
                .map(|subscriber| subscriber.subject)
                .collect::<Vec<_>>()
        })
        .await
        .map_err(|error| failed(&error))?
        .answer;
    let known: BTreeSet<u64> = match node.subjects.erased().await {
        Ok(known) => known.into_iter().collect(),
        Err(error) => return Err(failed(&error)),
    };
    let missing: Vec<u64> = erased
        .into_iter()
        .filter(|subject| !known.contains(subject))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    tracing::warn!(subscribers = missing.len(), "erasures are applied again");
    let done = node.subjects.erase_many(&missing).await;
    done.map_err(|error| failed(&error))
}
