//! Sign-in and sessions of operators, and their own password.
//!
//! A session is a token that says whose it is, until when, which password it was opened with, and its own name. **Invariant:** it
//! is over when its time is, when its operator is removed, sets another password, or signs out.

use std::sync::Arc;

use axum::{
    Router,
    extract::{FromRequestParts, State},
    http::{StatusCode, header, request::Parts},
    response::Response,
    routing::{get, post, put},
};
use paytone_domain::{
    Actor, Command,
    ids::{OperatorId, RepeatKey, SessionId},
    operator::{Operator, OperatorCommand, Role},
    time::{HOUR, Timestamp},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    operation::{self, Asker},
    password,
};
use crate::{
    edge::{
        ids::Public as _,
        json::{self, Body},
        position,
        problem::Problem,
        time,
    },
    node::{Node, random},
};

/// Separates these tokens from the phones'.
const CLAIMS: &[u8] = b"operator v2\0";
const LIFE_MS: i64 = 8 * HOUR;

pub fn router() -> Router<Arc<Node>> {
    Router::new()
        .route("/admin/api/sessions", post(sign_in).delete(sign_out))
        .route("/admin/api/me", get(me))
        .route("/admin/api/me/password", put(change_password))
}

/// An operator with a valid session.
#[derive(Clone, Debug)]
pub struct SignedIn {
    pub id: OperatorId,
    pub name: String,
    pub role: Role,
    token: Token,
    /// What its idempotency key is, and what it asks for.
    asks: Option<(RepeatKey, Vec<u8>)>,
}

impl SignedIn {
    pub fn actor(&self) -> Actor {
        Actor::Operator(self.id)
    }

    /// Who asks, and the key under which it is done once; `body` is what came with it.
    pub fn asks(&self, node: &Node, body: &[u8]) -> Asker {
        Asker::of(&node.keyring, self.actor(), self.asks.as_ref(), body)
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
        let token = Token::read(node, token, time::now()).ok_or_else(over)?;
        let found = node
            .engine
            .read(move |state, _| {
                let operator = state.operators.by_id.get(&token.operator)?;
                let good = !operator.removed
                    && operator.passwords_before == token.passwords_before
                    && !state.ended_sessions.contains(&token.session);
                good.then(|| (operator.name.clone(), operator.role))
            })
            .await?;
        let (name, role) = found.answer.ok_or_else(over)?;
        Ok(Self {
            id: token.operator,
            name,
            role,
            token,
            asks: operation::asks(parts, token.operator)?,
        })
    }
}

fn bearer(parts: &Parts) -> Option<&str> {
    let header = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// What a session's token claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Token {
    operator: OperatorId,
    until: Timestamp,
    passwords_before: u32,
    session: SessionId,
}

impl Token {
    fn claims(&self) -> Vec<u8> {
        [
            CLAIMS,
            &self.operator.0.to_be_bytes(),
            &self.until.0.to_be_bytes(),
            &self.passwords_before.to_be_bytes(),
            &self.session.0,
        ]
        .concat()
    }

    fn of_claims(claims: &[u8]) -> Option<Self> {
        let (operator, rest) = claims.strip_prefix(CLAIMS)?.split_first_chunk::<8>()?;
        let (until, rest) = rest.split_first_chunk::<8>()?;
        let (passwords_before, session) = rest.split_first_chunk::<4>()?;
        Some(Self {
            operator: OperatorId(u64::from_be_bytes(*operator)),
            until: Timestamp(i64::from_be_bytes(*until)),
            passwords_before: u32::from_be_bytes(*passwords_before),
            session: SessionId(session.try_into().ok()?),
        })
    }

    fn show(&self, node: &Node) -> String {
        node.keyring.session_token(&self.claims())
    }

    fn read(node: &Node, text: &str, now: Timestamp) -> Option<Self> {
        let claims = node.keyring.open_session(text)?;
        Self::of_claims(&claims).filter(|token| now < token.until)
    }
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
    let found = node
        .engine
        .read({
            let name = value.name.clone();
            move |state, _| state.operators.named(&name).cloned()
        })
        .await?
        .answer;
    let right = proven(&node, &value.name, found.as_ref(), value.password).await?;
    let Some(operator) = found.filter(|_| right) else {
        return Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "wrong_sign_in",
            "name or password is wrong",
        ));
    };
    let token = Token {
        operator: operator.id,
        until: time::now().plus(LIFE_MS),
        passwords_before: operator.passwords_before,
        session: SessionId(random()),
    };
    Ok(json::answer(
        StatusCode::OK,
        &json!({
            "token": token.show(&node),
            "expires_at": time::show(token.until),
            "operator": {
                "id": operator.id.show(&node.ids),
                "name": operator.name,
                "role": operator.role.name(),
            },
        }),
    ))
}

/// Whether `password` is that of `operator`; `name` is what was typed, whoever's it is.
async fn proven(
    node: &Node,
    name: &str,
    operator: Option<&Operator>,
    password: String,
) -> Result<bool, Problem> {
    // Remembered by hash: what was typed may be a password in the wrong field.
    let name = node.keyring.number_hash(&format!("operator {name}"));
    let verifier = operator.and_then(|known| password::open(&node.keyring, &known.password));
    node.sign_ins.verify(name, verifier, password).await
}

/// Ends this session: its token is good for nothing any more, wherever it is kept.
async fn sign_out(State(node): State<Arc<Node>>, operator: SignedIn) -> Result<Response, Problem> {
    let command = Command::EndSession {
        session: operator.token.session,
        until: operator.token.until,
    };
    let answered = node.submit(operator.actor(), command).await?;
    let done = json::answer(StatusCode::OK, &json!({}));
    Ok(position::stamp(done, &node, answered.position))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    old: String,
    new: String,
}

/// One's own password. Every session of this operator is over then, this one too.
async fn change_password(
    State(node): State<Arc<Node>>,
    operator: SignedIn,
    Body { value, .. }: Body<NewPassword>,
) -> Result<Response, Problem> {
    let id = operator.id;
    let known = node
        .engine
        .read(move |state, _| state.operators.by_id.get(&id).cloned())
        .await?
        .answer
        .ok_or_else(Problem::not_found)?;
    if !proven(&node, &known.name, Some(&known), value.old).await? {
        return Err(
            Problem::unprocessable("wrong_password", "that is not the present password")
                .field("old"),
        );
    }
    let to = password::sealed(&node, value.new, "new").await?;
    let command = OperatorCommand::ChangePassword {
        from: known.password,
        to,
    };
    operation::answered(&node, operator.actor(), command).await
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written_and_no_other() {
        let token = Token {
            operator: OperatorId(3),
            until: Timestamp(9),
            passwords_before: 1,
            session: SessionId([7; 16]),
        };
        let claims = token.claims();
        assert_eq!(Token::of_claims(&claims), Some(token));
        assert_eq!(Token::of_claims(&claims[..claims.len() - 1]), None);
        assert_eq!(Token::of_claims(&[&claims[..], &[0]].concat()), None);
        assert_eq!(Token::of_claims(b"operator\0"), None);
    }
}
