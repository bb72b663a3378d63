//! Where webhooks go, their secrets, and the log of what was sent.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
};
use paytone_connectors::webhook::signature::Secret;
use paytone_domain::{
    Answer, Command,
    ids::EndpointId,
    merchant::{ClientCommand, Endpoint},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{client::Client, lists::Page, refusals};
use crate::{
    edge::{
        ids::Public,
        json::{self, Body},
        position::stamp,
        problem::Problem,
        query::Parameters,
        time,
    },
    node::Node,
    views::EventNumber,
    webhooks::{
        secrets,
        store::{AttemptRow, DeliveryRow},
    },
};

const URL_BYTES: usize = 2_048;
const DELIVERY: &str = "whd";
const CURSOR: &str = "curdlv";
const DEFAULT_LIMIT: u32 = 20;

/// Where to send.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateEndpoint {
    /// https to a public address.
    #[schema(example = "https://shop.example/paytone", max_length = 2048)]
    pub url: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookEndpoint {
    pub id: String,
    #[schema(value_type = String, example = "webhook_endpoint")]
    pub object: &'static str,
    #[schema(example = "https://shop.example/paytone")]
    pub url: String,
    /// Until then the secret before the last rotation signs too.
    #[schema(format = DateTime)]
    pub previous_secret_until: Option<String>,
    /// Shown when it is made, and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    pub secret: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct EndpointList {
    pub data: Vec<WebhookEndpoint>,
}

/// One event on its way to one endpoint.
#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookDelivery {
    pub id: String,
    #[schema(value_type = String, example = "webhook_delivery")]
    pub object: &'static str,
    /// The event's id, which is also the message's.
    pub event: String,
    #[serde(rename = "type")]
    #[schema(example = "payment.captured")]
    pub kind: String,
    /// `pending`, `delivered` or `failed`.
    pub status: String,
    pub attempts: Vec<DeliveryAttempt>,
    /// While it is pending.
    #[schema(format = DateTime)]
    pub next_attempt_at: Option<String>,
    #[schema(format = DateTime)]
    pub created_at: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryAttempt {
    #[schema(format = DateTime)]
    pub at: String,
    /// What the endpoint answered, if it did.
    pub http_status: Option<i64>,
    pub error: Option<String>,
    pub took_ms: i64,
    /// The beginning of the answer.
    pub answer: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryList {
    pub data: Vec<WebhookDelivery>,
    pub next_cursor: Option<String>,
}

fn new_secret() -> Result<Secret, Problem> {
    Secret::generate().map_err(|error| Problem::internal(error.code()))
}

fn shown(
    node: &Node,
    client: Client,
    endpoint: &Endpoint,
    secret: Option<&Secret>,
) -> WebhookEndpoint {
    let previous = endpoint.previous.as_ref().map(|(_, until)| *until);
    WebhookEndpoint {
        id: endpoint.id.show(&node.ids),
        object: "webhook_endpoint",
        url: secrets::open_url(&node.keyring, client.merchant, endpoint).unwrap_or_default(),
        previous_secret_until: previous
            .filter(|until| time::now() < *until)
            .map(time::show),
        secret: secret.map(Secret::reveal),
    }
}

/// The client's own endpoint of that id.
fn find(node: &Node, client: Client, id: &str) -> Result<Endpoint, Problem> {
    EndpointId::read(&node.ids, id)
        .and_then(|id| node.directory.endpoint(client.merchant, id))
        .ok_or_else(Problem::not_found)
}

async fn submit(
    node: &Node,
    client: Client,
    command: ClientCommand,
) -> Result<(EndpointId, u64), Problem> {
    let answered = node
        .submit(client.actor(), Command::Client(command))
        .await?;
    match answered.answer {
        Answer::Client(Ok(endpoint)) => Ok((endpoint, answered.position)),
        Answer::Client(Err(refusal)) => Err(refusals::endpoint_problem(refusal)),
        _ => Err(Problem::internal("the engine answered something else")),
    }
}

/// Add a webhook endpoint
///
/// From now on every event is sent there, signed by the Standard Webhooks convention, until it is taken with a 2xx status.
#[utoipa::path(
    post, path = "/v1/webhook_endpoints", tag = "webhooks", operation_id = "create_webhook_endpoint",
    request_body = CreateEndpoint,
    responses((status = 201, description = "The endpoint with its secret, which is shown only now", body = WebhookEndpoint)),
)]
pub async fn create(
    State(node): State<Arc<Node>>,
    client: Client,
    Body { value, .. }: Body<CreateEndpoint>,
) -> Result<Response, Problem> {
    let url = value.url;
    if url.len() > URL_BYTES || url.chars().any(char::is_control) {
        let detail = "url must be at most 2048 bytes without control characters";
        return Err(Problem::unprocessable("url_invalid", detail).field("url"));
    }
    if let Err(error) = node.webhooks.sender.check_url(&url) {
        return Err(Problem::unprocessable(error.code.as_str(), error.detail).field("url"));
    }
    let secret = new_secret()?;
    let add = ClientCommand::AddEndpoint {
        merchant: client.merchant,
        url: secrets::seal_url(&node.keyring, client.merchant, &url),
        secret: secrets::seal_secret(&node.keyring, client.merchant, &secret),
    };
    let (id, position) = submit(&node, client, add).await?;
    let endpoint = WebhookEndpoint {
        id: id.show(&node.ids),
        object: "webhook_endpoint",
        url,
        previous_secret_until: None,
        secret: Some(secret.reveal()),
    };
    Ok(stamp(
        json::answer(StatusCode::CREATED, &endpoint),
        &node,
        position,
    ))
}

