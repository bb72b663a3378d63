//! History: what reached this subscriber or moved their money, newest first, and one of it in full.
//!
//! The order comes from the views; what each line says comes from the state, so that it is never older than the page asks
//! for. **Not here:** what a rule kept from the payer.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};
use paytone_domain::ids::{MerchantId, PaymentId, RefundId};
use serde::Serialize;

use super::{
    prompt::Payer,
    record::{Credit, GivenLot, Item, PaymentSeen, Reader, RefundSeen},
    session::ActiveDevice,
};
use crate::{
    edge::{ids::Public, json, position, problem::Problem, query::Parameters, time},
    node::Node,
    views::{EventNumber, HistoryItem, HistoryKind, TimelineStep},
};

const PAGE: u64 = 20;
const LONGEST_PAGE: u64 = 100;
const PATIENCE: Duration = Duration::from_secs(2);
/// Prefix of ids of money that came without a payment.
const CREDIT: &str = "cre";
const CURSOR: &str = "cur";

#[derive(Serialize)]
struct Page {
    items: Vec<Item>,
    next_cursor: Option<String>,
}

/// `GET /phone/api/history`
pub async fn list(
    State(node): State<Arc<Node>>,
    ActiveDevice(device): ActiveDevice,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut parameters = Parameters::of(&uri)?;
    let limit = parameters.number("limit", 1, LONGEST_PAGE)?.unwrap_or(PAGE);
    let before = match parameters.take("cursor") {
        Some(cursor) => Some(node.ids.decode(CURSOR, &cursor).ok_or_else(|| {
            Problem::unprocessable("invalid_cursor", "cursor is not one of this list")
                .field("cursor")
        })?),
        None => None,
    };
    parameters.finish()?;
    let position = reached(&node, &headers).await?;
    let payer = device.payer();
    // One more than asked for tells whether there are more.
    let limit = usize::try_from(limit).unwrap_or_default();
    let most = u32::try_from(limit + 1).unwrap_or(u32::MAX);
    let mut lines = node.views.history_of(payer.id, before, most).await?;
    let more = lines.len() > limit;
    lines.truncate(limit);
    let next_cursor = lines
        .last()
        .filter(|_| more)
        .map(|line| node.ids.encode(CURSOR, line.n.0));
    let items = items(&node, payer, lines).await?;
    let page = Page { items, next_cursor };
    let answer = json::answer(StatusCode::OK, &page);
    Ok(position::stamp(answer, &node, position))
}

/// Waits until the views show what the request asks for, or else what is durable now.
async fn reached(node: &Node, headers: &HeaderMap) -> Result<u64, Problem> {
    let asked = position::asked(headers, node);
    let wanted = asked.unwrap_or_else(|| *node.engine.position().borrow());
    if node.views.reached(wanted, PATIENCE).await || asked.is_none() {
        return Ok(node.views.position());
    }
    Err(Problem {
        retry_after_s: Some(1),
        ..Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "lists_behind",
            "lists do not show that position yet; ask again",
        )
    })
}

/// What the state says of a line.
enum Seen {
    Payment(PaymentSeen),
    Refund(RefundSeen),
    Credit(Credit),
}

