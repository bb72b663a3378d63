//! Who asks: a merchant's client by its bearer key, and its idempotency key.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use paytone_domain::{
    Actor, Answer, Command,
    idempotency::Repeat,
    ids::{BodyHash, ClientKeyId, MerchantId, RepeatKey},
};
use paytone_engine::Answered;

use crate::{
    edge::{client_key, directory::MerchantCard, problem::Problem, short_hash::short_hash},
    http::request::{self, Held},
    metrics::requests::TurnedAway,
    node::Node,
};

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const LONGEST_KEY: usize = 64;

/// A merchant's client that signed in.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    pub merchant: MerchantId,
    key: ClientKeyId,
}

/// A client with the idempotency key of its request.
#[derive(Clone, Copy, Debug)]
pub struct Keyed {
    pub client: Client,
    key: RepeatKey,
}

impl FromRequestParts<Arc<Node>> for Client {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, node: &Arc<Node>) -> Result<Self, Problem> {
        let client = Self::of(&parts.headers, node)?;
        client.take_turn(node)?;
        Ok(client)
    }
}

impl FromRequestParts<Arc<Node>> for Keyed {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, node: &Arc<Node>) -> Result<Self, Problem> {
        let client = Client::of(&parts.headers, node)?;
        client.take_turn(node)?;
        let key = repeat_key(&parts.headers, client.merchant)?;
        Ok(Self { client, key })
    }
}

impl Client {
    fn of(headers: &HeaderMap, node: &Node) -> Result<Self, Problem> {
        let Some(authorization) = headers.get(header::AUTHORIZATION) else {
            return Err(Problem::unauthorized(
                "send the header Authorization: Bearer sk_…",
            ));
        };
        let known = authorization
            .to_str()
            .ok()
            .and_then(|text| text.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .and_then(|(_, secret)| client_key::hash(secret.trim()))
            .and_then(|hash| node.directory.client(&hash));
        match known {
            Some((merchant, key)) => Ok(Self { merchant, key }),
            None => Err(Problem::unauthorized("this is not a key that is in use")),
        }
    }

    /// One client may have so many requests under way, and no more, so that the others have theirs.
    fn take_turn(self, node: &Node) -> Result<(), Problem> {
        let Some(turn) = node.shares.clients.begin((self.merchant, self.key)) else {
            node.metrics.requests.turned_away(TurnedAway::Client);
            return Err(Problem::too_much(
                "too many requests of this key are under way; try again with the same Idempotency-Key",
            ));
        };
        request::hold(Held::Client(turn));
        Ok(())
    }

    pub fn actor(self) -> Actor {
        Actor::Client(self.merchant, self.key)
    }

    /// The merchant's name and key.
    pub async fn card(self, node: &Node) -> Result<Arc<MerchantCard>, Problem> {
        node.directory
            .merchant(self.merchant, &node.subjects)
            .await?
            .ok_or_else(|| Problem::internal("a client's merchant is not in the directory"))
    }
}

fn repeat_key(headers: &HeaderMap, merchant: MerchantId) -> Result<RepeatKey, Problem> {
    let wrong = |code, detail| Err(Problem::bad_request(code, detail).field("Idempotency-Key"));
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else {
        return wrong(
            "idempotency_key_missing",
            "send the header Idempotency-Key with a value of your own, the same for every try",
        );
    };
    let bytes = value.as_bytes();
    let visible = bytes.iter().all(u8::is_ascii_graphic);
    if bytes.is_empty() || bytes.len() > LONGEST_KEY || !visible {
        return wrong(
            "idempotency_key_invalid",
            "Idempotency-Key must be 1 to 64 visible ASCII characters",
        );
    }
    Ok(RepeatKey(short_hash(&[&merchant.0.to_be_bytes(), bytes])))
}

/// What a request asks for; part of what an idempotency key stands for.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    pub name: &'static str,
    /// The inner number of what it is about; zero for what is new.
    pub about: u64,
}

impl Keyed {
    /// Asks for one decision, once per idempotency key.
    pub async fn submit(
        &self,
        node: &Node,
        operation: Operation,
        body: &[u8],
        command: impl FnOnce(Repeat) -> Command,
    ) -> Result<Answered<Answer>, Problem> {
        let Some(_under_way) = node.under_way.begin(self.key) else {
            return Err(Problem::new(
                StatusCode::CONFLICT,
                "idempotency_in_progress",
                "a request with this Idempotency-Key is under way; ask again for its answer",
            ));
        };
        let body = BodyHash(short_hash(&[
            operation.name.as_bytes(),
            &[0],
            &operation.about.to_be_bytes(),
            body,
        ]));
        let repeat = Repeat::new(self.key, body);
        let answered = node.submit(self.client.actor(), command(repeat)).await?;
        Ok(answered)
    }
}
