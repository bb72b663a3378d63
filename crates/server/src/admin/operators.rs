//! The operator's own users.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::Response,
    routing::{delete, get, put},
};
use paytone_domain::{
    Actor,
    ids::OperatorId,
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
        .route("/admin/api/operators/{name}/password", put(reset_password))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewOperator {
    name: String,
    role: String,
    password: String,
}

/// Who adds: an operator, or `None`, the person at the machine while there is none.
struct Adder(Option<SignedIn>);

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
            return Ok(Self(None));
        }
        SignedIn::from_request_parts(parts, node)
            .await
            .map(|operator| Self(Some(operator)))
    }
}

async fn add(
    State(node): State<Arc<Node>>,
    Adder(adder): Adder,
    Body { value, bytes }: Body<NewOperator>,
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
    let password = password::sealed(&node, value.password, "password").await?;
    let operation = Operation::AddOperator {
        name: value.name,
        role,
        password,
    };
    let asker = match adder {
        Some(operator) => operator.asks(&node, &bytes),
        None => Actor::Console.into(),
    };
    operation::done(&node, asker, operation).await
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
    let operation = Operation::RemoveOperator(named(&node, name).await?);
    operation::done(&node, operator.asks(&node, &[]), operation).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    password: String,
}

/// For somebody who has forgotten theirs. One's own is changed at `me/password`.
async fn reset_password(
    State(node): State<Arc<Node>>,
    operator: SignedIn,
    Path(name): Path<String>,
    Body { value, bytes }: Body<NewPassword>,
) -> Result<Response, Problem> {
    let operation = Operation::SetPassword {
        operator: named(&node, name).await?,
        password: password::sealed(&node, value.password, "password").await?,
    };
    operation::done(&node, operator.asks(&node, &bytes), operation).await
}

async fn named(node: &Node, name: String) -> Result<OperatorId, Problem> {
    let found = node
        .engine
        .read(move |state, _| state.operators.named(&name).map(|known| known.id))
        .await?;
    found.answer.ok_or_else(Problem::not_found)
}
