//! The shop's own backend: a merchant like any other. It holds its client key and asks `/v1` over HTTP.
//!
//! ```text
//!   POST /shop/api/checkout               GET  /shop/api/orders/{id}?wait=&status=
//!   POST /shop/api/orders/{id}/cancel     POST /shop/api/webhooks
//! ```
//! **Invariant:** the price is the catalogue's, whatever the browser says. **Not here:** anything of the node: what the shop
//! knows of payments it was told over HTTP.

use std::sync::{Arc, OnceLock};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use paytone_connectors::webhook::signature::{Secret, verify};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_http::limit::RequestBodyLimitLayer;

use super::{
    http::{Http, NoAnswer, Reply},
    orders::{Order, Orders},
};
use crate::edge::{json::Body, problem::Problem, time};

const CATALOGUE: &str = include_str!("../../pages/shop/catalogue.json");
const BODY_BYTES: usize = 64 << 10;
/// How long a question may wait, as `/v1` allows.
const LONGEST_WAIT_S: u32 = 30;

/// The shop, open from the beginning; its key and its webhook's secret are known once the world is filled.
pub struct Shop {
    http: Http,
    orders: Orders,
    items: Vec<Item>,
    client_key: OnceLock<String>,
    webhook: OnceLock<Secret>,
}

#[derive(Deserialize)]
struct Catalogue {
    items: Vec<Item>,
}

#[derive(Clone, Deserialize)]
struct Item {
    id: String,
    price: String,
    title: Title,
}

#[derive(Clone, Deserialize)]
struct Title {
    en: String,
    zh: String,
}

impl Shop {
    /// `base` is where the node serves `/v1`.
    pub fn new(base: &str, orders: Orders) -> Self {
        let catalogue: Catalogue =
            serde_json::from_str(CATALOGUE).expect("the catalogue is part of the program");
        Self {
            http: Http::new(base),
            orders,
            items: catalogue.items,
            client_key: OnceLock::new(),
            webhook: OnceLock::new(),
        }
    }

    /// Begins to sell.
    pub fn open(&self, client_key: String, webhook: Option<Secret>) {
        // Opened twice it stays as it was.
        let _ = self.client_key.set(client_key);
        if let Some(secret) = webhook {
            let _ = self.webhook.set(secret);
        }
    }

    fn key(&self) -> Result<&str, Problem> {
        self.client_key
            .get()
            .map(String::as_str)
            .ok_or_else(|| Problem {
                retry_after_s: Some(2),
                ..Problem::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "shop_closed",
                    "the shop opens in a moment; try again",
                )
            })
    }

    /// Hands out an order with its payment; notes that it is paid if it is.
    fn told(&self, status: StatusCode, order: &Order, payment: Value) -> Response {
        if is_paid(&payment)
            && let Err(error) = self.orders.paid(&order.payment)
        {
            tracing::error!(%error, "the shop could not note that an order is paid");
        }
        let body = json!({"order": order.id, "item": order.item, "payment": payment});
        (status, Json(body)).into_response()
    }
}

fn is_paid(payment: &Value) -> bool {
    matches!(payment["status"].as_str(), Some("authorized" | "captured"))
}

