//! Messages that were decided, found by what they are and by what a reversal of them names.
//!
//! ```text
//!   paid, or held ──▶ two hours; then the edge looks it up among what was paid at tills ([`Earlier`])
//!   nothing was done ▶ two hours, and no more than a million of them: asked again, nothing is done again
//!   end of a shift ──▶ as long as answers to idempotency keys
//! ```
//! **Invariant:** forgotten oldest first, by time and rules alone, so that every node forgets the same.

use minicbor::{Decode, Encode};
use rustc_hash::FxHashMap;

use super::{Did, Earlier, TillAnswer, TillEvent, TillRefusal};
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

/// How long a message is kept that something was paid by: repeats and reversals come within minutes.
const PAID_MS: i64 = 2 * HOUR;
/// Most of those kept that did nothing. A flood of them pushes out the oldest.
const MOST_IDLE: usize = 1_000_000;

/// What a message did; each kind is forgotten by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Paid,
    Idle,
    Closed,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Paid, Self::Idle, Self::Closed];

    fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Approved | Outcome::Waits | Outcome::Refunded(_) => Self::Paid,
            Outcome::Declined(_) | Outcome::Refused(_) | Outcome::Undone => Self::Idle,
            Outcome::Closed { .. } => Self::Closed,
        }
    }

    fn kept_ms(self, state: &State) -> i64 {
        match self {
            Self::Paid | Self::Idle => PAID_MS,
            Self::Closed => i64::from(state.rules.idempotency_hours) * HOUR,
        }
    }
}

/// Messages of the last hours.
#[derive(Clone, Debug, Default)]
pub struct Exchanges {
    kept: FxHashMap<MessageKey, Exchange>,
    originals: FxHashMap<MessageKey, MessageKey>,
    /// By kind.
    order: [Fifo<(Timestamp, MessageKey)>; Kind::ALL.len()],
}

impl Exchanges {
    pub fn get(&self, key: &MessageKey) -> Option<&Exchange> {
        self.kept.get(key)
    }

    /// The message that a reversal names.
    pub fn original(&self, original: &MessageKey) -> Option<&Exchange> {
        self.get(self.originals.get(original)?)
    }

    /// Oldest first of each kind.
    pub fn iter(&self) -> impl Iterator<Item = (Timestamp, &Exchange)> {
        let order = self.order.iter().flat_map(Fifo::iter);
        order.filter_map(|(at, key)| Some((*at, self.kept.get(key)?)))
    }

    pub fn len(&self) -> usize {
        self.kept.len()
    }

    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// One more, the newest of its kind; false if it is there already.
    pub(crate) fn restore(&mut self, at: Timestamp, exchange: Exchange) -> bool {
        let key = exchange.key;
        self.originals.insert(exchange.original, key);
        self.order[Kind::of(exchange.outcome) as usize].push_back((at, key));
        self.kept.insert(key, exchange).is_none()
    }

    fn front(&self, kind: Kind) -> Option<Timestamp> {
        let (at, _) = self.order[kind as usize].front()?;
        Some(*at)
    }

    fn forget_front(&mut self, kind: Kind) {
        let Some((_, key)) = self.order[kind as usize].pop_front() else {
            return;
        };
        if let Some(gone) = self.kept.remove(&key)
            // A later message may have taken the name over.
            && self.originals.get(&gone.original) == Some(&key)
        {
            self.originals.remove(&gone.original);
        }
    }

    pub(super) fn mark_undone(&mut self, key: &MessageKey) {
        if let Some(exchange) = self.kept.get_mut(key) {
            exchange.undone = true;
        }
    }
}

pub(super) fn keep(state: &mut State, moment: &Moment, exchange: Exchange) {
    let kind = Kind::of(exchange.outcome);
    if state.exchanges.front(kind).is_none() {
        schedule(state, kind, moment.now);
    }
    let exchanges = &mut state.exchanges;
    exchanges.restore(moment.now, exchange);
    if exchanges.order[Kind::Idle as usize].len() > MOST_IDLE {
        exchanges.forget_front(Kind::Idle);
    }
}

fn schedule(state: &mut State, kind: Kind, oldest: Timestamp) {
    let at = oldest.plus(kind.kept_ms(state) + 15 * MINUTE);
    state.deadlines.insert(at, Due::Exchanges);
}

/// The oldest have been kept long enough.
pub(crate) fn due(moment: &Moment) -> Vec<Event> {
    vec![Event::Till(TillEvent::Forgotten { at: moment.now })]
}

pub(super) fn forget(state: &mut State, at: Timestamp) {
    for kind in Kind::ALL {
        let before = at.plus(-kind.kept_ms(state));
        while state
            .exchanges
            .front(kind)
            .is_some_and(|oldest| oldest < before)
        {
            state.exchanges.forget_front(kind);
        }
        if let Some(oldest) = state.exchanges.front(kind) {
            schedule(state, kind, oldest);
        }
    }
}

/// The message that `original` names, as far as anybody knows.
pub(super) enum Named {
    Payment(PaymentId),
    /// It gave money back.
    Refund,
    /// It paid nothing, or was a reversal.
    Nothing,
    /// Nobody has looked beyond what is in memory.
    LookUp,
    Unknown,
}

/// Among what is in memory, and what was looked up beyond.
pub(super) fn named(state: &State, original: &MessageKey, earlier: Earlier) -> Named {
    if let Some(exchange) = state.exchanges.original(original) {
        return match (exchange.outcome, exchange.payment) {
            (Outcome::Refunded(_), _) => Named::Refund,
            (_, Some(payment)) => Named::Payment(payment),
            (_, None) => Named::Nothing,
        };
    }
    match earlier {
        Earlier::NotLooked => Named::LookUp,
        Earlier::Looked { original, .. } => match original {
            None => Named::Unknown,
            Some(Did::Pay(payment)) => Named::Payment(payment),
            Some(Did::Refund(_)) => Named::Refund,
        },
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
