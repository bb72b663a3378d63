//! The API of the phone page: enrolling, signing in, answering prompts, looking at one's account.
//!
//! | module | what it is |
//! |---|---|
//! | [`enrolment`] | from a number to a device |
//! | [`session`] | from a device's key to an hour's token |
//! | [`prompt`], [`approval`] | what waits for an answer, and the answer |
//! | [`device`] | this number's phones |
//! | [`account`], [`mandate`] | what there is to pay with, and who may charge without asking |
//! | [`pass`] | what one-time payment codes are made with |
//! | [`history`], [`record`] | what happened, and how it is shown |
//! | [`news`], [`events`], [`touched`], [`recent`] | what happens now, and what happened since, to phones that listen |
//!
//! **Not here:** who may do what. The domain decides; a device's status is only looked at first.

mod account;
mod approval;
mod device;
mod enrolment;
mod events;
mod history;
mod mandate;
pub mod news;
mod pass;
mod pin;
mod problem;
mod prompt;
mod recent;
mod record;
mod session;
mod touched;

use std::sync::Arc;

use axum::{
    Router,
    http::StatusCode,
    response::Response,
    routing::{delete, get, post, put},
};
use serde::Serialize;

use crate::{
    edge::{json, position::stamp},
    node::Node,
};

pub fn router() -> Router<Arc<Node>> {
    let api = Router::new()
        .route("/enrolments", post(enrolment::ask))
        .route("/enrolments/{id}/screen-code", get(enrolment::screen_code))
        .route("/enrolments/{id}/code", post(enrolment::try_code))
        .route("/enrolments/{id}/device", post(enrolment::complete))
        .route("/challenges", post(session::challenge))
        .route(
            "/sessions",
            post(session::session).delete(session::sign_out),
        )
        .route("/me", get(account::me))
        .route("/me/device", get(device::this))
        .route("/sources", put(account::order_sources))
        .route("/blocked-merchants/{id}", delete(account::unblock))
        .route("/prompts", get(prompt::list))
        .route("/prompts/{id}/approve", post(approval::approve))
        .route("/prompts/{id}/refuse", post(approval::refuse))
        .route("/devices/{id}/approve", post(approval::approve_device))
        .route("/devices/{id}/stop", post(device::stop))
        .route("/mandates", get(mandate::list))
        .route("/mandates/{id}/revoke", post(mandate::revoke))
        .route("/mandates/{id}/resume", post(mandate::resume))
        .route("/pass", post(pass::open))
        .route("/history", get(history::list))
        .route("/history/{id}", get(history::detail))
        .route("/events", get(events::events));
    Router::new().nest("/phone/api", api)
}

#[derive(Serialize)]
struct StatusShown {
    status: &'static str,
}

/// What became of something, by its name.
fn status_answer(node: &Node, status: &'static str, position: u64) -> Response {
    let answer = json::answer(StatusCode::OK, &StatusShown { status });
    stamp(answer, node, position)
}
