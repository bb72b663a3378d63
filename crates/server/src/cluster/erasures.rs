//! Who was erased on another node is forgotten here too: keys are kept in memory by each.

use std::sync::{Arc, Weak};

use paytone_domain::{Event, operator::OperatorEvent};
use paytone_engine::Durable;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use crate::{admin, node::Node};

/// Ends with the engine.
pub async fn follow(node: Weak<Node>, mut durable: Receiver<Arc<Durable>>) {
    loop {
        let heard = durable.recv().await;
        let Some(node) = node.upgrade() else { return };
        match heard {
            Ok(batch) => {
                for event in batch.batch.items.iter().flat_map(|item| &item.events) {
                    if let Event::Operator(OperatorEvent::SubscriberErased { subscriber, .. }) =
                        event
                        && let Some(subject) = node.directory.subject(*subscriber)
                        && let Err(error) = node.subjects.erase(subject).await
                    {
                        tracing::error!(%error, "the key of an erased subscriber may still be in memory");
                    }
                }
            }
            Err(RecvError::Lagged(_)) => {
                if let Err(error) = admin::erase_again(&node).await {
                    tracing::error!(%error, "erasures could not be applied again");
                }
            }
            Err(RecvError::Closed) => return,
        }
    }
}
