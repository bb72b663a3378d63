//! Makes a snapshot after so many events, or after so long.
//!
//! Of several nodes on one journal the one that leads waits a little longer, so that another makes it; whichever finds a newer
//! one than its last look has nothing to do.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use paytone_engine::Standing;
use tokio::{
    sync::{broadcast::error::RecvError, watch},
    task::JoinHandle,
};

use crate::{node::Node, snapshots, stores::Stores};

pub async fn run(node: Arc<Node>, mut stopping: watch::Receiver<bool>) {
    let mut due = Due::of(&node);
    let mut durable = node.engine.follow();
    let mut making: Option<JoinHandle<()>> = None;
    loop {
        let left = due.at.saturating_duration_since(Instant::now());
        tokio::select! {
            received = durable.recv() => match received {
                Ok(durable) => {
                    let items = durable.batch.items.iter();
                    due.events += items.map(|item| item.events.len() as u64).sum::<u64>();
                }
                Err(RecvError::Lagged(batches)) => due.events += batches,
                Err(RecvError::Closed) => return,
            },
            () = tokio::time::sleep(left) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        if due.is_now(&node) && making.as_ref().is_none_or(JoinHandle::is_finished) {
            let since = due.position;
            due.begin_again(&node, 0);
            making = Some(tokio::spawn(make(Arc::clone(&node), since)));
        }
    }
}

/// When the next one is due.
struct Due {
    events: u64,
    at: Instant,
    /// Where the journal was when it was counted from.
    position: u64,
}

impl Due {
    fn of(node: &Node) -> Self {
        let mut due = Self {
            events: 0,
            at: Instant::now(),
            position: 0,
        };
        // What the start had to replay counts: the next one has it too.
        due.begin_again(node, node.snapshots.start.events);
        due.position = node.snapshots.start.snapshot;
        due
    }

    fn begin_again(&mut self, node: &Node, events: u64) {
        let minutes = node.config.snapshot.every_minutes;
        // Never is far away.
        let minutes = if minutes == 0 { 60 * 24 * 365 } else { minutes };
        self.at = Instant::now() + with_patience(node, Duration::from_secs(minutes * 60));
        self.events = events;
        self.position = *node.engine.position().borrow();
    }

    fn is_now(&self, node: &Node) -> bool {
        let every = node.config.snapshot.every_events;
        let by_events = every > 0 && self.events >= if leads(node) { every / 4 * 5 } else { every };
        by_events || (Instant::now() >= self.at && self.events > 0)
    }
}

fn leads(node: &Node) -> bool {
    node.cluster.is_some() && *node.engine.standing().borrow() == Standing::Leads
}

fn with_patience(node: &Node, wait: Duration) -> Duration {
    if leads(node) { wait / 4 * 5 } else { wait }
}

/// Makes one unless there is one of after `since` already.
async fn make(node: Arc<Node>, since: u64) {
    if node.cluster.is_some()
        && let Some(listed) = newest(&node).await
        && listed.seq > since
    {
        node.snapshots.saw(&listed);
        return;
    }
    if let Err(error) = node.snapshots.make(&node.config, |_, _| {}).await {
        let code = error.code();
        tracing::warn!(code, %error, "no snapshot was made; the next start replays more");
    }
}

async fn newest(node: &Node) -> Option<paytone_journal::snapshots::Listed> {
    let stores = Stores::of(&node.config).ok()?;
    let snapshots = snapshots::open(&stores).await?;
    snapshots.list().await.ok()?.into_iter().next()
}
