//! Sign-in and sessions of operators.

use std::sync::Arc;

use axum::{
    Router,
    extract::{FromRequestParts, State},
    http::{StatusCode, header, request::Parts},
    response::Response,
    routing::{get, post},
};
use paytone_domain::{
    Actor,
    ids::OperatorId,
    operator::Role,
    time::{HOUR, Timestamp},
};
use serde::Deserialize;
use serde_json::json;

use super::password;
use crate::{
    edge::{
        ids::Public as _,
        json::{self, Body},
        problem::Problem,
        time,
    },
    node::Node,
};

/// Separates these tokens from the phones'.
const CLAIMS: &[u8] = b"operator\0";
const LIFE_MS: i64 = 8 * HOUR;

pub fn router() -> Router<Arc<Node>> {
    Router::new()
        .route("/admin/api/sessions", post(sign_in))
        .route("/admin/api/me", get(me))
}

/// An operator with a valid session.
#[derive(Clone, Debug)]
pub struct SignedIn {
    pub id: OperatorId,
    pub name: String,
    pub role: Role,
}

impl SignedIn {
    pub fn actor(&self) -> Actor {
        Actor::Operator(self.id)
    }

    /// Whether this role may see personal data at all.
    pub fn sees_people(&self) -> bool {
        self.role != Role::Viewer
    }
}

impl FromRequestParts<Arc<Node>> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, node: &Arc<Node>) -> Result<Self, Problem> {
        let token = bearer(parts)
            .ok_or_else(|| Problem::unauthorized("sign in and send the token as Bearer"))?;
        let over = || Problem::unauthorized("this session is over; sign in again");
        let id = open_token(node, token, time::now()).ok_or_else(over)?;
        let found = node
            .engine
            .read(move |state, _| {
                let operator = state.operators.by_id.get(&id)?;
                (!operator.removed).then(|| (operator.name.clone(), operator.role))
            })
            .await?;
        let (name, role) = found.answer.ok_or_else(over)?;
        Ok(Self { id, name, role })
    }
}

fn bearer(parts: &Parts) -> Option<&str> {
    let header = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn token(node: &Node, id: OperatorId, until: Timestamp) -> String {
    let claims = [CLAIMS, &id.0.to_be_bytes(), &until.0.to_be_bytes()].concat();
    node.keyring.session_token(&claims)
}

fn open_token(node: &Node, token: &str, now: Timestamp) -> Option<OperatorId> {
    let claims = node.keyring.open_session(token)?;
    let (id, until) = claims.strip_prefix(CLAIMS)?.split_at_checked(8)?;
    let id = u64::from_be_bytes(id.try_into().ok()?);
    let until = i64::from_be_bytes(until.try_into().ok()?);
    (now.0 < until).then_some(OperatorId(id))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    name: String,
    password: String,
}

async fn sign_in(
    State(node): State<Arc<Node>>,
    Body { value, .. }: Body<SignIn>,
) -> Result<Response, Problem> {
    let now = time::now();
    // Remembered by hash: what was typed may be a password in the wrong field.
    let name_hash = node
        .keyring
        .number_hash(&format!("operator {}", value.name));
    let wait_ms = node.sign_ins.wait_ms(name_hash, now.0);
    if wait_ms > 0 {
        let seconds = u32::try_from(wait_ms / 1_000 + 1).unwrap_or(u32::MAX);
        let mut problem = Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_sign_ins",
            format!("too many failures for this name; try again in {seconds} s"),
        );
        problem.retry_after_s = Some(seconds);
        return Err(problem);
    }
    let name = value.name.clone();
    let found = node
        .engine
        .read(move |state, _| {
            let operator = state.operators.named(&name)?;
            Some((operator.id, operator.role, operator.password.clone()))
        })
        .await?
        .answer;
    let verifier = found
        .as_ref()
        .and_then(|(_, _, sealed)| password::open(&node.keyring, sealed));
    let right = node.sign_ins.verify(verifier, value.password).await?;
    let Some((id, role, _)) = found.filter(|_| right) else {
        node.sign_ins.failed(name_hash, now.0);
        return Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "wrong_sign_in",
            "name or password is wrong",
        ));
    };
    node.sign_ins.succeeded(name_hash);
    let until = now.plus(LIFE_MS);
    Ok(json::answer(
        StatusCode::OK,
        &json!({
            "token": token(&node, id, until),
            "expires_at": time::show(until),
            "operator": {"id": id.show(&node.ids), "name": value.name, "role": role.name()},
        }),
    ))
}

async fn me(State(node): State<Arc<Node>>, operator: SignedIn) -> Response {
    json::answer(
        StatusCode::OK,
        &json!({
            "id": operator.id.show(&node.ids),
            "name": operator.name,
            "role": operator.role.name(),
        }),
    )
}
