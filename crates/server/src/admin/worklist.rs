//! What waits for a person: changes that need a second one, money that the outside world would not take back, and orders of
//! somebody erased of which the bank does not tell what became.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
    routing::{get, post},
};
use paytone_domain::{
    funding::{Effect, EffectState},
    ids::{EffectId, ProposalId},
    operator::{Operation, Proposal},
    risk::Rules,
    subscriber::SubscriberStatus,
};
use serde_json::{Value, json};

use super::{merchants::plan_words, operation, rules, session::SignedIn, subscribers};
use crate::{
    edge::{
        amount,
        ids::Public as _,
        json,
        problem::Problem,
        text::{self, Place},
        time,
    },
    node::Node,
};

pub fn router() -> Router<Arc<Node>> {
    Router::new()
        .route("/admin/api/worklist", get(list))
        .route("/admin/api/proposals/{id}/approve", post(approve))
        .route("/admin/api/proposals/{id}/reject", post(reject))
        .route("/admin/api/effects/{id}/repeat", post(repeat))
        .route("/admin/api/effects/{id}/to-balance", post(to_balance))
}

struct Waiting {
    proposals: Vec<(Proposal, String)>,
    effects: Vec<Effect>,
    rules: Rules,
}

async fn list(State(node): State<Arc<Node>>, operator: SignedIn) -> Result<Response, Problem> {
    let waiting = node
        .engine
        .read(|state, _| {
            let name = |id| {
                let operator = state.operators.by_id.get(&id);
                operator.map_or_else(String::new, |operator| operator.name.clone())
            };
            let proposals = state.operators.proposals.values();
            let mut effects: Vec<_> = state
                .effects
                .values()
                .filter(|effect| {
                    let payer = state.subscribers.get(effect.payer);
                    let erased =
                        payer.is_some_and(|payer| payer.status == SubscriberStatus::Erased);
                    effect.state == EffectState::Stuck
                        || (erased && effect.state == EffectState::Unknown)
                })
                .cloned()
                .collect();
            effects.sort_by_key(|effect| effect.id);
            Waiting {
                proposals: proposals
                    .map(|proposal| (proposal.clone(), name(proposal.by)))
                    .collect(),
                effects,
                rules: state.rules.clone(),
            }
        })
        .await?
        .answer;
    let mut data = Vec::new();
    for (proposal, by) in &waiting.proposals {
        let words = words(&node, &operator, &proposal.operation, &waiting.rules).await?;
        data.push(json!({
            "kind": "approval",
            "id": proposal.id.show(&node.ids),
            "at": time::show(proposal.proposed_at),
            "operation": proposal.operation.name(),
            "by": by,
            "own": proposal.by == operator.id,
            "what": words,
            "may": may_decide(&operator, proposal),
            "detail": format!("{words}; by {by}; {}", proposal.id.show(&node.ids)),
        }));
    }
    for effect in &waiting.effects {
        data.push(json!({
            "kind": if effect.state == EffectState::Unknown { "leg_unknown" } else { "reversal_pending" },
            "id": show_effect(&node, effect.id),
            "at": time::show(effect.wanted_at),
            "amount": amount::show(effect.amount, node.currency()),
            "currency": node.currency().code(),
            "attempts": effect.attempts,
            "may": may_settle(&operator, effect),
            "detail": format!(
                "{} {} {}; {}",
                amount::show(effect.amount, node.currency()),
                node.currency().code(),
                match effect.state {
                    EffectState::Unknown => "of somebody erased: ask the bank what became of it",
                    EffectState::Wanted | EffectState::Attempted | EffectState::Stuck => "to go back",
                },
                show_effect(&node, effect.id)
            ),
            "payment": effect.payment.show(&node.ids),
        }));
    }
    Ok(json::answer(StatusCode::OK, &json!({"data": data})))
}

/// What this operator may do with a proposal: whoever made it may take it back, and not approve it.
fn may_decide(operator: &SignedIn, proposal: &Proposal) -> &'static [&'static str] {
    match proposal.operation.allowed_to(operator.role) {
        false => &[],
        true if proposal.by == operator.id => &["reject"],
        true => &["approve", "reject"],
    }
}

fn may_settle(operator: &SignedIn, effect: &Effect) -> &'static [&'static str] {
    let allowed = Operation::RepeatEffect(effect.id).allowed_to(operator.role);
    match effect.state {
        EffectState::Stuck if allowed => &["repeat", "to-balance"],
        EffectState::Stuck
        | EffectState::Wanted
        | EffectState::Attempted
        | EffectState::Unknown => &[],
    }
}

