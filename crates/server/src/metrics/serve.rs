//! Where a node is asked how it is.
//!
//! | where | what |
//! |---|---|
//! | public listener | `/healthz`, and `/readyz` without figures: both reveal no volume |
//! | metrics listener, admin socket | the same with figures, and `/metrics` |
//! | admin API | `/admin/api/status`: all of it as JSON, for operators and the person at the machine |

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{FromRequestParts, State},
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde_json::json;

use super::{Reading, exposition, health};
use crate::{
    admin::{AtTheMachine, SignedIn},
    edge::{json, problem::Problem},
    node::Node,
};

/// For the public listener.
pub fn public() -> Router<Arc<Node>> {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(ready_in_words))
}

/// For listeners that the operator alone reaches.
pub fn inside() -> Router<Arc<Node>> {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(ready_in_figures))
        .route("/metrics", get(metrics))
}

/// Of the admin API.
pub fn admin() -> Router<Arc<Node>> {
    Router::new().route("/admin/api/status", get(status))
}

/// The metrics listener's routes.
pub fn router(node: Arc<Node>) -> Router {
    inside()
        .fallback(|| async { Problem::not_found() })
        .with_state(node)
}

pub async fn healthz() -> Response {
    json::answer(StatusCode::OK, &json!({"status": "ok"}))
}

async fn ready_in_words(State(node): State<Arc<Node>>) -> Response {
    let reasons = health::not_ready(&node).await;
    let parts: Vec<_> = reasons.into_iter().map(|reason| reason.part).collect();
    let body = json!({"ready": parts.is_empty(), "not_ready": parts});
    json::answer(status_of(parts.is_empty()), &body)
}

async fn ready_in_figures(State(node): State<Arc<Node>>) -> Response {
    let reasons = health::not_ready(&node).await;
    let body = json!({"ready": reasons.is_empty(), "not_ready": reasons});
    json::answer(status_of(reasons.is_empty()), &body)
}

fn status_of(ready: bool) -> StatusCode {
    if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

async fn metrics(State(node): State<Arc<Node>>) -> Response {
    let text = exposition::text(&Reading::of(&node).await);
    ([(header::CONTENT_TYPE, exposition::CONTENT_TYPE)], text).into_response()
}

async fn status(_: MayLook, State(node): State<Arc<Node>>) -> Response {
    json::answer(StatusCode::OK, &Reading::of(&node).await)
}

/// An operator of any role, or the person at the machine.
pub struct MayLook;

impl FromRequestParts<Arc<Node>> for MayLook {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, node: &Arc<Node>) -> Result<Self, Problem> {
        let local = Extension::<AtTheMachine>::from_request_parts(parts, node).await;
        if local.is_err() {
            SignedIn::from_request_parts(parts, node).await?;
        }
        Ok(Self)
    }
}
