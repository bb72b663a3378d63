//! Payments as staff see them: what really became of each, its whole timeline, and who caused each step.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
    routing::get,
};
use paytone_domain::{
    funding::{LegState, Source},
    ids::{MerchantId, OperatorId, PaymentId, Sealed, SubscriberId},
    payment::{Payment, Status, Whose},
    time::Timestamp,
};
use serde_json::{Value, json};

use super::{operation, session::SignedIn, subscribers};
use crate::{
    archive::Known,
    edge::{
        amount,
        ids::Public as _,
        json,
        problem::Problem,
        query::Parameters,
        text::{self, Place},
        time,
    },
    node::Node,
    views::{PaymentRow, TimelineStep},
};

pub fn router() -> Router<Arc<Node>> {
    Router::new()
        .route("/admin/api/payments", get(list))
        .route("/admin/api/payments/{id}", get(show))
}

const CURSOR: &str = "cur";
const LATEST: u32 = 20;

async fn list(
    State(node): State<Arc<Node>>,
    operator: SignedIn,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let mut asked = Parameters::of(&uri)?;
    let limit = asked.number("limit", 1, 200)?.unwrap_or(50);
    let status = match asked.take("status") {
        None => None,
        Some(name) => Some(Status::from_name(&name).ok_or_else(|| {
            Problem::unprocessable("unknown_status", "status is one of a payment's states")
                .field("status")
        })?),
    };
    let before = match asked.take("cursor") {
        None => None,
        Some(cursor) => Some(node.ids.decode(CURSOR, &cursor).ok_or_else(|| {
            Problem::unprocessable("invalid_cursor", "cursor is one that this list gave")
                .field("cursor")
        })?),
    };
    asked.finish()?;
    super::wait_for_views(&node, &headers).await?;
    let limit = u32::try_from(limit).unwrap_or(50);
    let mut rows = node
        .views
        .latest_payments(None, status, before.map(PaymentId), limit + 1)
        .await
        .map_err(super::views_problem)?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| more);
    let next = next.map(|row| node.ids.encode(CURSOR, row.id.cast_unsigned()));
    let data = shown(&node, &operator, &rows).await?;
    Ok(json::answer(
        StatusCode::OK,
        &json!({"data": data, "next_cursor": next}),
    ))
}

/// The latest payments that reached this subscriber.
pub async fn latest_of(
    node: &Arc<Node>,
    operator: &SignedIn,
    subscriber: SubscriberId,
) -> Result<Value, Problem> {
    let rows = node
        .views
        .latest_payments(Some(subscriber), None, None, LATEST)
        .await
        .map_err(super::views_problem)?;
    shown(node, operator, &rows).await.map(Value::Array)
}

/// Rows of a list. Numbers are masked in lists: a list is no reason to see whose they are.
pub async fn shown(
    node: &Arc<Node>,
    operator: &SignedIn,
    rows: &[PaymentRow],
) -> Result<Vec<Value>, Problem> {
    let payers: Vec<SubscriberId> = rows
        .iter()
        .filter_map(|row| Some(SubscriberId(row.payer?.cast_unsigned())))
        .collect();
    let numbers = if operator.sees_people() {
        masked_numbers(node, payers).await?
    } else {
        BTreeMap::new()
    };
    let currency = node.currency();
    let mut shown = Vec::with_capacity(rows.len());
    for row in rows {
        let payer = row.payer.map(|id| SubscriberId(id.cast_unsigned()));
        shown.push(json!({
            "id": PaymentId(row.id.cast_unsigned()).show(&node.ids),
            "merchant": merchant(node, MerchantId(row.merchant.cast_unsigned())).await?,
            "payer": payer.and_then(|payer| numbers.get(&payer)),
            "amount": amount::show_signed(row.amount, currency),
            "currency": currency.code(),
            "status": row.internal_status,
            "reason": row.veto.as_ref().or(row.decline.as_ref()).or(row.ending.as_ref()
                .filter(|ending| ending.as_str() == "wrong_code")),
            "created_at": time::show(Timestamp(row.created_at)),
        }));
    }
    Ok(shown)
}

async fn merchant(node: &Node, id: MerchantId) -> Result<Value, Problem> {
    let card = node
        .directory
        .merchant(id, &node.subjects)
        .await
        .map_err(super::key_problem)?;
    Ok(json!({
        "id": id.show(&node.ids),
        "name": card.map(|card| card.name.to_string()),
    }))
}

async fn masked_numbers(
    node: &Arc<Node>,
    payers: Vec<SubscriberId>,
) -> Result<BTreeMap<SubscriberId, String>, Problem> {
    let sealed: Vec<(SubscriberId, u64, Sealed)> = node
        .engine
        .read(move |state, _| {
            let known = payers.iter().filter_map(|id| state.subscribers.get(*id));
            known
                .map(|known| (known.id, known.subject, known.profile()))
                .collect()
        })
        .await?
        .answer;
    let mut numbers = BTreeMap::new();
    for (id, subject, profile) in sealed {
        let key = subscribers::key_of(node, subject).await?;
        if let Some(profile) = subscribers::profile(key.as_ref(), subject, &profile) {
            numbers.insert(id, masked(&profile.number));
        }
    }
    Ok(numbers)
}

