//! External effects: what the engine wants done in the outside world, and what came of it.
//!
//! ```text
//!   Wanted ── attempt journaled ──▶ Attempted ── done, refused ──▶ over
//!                                     ⇅ unknown: ask for the status until it is known
//! ```
//! **Invariant:** an effect has one reference for all its attempts, until it is refused and wanted again. Money that arrives after its payment's verdict stands in
//! suspense until it is confirmed to have gone back. **Not here:** doing it. A worker does, after the attempt is durable.

use minicbor::{Decode, Encode};

use crate::{
    Event,
    ids::{EffectId, PaymentId, RefundId, SubscriberId},
    ledger::{Account, Entry},
    money::Amount,
    payment,
    state::State,
    time::{Moment, Timestamp},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Direction {
    /// From the payer's bank account.
    #[n(0)]
    Collect,
    /// Back to it: what this effect had collected.
    #[n(1)]
    GiveBack {
        #[n(0)]
        original: EffectId,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum EffectState {
    #[n(0)]
    Wanted,
    #[n(1)]
    Attempted,
    #[n(2)]
    Unknown,
    /// The outside world would not take money back: a person must decide.
    #[n(3)]
    Stuck,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Effect {
    #[n(0)]
    pub id: EffectId,
    #[n(1)]
    pub payment: PaymentId,
    #[n(2)]
    pub payer: SubscriberId,
    #[n(3)]
    pub direction: Direction,
    #[n(4)]
    pub amount: Amount,
    /// The refund that this gives back for.
    #[n(5)]
    pub refund: Option<RefundId>,
    #[n(6)]
    pub state: EffectState,
    #[n(7)]
    pub attempts: u32,
    #[n(8)]
    pub wanted_at: Timestamp,
    /// How often the operator wanted it again after a refusal; each time is another order, since a refused one stays refused.
    #[cbor(n(9), default)]
    pub repeats: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum EffectOutcome {
    #[n(0)]
    Done,
    #[n(1)]
    Refused,
    #[n(2)]
    Unknown,
}

#[derive(Clone, Copy, Debug)]
pub enum EffectCommand {
    /// The worker is about to do it; only once this is durable may it.
    Attempt { id: EffectId },
    Result {
        id: EffectId,
        outcome: EffectOutcome,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EffectRefusal {
    /// Settled or dropped meanwhile: nothing is to be done.
    NotOpen,
    /// Its payment is over and an earlier attempt was made: what was sent may still come, and nothing more may be sent.
    PaymentOver,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum EffectEvent {
    #[n(0)]
    Wanted {
        #[n(0)]
        effect: Effect,
    },
    #[n(1)]
    Attempted {
        #[n(0)]
        id: EffectId,
        #[n(1)]
        attempt: u32,
    },
    #[n(2)]
    Settled {
        #[n(0)]
        id: EffectId,
        #[n(1)]
        outcome: EffectOutcome,
        #[n(2)]
        entry: Entry,
    },
    /// Nothing was attempted yet and nothing is wanted any more.
    #[n(3)]
    Dropped {
        #[n(0)]
        id: EffectId,
    },
    /// By the operator, for one that is stuck: the money goes to the payer's balance instead.
    #[n(4)]
    PaidToBalance {
        #[n(0)]
        id: EffectId,
        #[n(1)]
        entry: Entry,
    },
    /// By the operator, for one that is stuck: try again.
    #[n(5)]
    Repeated {
        #[n(0)]
        id: EffectId,
    },
}

pub(crate) fn decide(
    state: &State,
    moment: &Moment,
    command: EffectCommand,
) -> (Result<(), EffectRefusal>, Vec<Event>) {
    let id = match command {
        EffectCommand::Attempt { id } | EffectCommand::Result { id, .. } => id,
    };
    let Some(effect) = state
        .effects
        .get(&id)
        .filter(|effect| effect.state != EffectState::Stuck)
    else {
        return (Err(EffectRefusal::NotOpen), Vec::new());
    };
    let events = match command {
        // Money would only have to come back.
        EffectCommand::Attempt { .. }
            if effect.direction == Direction::Collect
                && !payment::waits_for(state, moment, effect) =>
        {
            let refusal = match effect.attempts {
                // Its payment's deadline has passed, and the tick is about to drop it.
                0 => EffectRefusal::NotOpen,
                _ => EffectRefusal::PaymentOver,
            };
            return (Err(refusal), Vec::new());
        }
        // Nothing was done for it yet, so there is nothing that this could be the result of.
        EffectCommand::Result { .. } if effect.attempts == 0 => {
            return (Err(EffectRefusal::NotOpen), Vec::new());
        }
        EffectCommand::Attempt { .. } => {
            vec![Event::Effect(EffectEvent::Attempted {
                id,
                attempt: effect.attempts + 1,
            })]
        }
        EffectCommand::Result { outcome, .. } => match effect.direction {
            Direction::Collect => collected(state, moment, effect, outcome),
            Direction::GiveBack { .. } => given_back(effect, outcome),
        },
    };
    (Ok(()), events)
}

fn settled(id: EffectId, outcome: EffectOutcome, entry: Entry) -> Event {
    Event::Effect(EffectEvent::Settled { id, outcome, entry })
}

fn collected(
    state: &State,
    moment: &Moment,
    effect: &Effect,
    outcome: EffectOutcome,
) -> Vec<Event> {
    let in_time = payment::waits_for(state, moment, effect);
    match (outcome, in_time) {
        (EffectOutcome::Unknown, _) if effect.state == EffectState::Unknown => Vec::new(),
        (EffectOutcome::Unknown, _) | (EffectOutcome::Refused, false) => {
            vec![settled(effect.id, outcome, Entry::default())]
        }
        (EffectOutcome::Done, true) => {
            let entry = Entry::moving(effect.amount, Account::BankClearing, Account::Collected);
            let mut events = vec![settled(effect.id, outcome, entry)];
            events.extend(payment::leg_collected(state, moment, effect));
            events
        }
        (EffectOutcome::Refused, true) => {
            let mut events = vec![settled(effect.id, outcome, Entry::default())];
            events.extend(payment::leg_refused(state, moment, effect));
            events
        }
        (EffectOutcome::Done, false) => {
            // Too late: the verdict first, should its tick not have come yet; then the money goes back, and the books
            // show it until it did.
            let mut events = payment::due_payment(state, moment, effect.payment);
            let entry = Entry::moving(effect.amount, Account::BankClearing, Account::Suspense);
            events.push(settled(effect.id, outcome, entry));
            events.push(give_back(
                EffectId(state.next_effect),
                effect,
                effect.amount,
                None,
                moment,
            ));
            events
        }
    }
}

/// Wants money that was collected to go back.
pub(crate) fn give_back(
    id: EffectId,
    original: &Effect,
    amount: Amount,
    refund: Option<RefundId>,
    moment: &Moment,
) -> Event {
    Event::Effect(EffectEvent::Wanted {
        effect: Effect {
            id,
            payment: original.payment,
            payer: original.payer,
            direction: Direction::GiveBack {
                original: original.id,
            },
            amount,
            refund,
            state: EffectState::Wanted,
            attempts: 0,
            wanted_at: moment.now,
            repeats: 0,
        },
    })
}

fn given_back(effect: &Effect, outcome: EffectOutcome) -> Vec<Event> {
    let entry = match outcome {
        EffectOutcome::Done => {
            Entry::moving(effect.amount, Account::Suspense, Account::BankClearing)
        }
        EffectOutcome::Refused => Entry::default(),
        EffectOutcome::Unknown if effect.state == EffectState::Unknown => return Vec::new(),
        EffectOutcome::Unknown => Entry::default(),
    };
    vec![settled(effect.id, outcome, entry)]
}

pub(crate) fn evolve(state: &mut State, moment: &Moment, event: &EffectEvent) {
    match event {
        EffectEvent::Wanted { effect } => {
            state.next_effect = state.next_effect.max(effect.id.0 + 1);
            state.effects.insert(effect.id, effect.clone());
        }
        EffectEvent::Attempted { id, attempt } => {
            let effect = state
                .effects
                .get_mut(id)
                .expect("an attempted effect is open");
            effect.attempts = *attempt;
            effect.state = EffectState::Attempted;
        }
        EffectEvent::Settled { id, outcome, entry } => {
            state.post(entry);
            let effect = state.effects.get_mut(id).expect("a settled effect is open");
            match (outcome, effect.direction) {
                (EffectOutcome::Unknown, _) => effect.state = EffectState::Unknown,
                (EffectOutcome::Refused, Direction::GiveBack { .. }) => {
                    effect.state = EffectState::Stuck
                }
                (EffectOutcome::Done | EffectOutcome::Refused, _) => {
                    over(state, moment, *id, *outcome)
                }
            }
        }
        EffectEvent::Dropped { id } => over(state, moment, *id, EffectOutcome::Refused),
        EffectEvent::PaidToBalance { id, entry } => {
            state.post(entry);
            over(state, moment, *id, EffectOutcome::Done);
        }
        EffectEvent::Repeated { id } => {
            if let Some(effect) = state.effects.get_mut(id) {
                effect.state = EffectState::Wanted;
                effect.repeats += 1;
            }
        }
    }
}

fn over(state: &mut State, moment: &Moment, id: EffectId, outcome: EffectOutcome) {
    let Some(effect) = state.effects.remove(&id) else {
        return;
    };
    match effect.direction {
        Direction::Collect => payment::leg_settled(state, moment, &effect, outcome),
        Direction::GiveBack { .. } => {
            if let Some(refund) = effect.refund {
                payment::refund_completed(state, moment, refund);
            }
        }
    }
}
