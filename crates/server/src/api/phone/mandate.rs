//! Mandates: who may charge without asking, up to how much, and an end to it at any time.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use paytone_domain::{
    State as DomainState,
    ids::{MandateId, MerchantId, Sealed, SubscriberId},
    mandate::{MandateCommand, MandateStatus, Terms},
    money::Amount,
    time::{Moment, Timestamp},
};
use serde::{Deserialize, Serialize};

use super::{
    account::MerchantNamed,
    approval,
    device::Nothing,
    pin::TypedPin,
    prompt::{merchant_card, opened},
    session::ActiveDevice,
};
use crate::{
    edge::{
        amount,
        ids::Public,
        json::{self, Body},
        position::stamp,
        problem::Problem,
        text::Place,
        time,
    },
    node::Node,
};

/// Far more than anybody signs; the newest are shown.
const MOST_SHOWN: usize = 200;

struct Seen {
    id: MandateId,
    merchant: MerchantId,
    status: MandateStatus,
    terms: Terms,
    charged: Amount,
    text: Sealed,
    approved_at: Timestamp,
}

/// Those that were ever signed, newest first.
fn look(state: &DomainState, moment: &Moment, payer: SubscriberId) -> Vec<Seen> {
    let Some(payer) = state.subscribers.get(payer) else {
        return Vec::new();
    };
    let signed = payer.mandates.iter().rev().take(MOST_SHOWN);
    let signed = signed.filter_map(|id| state.mandates.get(id));
    signed
        .filter_map(|mandate| {
            Some(Seen {
                id: mandate.id,
                merchant: mandate.merchant,
                status: mandate.status,
                terms: mandate.terms,
                charged: mandate.charged.this_month(moment),
                text: mandate.text.clone(),
                approved_at: mandate.approved_at?,
            })
        })
        .collect()
}

#[derive(Serialize)]
struct Mandates {
    mandates: Vec<MandateShown>,
}

#[derive(Serialize)]
struct MandateShown {
    id: String,
    merchant: MerchantNamed,
    status: &'static str,
    max_per_payment: String,
    max_per_month: String,
    used_this_month: String,
    currency: String,
    ends_on: String,
    description: String,
    approved_at: String,
}

/// `GET /phone/api/mandates`
pub async fn list(
    State(node): State<Arc<Node>>,
    ActiveDevice(device): ActiveDevice,
) -> Result<Response, Problem> {
    let payer = device.payer();
    let read = node
        .engine
        .read(move |state, moment| look(state, moment, payer.id))
        .await?;
    let currency = node.currency();
    let mut mandates = Vec::with_capacity(read.answer.len());
    for seen in &read.answer {
        let card = merchant_card(&node, seen.merchant).await?;
        mandates.push(MandateShown {
            id: seen.id.show(&node.ids),
            merchant: MerchantNamed {
                id: seen.merchant.show(&node.ids),
                name: card.name.to_string(),
            },
            status: seen.status.name(),
            max_per_payment: amount::show(seen.terms.payment_limit, currency),
            max_per_month: amount::show(seen.terms.monthly_limit, currency),
            used_this_month: amount::show(seen.charged, currency),
            currency: currency.code(),
            ends_on: seen.terms.ends_on.civil().to_string(),
            description: opened(&card, Place::Mandate, &seen.text).description,
            approved_at: time::show(seen.approved_at),
        });
    }
    let answer = json::answer(StatusCode::OK, &Mandates { mandates });
    Ok(stamp(answer, &node, read.position))
}

/// `POST /phone/api/mandates/{id}/revoke`
pub async fn revoke(
    State(node): State<Arc<Node>>,
    ActiveDevice(by): ActiveDevice,
    Path(id): Path<String>,
    _: Body<Nothing>,
) -> Result<Response, Problem> {
    let id = MandateId::read(&node.ids, &id).ok_or_else(Problem::not_found)?;
    let device = by.device;
    approval::mandate(&node, by, MandateCommand::Revoke { device, id }).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resume {
    pin: TypedPin,
}

/// `POST /phone/api/mandates/{id}/resume`
pub async fn resume(
    State(node): State<Arc<Node>>,
    ActiveDevice(by): ActiveDevice,
    Path(id): Path<String>,
    body: Body<Resume>,
) -> Result<Response, Problem> {
    let id = MandateId::read(&node.ids, &id).ok_or_else(Problem::not_found)?;
    let device = by.device;
    let pin = body.value.pin.value(&node.keyring, by.payer().id)?;
    approval::mandate(&node, by, MandateCommand::Resume { device, id, pin }).await
}