/// `+86 ••• 0007`
fn masked(number: &str) -> String {
    let split = |at: usize| number.get(..at).zip(number.get(at..));
    match (split(3), split(number.len().saturating_sub(4))) {
        (Some((code, _)), Some((_, end))) if number.len() >= 10 => format!("{code} ••• {end}"),
        _ => "•••".to_owned(),
    }
}

/// One payment with whom it names, taken out of a state.
pub(super) struct Seen {
    payment: Payment,
    grants: BTreeMap<u64, Sealed>,
    payer: Option<(SubscriberId, u64, Sealed)>,
    operators: BTreeMap<OperatorId, String>,
}

/// Takes a payment out of the present state or one of the past.
pub(super) fn take(known: &Known<'_>, id: PaymentId) -> Option<Seen> {
    let state = known.state;
    let payment = known.payment(id)?.clone();
    let payer = payment.payer.and_then(|id| state.subscribers.get(id));
    let lots = payment.legs.iter().filter_map(|leg| match leg.source {
        Source::Grant(lot) => state.lots.get(&lot),
        Source::Balance | Source::Bill | Source::Bank => None,
    });
    Some(Seen {
        grants: lots.map(|lot| (lot.id.0, lot.label.clone())).collect(),
        payer: payer.map(|payer| (payer.id, payer.subject, payer.profile())),
        operators: state
            .operators
            .by_id
            .values()
            .map(|operator| (operator.id, operator.name.clone()))
            .collect(),
        payment,
    })
}

async fn show(
    State(node): State<Arc<Node>>,
    operator: SignedIn,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = PaymentId::read(&node.ids, &id).ok_or_else(Problem::not_found)?;
    let seen = node
        .look(move |known, _| take(known, id))
        .await?
        .answer
        .ok_or_else(Problem::not_found)?;
    // A page that was just given this payment's id expects its first step.
    super::wait_for_views(&node, &headers).await?;
    Ok(json::answer(
        StatusCode::OK,
        &told(&node, &operator, &seen, None).await?,
    ))
}

/// What staff see of it, up to a moment if one is given. That personal data is read is recorded first.
pub(super) async fn told(
    node: &Arc<Node>,
    operator: &SignedIn,
    seen: &Seen,
    until: Option<Timestamp>,
) -> Result<Value, Problem> {
    let mut timeline = node
        .views
        .timeline_of(seen.payment.id)
        .await
        .map_err(super::views_problem)?;
    timeline.retain(|step| until.is_none_or(|until| step.at <= until));
    let mut people = People::default();
    if operator.sees_people() {
        if let Some((payer, ..)) = &seen.payer {
            operation::note_read(node, operator.actor(), *payer).await?;
        }
        people = open(node, seen).await?;
    }
    detail(node, seen, people, &timeline).await
}

/// The latest payments that reached a subscriber, newest first, out of a state of the past.
pub(super) fn take_latest_of(known: &Known<'_>, subscriber: SubscriberId) -> Vec<Payment> {
    let of_theirs = known.payments();
    let mut payments: Vec<_> = of_theirs
        .filter(|payment| payment.payer == Some(subscriber))
        .collect();
    payments.sort_unstable_by_key(|payment| std::cmp::Reverse(payment.id));
    payments.truncate(LATEST as usize);
    payments.into_iter().cloned().collect()
}

/// The same before payment `before`, as far as the payer came to see them: of the views.
pub(super) async fn latest_ids_of(
    node: &Node,
    subscriber: SubscriberId,
    before: PaymentId,
) -> Result<Vec<PaymentId>, Problem> {
    let rows = node
        .views
        .latest_payments(Some(subscriber), None, Some(before), LATEST)
        .await
        .map_err(super::views_problem)?;
    let ids = rows.iter().map(|row| PaymentId(row.id.cast_unsigned()));
    Ok(ids.collect())
}

/// A line of a list, as [`shown`] makes it of the views' rows.
pub(super) async fn row_of(node: &Node, payment: &Payment) -> Result<Value, Problem> {
    let currency = node.currency();
    let reason = payment.veto.or(payment.decline).map(|veto| veto.code());
    Ok(json!({
        "id": payment.id.show(&node.ids),
        "merchant": merchant(node, payment.merchant).await?,
        "payer": null,
        "amount": amount::show(payment.amount, currency),
        "currency": currency.code(),
        "status": payment.internal_status().name(),
        "reason": reason,
        "created_at": time::show(payment.created_at),
    }))
}

