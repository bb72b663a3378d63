//! An effect as the order that the bank gets: reference, account, amount.

use std::sync::Arc;

use paytone_connectors::funding::{
    Collection, Funding, Outcome, Reference, ReferenceError, Return, Status,
};
use paytone_domain::{
    State,
    funding::{Direction, Effect, EffectOutcome},
    ids::{EffectId, Sealed},
};
use paytone_engine::{
    EngineError,
    effects::{Knowledge, reference},
};

use crate::{
    edge::text::{self, Place},
    node::Node,
};

/// Why an order cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("the effect is settled")]
    Gone,
    /// The payer has no bank account any more, or was erased.
    #[error("there is no bank account to collect from")]
    NoAccount {
        /// Nothing was ever sent for this effect.
        first: bool,
    },
    #[error("the payer's key cannot be read now: {0}")]
    Keys(String),
    #[error(transparent)]
    Reference(#[from] ReferenceError),
}

/// What the engine knows of an effect.
struct Known {
    effect: Effect,
    subject: u64,
    bank: Option<Sealed>,
}

fn look(state: &State, id: EffectId) -> Option<Known> {
    let effect = state.effects.get(&id)?.clone();
    let payer = state.subscribers.get(effect.payer)?;
    Some(Known {
        effect,
        subject: payer.subject,
        bank: payer.bank.clone(),
    })
}

async fn known(node: &Node, id: EffectId) -> Result<Known, OrderError> {
    let read = node.engine.read(move |state, _| look(state, id)).await?;
    read.answer.ok_or(OrderError::Gone)
}

fn reference_of(node: &Node, effect: &Effect) -> Result<Reference, ReferenceError> {
    Reference::new(reference(&node.ids.encode("eff", effect.id.0), effect))
}

/// Sends the effect's order, once.
pub async fn send(
    node: &Node,
    source: &Arc<dyn Funding>,
    id: EffectId,
) -> Result<EffectOutcome, OrderError> {
    let Known {
        effect,
        subject,
        bank,
    } = known(node, id).await?;
    let own = reference_of(node, &effect)?;
    let currency = node.currency().code();
    let amount_minor = effect.amount.minor();
    let outcome = match effect.direction {
        Direction::Collect => {
            let account = account(node, subject, bank, effect.attempts <= 1).await?;
            source
                .collect(&Collection {
                    reference: own,
                    account,
                    amount_minor,
                    currency,
                })
                .await
        }
        Direction::GiveBack { original } => {
            // A collection that was refused is never wanted again, so its reference is its id.
            let original = Reference::new(node.ids.encode("eff", original.0))?;
            source
                .give_back(&Return {
                    reference: own,
                    original,
                    amount_minor,
                    currency,
                })
                .await
        }
    };
    Ok(match outcome {
        Outcome::Done { .. } => EffectOutcome::Done,
        Outcome::Refused { reason } => {
            tracing::info!(effect = id.0, %reason, "the bank refused");
            EffectOutcome::Refused
        }
        Outcome::Unknown { why } => {
            tracing::info!(effect = id.0, %why, "it is unknown what the bank did");
            EffectOutcome::Unknown
        }
    })
}

/// Asks what became of the effect's order.
pub async fn ask(
    node: &Node,
    source: &Arc<dyn Funding>,
    id: EffectId,
) -> Result<Knowledge, OrderError> {
    let Known { effect, .. } = known(node, id).await?;
    let own = reference_of(node, &effect)?;
    Ok(match source.status(&own).await {
        Status::Done {
            amount_minor,
            currency,
            ..
        } if amount_minor == effect.amount.minor() && currency == node.currency().code() => {
            Knowledge::Done
        }
        Status::Done { .. } => {
            tracing::error!(effect = id.0, "the bank moved another amount than asked");
            Knowledge::Unknown
        }
        Status::Refused { .. } => Knowledge::Refused,
        Status::NotFound => Knowledge::NotFound,
        Status::Unknown { .. } => Knowledge::Unknown,
    })
}

async fn account(
    node: &Node,
    subject: u64,
    bank: Option<Sealed>,
    first: bool,
) -> Result<String, OrderError> {
    use paytone_journal::subject_keys::SubjectKeyError;

    let bank = bank.ok_or(OrderError::NoAccount { first })?;
    let key = match node.subjects.get(subject).await {
        Ok(key) => key,
        Err(SubjectKeyError::Unavailable(why)) => return Err(OrderError::Keys(why)),
        Err(
            SubjectKeyError::Erased(_) | SubjectKeyError::NoKey(_) | SubjectKeyError::Damaged(_),
        ) => {
            return Err(OrderError::NoAccount { first });
        }
    };
    text::open(&key, subject, Place::Bank, &bank).ok_or(OrderError::NoAccount { first })
}
