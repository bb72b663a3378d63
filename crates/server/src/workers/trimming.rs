//! Takes old rows out of the journal where the settings say so, once they are exported.

use std::{sync::Arc, time::Duration};

use paytone_domain::time::{BusinessDate, Timestamp};
use tokio::sync::watch;

use crate::{
    node::Node,
    trimming::{self, TrimError},
};

/// Between two looks; a business date ends once a day.
const PAUSE: Duration = Duration::from_secs(60 * 60);
/// After the start, which has enough to do.
const FIRST: Duration = Duration::from_secs(60);

pub async fn run(node: Arc<Node>, stopping: watch::Receiver<bool>) {
    run_after(FIRST, PAUSE, node, stopping).await;
}

/// The same, first looking after another while, and then as often as that.
pub async fn run_after(
    first: Duration,
    between: Duration,
    node: Arc<Node>,
    mut stopping: watch::Receiver<bool>,
) {
    if node.config.journal.keep_days == 0 {
        return;
    }
    let mut pause = first;
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        pause = between;
        // Of several nodes the one that leads trims, once it has shown that it does.
        if !node.engine.may_act() {
            continue;
        }
        let Some(before) = oldest_kept(&node).await else {
            continue;
        };
        match trimming::trim(&node, before, |_, _| {}).await {
            Ok(trimmed) => tracing::info!(
                exported = trimmed.exported,
                removed = trimmed.removed,
                through = trimmed.through,
                held_by = trimmed.held_by,
                "journal trimmed"
            ),
            Err(TrimError::Busy) => {}
            Err(error) => {
                tracing::warn!(code = error.code(), %error, "the journal is not trimmed");
            }
        }
    }
}

/// When the oldest business date begins that the settings keep; none where they keep all.
pub async fn oldest_kept(node: &Node) -> Option<Timestamp> {
    let days = i32::try_from(node.config.journal.keep_days).ok()?;
    if days == 0 {
        return None;
    }
    let read = node.engine.read(|state, moment| {
        let settings = state.settings.clone();
        (settings, moment.date)
    });
    let (settings, today) = read.await.ok()?.answer;
    let settings = settings?;
    let calendar = paytone_domain::time::Calendar::new(&settings.zone, settings.cut_off_minutes)?;
    let last_to_go = BusinessDate(today.0.checked_sub(days)?.checked_sub(1)?);
    Some(calendar.end_of(last_to_go).plus(1))
}
