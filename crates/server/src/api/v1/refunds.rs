//! Refunds: an object each, as many as the captured amount allows.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use paytone_domain::{
    Answer, Command,
    ids::{PaymentId, RefundId, Sealed},
    payment::{PaymentCommand, RefundFacts},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    client::{Client, Keyed, Operation},
    fields::{self, AmountText},
    objects::{Refund, Renderer},
    payments::refused,
};
use crate::{
    edge::{
        ids::Public,
        json::{self, OptionalBody},
        position::stamp,
        problem::Problem,
        text::{self, Place},
    },
    node::Node,
};

const REASON_CHARS: usize = 140;

/// How much to give back, and why.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateRefund {
    /// All that is left if left out.
    #[schema(value_type = Option<String>, example = "28.00")]
    pub amount: Option<AmountText>,
    /// The payer sees it.
    #[schema(max_length = 140, example = "The box was damaged")]
    pub reason: Option<String>,
}

/// Refund a captured payment
///
/// In full or in part, several times up to the captured amount. The money goes back to the sources it came from.
#[utoipa::path(
    post, path = "/v1/payments/{id}/refunds", tag = "refunds", operation_id = "create_refund",
    params(("id" = String, Path, description = "The payment's id")),
    request_body = Option<CreateRefund>,
    responses((status = 201, description = "The refund", body = Refund)),
)]
pub async fn create(
    State(node): State<Arc<Node>>,
    keyed: Keyed,
    Path(id): Path<String>,
    OptionalBody { value, bytes }: OptionalBody<CreateRefund>,
) -> Result<Response, Problem> {
    let id = PaymentId::read(&node.ids, &id).ok_or_else(Problem::not_found)?;
    let amount = fields::amount("amount", value.amount, &node)?;
    let reason = value
        .reason
        .map(|text| fields::words("reason", text, REASON_CHARS))
        .transpose()?;
    let card = keyed.client.card(&node).await?;
    let text = match reason {
        Some(reason) => text::seal(&card.key, card.subject, Place::Refund, &reason),
        None => Sealed::default(),
    };
    let merchant = keyed.client.merchant;
    let operation = Operation {
        name: "create refund",
        about: id.0,
    };
    let answered = keyed
        .submit(&node, operation, &bytes, |repeat| {
            Command::Payment(PaymentCommand::Refund {
                merchant,
                id,
                amount,
                text,
                repeat,
            })
        })
        .await?;
    let response = match answered.answer {
        Answer::Refund(Ok(facts)) => {
            let renderer = Renderer::of(&node, &card);
            json::answer(StatusCode::CREATED, &renderer.refund(&facts))
        }
        answer => refused(&node, answer),
    };
    Ok(stamp(response, &node, answered.position))
}

/// All refunds of one payment, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefundList {
    pub data: Vec<Refund>,
}

/// List a payment's refunds
#[utoipa::path(
    get, path = "/v1/payments/{id}/refunds", tag = "refunds", operation_id = "list_refunds",
    params(("id" = String, Path, description = "The payment's id")),
    responses((status = 200, description = "Its refunds, oldest first", body = RefundList)),
)]
pub async fn list(
    State(node): State<Arc<Node>>,
    client: Client,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = PaymentId::read(&node.ids, &id).ok_or_else(Problem::not_found)?;
    let merchant = client.merchant;
    let read = node.look(move |known, _| {
        let payment = known
            .payment(id)
            .filter(|payment| payment.merchant == merchant)?;
        let refunds = payment.refunds.iter().filter_map(|id| known.refund(*id));
        Some(
            refunds
                .map(|refund| refund.facts(refund.status))
                .collect::<Vec<_>>(),
        )
    });
    let answered = read.await?;
    let facts = answered.answer.ok_or_else(Problem::not_found)?;
    let card = client.card(&node).await?;
    let renderer = Renderer::of(&node, &card);
    let data = facts.iter().map(|facts| renderer.refund(facts)).collect();
    let response = json::answer(StatusCode::OK, &RefundList { data });
    Ok(stamp(response, &node, answered.position))
}

/// Look at a refund
#[utoipa::path(
    get, path = "/v1/refunds/{id}", tag = "refunds", operation_id = "get_refund",
    params(("id" = String, Path, description = "The refund's id")),
    responses((status = 200, description = "The refund", body = Refund)),
)]
pub async fn get(
    State(node): State<Arc<Node>>,
    client: Client,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = RefundId::read(&node.ids, &id).ok_or_else(Problem::not_found)?;
    let merchant = client.merchant;
    let read = node.look(move |known, _| -> Option<RefundFacts> {
        let refund = known.refund(id)?;
        let payment = known.payment(refund.payment)?;
        (payment.merchant == merchant).then(|| refund.facts(refund.status))
    });
    let answered = read.await?;
    let facts = answered.answer.ok_or_else(Problem::not_found)?;
    let card = client.card(&node).await?;
    let renderer = Renderer::of(&node, &card);
    let response = json::answer(StatusCode::OK, &renderer.refund(&facts));
    Ok(stamp(response, &node, answered.position))
}
