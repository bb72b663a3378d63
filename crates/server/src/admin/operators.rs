//! The operator's own users.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::Response,
    routing::{delete, get},
};
use paytone_domain::{
    Actor,
    operator::{Operation, Role},
};
use serde::Deserialize;
use serde_json::json;

use super::{AtTheMachine, operation, password, session::SignedIn, words};
use crate::{
    edge::{
        ids::Public as _,
        json::{self, Body},
        problem::Problem,
    },
    node::Node,
};

pub fn router() -> Router<Arc<Node>> {
    Router::new()
        .route("/admin/api/operators", get(list).post(add))
        .route("/admin/api/operators/{name}", delete(remove))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewOperator {
    name: String,
    role: String,
    password: String,
}

/// Who adds: an operator, or the person at the machine while there is none.
struct Adder(Actor);

impl axum::extract::FromRequestParts<Arc<Node>> for Adder {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        node: &Arc<Node>,
    ) -> Result<Self, Problem> {
        let local = Extension::<AtTheMachine>::from_request_parts(parts, node)
            .await
            .is_ok();
        if local && !parts.headers.contains_key(header::AUTHORIZATION) {
            return Ok(Self(Actor::Console));
        }
        SignedIn::from_request_parts(parts, node)
            .await
            .map(|operator| Self(operator.actor()))
    }
}

async fn add(
    State(node): State<Arc<Node>>,
    Adder(actor): Adder,
    Body { value, .. }: Body<NewOperator>,
) -> Result<Response, Problem> {
    words::check("name", &value.name, 1, 40)?;
    let role = Role::from_name(&value.role).ok_or_else(|| {
        let known: Vec<_> = Role::ALL.iter().map(|role| role.name()).collect();
        Problem::unprocessable(
            "unknown_role",
            format!("role is one of {}", known.join(", ")),
        )
        .field("role")
    })?;
    let sealing = Arc::clone(&node);
    let password =
        tokio::task::spawn_blocking(move || password::seal(&sealing.keyring, &value.password))
            .await
            .map_err(|_| {
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "not done")
            })??;
    let operation = Operation::AddOperator {
        name: value.name,
        role,
        password,
    };
    Ok(operation::perform(&node, actor, operation)
        .await?
        .answer(&node))
}

async fn list(State(node): State<Arc<Node>>, _: SignedIn) -> Result<Response, Problem> {
    let ids = node.ids.clone();
    let data = node
        .engine
        .read(move |state, _| {
            let present = state
                .operators
                .by_id
                .values()
                .filter(|known| !known.removed);
            present
                .map(|known| {
                    json!({
                        "id": known.id.show(&ids), "name": known.name, "role": known.role.name(),
                    })
                })
                .collect::<Vec<_>>()
        })
        .await?;
    Ok(json::answer(StatusCode::OK, &json!({"data": data.answer})))
}

async fn remove(
    State(node): State<Arc<Node>>,
    operator: SignedIn,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let found = node
        .engine
        .read(move |state, _| state.operators.named(&name).map(|known| known.id))
        .await?;
    let id = found.answer.ok_or_else(Problem::not_found)?;
    let operation = Operation::RemoveOperator(id);
    Ok(operation::perform(&node, operator.actor(), operation)
        .await?
        .answer(&node))
}
