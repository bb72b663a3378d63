//! The driver: takes events in from the feed, starts what the courier says, writes down what came of it.

use std::{sync::Arc, time::Duration};

use paytone_connectors::webhook::{Delivery, SendError, Sent};
use paytone_domain::{
    ids::{EndpointId, MerchantId},
    time::{HOUR, SECOND, Timestamp},
};
use paytone_engine::Standing;
use tokio::{
    task::{JoinHandle, JoinSet},
    time::sleep,
};

use super::{
    courier::{Courier, Next, judge},
    secrets,
    store::{DeliveryRow, New},
    up_to,
};
use crate::{
    api::v1::events::Renderings,
    edge::time::now,
    node::Node,
    views::{EventNumber, ViewsError},
};

/// How often a lead is looked at that is not fresh.
const LEAD_PAUSE: Duration = Duration::from_millis(20);
/// Events taken in at a time.
const EVENTS: u32 = 500;
/// When the feed cannot tell what is to be sent, it is asked again after this long.
const POSTPONED: i64 = 30 * SECOND;
/// While nobody has webhooks, how far the feed was skipped is written down no more often than this.
const SKIP: i64 = SECOND;

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Store(#[from] sqlx::Error),
    #[error(transparent)]
    Views(#[from] ViewsError),
}

/// Starts sending, while this node leads; ends by itself when the views' follower does. What is under way then is sent again
/// another time.
pub fn spawn(node: Arc<Node>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut standing = node.engine.standing();
        loop {
            let leads = standing.wait_for(|standing| *standing == Standing::Leads);
            if leads.await.is_err() {
                return;
            }
            tokio::select! {
                () = work(Arc::clone(&node)) => return,
                // Another node goes on with what is written down.
                _ = standing.wait_for(|standing| *standing != Standing::Leads) => {}
            }
        }
    })
}

