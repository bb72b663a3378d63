//! Stores, terminals and tokens, as staff handle them.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
    routing::{get, post, put},
};
use paytone_domain::{
    ids::{MerchantId, StoreId, TerminalId, TokenId},
    operator::Operation,
    token::Token,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    operation::{self, Asker, Outcome},
    session::SignedIn,
    subscribers, words,
};
use crate::{
    edge::{
        amount,
        ids::Public as _,
        json::{self, Body},
        problem::Problem,
        text::{self, Place},
        time,
    },
    node::Node,
    pos::{stores_of, terminal_key, token},
};

pub fn router() -> Router<Arc<Node>> {
    let token = "/admin/api/tokens/{id}";
    let doing = |operation: fn(TokenId) -> Operation| {
        post(
            move |State(node): State<Arc<Node>>, operator: SignedIn, Path(id): Path<String>| {
                change(node, operator, id, operation)
            },
        )
    };
    Router::new()
        .route(
            "/admin/api/merchants/{id}/stores",
            get(stores).post(add_store),
        )
        .route("/admin/api/stores/{id}/terminals", post(add_terminal))
        .route("/admin/api/terminals/{id}", put(set_terminal))
        .route(
            "/admin/api/subscribers/{who}/tokens",
            get(tokens).post(issue),
        )
        .route(&format!("{token}/suspend"), doing(Operation::SuspendToken))
        .route(&format!("{token}/resume"), doing(Operation::ResumeToken))
        .route(&format!("{token}/end"), doing(Operation::EndToken))
        .route(&format!("{token}/replace"), post(replace))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewStore {
    /// The name people see.
    name: String,
    /// What its terminals send as card acceptor.
    acceptor: String,
}

/// Whether it fits a field of so many characters and names one thing only.
fn check_code(field: &'static str, code: &str, most: usize) -> Result<(), Problem> {
    let fits = (1..=most).contains(&code.len())
        && code
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if fits {
        return Ok(());
    }
    let detail = format!("{field} is 1 to {most} letters, digits and hyphens");
    Err(Problem::unprocessable("invalid_code", detail).field(field))
}

async fn add_store(
    State(node): State<Arc<Node>>,
    operator: SignedIn,
    Path(id): Path<String>,
    Body { value, bytes }: Body<NewStore>,
) -> Result<Response, Problem> {
    let merchant = MerchantId::read(&node.ids, &id).ok_or_else(Problem::not_found)?;
    words::check("name", &value.name, 1, 60)?;
    check_code("acceptor", &value.acceptor, 15)?;
    let card = node.directory.merchant(merchant, &node.subjects).await?;
    let card = card.ok_or_else(Problem::not_found)?;
    let operation = Operation::AddStore {
        merchant,
        acceptor: value.acceptor,
        name: text::seal(&card.key, card.subject, Place::StoreName, &value.name),
    };
    operation::done(&node, operator.asks(&node, &bytes), operation).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTerminal {
    /// What it sends as its name.
    code: String,
    per_payment: String,
}

async fn add_terminal(
    State(node): State<Arc<Node>>,
    operator: SignedIn,
    Path(id): Path<String>,
    Body { value, bytes }: Body<NewTerminal>,
) -> Result<Response, Problem> {
    let store = StoreId::read(&node.ids, &id).ok_or_else(Problem::not_found)?;
    check_code("code", &value.code, 8)?;
    let limit = amount::read("per_payment", &value.per_payment, node.currency())?;
    let read = node.engine.read(move |state, _| {
        let store = state.terminals.store(store);
        store.map(|store| store.acceptor.clone())
    });
    let acceptor = read.await?.answer.ok_or_else(Problem::not_found)?;
    let operation = Operation::AddTerminal {
        store,
        key: terminal_key(&acceptor, &value.code),
        code: value.code,
        limit,
    };
    operation::done(&node, operator.asks(&node, &bytes), operation).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TerminalSettings {
    per_payment: String,
    blocked: bool,
}

async fn set_terminal(
    State(node): State<Arc<Node>>,
    operator: SignedIn,
    Path(id): Path<String>,
    Body { value, bytes }: Body<TerminalSettings>,
) -> Result<Response, Problem> {
    let terminal = TerminalId::read(&node.ids, &id).ok_or_else(Problem::not_found)?;
    let limit = amount::read("per_payment", &value.per_payment, node.currency())?;
    let operation = Operation::SetTerminal {
        terminal,
        limit,
        blocked: value.blocked,
    };
    operation::done(&node, operator.asks(&node, &bytes), operation).await
}

/// A merchant's stores with their terminals and what these took.
async fn stores(
    State(node): State<Arc<Node>>,
    _: SignedIn,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let merchant = MerchantId::read(&node.ids, &id).ok_or_else(Problem::not_found)?;
    let (data, _) = stores_of(&node, merchant).await?;
    let answer = json!({"currency": node.currency().code(), "data": data});
    Ok(json::answer(StatusCode::OK, &answer))
}

fn shown(node: &Node, token: &Token) -> Value {
    json!({
        "id": token.id.show(&node.ids),
        "status": token.status.name(),
        "why": token.status.why(),
        "expires": format!("{:04}", token.expires),
        "issued_at": time::show(token.issued_at),
        "counter": token.window.highest,
    })
}

async fn tokens(
    State(node): State<Arc<Node>>,
    _: SignedIn,
    Path(who): Path<String>,
) -> Result<Response, Problem> {
    let subscriber = subscribers::find(&node, &who).await?;
    let read = node
        .engine
        .read(move |state, _| state.tokens.of(subscriber).cloned().collect::<Vec<_>>());
    let tokens: Vec<_> = read.await?.answer;
    let shown: Vec<_> = tokens.iter().map(|token| shown(&node, token)).collect();
    Ok(json::answer(StatusCode::OK, &json!({"data": shown})))
}

async fn issue(
    State(node): State<Arc<Node>>,
    operator: SignedIn,
    Path(who): Path<String>,
) -> Result<Response, Problem> {
    let subscriber = subscribers::find(&node, &who).await?;
    let asker = operator.asks(&node, &[]);
    let secret = asker.secret(&node.keyring);
    let drawn = token::draw(&node, subscriber, secret).await;
    let drawn = drawn.map_err(problem)?;
    let operation = Operation::IssueToken {
        subscriber,
        new: drawn.new.clone(),
    };
    personalised(&node, asker, operation, &drawn).await
}

async fn replace(
    State(node): State<Arc<Node>>,
    operator: SignedIn,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let token = TokenId::read(&node.ids, &id).ok_or_else(Problem::not_found)?;
    let read = node
        .engine
        .read(move |state, _| state.tokens.get(token).map(|token| token.subscriber));
    let subscriber = read.await?.answer.ok_or_else(Problem::not_found)?;
    let asker = operator.asks(&node, &[]);
    let secret = asker.secret(&node.keyring);
    let drawn = token::draw(&node, subscriber, secret).await;
    let drawn = drawn.map_err(problem)?;
    let operation = Operation::ReplaceToken {
        token,
        new: drawn.new.clone(),
    };
    personalised(&node, asker, operation, &drawn).await
}

/// What the phone gets is in this answer and nowhere else: asked again under another key, or under none, another number is drawn.
async fn personalised(
    node: &Arc<Node>,
    asker: Asker,
    operation: Operation,
    drawn: &token::Drawn,
) -> Result<Response, Problem> {
    let done: Outcome = operation::perform(node, asker, operation).await?;
    Ok(done.with("phone", drawn.personalisation()).answer(node))
}

async fn change(
    node: Arc<Node>,
    operator: SignedIn,
    id: String,
    operation: fn(TokenId) -> Operation,
) -> Result<Response, Problem> {
    let token = TokenId::read(&node.ids, &id).ok_or_else(Problem::not_found)?;
    operation::done(&node, operator.asks(&node, &[]), operation(token)).await
}

fn problem(error: token::DrawError) -> Problem {
    match error {
        token::DrawError::NoSubscriber => Problem::not_found(),
        token::DrawError::Subject(error) => super::key_problem(error),
        error @ (token::DrawError::NoRange | token::DrawError::NoKey) => {
            Problem::new(StatusCode::CONFLICT, "no_tokens_here", error.to_string())
        }
    }
}
