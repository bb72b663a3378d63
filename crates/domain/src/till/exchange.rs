//! Messages that were decided, found by what they are and by what a reversal of them names.
//!
//! **Invariant:** kept as long as answers to idempotency keys are, then forgotten oldest first.

use minicbor::{Decode, Encode};
use rustc_hash::FxHashMap;

use super::{TillAnswer, TillEvent, TillRefusal};
use crate::{
    Event,
    archive::Gone,
    deadline::Due,
    fifo::Fifo,
    ids::{MessageKey, PaymentId},
    money::Amount,
    payment::Status,
    risk::Veto,
    state::State,
    time::{HOUR, MINUTE, Moment, Timestamp},
};

/// What a message was answered first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Outcome {
    #[n(0)]
    Approved,
    /// Somebody was asked: the payment tells.
    #[n(1)]
    Waits,
    #[n(2)]
    Declined(#[n(0)] Veto),
    #[n(3)]
    Refused(#[n(0)] TillRefusal),
    /// It is a reversal.
    #[n(4)]
    Undone,
    /// It is a reconciliation.
    #[n(5)]
    Closed {
        #[n(0)]
        agrees: bool,
    },
    /// It gave money back, of the payment it names.
    #[n(6)]
    Refunded(#[n(0)] Amount),
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Exchange {
    #[n(0)]
    pub key: MessageKey,
    #[n(1)]
    pub original: MessageKey,
    #[n(2)]
    pub payment: Option<PaymentId>,
    #[n(3)]
    pub outcome: Outcome,
    /// A reversal was about it.
    #[n(4)]
    pub undone: bool,
}

/// Messages of the last day or more.
#[derive(Clone, Debug, Default)]
pub struct Exchanges {
    kept: FxHashMap<MessageKey, Exchange>,
    originals: FxHashMap<MessageKey, MessageKey>,
    order: Fifo<(Timestamp, MessageKey)>,
}

impl Exchanges {
    pub fn get(&self, key: &MessageKey) -> Option<&Exchange> {
        self.kept.get(key)
    }

    /// The message that a reversal names.
    pub fn original(&self, original: &MessageKey) -> Option<&Exchange> {
        self.get(self.originals.get(original)?)
    }

    /// Oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (Timestamp, &Exchange)> {
        let order = self.order.iter();
        order.filter_map(|(at, key)| Some((*at, self.kept.get(key)?)))
    }

    pub fn len(&self) -> usize {
        self.kept.len()
    }

    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// One more, the newest of all; false if it is there already.
    pub(crate) fn restore(&mut self, at: Timestamp, exchange: Exchange) -> bool {
        let key = exchange.key;
        self.originals.insert(exchange.original, key);
        self.order.push_back((at, key));
        self.kept.insert(key, exchange).is_none()
    }

    pub(super) fn mark_undone(&mut self, key: &MessageKey) {
        if let Some(exchange) = self.kept.get_mut(key) {
            exchange.undone = true;
        }
    }
}

pub(super) fn keep(state: &mut State, moment: &Moment, exchange: Exchange) {
    if state.exchanges.order.is_empty() {
        schedule(state, moment.now);
    }
    state.exchanges.restore(moment.now, exchange);
}

fn schedule(state: &mut State, oldest: Timestamp) {
    let at = oldest.plus(i64::from(state.rules.idempotency_hours) * HOUR + 15 * MINUTE);
    state.deadlines.insert(at, Due::Exchanges);
}

/// The oldest have been kept long enough.
pub(crate) fn due(state: &State, moment: &Moment) -> Vec<Event> {
    let hours = i64::from(state.rules.idempotency_hours);
    let before = moment.now.plus(-hours * HOUR);
    vec![Event::Till(TillEvent::Forgotten { before })]
}

pub(super) fn forget(state: &mut State, before: Timestamp) {
    let exchanges = &mut state.exchanges;
    while let Some((at, key)) = exchanges.order.front().copied()
        && at < before
    {
        exchanges.order.pop_front();
        if let Some(gone) = exchanges.kept.remove(&key) {
            // A later message may have taken the name over.
            if exchanges.originals.get(&gone.original) == Some(&key) {
                exchanges.originals.remove(&gone.original);
            }
        }
    }
    if let Some((oldest, _)) = state.exchanges.order.front().copied() {
        schedule(state, oldest);
    }
}

/// The first answer again. Of what was undone meanwhile nothing is approved any more: the reversal wins.
pub(super) fn again(state: &State, exchange: &Exchange) -> TillAnswer {
    // A reversal is not undone by another one that names the same.
    if exchange.undone && exchange.outcome != Outcome::Undone {
        return TillAnswer::Refused(TillRefusal::Undone);
    }
    match (exchange.outcome, exchange.payment) {
        (Outcome::Approved | Outcome::Refunded(_), Some(payment)) => TillAnswer::Approved(payment),
        (Outcome::Declined(veto), Some(payment)) => TillAnswer::Declined(payment, veto),
        (Outcome::Waits, Some(payment)) => waited(state, payment),
        (Outcome::Refused(refusal), _) => TillAnswer::Refused(refusal),
        (Outcome::Undone, _) => TillAnswer::Undone,
        (Outcome::Closed { agrees }, _) => TillAnswer::Closed { agrees },
        (
            Outcome::Approved | Outcome::Refunded(_) | Outcome::Declined(_) | Outcome::Waits,
            None,
        ) => TillAnswer::Refused(TillRefusal::WrongStatus),
    }
}

/// What became of a payment that somebody was asked about.
fn waited(state: &State, id: PaymentId) -> TillAnswer {
    match state.payments.get(&id).map(|payment| payment.status) {
        None => TillAnswer::Archived(Gone::Payment(id)),
        Some(Status::AwaitingApproval | Status::Funding) => TillAnswer::Waits(id),
        Some(Status::Authorized | Status::Captured) => TillAnswer::Approved(id),
        Some(status) => TillAnswer::Ended(id, status),
    }
}