pub fn router(shop: Arc<Shop>) -> Router {
    Router::new()
        .route("/shop/api/checkout", post(checkout))
        .route("/shop/api/orders/{id}", get(order))
        .route("/shop/api/orders/{id}/cancel", post(cancel))
        .route("/shop/api/webhooks", post(webhook))
        .layer(RequestBodyLimitLayer::new(BODY_BYTES))
        .with_state(shop)
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Whose {
    Mine,
    Other,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Checkout {
    item: String,
    phone_number: String,
    whose: Whose,
    asker_name: Option<String>,
}

async fn checkout(State(shop): State<Arc<Shop>>, body: Body<Checkout>) -> Result<Response, Failed> {
    let asked = body.value;
    let item = shop.items.iter().find(|item| item.id == asked.item);
    let item = item.ok_or_else(|| {
        Problem::unprocessable("unknown_item", "the shop has no such item").field("item")
    })?;
    let id = Orders::new_id();
    let mut payment = json!({
        "amount": item.price,
        "payer": {"phone_number": asked.phone_number},
        "description": format!("{} {}", item.title.zh, item.title.en),
        "reference": id,
    });
    match (asked.whose, asked.asker_name) {
        (Whose::Mine, None) => payment["for"] = "self".into(),
        (Whose::Mine, Some(_)) => {
            let problem = Problem::unprocessable(
                "asker_name_not_allowed",
                "asker_name is for somebody else's phone",
            );
            return Err(problem.field("asker_name").into());
        }
        (Whose::Other, asker_name) => {
            payment["for"] = "other".into();
            payment["asker_name"] = asker_name.unwrap_or_default().into();
        }
    }
    // The order's own name is the key: should this be sent twice it is one payment.
    let call = shop.http.post("/v1/payments", payment).key(&id);
    let payment = success(call.token(shop.key()?).send().await)?;
    let order = Order {
        id,
        item: item.id.clone(),
        payment: payment["id"].as_str().unwrap_or_default().to_owned(),
        paid: false,
    };
    shop.orders.add(order.clone()).map_err(|error| {
        tracing::error!(%error, "the shop could not keep an order");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the order could not be kept",
        )
    })?;
    Ok(shop.told(StatusCode::CREATED, &order, payment))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wait {
    wait: Option<u32>,
    status: Option<String>,
}

async fn order(
    State(shop): State<Arc<Shop>>,
    Path(id): Path<String>,
    Query(asked): Query<Wait>,
) -> Result<Response, Failed> {
    let order = shop.orders.get(&id).ok_or_else(Problem::not_found)?;
    let mut path = format!("/v1/payments/{}", order.payment);
    if let Some(seconds) = asked.wait {
        path.push_str(&format!("?wait={}", seconds.min(LONGEST_WAIT_S)));
        // Only what a status can be made of goes on.
        let is_word = |status: &String| {
            status.len() <= 32 && status.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        };
        if let Some(status) = asked.status.filter(is_word) {
            path.push_str(&format!("&status={status}"));
        }
    }
    let payment = success(shop.http.get(path).token(shop.key()?).send().await)?;
    Ok(shop.told(StatusCode::OK, &order, payment))
}

async fn cancel(State(shop): State<Arc<Shop>>, Path(id): Path<String>) -> Result<Response, Failed> {
    let order = shop.orders.get(&id).ok_or_else(Problem::not_found)?;
    let path = format!("/v1/payments/{}/cancel", order.payment);
    // Cancelling twice is one cancelling.
    let key = format!("cancel-{}", order.id);
    let call = shop.http.post(path, json!({})).key(&key);
    let payment = success(call.token(shop.key()?).send().await)?;
    Ok(shop.told(StatusCode::OK, &order, payment))
}

/// What the node tells: verified, then noted.
async fn webhook(State(shop): State<Arc<Shop>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(id), Some(timestamp), Some(signature), Some(secret)) = (
        header("webhook-id"),
        header("webhook-timestamp"),
        header("webhook-signature"),
        shop.webhook.get(),
    ) else {
        return StatusCode::UNAUTHORIZED;
    };
    let now_s = time::now().0 / 1_000;
    if let Err(error) = verify(secret, id, timestamp, signature, &body, now_s) {
        tracing::warn!(%error, "the shop was sent what Paytone did not sign");
        return StatusCode::UNAUTHORIZED;
    }
    let Ok(event) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    let payment = &event["data"];
    if payment["object"] == "payment" && is_paid(payment) {
        match shop.orders.paid(payment["id"].as_str().unwrap_or_default()) {
            Ok(first) => tracing::debug!(first, "the shop was told of a paid order"),
            // It will be told again.
            Err(error) => {
                tracing::error!(%error, "the shop could not note that an order is paid");
                return StatusCode::INTERNAL_SERVER_ERROR;
            }
        }
    }
    StatusCode::NO_CONTENT
}

/// The body of a success; a problem goes on to the browser as it is.
fn success(reply: Result<Reply, NoAnswer>) -> Result<Value, Failed> {
    let reply = reply.map_err(|error| {
        tracing::warn!(%error, "the shop got no answer");
        unreachable_now()
    })?;
    if reply.status.is_success() {
        return Ok(reply.body);
    }
    Err(Failed::Passed(reply))
}

/// What the shopper gets instead of an order.
enum Failed {
    Own(Problem),
    /// What the payment system said.
    Passed(Reply),
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self::Own(problem)
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        match self {
            Self::Own(problem) => problem.into_response(),
            // A wrong key is the shop's own trouble, not the shopper's.
            Self::Passed(Reply {
                status: StatusCode::UNAUTHORIZED,
                ..
            }) => unreachable_now().into_response(),
            Self::Passed(reply) => {
                let kind = [(header::CONTENT_TYPE, "application/problem+json")];
                (reply.status, kind, reply.body.to_string()).into_response()
            }
        }
    }
}

fn unreachable_now() -> Problem {
    Problem {
        retry_after_s: Some(1),
        ..Problem::new(
            StatusCode::BAD_GATEWAY,
            "payment_system_unreachable",
            "the payment system does not answer; try again",
        )
    }
}
