//! Workers: what the engine wants done in the outside world, done and reported back.
//!
//! **Not here:** when something is tried, asked or given up. That is [`paytone_engine::effects`].

pub mod archiving;
mod bank_order;
mod funding;
mod level;
mod sealing;
mod snapshots;
pub mod stand_in_bank;
pub mod trimming;

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinHandle};

pub(crate) use trimming::oldest_kept;

use crate::node::{Node, StartError};

/// The workers of a running node.
pub struct Workers {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts what this node is configured for.
    pub fn start(node: &Arc<Node>) -> Result<Self, StartError> {
        let (stop, stopping) = watch::channel(false);
        let mut tasks = vec![
            tokio::spawn(sealing::run(Arc::clone(node), stopping.clone())),
            tokio::spawn(snapshots::run(Arc::clone(node), stopping.clone())),
            tokio::spawn(archiving::run(Arc::clone(node), stopping.clone())),
            tokio::spawn(trimming::run(Arc::clone(node), stopping.clone())),
            tokio::spawn(level::run(Arc::clone(node), stopping.clone())),
        ];
        if let Some(bank) = &node.config.bank {
            let source = funding::open(bank)?;
            tasks.push(tokio::spawn(funding::run(
                Arc::clone(node),
                source,
                stopping,
            )));
        }
        Ok(Self { stop, tasks })
    }

    /// Begins nothing more and waits for what is under way, no longer than `patience`. What is cut off is asked about after
    /// the next start.
    pub async fn stop(self, patience: Duration) {
        self.stop.send_replace(true);
        for task in self.tasks {
            let mut task = task;
            if tokio::time::timeout(patience, &mut task).await.is_err() {
                task.abort();
            }
        }
    }
}
