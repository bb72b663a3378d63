//! Payments: ask, look, wait, cancel, capture.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
};
use paytone_domain::{
    Answer, Command,
    idempotency::Repeat,
    ids::{MerchantId, PaymentId},
    payment::{ClientPaymentRefusal, PaymentCommand, PaymentFacts, PaymentRequest, Status},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    client::{Client, Keyed, Operation},
    fields::{self, AmountText},
    long_poll::Asked,
    objects::{Payment, Renderer},
    payment_request::{CreatePayment, no_mandate},
    refusals,
};
use crate::{
    edge::{
        ids::Public,
        json::{self, Body, OptionalBody},
        position::stamp,
        problem::Problem,
        text::{self, Place},
    },
    node::{Node, random},
};

/// Ask for a payment
///
/// Prompts the payer's phone and answers at once, with the match code to show at the checkout; or charges a mandate.
/// Whether the number is anybody's is not told: a payment that reaches nobody waits and expires like one that is ignored.
#[utoipa::path(
    post, path = "/v1/payments", tag = "payments", operation_id = "create_payment",
    request_body = CreatePayment,
    responses((status = 201, description = "The payment", body = Payment)),
)]
pub async fn create(
    State(node): State<Arc<Node>>,
    keyed: Keyed,
    Body { mut value, bytes }: Body<CreatePayment>,
) -> Result<Response, Problem> {
    let merchant = keyed.client.merchant;
    let amount = value.amount.read("amount", node.currency())?;
    let checked = value.check(&node, merchant)?;
    let card = keyed.client.card(&node).await?;
    let sealed = text::seal_payment(&card.key, card.subject, Place::Payment, &checked.text);
    let entropy = u64::from_be_bytes(random().as_chunks::<8>().0[0]);
    let operation = Operation {
        name: "create payment",
        about: 0,
    };
    let answered = keyed
        .submit(&node, operation, &bytes, |repeat| {
            Command::Payment(PaymentCommand::Request(Box::new(PaymentRequest {
                merchant,
                payer: checked.payer,
                amount,
                whose: checked.whose,
                capture: value.capture.unwrap_or_default().into(),
                text: sealed,
                reference_hash: checked.reference_hash,
                expires_in_seconds: value.expires_in,
                entropy,
                repeat,
            })))
        })
        .await?;
    let response = match answered.answer {
        Answer::Payment(Ok(facts)) => {
            let renderer = Renderer::of(&node, &card);
            // The body is the same as it was the first time, so its text is that of the payment.
            json::answer(
                StatusCode::CREATED,
                &renderer.payment_with(&facts, checked.text),
            )
        }
        // The merchant itself exists: what was not found is the mandate.
        Answer::ClientRefused(ClientPaymentRefusal::NotFound) => no_mandate().into_response(),
        answer => refused(&node, answer),
    };
    Ok(stamp(response, &node, answered.position))
}

/// Look at a payment
///
/// With `wait`, answers as soon as its status differs from `status` (or from what it is now), or when the time is over.
#[utoipa::path(
    get, path = "/v1/payments/{id}", tag = "payments", operation_id = "get_payment",
    params(
        ("id" = String, Path, description = "The payment's id"),
        ("wait" = Option<u64>, Query, maximum = 30, description = "Seconds to wait for a change of its status"),
        ("status" = Option<String>, Query, description = "The status that you know of"),
    ),
    responses((status = 200, description = "The payment", body = Payment)),
)]
pub async fn get(
    State(node): State<Arc<Node>>,
    client: Client,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let asked = Asked::of(&uri, status_named)?;
    let id = PaymentId::read(&node.ids, &id).ok_or_else(Problem::not_found)?;
    let look = || look(&node, client.merchant, id);
    let (facts, position) = asked
        .answered(&node.waiters.payments, id, look, |facts| facts.now.status)
        .await?;
    let card = client.card(&node).await?;
    let renderer = Renderer::of(&node, &card);
    let response = json::answer(StatusCode::OK, &renderer.payment(&facts));
    Ok(stamp(response, &node, position))
}