/// List webhook endpoints
#[utoipa::path(
    get, path = "/v1/webhook_endpoints", tag = "webhooks", operation_id = "list_webhook_endpoints",
    responses((status = 200, description = "All of them", body = EndpointList)),
)]
pub async fn list(State(node): State<Arc<Node>>, client: Client) -> Result<Response, Problem> {
    let endpoints = node.directory.endpoints(client.merchant);
    let data = endpoints
        .iter()
        .map(|endpoint| shown(&node, client, endpoint, None))
        .collect();
    Ok(json::answer(StatusCode::OK, &EndpointList { data }))
}

/// Look at a webhook endpoint
#[utoipa::path(
    get, path = "/v1/webhook_endpoints/{id}", tag = "webhooks", operation_id = "get_webhook_endpoint",
    params(("id" = String, Path, description = "The endpoint's id")),
    responses((status = 200, description = "The endpoint", body = WebhookEndpoint)),
)]
pub async fn get(
    State(node): State<Arc<Node>>,
    client: Client,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let endpoint = find(&node, client, &id)?;
    Ok(json::answer(
        StatusCode::OK,
        &shown(&node, client, &endpoint, None),
    ))
}

/// Remove a webhook endpoint
///
/// Nothing more is sent there, and its log is dropped.
#[utoipa::path(
    delete, path = "/v1/webhook_endpoints/{id}", tag = "webhooks", operation_id = "remove_webhook_endpoint",
    params(("id" = String, Path, description = "The endpoint's id")),
    responses((status = 204, description = "It is gone")),
)]
pub async fn remove(
    State(node): State<Arc<Node>>,
    client: Client,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let endpoint = EndpointId::read(&node.ids, &id).ok_or_else(Problem::not_found)?;
    let remove = ClientCommand::RemoveEndpoint {
        merchant: client.merchant,
        endpoint,
    };
    let (_, position) = submit(&node, client, remove).await?;
    // What is left of it is dropped again by the worker, should this not succeed.
    if let Err(error) = node.webhooks.store.forget(endpoint).await {
        tracing::warn!(%error, "an endpoint's log could not be dropped yet");
    }
    Ok(stamp(
        StatusCode::NO_CONTENT.into_response(),
        &node,
        position,
    ))
}

/// Rotate a webhook secret
///
/// The new one is shown only now. The old one signs beside it for a day.
#[utoipa::path(
    post, path = "/v1/webhook_endpoints/{id}/rotate_secret", tag = "webhooks", operation_id = "rotate_webhook_secret",
    params(("id" = String, Path, description = "The endpoint's id")),
    responses((status = 200, description = "The endpoint with its new secret", body = WebhookEndpoint)),
)]
pub async fn rotate(
    State(node): State<Arc<Node>>,
    client: Client,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let endpoint = EndpointId::read(&node.ids, &id).ok_or_else(Problem::not_found)?;
    let secret = new_secret()?;
    let rotate = ClientCommand::RotateSecret {
        merchant: client.merchant,
        endpoint,
        secret: secrets::seal_secret(&node.keyring, client.merchant, &secret),
    };
    let (_, position) = submit(&node, client, rotate).await?;
    let endpoint = find(&node, client, &id)?;
    let answer = json::answer(
        StatusCode::OK,
        &shown(&node, client, &endpoint, Some(&secret)),
    );
    Ok(stamp(answer, &node, position))
}

