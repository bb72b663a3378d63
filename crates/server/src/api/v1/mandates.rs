//! Mandates: ask for one, look, wait, end it. Charging is a payment.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::{StatusCode, Uri},
    response::Response,
};
use paytone_domain::{
    Answer, Command,
    ids::{MandateId, MerchantId},
    mandate::{MandateCommand, MandateFacts, MandateRequest, MandateStatus, Terms},
    time::BusinessDate,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    client::{Client, Keyed, Operation},
    fields::{self, AmountText},
    long_poll::Asked,
    objects::{Mandate, Renderer},
    payment_request::{DESCRIPTION_CHARS, Payer, REFERENCE_CHARS},
    payments::{Nothing, refused},
};
use crate::{
    edge::{
        ids::Public,
        json::{self, Body, OptionalBody},
        position::stamp,
        problem::Problem,
        text::{self, PaymentText, Place},
    },
    node::{Node, random},
};

/// Later dates are mistakes.
const LAST_YEAR: i16 = 2199;

/// What the payer is asked to sign.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateMandate {
    pub payer: Payer,
    #[schema(value_type = String, example = "50.00")]
    pub max_per_payment: AmountText,
    #[schema(value_type = String, example = "200.00")]
    pub max_per_month: AmountText,
    /// ISO 4217; the operator's if left out.
    pub currency: Option<String>,
    /// The last day, in the operator's calendar.
    #[schema(format = Date, example = "2027-11-23")]
    pub ends_on: String,
    #[schema(
        min_length = 1,
        max_length = 140,
        example = "Night Market, monthly box"
    )]
    pub description: String,
    #[schema(max_length = 64)]
    pub reference: Option<String>,
}

impl CreateMandate {
    fn terms(&self, node: &Node) -> Result<Terms, Problem> {
        fields::currency(self.currency.as_deref(), node.currency())?;
        let payment_limit = self
            .max_per_payment
            .read("max_per_payment", node.currency())?;
        let monthly_limit = self.max_per_month.read("max_per_month", node.currency())?;
        if payment_limit > monthly_limit {
            let detail = "max_per_payment must not be above max_per_month";
            return Err(
                Problem::unprocessable("limits_contradict", detail).field("max_per_payment")
            );
        }
        let date = self
            .ends_on
            .parse::<jiff::civil::Date>()
            .ok()
            .filter(|date| {
                date.to_string() == self.ends_on && (1970..=LAST_YEAR).contains(&date.year())
            });
        let Some(date) = date else {
            let detail = "ends_on must be a date such as 2027-11-23";
            return Err(Problem::unprocessable("invalid_date", detail).field("ends_on"));
        };
        Ok(Terms {
            payment_limit,
            monthly_limit,
            ends_on: BusinessDate::from_civil(date),
        })
    }
}

/// Ask for a mandate
///
/// Prompts the payer's phone as a payment does. Once it is active, charge it by creating payments with `mandate`.
#[utoipa::path(
    post, path = "/v1/mandates", tag = "mandates", operation_id = "create_mandate",
    request_body = CreateMandate,
    responses((status = 201, description = "The mandate", body = Mandate)),
)]
pub async fn create(
    State(node): State<Arc<Node>>,
    keyed: Keyed,
    Body { value, bytes }: Body<CreateMandate>,
) -> Result<Response, Problem> {
    let merchant = keyed.client.merchant;
    let number = fields::number(&node, "payer.phone_number", &value.payer.phone_number)?;
    let terms = value.terms(&node)?;
    let words = PaymentText {
        description: fields::words("description", value.description, DESCRIPTION_CHARS)?,
        reference: value
            .reference
            .map(|text| fields::words("reference", text, REFERENCE_CHARS))
            .transpose()?,
        asker_name: None,
    };
    let card = keyed.client.card(&node).await?;
    let text = text::seal_payment(&card.key, card.subject, Place::Mandate, &words);
    let entropy = u64::from_be_bytes(random().as_chunks::<8>().0[0]);
    let operation = Operation {
        name: "create mandate",
        about: 0,
    };
    let answered = keyed
        .submit(&node, operation, &bytes, |repeat| {
            let request = MandateRequest {
                merchant,
                number,
                terms,
                text,
                entropy,
                repeat,
            };
            Command::Mandate(MandateCommand::Request(Box::new(request)))
        })
        .await?;
    changed(
        &node,
        keyed.client,
        StatusCode::CREATED,
        answered.answer,
        answered.position,
    )
    .await
}