async fn work(node: Arc<Node>) {
    let mut worker = Worker {
        node,
        courier: Courier::default(),
        sends: JoinSet::new(),
        taken: EventNumber(0),
        skipped_at: Timestamp(0),
        trimmed_at: Timestamp(0),
    };
    let mut begun = false;
    loop {
        match worker.run(&mut begun).await {
            Ok(()) => return,
            Err(error) => {
                tracing::error!(%error, "webhooks wait");
                sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// What came of an attempt.
enum Came {
    Of(Result<Sent, SendError>),
    /// Nothing was sent: the event or the endpoint cannot be had now.
    Postponed,
    EndpointGone,
}

struct Worker {
    node: Arc<Node>,
    courier: Courier,
    sends: JoinSet<(DeliveryRow, Came)>,
    taken: EventNumber,
    skipped_at: Timestamp,
    trimmed_at: Timestamp,
}

impl Worker {
    /// Until the views end, or the store fails.
    async fn run(&mut self, begun: &mut bool) -> Result<(), Trouble> {
        let node = Arc::clone(&self.node);
        let store = &node.webhooks.store;
        if !*begun {
            self.taken = store.progress().await?;
            for (endpoint, at) in store.waiting().await? {
                self.courier.note(endpoint, at);
            }
            *begun = true;
        }
        let mut positions = node.views.positions();
        loop {
            positions.mark_unchanged();
            if !node.engine.may_act() {
                // A lead that is not fresh may be over.
                sleep(LEAD_PAUSE).await;
                continue;
            }
            let more = self.take_in().await?;
            self.start_due().await?;
            let wake = self.courier.next_due().unwrap_or_else(|| now().plus(HOUR));
            let pause = if more { 0 } else { wake.since(now()).max(0) };
            let pause = Duration::from_millis(pause.unsigned_abs());
            tokio::select! {
                changed = positions.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                }
                Some(done) = self.sends.join_next() => {
                    match done {
                        Ok((delivery, came)) => self.record(&delivery, came).await?,
                        Err(error) => tracing::error!(%error, "a webhook attempt broke off"),
                    }
                }
                () = node.webhooks.wanted.notified() => {
                    for (endpoint, at) in store.waiting().await? {
                        self.courier.note(endpoint, at);
                    }
                }
                () = sleep(pause) => {}
            }
            if now().since(self.trimmed_at) > HOUR {
                store.trim(now()).await?;
                self.trimmed_at = now();
            }
        }
    }

    /// Makes deliveries of what is new in the feed; says whether there may be more.
    async fn take_in(&mut self) -> Result<bool, Trouble> {
        let node = &self.node;
        let store = &node.webhooks.store;
        // Read before the feed: what the feed shows is at least this far.
        let shown = up_to(node.views.position());
        if !node.directory.has_endpoints() {
            let far = shown.max(self.taken);
            if far > self.taken && now().since(self.skipped_at) > SKIP {
                store.add(&[], far, now()).await?;
                self.skipped_at = now();
            }
            self.taken = far;
            return Ok(false);
        }
        let events = node.views.events_from(self.taken.0, EVENTS).await?;
        let more = events.len() == EVENTS as usize;
        let Some(last) = events.last().map(|event| event.n) else {
            return Ok(false);
        };
        let mut new = Vec::new();
        for event in &events {
            for endpoint in node
                .directory
                .endpoints_at(event.merchant, event.n.position())
            {
                new.push(New {
                    endpoint,
                    merchant: event.merchant,
                    event: event.n,
                    kind: &event.kind,
                });
            }
        }
        let at = now();
        store.add(&new, last, at).await?;
        self.taken = last;
        for delivery in &new {
            self.courier.note(delivery.endpoint, at);
        }
        Ok(more)
    }

    async fn start_due(&mut self) -> Result<(), Trouble> {
        let at = now();
        for ask in self.courier.ready(at) {
            let store = &self.node.webhooks.store;
            let (rows, next) = store.due(ask.endpoint, ask.deliveries, at).await?;
            let due: Vec<_> = rows.iter().map(DeliveryRow::due).collect();
            let starts = self.courier.start(ask, &due, next);
            for row in rows {
                if starts.contains(&row.id) {
                    let node = Arc::clone(&self.node);
                    self.sends.spawn(async move {
                        let came = attempt(&node, &row).await;
                        (row, came)
                    });
                }
            }
        }
        Ok(())
    }

    async fn record(&mut self, delivery: &DeliveryRow, came: Came) -> Result<(), Trouble> {
        let store = &self.node.webhooks.store;
        let endpoint = EndpointId(delivery.endpoint.cast_unsigned());
        let at = now();
        let (again, written) = match came {
            Came::EndpointGone => {
                self.courier.forget(endpoint);
                (None, store.forget(endpoint).await)
            }
            Came::Postponed => {
                let until = at.plus(POSTPONED);
                (Some(until), store.postpone(delivery.id, until).await)
            }
            Came::Of(outcome) => {
                let tries = u32::try_from(delivery.tries + 1).unwrap_or(u32::MAX);
                let next = judge(delivery.id, tries, &outcome, at);
                if let Err(error) = &outcome {
                    tracing::info!(
                        delivery = delivery.id,
                        endpoint = delivery.endpoint,
                        tries,
                        code = error.code.as_str(),
                        "a webhook was not taken"
                    );
                }
                let again = match next {
                    Next::Again(at) => Some(at),
                    Next::Delivered | Next::GivenUp => None,
                };
                (again, store.record(delivery, &outcome, next, at).await)
            }
        };
        // The place is free again even if nothing could be written down; then it is still due and is sent again.
        let again = if written.is_ok() { again } else { Some(at) };
        self.courier.finished(endpoint, delivery.id, again);
        Ok(written?)
    }
}

async fn attempt(node: &Node, row: &DeliveryRow) -> Came {
    let merchant = MerchantId(row.merchant.cast_unsigned());
    let endpoint = EndpointId(row.endpoint.cast_unsigned());
    let Some(endpoint) = node.directory.endpoint(merchant, endpoint) else {
        return Came::EndpointGone;
    };
    let at = now();
    let secrets = secrets::open_secrets(&node.keyring, merchant, &endpoint, at);
    let Some(url) = secrets::open_url(&node.keyring, merchant, &endpoint) else {
        return Came::Postponed;
    };
    let Some((id, body)) = message(
        node,
        merchant,
        EventNumber(row.event_number.cast_unsigned()),
    )
    .await
    else {
        return Came::Postponed;
    };
    let delivery = Delivery {
        url,
        id,
        timestamp_s: at.0.div_euclid(SECOND),
        body,
        secrets,
    };
    Came::Of(node.webhooks.sender.send(delivery).await)
}

/// The event as the feed shows it: its id and its bytes.
async fn message(node: &Node, merchant: MerchantId, n: EventNumber) -> Option<(String, Vec<u8>)> {
    let event = node.views.event(merchant, n).await.ok()??;
    let id = event.event_id.clone();
    let rendered = Renderings::of(node, merchant, vec![event]).await.ok()?;
    let body = serde_json::to_vec(rendered.events.first()?).ok()?;
    Some((id, body))
}