async fn look(
    node: &Node,
    merchant: MerchantId,
    id: PaymentId,
) -> Result<(PaymentFacts, u64), Problem> {
    let read = node.look(move |known, _| {
        let payment = known
            .payment(id)
            .filter(|payment| payment.merchant == merchant);
        payment.map(|payment| payment.facts(payment.snapshot()))
    });
    let answered = read.await?;
    let facts = answered.answer.ok_or_else(Problem::not_found)?;
    Ok((facts, answered.position))
}

pub fn status_named(name: &str) -> Result<Status, Problem> {
    Status::from_name(name).ok_or_else(|| {
        let names: Vec<_> = Status::ALL.into_iter().map(Status::name).collect();
        let detail = format!("status must be one of {}", names.join(", "));
        Problem::unprocessable("invalid_status", detail).field("status")
    })
}

/// Nothing to say.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// Take a payment back
///
/// Before it is captured. Cancelling one that is cancelled already changes nothing.
#[utoipa::path(
    post, path = "/v1/payments/{id}/cancel", tag = "payments", operation_id = "cancel_payment",
    params(("id" = String, Path, description = "The payment's id")),
    responses((status = 200, description = "The payment", body = Payment)),
)]
pub async fn cancel(
    State(node): State<Arc<Node>>,
    keyed: Keyed,
    Path(id): Path<String>,
    OptionalBody {
        value: Nothing {},
        bytes,
    }: OptionalBody<Nothing>,
) -> Result<Response, Problem> {
    changed(
        &node,
        keyed,
        "cancel payment",
        &id,
        &bytes,
        |merchant, id, repeat| PaymentCommand::Cancel {
            merchant,
            id,
            repeat,
        },
    )
    .await
}

/// How much to capture.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CapturePayment {
    /// All of it if left out; what is not captured goes back to the payer.
    #[schema(value_type = Option<String>, example = "100.00")]
    pub amount: Option<AmountText>,
}

/// Capture an authorised payment
///
/// Once, in full or in part.
#[utoipa::path(
    post, path = "/v1/payments/{id}/capture", tag = "payments", operation_id = "capture_payment",
    params(("id" = String, Path, description = "The payment's id")),
    request_body = Option<CapturePayment>,
    responses((status = 200, description = "The payment", body = Payment)),
)]
pub async fn capture(
    State(node): State<Arc<Node>>,
    keyed: Keyed,
    Path(id): Path<String>,
    OptionalBody { value, bytes }: OptionalBody<CapturePayment>,
) -> Result<Response, Problem> {
    let amount = fields::amount("amount", value.amount, &node)?;
    changed(
        &node,
        keyed,
        "capture payment",
        &id,
        &bytes,
        |merchant, id, repeat| PaymentCommand::Capture {
            merchant,
            id,
            amount,
            repeat,
        },
    )
    .await
}

/// Has something done to a payment, and shows it as it is then.
async fn changed(
    node: &Node,
    keyed: Keyed,
    name: &'static str,
    id: &str,
    bytes: &[u8],
    command: impl FnOnce(MerchantId, PaymentId, Repeat) -> PaymentCommand,
) -> Result<Response, Problem> {
    let id = PaymentId::read(&node.ids, id).ok_or_else(Problem::not_found)?;
    let merchant = keyed.client.merchant;
    let operation = Operation { name, about: id.0 };
    let answered = keyed
        .submit(node, operation, bytes, |repeat| {
            Command::Payment(command(merchant, id, repeat))
        })
        .await?;
    let response = match answered.answer {
        Answer::Payment(Ok(facts)) => {
            let card = keyed.client.card(node).await?;
            json::answer(StatusCode::OK, &Renderer::of(node, &card).payment(&facts))
        }
        answer => refused(node, answer),
    };
    Ok(stamp(response, node, answered.position))
}

/// The refusal of a merchant's request, whichever answer it came in.
pub fn refused(node: &Node, answer: Answer) -> Response {
    let refusal = match answer {
        Answer::ClientRefused(refusal)
        | Answer::Payment(Err(refusal))
        | Answer::Refund(Err(refusal))
        | Answer::Mandate(Err(refusal)) => refusal,
        other => {
            tracing::error!(answer = ?std::mem::discriminant(&other), "another answer than was asked for");
            return Problem::internal("the engine answered something else").into_response();
        }
    };
    refusals::problem(refusal, node.currency()).into_response()
}
