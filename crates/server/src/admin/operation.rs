//! One operation asked of the engine, and what came of it in JSON.
//!
//! A request may carry an `Idempotency-Key`: then it is done once, and every later time with the same key is answered as the
//! first one was, for a day. A refusal did nothing and is not kept.

use std::{sync::Arc, time::Duration};

use axum::{
    http::{StatusCode, request::Parts},
    response::Response,
};
use paytone_domain::{
    Actor, Answer, Command,
    idempotency::Repeat,
    ids::{BodyHash, OperatorId, ProposalId, RepeatKey, SubscriberId},
    operator::{Done, Operation, OperatorCommand, OperatorRefusal},
};
use paytone_journal::Keyring;
use serde_json::{Map, Value, json};

use crate::{
    edge::{ids::Public as _, json, position, problem::Problem, short_hash::short_hash},
    node::{Node, random},
};

const KEY_HEADER: &str = "idempotency-key";
const LONGEST_KEY: usize = 64;

/// Who asks for an operation, and under which key.
#[derive(Clone, Debug)]
pub struct Asker {
    actor: Actor,
    repeat: Option<Repeat>,
}

impl From<Actor> for Asker {
    /// Without a key.
    fn from(actor: Actor) -> Self {
        Self {
            actor,
            repeat: None,
        }
    }
}

impl Asker {
    /// `asks` is what [`asks`] found in the request's head, `body` what came with it. Its hash is keyed: there may be a password
    /// in it, and the hash is journaled.
    pub fn of(
        keyring: &Keyring,
        actor: Actor,
        asks: Option<&(RepeatKey, Vec<u8>)>,
        body: &[u8],
    ) -> Self {
        let repeat = asks.map(|(key, target)| {
            let input = [target, &[0][..], body].concat();
            let hash = keyring.derived_value("operator request", &input);
            let body = BodyHash(*hash.first_chunk().expect("32 bytes have a first 16"));
            Repeat::new(*key, body)
        });
        Self { actor, repeat }
    }

    /// 32 bytes that nobody can guess, and the same ones when the same is asked again under the same key.
    pub fn secret(&self, keyring: &Keyring) -> [u8; 32] {
        match &self.repeat {
            Some(Repeat { key, body, .. }) => {
                keyring.derived_value("operator secret", &[key.0, body.0].concat())
            }
            None => *[random(), random()]
                .concat()
                .first_chunk()
                .expect("twice 16 bytes are 32"),
        }
    }
}

/// An operator's idempotency key and what is asked for under it, as the head of a request says.
pub fn asks(parts: &Parts, operator: OperatorId) -> Result<Option<(RepeatKey, Vec<u8>)>, Problem> {
    let Some(value) = parts.headers.get(KEY_HEADER) else {
        return Ok(None);
    };
    let text = value.as_bytes();
    if text.is_empty() || text.len() > LONGEST_KEY || !text.iter().all(u8::is_ascii_graphic) {
        return Err(Problem::bad_request(
            "idempotency_key_invalid",
            "Idempotency-Key must be 1 to 64 visible ASCII characters",
        )
        .field("Idempotency-Key"));
    }
    // No merchant's key is made like this: theirs begin with the eight bytes of an id.
    let key = short_hash(&[b"operator\0", &operator.0.to_be_bytes(), text]);
    let target = format!("{} {}", parts.method, parts.uri.path());
    Ok(Some((RepeatKey(key), target.into_bytes())))
}

/// Asks for one operation; the answer tells whether it is done or waits for a second person.
pub async fn perform(
    node: &Arc<Node>,
    asker: Asker,
    operation: Operation,
) -> Result<Outcome, Problem> {
    let erases = erased_by(&operation);
    let command = OperatorCommand::Do(Box::new(operation));
    let (done, position) = submit(node, asker, command).await?;
    if let (Some(subscriber), Done::Done | Done::Unchanged) = (erases, &done) {
        erase_key(node, subscriber).await?;
    }
    Ok(Outcome::of(node, &done, position))
}

/// As [`perform`], answered with nothing but what came of it.
pub async fn done(
    node: &Arc<Node>,
    asker: Asker,
    operation: Operation,
) -> Result<Response, Problem> {
    Ok(perform(node, asker, operation).await?.answer(node))
}

/// Approves or rejects what somebody else proposed.
pub async fn decide(
    node: &Arc<Node>,
    asker: Asker,
    proposal: ProposalId,
    approve: bool,
) -> Result<Outcome, Problem> {
    let erases = node
        .engine
        .read(move |state, _| {
            let proposal = state.operators.proposals.get(&proposal)?;
            erased_by(&proposal.operation)
        })
        .await?
        .answer;
    let (done, position) =
        submit(node, asker, OperatorCommand::Decide { proposal, approve }).await?;
    if let (Some(subscriber), true) = (erases, approve) {
        erase_key(node, subscriber).await?;
    }
    Ok(Outcome::of(node, &done, position))
}

/// Records that an operator looks at a subscriber's personal data; what follows may show it.
pub async fn note_read(
    node: &Arc<Node>,
    actor: Actor,
    subscriber: SubscriberId,
) -> Result<(), Problem> {
    submit(node, actor.into(), OperatorCommand::NoteRead { subscriber })
        .await
        .map(|_| ())
}