/// Look at a mandate
///
/// With `wait`, answers as soon as its status differs from `status` (or from what it is now), or when the time is over.
#[utoipa::path(
    get, path = "/v1/mandates/{id}", tag = "mandates", operation_id = "get_mandate",
    params(
        ("id" = String, Path, description = "The mandate's id"),
        ("wait" = Option<u64>, Query, maximum = 30, description = "Seconds to wait for a change of its status"),
        ("status" = Option<String>, Query, description = "The status that you know of"),
    ),
    responses((status = 200, description = "The mandate", body = Mandate)),
)]
pub async fn get(
    State(node): State<Arc<Node>>,
    client: Client,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let asked = Asked::of(&uri, status_named)?;
    let id = MandateId::read(&node.ids, &id).ok_or_else(Problem::not_found)?;
    let look = || look(&node, client.merchant, id);
    let (facts, position) = asked
        .answered(&node.waiters.mandates, id, look, |facts| facts.status)
        .await?;
    let card = client.card(&node).await?;
    let renderer = Renderer::of(&node, &card);
    let response = json::answer(StatusCode::OK, &renderer.mandate(&facts));
    Ok(stamp(response, &node, position))
}

async fn look(
    node: &Node,
    merchant: MerchantId,
    id: MandateId,
) -> Result<(MandateFacts, u64), Problem> {
    let read = node.engine.read(move |state, _| {
        let mandate = state
            .mandates
            .get(&id)
            .filter(|mandate| mandate.merchant == merchant);
        mandate.map(|mandate| mandate.facts(mandate.status))
    });
    let answered = read.await?;
    let facts = answered.answer.ok_or_else(Problem::not_found)?;
    Ok((facts, answered.position))
}

fn status_named(name: &str) -> Result<MandateStatus, Problem> {
    const ALL: [MandateStatus; 7] = [
        MandateStatus::AwaitingApproval,
        MandateStatus::Active,
        MandateStatus::Suspended,
        MandateStatus::Refused,
        MandateStatus::Expired,
        MandateStatus::Cancelled,
        MandateStatus::Ended,
    ];
    ALL.into_iter()
        .find(|status| status.name() == name)
        .ok_or_else(|| {
            let detail = format!(
                "status must be one of {}",
                ALL.map(MandateStatus::name).join(", ")
            );
            Problem::unprocessable("invalid_status", detail).field("status")
        })
}

/// End a mandate
///
/// One that awaits approval is cancelled; one that is over stays as it is.
#[utoipa::path(
    post, path = "/v1/mandates/{id}/end", tag = "mandates", operation_id = "end_mandate",
    params(("id" = String, Path, description = "The mandate's id")),
    responses((status = 200, description = "The mandate", body = Mandate)),
)]
pub async fn end(
    State(node): State<Arc<Node>>,
    keyed: Keyed,
    Path(id): Path<String>,
    OptionalBody {
        value: Nothing {},
        bytes,
    }: OptionalBody<Nothing>,
) -> Result<Response, Problem> {
    let id = MandateId::read(&node.ids, &id).ok_or_else(Problem::not_found)?;
    let merchant = keyed.client.merchant;
    let operation = Operation {
        name: "end mandate",
        about: id.0,
    };
    let answered = keyed
        .submit(&node, operation, &bytes, |repeat| {
            Command::Mandate(MandateCommand::End {
                merchant,
                id,
                repeat,
            })
        })
        .await?;
    changed(
        &node,
        keyed.client,
        StatusCode::OK,
        answered.answer,
        answered.position,
    )
    .await
}

async fn changed(
    node: &Node,
    client: Client,
    status: StatusCode,
    answer: Answer,
    position: u64,
) -> Result<Response, Problem> {
    let response = match answer {
        Answer::Mandate(Ok(facts)) => {
            let card = client.card(node).await?;
            let renderer = Renderer::of(node, &card);
            json::answer(status, &renderer.mandate(&facts))
        }
        answer => refused(node, answer),
    };
    Ok(stamp(response, node, position))
}
