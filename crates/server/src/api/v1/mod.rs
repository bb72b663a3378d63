//! The merchant API, version 1.
//!
//! | module | what it is |
//! |---|---|
//! | [`client`] | bearer keys and idempotency keys |
//! | [`payments`], [`refunds`], [`mandates`], [`me`], [`stores`] | what can be asked and looked at |
//! | [`lists`], [`events`], [`webhook_endpoints`] | many at once, and what happened |
//! | [`long_poll`] | waiting for a change |
//! | [`objects`] | what it answers with |
//! | [`fields`], [`payment_request`], [`refusals`] | what is not acceptable, by name |
//! | [`document`] | the OpenAPI document of all this |
//!
//! **Invariant:** a merchant sees its projection alone; why a payer was not asked is not even read here.

mod client;
mod document;
pub mod events;
mod fields;
mod lists;
mod long_poll;
mod mandates;
mod me;
pub mod objects;
mod payment_request;
mod payments;
mod refunds;
mod refusals;
mod stores;
mod webhook_endpoints;

use std::sync::Arc;

use axum::{
    Router,
    http::Method,
    routing::{MethodRouter, delete, get, post},
};

pub use document::openapi;

use crate::node::Node;

/// One route; the OpenAPI document has the same ones.
pub struct Route {
    pub method: Method,
    pub path: &'static str,
    handler: MethodRouter<Arc<Node>>,
}

fn route(method: Method, path: &'static str, handler: MethodRouter<Arc<Node>>) -> Route {
    Route {
        method,
        path,
        handler,
    }
}

/// Every route of the merchant API.
pub fn routes() -> Vec<Route> {
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    const DELETE: Method = Method::DELETE;
    vec![
        route(POST, "/v1/payments", post(payments::create)),
        route(GET, "/v1/payments", get(lists::payments)),
        route(GET, "/v1/payments/{id}", get(payments::get)),
        route(POST, "/v1/payments/{id}/cancel", post(payments::cancel)),
        route(POST, "/v1/payments/{id}/capture", post(payments::capture)),
        route(POST, "/v1/payments/{id}/refunds", post(refunds::create)),
        route(GET, "/v1/payments/{id}/refunds", get(refunds::list)),
        route(GET, "/v1/refunds/{id}", get(refunds::get)),
        route(POST, "/v1/mandates", post(mandates::create)),
        route(GET, "/v1/mandates/{id}", get(mandates::get)),
        route(POST, "/v1/mandates/{id}/end", post(mandates::end)),
        route(GET, "/v1/events", get(events::list)),
        route(
            POST,
            "/v1/webhook_endpoints",
            post(webhook_endpoints::create),
        ),
        route(GET, "/v1/webhook_endpoints", get(webhook_endpoints::list)),
        route(
            GET,
            "/v1/webhook_endpoints/{id}",
            get(webhook_endpoints::get),
        ),
        route(
            DELETE,
            "/v1/webhook_endpoints/{id}",
            delete(webhook_endpoints::remove),
        ),
        route(
            POST,
            "/v1/webhook_endpoints/{id}/rotate_secret",
            post(webhook_endpoints::rotate),
        ),
        route(
            GET,
            "/v1/webhook_endpoints/{id}/deliveries",
            get(webhook_endpoints::deliveries),
        ),
        route(
            POST,
            "/v1/webhook_endpoints/{id}/deliveries/{delivery}/redeliver",
            post(webhook_endpoints::redeliver),
        ),
        route(GET, "/v1/me", get(me::get)),
        route(GET, "/v1/stores", get(stores::list)),
    ]
}

pub fn router() -> Router<Arc<Node>> {
    let document = Router::new().route("/openapi.json", get(document::serve));
    routes().into_iter().fold(document, |router, route| {
        router.route(route.path, route.handler)
    })
}