/// Does what is not an [`Operation`], and answers what came of it.
pub async fn answered(
    node: &Arc<Node>,
    actor: Actor,
    command: OperatorCommand,
) -> Result<Response, Problem> {
    let (done, position) = submit(node, actor.into(), command).await?;
    Ok(Outcome::of(node, &done, position).answer(node))
}

async fn submit(
    node: &Arc<Node>,
    Asker { actor, repeat }: Asker,
    command: OperatorCommand,
) -> Result<(Done, u64), Problem> {
    let command = match repeat {
        Some(repeat) => OperatorCommand::Once {
            repeat,
            command: Box::new(command),
        },
        None => command,
    };
    let answered = node.submit(actor, Command::Operator(command)).await?;
    match answered.answer {
        Answer::Operator(Ok(done)) => Ok((done, answered.position)),
        Answer::Operator(Err(refusal)) => Err(problem(refusal)),
        other => {
            tracing::error!(?other, "an operation was answered with something else");
            Err(Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "the engine answered something unexpected",
            ))
        }
    }
}

fn erased_by(operation: &Operation) -> Option<SubscriberId> {
    match operation {
        Operation::EraseSubscriber(subscriber) => Some(*subscriber),
        _ => None,
    }
}

/// The decision is durable; now the key goes. Should this process end in between, the next start does it.
async fn erase_key(node: &Arc<Node>, subscriber: SubscriberId) -> Result<(), Problem> {
    let Some(subject) = node.directory.subject(subscriber) else {
        return Ok(());
    };
    let mut tries = 0_u32;
    while let Err(error) = node.subjects.erase(subject).await {
        tracing::warn!(%error, "a subscriber's key is not erased yet");
        tries += 1;
        if tries == 20 {
            let mut problem = Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "erasure_pending",
                "the erasure is decided; the key is still there because somebody reads the table: ask for it again",
            );
            problem.retry_after_s = Some(5);
            return Err(problem);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// What came of an operation, as JSON: `outcome` and the ids it made.
#[derive(Clone, Debug)]
pub struct Outcome {
    members: Map<String, Value>,
    position: u64,
}

impl Outcome {
    fn of(node: &Node, done: &Done, position: u64) -> Self {
        let ids = &node.ids;
        let value = match done {
            Done::Done => json!({"outcome": "done"}),
            Done::Unchanged => json!({"outcome": "unchanged"}),
            Done::OperatorAdded(id) => json!({"outcome": "done", "operator": id.show(ids)}),
            Done::MerchantAdded(id) => json!({"outcome": "done", "merchant": id.show(ids)}),
            Done::KeyAdded(id) => json!({"outcome": "done", "key": id.show(ids)}),
            Done::LotGiven(id) => json!({"outcome": "done", "lot": id.show(ids)}),
            Done::RulesSet(version) => json!({"outcome": "done", "version": version}),
            Done::Proposed(id) => json!({"outcome": "proposed", "proposal": id.show(ids)}),
            Done::Rejected => json!({"outcome": "rejected"}),
            Done::StoreAdded(id) => json!({"outcome": "done", "store": id.show(ids)}),
            Done::TerminalAdded(id) => json!({"outcome": "done", "terminal": id.show(ids)}),
            Done::TokenIssued(id) => json!({"outcome": "done", "token": id.show(ids)}),
        };
        let members = match value {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        Self { members, position }
    }

    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// 202 for what waits for a second person.
    pub fn answer(self, node: &Node) -> Response {
        let waits = self.members.get("outcome").and_then(Value::as_str) == Some("proposed");
        let status = if waits {
            StatusCode::ACCEPTED
        } else {
            StatusCode::OK
        };
        let answer = json::answer(status, &Value::Object(self.members));
        position::stamp(answer, node, self.position)
    }
}

/// What an operator is told of a refusal.
pub fn problem(refusal: OperatorRefusal) -> Problem {
    let (status, detail) = match refusal {
        OperatorRefusal::NotSignedIn => (StatusCode::UNAUTHORIZED, "sign in again"),
        OperatorRefusal::NotAllowed => (StatusCode::FORBIDDEN, "your role does not allow this"),
        OperatorRefusal::SamePerson => (
            StatusCode::FORBIDDEN,
            "whoever proposed it cannot approve it; another person must",
        ),
        OperatorRefusal::NotFound => (
            StatusCode::NOT_FOUND,
            "there is nothing of that name or id, or it is over",
        ),
        OperatorRefusal::NameTaken => (StatusCode::CONFLICT, "somebody has this name already"),
        OperatorRefusal::WouldOverdraw => (
            StatusCode::CONFLICT,
            "more than what is available on the account",
        ),
        OperatorRefusal::WrongStatus => (
            StatusCode::CONFLICT,
            "its present state does not allow this",
        ),
        OperatorRefusal::LastAdmin => (
            StatusCode::CONFLICT,
            "the last administrator cannot be removed",
        ),
        OperatorRefusal::KeyReused => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "this Idempotency-Key came with another request before; use a new one for a new request",
        ),
        OperatorRefusal::ChangedMeanwhile => (
            StatusCode::CONFLICT,
            "it was changed meanwhile; look again and ask anew",
        ),
        OperatorRefusal::NotYet => (
            StatusCode::CONFLICT,
            "not every node knows this yet; ask again when all of them run this release",
        ),
        OperatorRefusal::NumberTaken => (
            StatusCode::CONFLICT,
            "a token has this number already; ask again for another one",
        ),
    };
    Problem::new(status, refusal.code(), detail)
}