async fn items(node: &Node, payer: Payer, lines: Vec<HistoryItem>) -> Result<Vec<Item>, Problem> {
    let ids = node.ids.clone();
    let credit = move |line: &HistoryItem, lot: Option<GivenLot>| {
        let merchant = line.payment.as_ref().map(|payment| payment.merchant);
        Credit {
            id: ids.encode(CREDIT, line.n.0),
            at: line.at,
            minor: line.minor,
            lot,
            merchant: merchant.map(|id| MerchantId(id.cast_unsigned())),
        }
    };
    let read = node
        .look(move |known, _| {
            let seen = lines.iter().filter_map(|line| match line.kind {
                HistoryKind::Payment(id) => PaymentSeen::of(known, payer.id, id).map(Seen::Payment),
                HistoryKind::Refund(id) => RefundSeen::of(known, payer.id, id).map(Seen::Refund),
                HistoryKind::Grant(id) => {
                    let lot = known.state.lots.get(&id).map(|lot| GivenLot {
                        label: lot.label.clone(),
                        expires_at: lot.expires_at,
                    });
                    Some(Seen::Credit(credit(line, lot)))
                }
                HistoryKind::Cash | HistoryKind::Adjustment | HistoryKind::PaidToBalance(_) => {
                    Some(Seen::Credit(credit(line, None)))
                }
            });
            seen.collect::<Vec<_>>()
        })
        .await?;
    let reader = Reader::of(node, payer).await?;
    let mut items = Vec::with_capacity(read.answer.len());
    for seen in &read.answer {
        items.push(match seen {
            Seen::Payment(payment) => reader.payment(payment).await?,
            Seen::Refund(refund) => reader.refund(refund).await?,
            Seen::Credit(credit) => reader.credit(credit).await?,
        });
    }
    Ok(items)
}

#[derive(Serialize)]
struct Detail {
    #[serde(flatten)]
    item: Item,
    timeline: Vec<Step>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Step {
    at: String,
    what: &'static str,
}

/// `GET /phone/api/history/{id}`
pub async fn detail(
    State(node): State<Arc<Node>>,
    ActiveDevice(device): ActiveDevice,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let position = reached(&node, &headers).await?;
    let payer = device.payer();
    let (item, timeline) = if let Some(id) = PaymentId::read(&node.ids, &id) {
        payment(&node, payer, id).await?
    } else if let Some(id) = RefundId::read(&node.ids, &id) {
        let read = node
            .look(move |known, _| RefundSeen::of(known, payer.id, id))
            .await?;
        let seen = read.answer.ok_or_else(Problem::not_found)?;
        let item = Reader::of(&node, payer).await?.refund(&seen).await?;
        (item, Vec::new())
    } else if let Some(n) = node.ids.decode(CREDIT, &id) {
        let line = node.views.history_at(payer.id, EventNumber(n)).await?;
        let found = items(&node, payer, line.into_iter().collect()).await?;
        let item = found.into_iter().find(|item| item.id == id);
        (item.ok_or_else(Problem::not_found)?, Vec::new())
    } else {
        return Err(Problem::not_found());
    };
    let answer = json::answer(StatusCode::OK, &Detail { item, timeline });
    Ok(position::stamp(answer, &node, position))
}

async fn payment(node: &Node, payer: Payer, id: PaymentId) -> Result<(Item, Vec<Step>), Problem> {
    let read = node
        .look(move |known, _| PaymentSeen::of(known, payer.id, id))
        .await?;
    let seen = read.answer.ok_or_else(Problem::not_found)?;
    let steps = node.views.timeline_of(id).await?;
    // A veto before the prompt is nobody's to know; one at the approval was told to the payer.
    if seen.vetoed && !steps.iter().any(|step| step.what == "vetoed") {
        return Err(Problem::not_found());
    }
    let item = Reader::of(node, payer).await?.payment(&seen).await?;
    Ok((item, steps.iter().filter_map(told).collect()))
}

/// What of a payment's steps its payer is told, and in which words.
fn told(step: &TimelineStep) -> Option<Step> {
    let fact = |name: &str| step.detail.get(name).and_then(|fact| fact.as_str());
    let what = match step.what.as_str() {
        "requested" => "requested",
        // A charge under a mandate was approved by nobody now.
        "approved" if fact("device").is_some() => "approved",
        "approval_rejected" if fact("why") == Some("wrong_pin") => "wrong_pin",
        "authorized" => "authorized",
        "captured" => "captured",
        "refunded" => "refunded",
        "vetoed" => "vetoed",
        "ended" => match fact("ending") {
            Some("refused") => "refused",
            Some("reported") => "reported",
            Some("wrong_code") => "wrong_code",
            Some("cancelled") => "cancelled",
            Some("not_funded" | "payer_erased") => "failed",
            _ => "expired",
        },
        _ => return None,
    };
    Some(Step {
        at: time::show(step.at),
        what,
    })
}
