//! All routes of a node.

use std::sync::Arc;

use axum::{Router, extract::DefaultBodyLimit, http::StatusCode, middleware::from_fn_with_state};

use super::observe::Observe;
use crate::{admin, api, cluster::forward, edge::problem::Problem, metrics, node::Node, pages};

pub fn router(node: Arc<Node>) -> Router {
    let body = node.config.limits.body_bytes;
    let routes = Router::new()
        .merge(api::v1::router())
        .merge(api::phone::router())
        .merge(admin::router())
        .merge(pages::router())
        .merge(metrics::serve::public())
        .fallback(|| async { Problem::not_found() })
        .method_not_allowed_fallback(|| async { wrong_method() })
        // Read by whoever reads a body, so that too large a one is a problem like any other.
        .layer(DefaultBodyLimit::max(body));
    // One on its own has nobody to send anything on to.
    let routes = match &node.cluster {
        Some(_) => routes.layer(from_fn_with_state(Arc::clone(&node), forward::route)),
        None => routes,
    };
    routes.layer(Observe(Arc::clone(&node))).with_state(node)
}

fn wrong_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "this path does not know that method",
    )
}