/// What an operation would do, for the person who decides it.
async fn words(
    node: &Arc<Node>,
    operator: &SignedIn,
    operation: &Operation,
    rules: &Rules,
) -> Result<String, Problem> {
    let currency = node.currency();
    let ids = &node.ids;
    let name = operation.name();
    let merchant = async |id| -> Result<String, Problem> {
        let card = node.directory.merchant(id, &node.subjects).await;
        let card = card.map_err(super::key_problem)?;
        Ok(card.map_or_else(String::new, |card| card.name.to_string()))
    };
    Ok(match operation {
        Operation::AddOperator {
            name: who, role, ..
        } => {
            format!("{name} {who} as {}", role.name())
        }
        Operation::RemoveOperator(id) | Operation::SetPassword { operator: id, .. } => {
            let id = *id;
            let who = node.engine.read(move |state, _| {
                let known = state.operators.by_id.get(&id);
                known.map(|known| known.name.clone())
            });
            let who = who.await?.answer;
            format!("{name} of {}", who.unwrap_or_else(|| id.show(ids)))
        }
        Operation::SetRules(after) => {
            let changes: Vec<_> = rules::differences(rules, after, currency)
                .into_iter()
                .map(|(rule, before, after)| {
                    format!("{rule} {} → {}", plain(&before), plain(&after))
                })
                .collect();
            format!("{name}: {}", changes.join(", "))
        }
        Operation::AddMerchant { .. } => name.to_owned(),
        Operation::AddClientKey {
            merchant: id,
            label,
            ..
        } => format!("{name} “{label}” of {}", merchant(*id).await?),
        Operation::RevokeClientKey { merchant: id, key } => {
            format!("{name} {} of {}", key.show(ids), merchant(*id).await?)
        }
        Operation::SetPlan { merchant: id, plan } => format!(
            "{name} of {}: {}",
            merchant(*id).await?,
            plan_words(plan, currency)
        ),
        Operation::SetMerchantLimits {
            merchant: id,
            limits,
        } => format!(
            "{name} of {}: {} per payment, {} per day",
            merchant(*id).await?,
            amount::show(limits.payment, currency),
            amount::show(limits.daily, currency)
        ),
        Operation::BlockMerchant(id) | Operation::UnblockMerchant(id) => {
            format!("{name} {}", merchant(*id).await?)
        }
        Operation::BlockSubscriber(id)
        | Operation::UnblockSubscriber(id)
        | Operation::UnlockPin(id)
        | Operation::ResetPhone(id)
        | Operation::EraseSubscriber(id) => format!("{name} {}", id.show(ids)),
        Operation::Adjust {
            subscriber,
            minor,
            reason,
        } => {
            let mut words = format!(
                "{name} {} by {} {}",
                subscriber.show(ids),
                amount::show_signed(*minor, currency),
                currency.code()
            );
            let subject = node.directory.subject(*subscriber);
            if let (true, Some(subject)) = (operator.sees_people(), subject)
                && let Some(key) = subscribers::key_of(node, subject).await?
                && let Some(reason) = text::open(&key, subject, Place::AdjustmentReason, reason)
            {
                words += &format!(": {reason}");
            }
            words
        }
        Operation::ImportBalance(row) => format!("{name} of {}", row.subscriber.show(ids)),
        Operation::AddStore {
            merchant: id,
            acceptor,
            ..
        } => format!("{name} {acceptor} of {}", merchant(*id).await?),
        Operation::AddTerminal { store, code, .. } => {
            format!("{name} {code} in {}", store.show(ids))
        }
        Operation::SetTerminal {
            terminal,
            limit,
            blocked,
        } => format!(
            "{name} {}: {} per payment{}",
            terminal.show(ids),
            amount::show(*limit, currency),
            if *blocked { ", blocked" } else { "" }
        ),
        Operation::IssueToken { subscriber, .. } => format!("{name} to {}", subscriber.show(ids)),
        Operation::SuspendToken(token)
        | Operation::ResumeToken(token)
        | Operation::EndToken(token)
        | Operation::ReplaceToken { token, .. } => format!("{name} {}", token.show(ids)),
        Operation::RepeatEffect(id) | Operation::PayEffectToBalance(id) => {
            format!("{name} {}", show_effect(node, *id))
        }
    })
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn show_effect(node: &Node, id: EffectId) -> String {
    node.ids.encode("eff", id.0)
}

fn read_effect(node: &Node, text: &str) -> Result<EffectId, Problem> {
    let id = node.ids.decode("eff", text);
    id.map(EffectId).ok_or_else(Problem::not_found)
}

async fn approve(
    State(node): State<Arc<Node>>,
    operator: SignedIn,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    decide(node, operator, id, true).await
}

async fn reject(
    State(node): State<Arc<Node>>,
    operator: SignedIn,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    decide(node, operator, id, false).await
}

async fn decide(
    node: Arc<Node>,
    operator: SignedIn,
    id: String,
    approve: bool,
) -> Result<Response, Problem> {
    let id = ProposalId::read(&node.ids, &id).ok_or_else(Problem::not_found)?;
    Ok(
        operation::decide(&node, operator.asks(&node, &[]), id, approve)
            .await?
            .answer(&node),
    )
}

async fn repeat(
    State(node): State<Arc<Node>>,
    operator: SignedIn,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let operation = Operation::RepeatEffect(read_effect(&node, &id)?);
    operation::done(&node, operator.asks(&node, &[]), operation).await
}

async fn to_balance(
    State(node): State<Arc<Node>>,
    operator: SignedIn,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let operation = Operation::PayEffectToBalance(read_effect(&node, &id)?);
    operation::done(&node, operator.asks(&node, &[]), operation).await
}
