//! Subscribers: found by number or id, looked at (which is journaled), blocked, helped, adjusted, erased.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
    routing::{get, post},
};
use paytone_domain::{
    ids::{NumberHash, Sealed, SubscriberId},
    ledger::{Account, Balance},
    operator::Operation,
    subscriber::{Device, DeviceStatus, LineKind, LineStatus, Subscriber, SubscriberStatus},
    time::{Moment, Timestamp},
};
use paytone_journal::subject_keys::{SubjectKey, SubjectKeyError};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{operation, session::SignedIn, words};
use crate::{
    edge::{
        amount,
        ids::Public as _,
        json::{self, Body},
        number::PhoneNumber,
        problem::Problem,
        text::{self, Place, Profile},
        time,
    },
    node::Node,
};

pub fn router() -> Router<Arc<Node>> {
    let one = "/admin/api/subscribers/{who}";
    let doing = |operation: fn(SubscriberId) -> Operation| {
        post(
            move |State(node): State<Arc<Node>>, operator: SignedIn, Path(who): Path<String>| {
                perform(node, operator, who, operation)
            },
        )
    };
    Router::new()
        .route(one, get(show))
        .route(&format!("{one}/block"), doing(Operation::BlockSubscriber))
        .route(
            &format!("{one}/unblock"),
            doing(Operation::UnblockSubscriber),
        )
        .route(&format!("{one}/unlock-pin"), doing(Operation::UnlockPin))
        .route(&format!("{one}/reset-phone"), doing(Operation::ResetPhone))
        .route(&format!("{one}/erase"), doing(Operation::EraseSubscriber))
        .route(&format!("{one}/adjust"), post(adjust))
}

/// Whom a number or an id names.
pub async fn find(node: &Node, who: &str) -> Result<SubscriberId, Problem> {
    if who.starts_with("sub_") {
        return SubscriberId::read(&node.ids, who).ok_or_else(Problem::not_found);
    }
    let number = PhoneNumber::read("number", who, &node.config.home_country)?;
    let hash = NumberHash(node.keyring.number_hash(number.e164()));
    node.engine
        .read(move |state, _| state.holder(&hash).map(|holder| holder.id))
        .await?
        .answer
        .ok_or_else(Problem::not_found)
}

