//! All routes of a node.

use std::sync::Arc;

use axum::Router;
use tower_http::limit::RequestBodyLimitLayer;

use crate::{admin, api, edge::problem::Problem, node::Node, pages};

pub fn router(node: Arc<Node>) -> Router {
    let body = node.config.limits.body_bytes;
    Router::new()
        .merge(api::v1::router())
        .merge(api::phone::router())
        .merge(admin::router())
        .merge(pages::router())
        .fallback(|| async { Problem::not_found() })
        .layer(RequestBodyLimitLayer::new(body))
        .with_state(node)
}
