//! Activates the newest level of events once every node can read it.

use std::{sync::Arc, time::Duration};

use paytone_domain::{Actor, Answer, Command, LEVEL};
use tokio::sync::watch;

use crate::node::Node;

/// Between two tries. While a rolling upgrade is under way some node knows less.
const PAUSE: Duration = Duration::from_secs(5);

pub async fn run(node: Arc<Node>, mut stopping: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            done = once(&node) => if done { return },
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

/// Whether nothing is left to do.
async fn once(node: &Node) -> bool {
    let read = node.engine.read(|state, _| state.level());
    let Ok(now) = read.await.map(|read| read.answer) else {
        return false;
    };
    if now >= LEVEL {
        return true;
    }
    if !node.engine.may_act() {
        return false;
    }
    if let Some(cluster) = &node.cluster
        && !cluster.all_know(LEVEL).await
    {
        tracing::debug!(
            now,
            LEVEL,
            "some node does not know this level of events yet"
        );
        return false;
    }
    let command = Command::ActivateLevel { level: LEVEL };
    match node.submit(Actor::System, command).await {
        Ok(answered) if answered.answer == Answer::Level(LEVEL) => {
            tracing::info!(from = now, to = LEVEL, "level of events activated");
            true
        }
        _ => false,
    }
}
