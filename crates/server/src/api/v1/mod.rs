//! The merchant API, version 1.
//!
//! | module | what it is |
//! |---|---|
//! | [`client`] | bearer keys and idempotency keys |
//! | [`payments`], [`refunds`], [`mandates`], [`me`] | what can be asked and looked at |
//! | [`objects`] | what it answers with |
//! | [`fields`], [`payment_request`], [`refusals`] | what is not acceptable, by name |
//! | [`document`] | the OpenAPI document of all this |
//!
//! **Invariant:** a merchant sees its projection alone; why a payer was not asked is not even read here.

mod client;
mod document;
mod fields;
mod mandates;
mod me;
pub mod objects;
mod payment_request;
mod payments;
mod refunds;
mod refusals;

use std::sync::Arc;

use axum::{
    Router,
    http::Method,
    routing::{MethodRouter, get, post},
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
    vec![
        route(POST, "/v1/payments", post(payments::create)),
        route(GET, "/v1/payments/{id}", get(payments::get)),
        route(POST, "/v1/payments/{id}/cancel", post(payments::cancel)),
        route(POST, "/v1/payments/{id}/capture", post(payments::capture)),
        route(POST, "/v1/payments/{id}/refunds", post(refunds::create)),
        route(GET, "/v1/payments/{id}/refunds", get(refunds::list)),
        route(GET, "/v1/refunds/{id}", get(refunds::get)),
        route(POST, "/v1/mandates", post(mandates::create)),
        route(GET, "/v1/mandates/{id}", get(mandates::get)),
        route(POST, "/v1/mandates/{id}/end", post(mandates::end)),
        route(GET, "/v1/me", get(me::get)),
    ]
}

pub fn router() -> Router<Arc<Node>> {
    let document = Router::new().route("/openapi.json", get(document::serve));
    routes().into_iter().fold(document, |router, route| {
        router.route(route.path, route.handler)
    })
}