/// Read an endpoint's delivery log
///
/// What is over is kept for 30 days.
#[utoipa::path(
    get, path = "/v1/webhook_endpoints/{id}/deliveries", tag = "webhooks", operation_id = "list_webhook_deliveries",
    params(
        ("id" = String, Path, description = "The endpoint's id"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "20 if left out"),
    ),
    responses((status = 200, description = "Deliveries, newest first", body = DeliveryList)),
)]
pub async fn deliveries(
    State(node): State<Arc<Node>>,
    client: Client,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let endpoint = find(&node, client, &id)?;
    let mut parameters = Parameters::of(&uri)?;
    let page = Page::take(&mut parameters, &node, CURSOR, DEFAULT_LIMIT)?;
    parameters.finish()?;
    let store = &node.webhooks.store;
    let before = page.cursor.map(u64::cast_signed);
    let mut rows = store
        .of_endpoint(endpoint.id, before, page.limit + 1)
        .await
        .map_err(unreadable)?;
    let more = rows.len() > page.limit as usize;
    rows.truncate(page.limit as usize);
    let next = rows.last().filter(|_| more);
    let next_cursor = next.map(|row| node.ids.encode(CURSOR, row.id.cast_unsigned()));
    let mut data = Vec::with_capacity(rows.len());
    for row in rows {
        let attempts = store.attempts(row.id).await.map_err(unreadable)?;
        data.push(delivery(&node, row, attempts));
    }
    Ok(json::answer(
        StatusCode::OK,
        &DeliveryList { data, next_cursor },
    ))
}

/// Send a delivery again
///
/// At once, and from the beginning of the schedule if it is not taken.
#[utoipa::path(
    post, path = "/v1/webhook_endpoints/{id}/deliveries/{delivery}/redeliver", tag = "webhooks",
    operation_id = "redeliver_webhook",
    params(
        ("id" = String, Path, description = "The endpoint's id"),
        ("delivery" = String, Path, description = "The delivery's id"),
    ),
    responses((status = 202, description = "It is on its way", body = WebhookDelivery)),
)]
pub async fn redeliver(
    State(node): State<Arc<Node>>,
    client: Client,
    Path((id, wanted)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let endpoint = find(&node, client, &id)?;
    let wanted = node
        .ids
        .decode(DELIVERY, &wanted)
        .ok_or_else(Problem::not_found)?;
    let store = &node.webhooks.store;
    let row = store
        .redeliver(endpoint.id, wanted.cast_signed(), time::now())
        .await
        .map_err(unreadable)?;
    let row = row.ok_or_else(Problem::not_found)?;
    node.webhooks.wanted.notify_one();
    let attempts = store.attempts(row.id).await.map_err(unreadable)?;
    Ok(json::answer(
        StatusCode::ACCEPTED,
        &delivery(&node, row, attempts),
    ))
}

fn delivery(node: &Node, row: DeliveryRow, attempts: Vec<AttemptRow>) -> WebhookDelivery {
    let pending = row.state == "pending";
    let attempt = |row: AttemptRow| DeliveryAttempt {
        at: time::show(Timestamp(row.at)),
        http_status: row.status,
        error: row.error,
        took_ms: row.took_ms,
        answer: row.answer,
    };
    WebhookDelivery {
        id: node.ids.encode(DELIVERY, row.id.cast_unsigned()),
        object: "webhook_delivery",
        event: EventNumber(row.event_number.cast_unsigned()).event_id(&node.ids),
        kind: row.kind,
        status: row.state,
        attempts: attempts.into_iter().map(attempt).collect(),
        next_attempt_at: pending.then(|| time::show(Timestamp(row.next_at))),
        created_at: time::show(Timestamp(row.created_at)),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn unreadable(error: sqlx::Error) -> Problem {
    tracing::error!(%error, "the delivery log cannot be read");
    Problem {
        retry_after_s: Some(2),
        ..Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "log_unavailable",
            "the log cannot be read now; try again",
        )
    }
}
