//! Lists: a page of payments, newest first, with an opaque cursor.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    client::Client,
    objects::{Payment, Renderer},
    payment_request::reference,
    payments::status_named,
};
use crate::{
    edge::{
        json,
        position::{asked, stamp},
        problem::Problem,
        query::Parameters,
    },
    node::Node,
    views::Filter,
};

const CURSOR: &str = "curpay";
const DEFAULT_LIMIT: u32 = 20;
const MOST: u32 = 100;
/// How long a list waits for the views to show what the request has already seen.
const PATIENCE: Duration = Duration::from_secs(2);

/// Which part of a list is asked for.
pub struct Page {
    pub cursor: Option<u64>,
    pub limit: u32,
}

impl Page {
    pub fn take(
        parameters: &mut Parameters,
        node: &Node,
        kind: &'static str,
        default: u32,
    ) -> Result<Self, Problem> {
        let limit = parameters.number("limit", 1, u64::from(MOST))?;
        let cursor = parameters.take("cursor").map(|text| {
            node.ids.decode(kind, &text).ok_or_else(|| {
                let detail = "cursor must be a next_cursor of this list";
                Problem::unprocessable("invalid_cursor", detail).field("cursor")
            })
        });
        Ok(Self {
            cursor: cursor.transpose()?,
            limit: limit
                .and_then(|limit| u32::try_from(limit).ok())
                .unwrap_or(default),
        })
    }
}

/// Waits until the views show the position that the request carries, and tells which one they show.
pub async fn reached(node: &Node, headers: &HeaderMap) -> Result<u64, Problem> {
    if let Some(position) = asked(headers, node)
        && !node.views.reached(position, PATIENCE).await
    {
        return Err(Problem {
            retry_after_s: Some(1),
            ..Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "lists_behind",
                "lists do not show that position yet; ask again",
            )
        });
    }
    Ok(node.views.position())
}

/// A page of payments, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct PaymentList {
    pub data: Vec<Payment>,
    /// Ask with it for the page after this one; null on the last.
    pub next_cursor: Option<String>,
}

/// List payments
#[utoipa::path(
    get, path = "/v1/payments", tag = "payments", operation_id = "list_payments",
    params(
        ("status" = Option<String>, Query, description = "Only those of this status"),
        ("reference" = Option<String>, Query, description = "Only those of this reference of yours"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "20 if left out"),
    ),
    responses((status = 200, description = "Payments, newest first", body = PaymentList)),
)]
pub async fn payments(
    State(node): State<Arc<Node>>,
    client: Client,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let merchant = client.merchant;
    let mut parameters = Parameters::of(&uri)?;
    let status = parameters
        .take("status")
        .map(|name| status_named(&name))
        .transpose()?;
    let wanted = parameters.take("reference");
    let page = Page::take(&mut parameters, &node, CURSOR, DEFAULT_LIMIT)?;
    parameters.finish()?;
    let wanted = wanted
        .map(|text| reference(&node, merchant, text))
        .transpose()?;
    let filter = Filter {
        status,
        reference_hash: wanted.map(|(_, hash)| hash),
    };
    let position = reached(&node, &headers).await?;
    // One more than asked for tells whether there is another page.
    let mut ids = node
        .views
        .payments_of(merchant, filter, page.cursor, page.limit + 1)
        .await?;
    let more = ids.len() > page.limit as usize;
    ids.truncate(page.limit as usize);
    let next = ids
        .last()
        .filter(|_| more)
        .map(|id| node.ids.encode(CURSOR, id.0));
    let read = node.look(move |known, _| {
        let payments = ids.iter().filter_map(|id| known.payment(*id));
        payments
            .map(|payment| payment.facts(payment.snapshot()))
            .collect::<Vec<_>>()
    });
    let facts = read.await?.answer;
    let card = client.card(&node).await?;
    let renderer = Renderer::of(&node, &card);
    let answer = PaymentList {
        data: facts.iter().map(|facts| renderer.payment(facts)).collect(),
        next_cursor: next,
    };
    Ok(stamp(
        json::answer(StatusCode::OK, &answer),
        &node,
        position,
    ))
}