/// What names people or was written about them.
#[derive(Default)]
struct People {
    number: Option<String>,
    text: Option<text::PaymentText>,
    labels: BTreeMap<u64, String>,
}

async fn open(node: &Arc<Node>, seen: &Seen) -> Result<People, Problem> {
    let mut people = People::default();
    if let Some((_, subject, profile)) = &seen.payer
        && let Some(key) = subscribers::key_of(node, *subject).await?
    {
        people.number =
            subscribers::profile(Some(&key), *subject, profile).map(|profile| profile.number);
        people.labels = seen
            .grants
            .iter()
            .filter_map(|(lot, label)| {
                Some((*lot, text::open(&key, *subject, Place::LotLabel, label)?))
            })
            .collect();
    }
    let card = node
        .directory
        .merchant(seen.payment.merchant, &node.subjects)
        .await
        .map_err(super::key_problem)?;
    people.text = card.and_then(|card| {
        text::open_payment(&card.key, card.subject, Place::Payment, &seen.payment.text)
    });
    Ok(people)
}

async fn detail(
    node: &Node,
    seen: &Seen,
    people: People,
    timeline: &[TimelineStep],
) -> Result<Value, Problem> {
    let currency = node.currency();
    let payment = &seen.payment;
    let text = people.text.unwrap_or_default();
    let legs: Vec<_> = payment
        .legs
        .iter()
        .map(|leg| {
            let label = match leg.source {
                Source::Grant(lot) => people.labels.get(&lot.0),
                Source::Balance | Source::Bill | Source::Bank => None,
            };
            json!({
                "source": leg.source.kind().name(),
                "label": label,
                "amount": amount::show(leg.amount, currency),
                "captured": amount::show(leg.captured, currency),
                "refunded": amount::show(leg.refunded, currency),
                "state": leg_state(leg.state),
            })
        })
        .collect();
    let steps: Vec<_> = timeline
        .iter()
        .map(|step| {
            json!({
                "at": time::show(step.at),
                "what": step.what,
                "actor": actor(node, step, &seen.operators),
                "detail": words(&step.detail),
                "facts": step.detail,
                "cause": step.cause,
            })
        })
        .collect();
    let reason = payment.veto.or(payment.decline).map(|veto| veto.code());
    Ok(json!({
        "id": payment.id.show(&node.ids),
        "merchant": merchant(node, payment.merchant).await?,
        "payer": people.number,
        "payer_id": payment.payer.map(|payer| payer.show(&node.ids)),
        "amount": amount::show(payment.amount, currency),
        "currency": currency.code(),
        "status": payment.internal_status().name(),
        "projected_status": payment.status.name(),
        "reason": reason,
        "description": text.description,
        "reference": text.reference,
        "for": match payment.whose { Whose::Own => "self", Whose::Other => "other" },
        "asker_name": text.asker_name,
        "mandate": payment.mandate.map(|mandate| mandate.show(&node.ids)),
        "created_at": time::show(payment.created_at),
        "deadline": time::show(payment.deadline),
        "capture_deadline": payment.capture_deadline.map(time::show),
        "captured_amount": amount::show(payment.captured, currency),
        "refunded_amount": amount::show(payment.refunded, currency),
        "fee": (payment.status == Status::Captured).then(|| json!({
            "amount": amount::show(payment.fee, currency),
            "tax": amount::show(payment.tax, currency),
        })),
        "legs": legs,
        "timeline": steps,
    }))
}

fn leg_state(state: LegState) -> &'static str {
    match state {
        LegState::Held => "held",
        LegState::Wanted => "wanted",
        LegState::Collected => "collected",
        LegState::Refused => "refused",
        LegState::Moved => "moved",
        LegState::Released => "released",
    }
}

/// `operator alice`, `device dev_…`, `system`.
fn actor(node: &Node, step: &TimelineStep, operators: &BTreeMap<OperatorId, String>) -> String {
    let Some(id) = &step.actor_id else {
        return step.actor.clone();
    };
    let name = OperatorId::read(&node.ids, id).and_then(|id| operators.get(&id));
    format!("{} {}", step.actor, name.unwrap_or(id))
}

/// The facts of a step in one line.
fn words(facts: &Value) -> Option<String> {
    let facts = facts.as_object().filter(|facts| !facts.is_empty())?;
    let words: Vec<_> = facts
        .iter()
        .map(|(name, fact)| match fact {
            Value::String(text) => format!("{name} {text}"),
            other => format!("{name} {other}"),
        })
        .collect();
    Some(words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_number_shows_country_and_last_four_digits() {
        for (number, shown) in [
            ("+8613800138000", "+86 ••• 8000"),
            ("+4712345678", "+47 ••• 5678"),
            ("+123", "•••"),
            ("", "•••"),
        ] {
            assert_eq!(masked(number), shown);
        }
    }
}
