//! The feed: what happened to a merchant's payments, refunds and mandates, in the order of the journal.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};
use paytone_domain::{
    idempotency::Recorded,
    ids::MerchantId,
    mandate::MandateFacts,
    payment::{PaymentFacts, RefundFacts},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    client::Client,
    lists::{self, Page},
    objects::{Event, EventData, Renderer},
};
use crate::{
    archive::Known,
    edge::{json, position::stamp, problem::Problem, query::Parameters, time},
    node::Node,
    views::MerchantEvent,
};

const CURSOR: &str = "curevt";
const DEFAULT_LIMIT: u32 = 100;

/// A part of the feed, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventList {
    pub data: Vec<Event>,
    /// Ask with it again, now or later, for what comes after. It is the same as before when there is nothing new.
    pub next_cursor: String,
}

/// Read the feed
///
/// Everything that webhooks tell, in order and without gaps.
#[utoipa::path(
    get, path = "/v1/events", tag = "events", operation_id = "list_events",
    params(
        ("cursor" = Option<String>, Query, description = "`next_cursor` of an earlier answer; from the first event if left out"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "100 if left out"),
    ),
    responses((status = 200, description = "Events after the cursor, oldest first", body = EventList)),
)]
pub async fn list(
    State(node): State<Arc<Node>>,
    client: Client,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let mut parameters = Parameters::of(&uri)?;
    let page = Page::take(&mut parameters, &node, CURSOR, DEFAULT_LIMIT)?;
    parameters.finish()?;
    let position = lists::reached(&node, &headers).await?;
    let after = page.cursor.unwrap_or(0);
    let events = node
        .views
        .events_after(client.merchant, after, page.limit)
        .await?;
    let last = events.last().map_or(after, |event| event.n.0);
    let rendered = Renderings::of(&node, client.merchant, events).await?;
    let answer = EventList {
        data: rendered.events,
        next_cursor: node.ids.encode(CURSOR, last),
    };
    Ok(stamp(
        json::answer(StatusCode::OK, &answer),
        &node,
        position,
    ))
}

enum Facts {
    Payment(PaymentFacts),
    Refund(RefundFacts),
    Mandate(MandateFacts),
}

/// Events with what they are about, as it stood then.
pub struct Renderings {
    pub events: Vec<Event>,
}

impl Renderings {
    /// Renders the events of one merchant, for the feed and for webhooks alike.
    pub async fn of(
        node: &Node,
        merchant: MerchantId,
        events: Vec<MerchantEvent>,
    ) -> Result<Self, Problem> {
        if events.is_empty() {
            return Ok(Self { events: Vec::new() });
        }
        let recorded: Vec<_> = events.iter().map(|event| event.recorded.clone()).collect();
        let read = node.look(move |known, _| {
            recorded
                .iter()
                .map(|recorded| facts(known, recorded))
                .collect::<Vec<_>>()
        });
        let facts = read.await?.answer;
        let card = node.directory.merchant(merchant, &node.subjects).await?;
        let card =
            card.ok_or_else(|| Problem::internal("an event's merchant is not in the directory"))?;
        let renderer = Renderer::of(node, &card);
        let event = |(event, facts): (MerchantEvent, Option<Facts>)| {
            let data = match facts? {
                Facts::Payment(facts) => EventData::Payment(Box::new(renderer.payment(&facts))),
                Facts::Refund(facts) => EventData::Refund(renderer.refund(&facts)),
                Facts::Mandate(facts) => EventData::Mandate(renderer.mandate(&facts)),
            };
            Some(Event {
                id: event.event_id,
                kind: event.kind,
                timestamp: time::show(event.at),
                data,
            })
        };
        Ok(Self {
            events: events.into_iter().zip(facts).filter_map(event).collect(),
        })
    }
}

fn facts(known: &Known<'_>, recorded: &Recorded) -> Option<Facts> {
    match recorded {
        Recorded::Payment(id, then) => known
            .payment(*id)
            .map(|payment| Facts::Payment(payment.facts(*then))),
        Recorded::Refund(id, then) => known
            .refund(*id)
            .map(|refund| Facts::Refund(refund.facts(*then))),
        Recorded::Mandate(id, then) => known
            .state
            .mandates
            .get(id)
            .map(|mandate| Facts::Mandate(mandate.facts(*then))),
        Recorded::Refused(_) | Recorded::Operation(_) => None,
    }
}