async fn perform(
    node: Arc<Node>,
    operator: SignedIn,
    who: String,
    operation: fn(SubscriberId) -> Operation,
) -> Result<Response, Problem> {
    let subscriber = find(&node, &who).await?;
    operation::done(&node, operator.asks(&node, &[]), operation(subscriber)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Adjustment {
    /// Decimal text; a minus takes away.
    amount: String,
    reason: String,
}

async fn adjust(
    State(node): State<Arc<Node>>,
    operator: SignedIn,
    Path(who): Path<String>,
    Body { value, bytes }: Body<Adjustment>,
) -> Result<Response, Problem> {
    let subscriber = find(&node, &who).await?;
    words::check("reason", &value.reason, 3, 200)?;
    let (sign, magnitude) = match value.amount.strip_prefix('-') {
        Some(magnitude) => (-1, magnitude),
        None => (1, value.amount.as_str()),
    };
    let amount = amount::read("amount", magnitude, node.currency())?;
    let subject = node
        .directory
        .subject(subscriber)
        .ok_or_else(Problem::not_found)?;
    let key = key_of(&node, subject).await?.ok_or_else(|| {
        Problem::new(
            StatusCode::CONFLICT,
            "erased",
            "this subscriber was erased; nothing can be written about them any more",
        )
    })?;
    let operation = Operation::Adjust {
        subscriber,
        minor: sign * amount.minor(),
        reason: text::seal(&key, subject, Place::AdjustmentReason, &value.reason),
    };
    operation::done(&node, operator.asks(&node, &bytes), operation).await
}

/// `None` once the subscriber was erased.
pub async fn key_of(node: &Node, subject: u64) -> Result<Option<SubjectKey>, Problem> {
    match node.subjects.get(subject).await {
        Ok(key) => Ok(Some(key)),
        Err(SubjectKeyError::Erased(_)) => Ok(None),
        Err(error) => Err(super::key_problem(error)),
    }
}

/// Who it is, as far as anybody can still read it.
pub fn profile(key: Option<&SubjectKey>, subject: u64, sealed: &Sealed) -> Option<Profile> {
    serde_json::from_str(&text::open(key?, subject, Place::Profile, sealed)?).ok()
}

/// What is looked at of a subscriber, taken out of a state.
pub(super) struct Seen {
    subscriber: Subscriber,
    cash: Balance,
    /// What is kept of somebody who left.
    unclaimed: Balance,
    /// Sealed label, what is on the lot, and its expiry.
    grants: Vec<(Sealed, Balance, Option<Timestamp>)>,
    devices: Vec<Device>,
    billed_minor: i64,
    pin_locked: bool,
    pin_tries_left: u8,
}

/// Takes a subscriber out of the present state or one of the past.
pub(super) fn take(
    state: &paytone_domain::State,
    moment: &Moment,
    id: SubscriberId,
) -> Option<Seen> {
    let subscriber = state.subscribers.get(id)?.clone();
    let grants = subscriber.lots.iter().filter_map(|id| state.lots.get(id));
    Some(Seen {
        cash: state.book.balance(Account::SubscriberCash(id)),
        unclaimed: state.book.balance(Account::Unclaimed(id)),
        grants: grants
            .map(|lot| {
                let balance = state.book.balance(Account::Grant(lot.id));
                (lot.label.clone(), balance, lot.expires_at)
            })
            .collect(),
        devices: subscriber
            .devices
            .iter()
            .filter_map(|id| state.devices.get(id).cloned())
            .collect(),
        billed_minor: subscriber.billed.this_month(moment).minor(),
        pin_locked: subscriber.pin_locked(&state.rules),
        pin_tries_left: state
            .rules
            .pin_tries
            .saturating_sub(subscriber.pin_failures),
        subscriber,
    })
}

async fn show(
    State(node): State<Arc<Node>>,
    operator: SignedIn,
    Path(who): Path<String>,
) -> Result<Response, Problem> {
    // A role that may not see people is not told whose numbers there are either.
    if !operator.sees_people() {
        return Err(operation::problem(
            paytone_domain::operator::OperatorRefusal::NotAllowed,
        ));
    }
    let id = find(&node, &who).await?;
    operation::note_read(&node, operator.actor(), id).await?;
    let seen = node
        .engine
        .read(move |state, moment| take(state, moment, id))
        .await?
        .answer
        .ok_or_else(Problem::not_found)?;
    let payments = super::payments::latest_of(&node, &operator, id).await?;
    let mut card = told(&node, &seen).await?;
    card["payments"] = payments;
    Ok(json::answer(StatusCode::OK, &card))
}

/// What staff see of somebody. The caller has recorded that it is looked at.
pub(super) async fn told(node: &Arc<Node>, seen: &Seen) -> Result<Value, Problem> {
    let key = key_of(node, seen.subscriber.subject).await?;
    Ok(card(node, seen, key.as_ref()))
}

fn card(node: &Node, seen: &Seen, key: Option<&SubjectKey>) -> Value {
    let currency = node.currency();
    let subscriber = &seen.subscriber;
    let subject = subscriber.subject;
    let money = |minor: i64| amount::show_signed(minor, currency);
    let balance = |balance: Balance| {
        json!({
            "available": amount::show(balance.available(), currency),
            "held": money(balance.held),
        })
    };
    let open =
        |place: Place, sealed: &Sealed| key.and_then(|key| text::open(key, subject, place, sealed));
    let grants: Vec<_> = seen
        .grants
        .iter()
        .map(|(label, on_it, expires_at)| {
            let mut grant = balance(*on_it);
            grant["label"] = open(Place::LotLabel, label).into();
            grant["expires_at"] = expires_at.map(time::show).into();
            grant
        })
        .collect();
    let devices: Vec<_> = seen
        .devices
        .iter()
        .map(|device| {
            json!({
                "id": device.id.show(&node.ids),
                "label": open(Place::DeviceLabel, &device.label),
                "status": device_status(device.status),
                "created_at": time::show(device.created_at),
            })
        })
        .collect();
    let profile = profile(key, subject, &subscriber.profile());
    let line = subscriber.line();
    let day = |at: Timestamp| time::show(at).get(..10).map(str::to_owned);
    json!({
        "id": subscriber.id.show(&node.ids),
        "status": status(subscriber.status),
        "number": profile.as_ref().map(|profile| &profile.number),
        "name": profile.as_ref().map(|profile| &profile.name),
        "birth_date": profile.as_ref().and_then(|profile| profile.birth_date.as_ref()),
        "generation": subscriber.generation,
        "currency": currency.code(),
        "balance": balance(seen.cash),
        "unclaimed": (seen.unclaimed.posted != 0).then(|| money(seen.unclaimed.posted)),
        "grants": grants,
        "bill": (!line.bill_limit.is_zero()).then(|| json!({
            "used": money(seen.billed_minor),
            "limit": amount::show(line.bill_limit, currency),
        })),
        "bank": subscriber.bank.is_some(),
        "pin": {"set": subscriber.pin.is_some(), "locked": seen.pin_locked, "tries_left": seen.pin_tries_left},
        "line": {
            "status": line_status(line.status),
            "plan": line_kind(line.kind),
            "activated_on": day(line.activated),
            "sim_changed_on": line.sim_changed.map(day),
            "device_changed_on": line.device_changed.map(day),
            "known_at": time::show(line.as_of),
        },
        "devices": devices,
        "mandates": subscriber.mandates.len(),
        "blocked_merchants": subscriber.blocked_merchants.len(),
    })
}

fn status(status: SubscriberStatus) -> &'static str {
    match status {
        SubscriberStatus::Active => "active",
        SubscriberStatus::Blocked => "blocked",
        SubscriberStatus::Closed => "closed",
        SubscriberStatus::Erased => "erased",
    }
}

fn device_status(status: DeviceStatus) -> &'static str {
    match status {
        DeviceStatus::Active => "active",
        DeviceStatus::AwaitingApproval => "awaiting_approval",
        DeviceStatus::Recovering => "recovering",
        DeviceStatus::Removed => "removed",
    }
}

fn line_status(status: LineStatus) -> &'static str {
    match status {
        LineStatus::Active => "active",
        LineStatus::Suspended => "suspended",
        LineStatus::Terminated => "terminated",
    }
}

fn line_kind(kind: LineKind) -> &'static str {
    match kind {
        LineKind::Prepaid => "prepaid",
        LineKind::Postpaid => "postpaid",
    }
}
