//! A standby: the state that durable batches make, and what they want of the bank.

use std::{borrow::Cow, collections::BTreeMap};

use paytone_connectors::stand_in_bank::{Kind, Operation, Progress};
use paytone_domain::{
    Event, State,
    archive::ArchiveEvent,
    evolve,
    funding::{Direction, Effect, EffectEvent, LegState, Source},
    ids::EffectId,
    ledger::{Account, Entry},
    payment::PaymentEvent,
    subscriber::{PhoneEvent, SubscriberStatus},
    time::{Moment, Timestamp},
};
use paytone_engine::{Batch, effects};

use crate::{
    archive::Left,
    mutation::Mutation,
    violation::{Check, Checked, Violation, require},
};

/// One order that the journal wants the bank to have.
#[derive(Debug)]
struct Order {
    effect: EffectId,
    kind: Kind,
    amount_minor: i64,
}

#[derive(Default)]
pub struct Follower {
    pub state: State,
    pub seq: u64,
    last: Option<Moment>,
    /// Every effect that was ever wanted.
    effects: BTreeMap<EffectId, Effect>,
    orders: BTreeMap<String, Order>,
    /// What effects of each were done, by the bank's reference.
    done: BTreeMap<EffectId, String>,
    /// What has left the state.
    pub left: Left,
    /// How often each kind of event was met.
    pub met: BTreeMap<String, u64>,
    /// What expired and was never a campaign's.
    pub back_to_openings: i64,
}

/// The bank's reference of an effect, without its repeats.
pub fn public_id(id: EffectId) -> String {
    format!("eff_{}", id.0)
}

impl Follower {
    /// The state as it would be if nothing had left it.
    pub fn whole(&self) -> Cow<'_, State> {
        self.left.whole(&self.state)
    }

    pub fn take(&mut self, seq: u64, batch: &Batch, mutation: Option<Mutation>) -> Checked {
        require(seq == self.seq + 1, Check::Journal, || {
            format!("batch {seq} became durable after batch {}", self.seq)
        })?;
        self.seq = seq;
        let (now, date) = (batch.moment.now, batch.moment.date);
        let moves_on = self
            .last
            .is_none_or(|last| last.now <= now && last.date <= date);
        require(moves_on, Check::Clock, || {
            format!(
                "batch {seq} is of {:?}, after {:?}",
                batch.moment, self.last
            )
        })?;
        self.last = Some(batch.moment);
        for event in batch.steps() {
            let event = &*event;
            self.left.add(self.state.leaving(event));
            if let Event::Archive(ArchiveEvent::Recalled { copy }) = event {
                self.left.returned(copy.payment.id);
            }
            self.note(event);
            self.check_refund(event, batch.moment.now)?;
            let held = match (mutation, event) {
                (Some(Mutation::KeepHold), Event::Payment(PaymentEvent::Ended { id, .. })) => {
                    self.held_by(*id)
                }
                _ => Vec::new(),
            };
            let opening = |state: &State| state.book.balance(Account::OpeningBalances).posted;
            let before = opening(&self.state);
            evolve(&mut self.state, &batch.moment, event);
            self.back_to_openings += (opening(&self.state) - before).max(0);
            for (account, amount) in held {
                self.state.book.hold(account, amount);
            }
            if let (
                Some(Mutation::PostResultTwice),
                Event::Effect(EffectEvent::Settled { entry, .. }),
            ) = (mutation, event)
            {
                self.post_again(entry);
            }
        }
        Ok(())
    }

    /// A refund gives each leg's part back to the very source it came from, as long as that is there to take it.
    fn check_refund(&self, event: &Event, now: Timestamp) -> Checked {
        let Event::Payment(PaymentEvent::Refunded {
            id, parts, entry, ..
        }) = event
        else {
            return Ok(());
        };
        let Some(payment) = self.state.payments.get(id) else {
            return Ok(());
        };
        let Some(payer) = payment.payer.and_then(|id| self.state.subscribers.get(id)) else {
            return Ok(());
        };
        let is_here = !matches!(
            payer.status,
            SubscriberStatus::Closed | SubscriberStatus::Erased
        );
        let mut wanted: BTreeMap<Account, i64> = BTreeMap::new();
        for (place, part) in parts {
            let Some(leg) = payment.legs.get(usize::from(*place)) else {
                continue;
            };
            let takes = match leg.source {
                Source::Grant(lot) => {
                    let lot = self.state.lots.get(&lot);
                    is_here && lot.is_some_and(|lot| !lot.expired(now))
                }
                Source::Balance => is_here,
                Source::Bill => true,
                // It waits in suspense until the bank has given it back.
                Source::Bank => continue,
            };
            if takes {
                *wanted.entry(leg.source.account(payer.id)).or_default() += part.minor();
            }
        }
        for (account, minor) in wanted {
            let legs = entry.legs().iter();
            let back: i64 = legs
                .filter(|leg| leg.account == account)
                .map(|leg| leg.minor)
                .sum();
            // More may come from a grant whose time is over.
            require(back >= minor, Check::Refunds, || {
                format!(
                    "{account:?} gets {back} of the {minor} that {id:?} took from it: {entry:?}"
                )
            })?;
        }
        Ok(())
    }

    fn post_again(&mut self, entry: &Entry) {
        self.state.book.post(entry);
    }

    fn held_by(
        &self,
        id: paytone_domain::ids::PaymentId,
    ) -> Vec<(Account, paytone_domain::money::Amount)> {
        let Some(payment) = self.state.payments.get(&id) else {
            return Vec::new();
        };
        let legs = payment.legs.iter();
        legs.filter(|leg| leg.state == LegState::Held && leg.source == Source::Balance)
            .filter_map(|leg| Some((leg.source.account(payment.payer?), leg.amount)))
            .collect()
    }

    fn note(&mut self, event: &Event) {
        *self.met.entry(name(event)).or_default() += 1;
        match event {
            Event::Effect(EffectEvent::Wanted { effect }) => {
                self.effects.insert(effect.id, effect.clone());
                self.order(effect.id);
            }
            Event::Effect(EffectEvent::Repeated { id }) => {
                if let Some(effect) = self.effects.get_mut(id) {
                    effect.repeats += 1;
                }
                self.order(*id);
            }
            _ => {}
        }
    }

    fn order(&mut self, id: EffectId) {
        let Some(effect) = self.effects.get(&id) else {
            return;
        };
        let kind = match effect.direction {
            Direction::Collect => Kind::Collection,
            Direction::GiveBack { .. } => Kind::Return,
        };
        let order = Order {
            effect: id,
            kind,
            amount_minor: effect.amount.minor(),
        };
        self.orders
            .insert(effects::reference(&public_id(id), effect), order);
    }

    /// What the bank did must be wanted, as it was wanted, and once per effect.
    pub fn check_operation(&mut self, operation: &Operation) -> Checked {
        let Some(order) = self.orders.get(&operation.reference) else {
            return Err(Violation {
                check: Check::Bank,
                detail: format!(
                    "the bank knows {}, the journal does not",
                    operation.reference
                ),
            });
        };
        let fits = order.kind == operation.kind && order.amount_minor == operation.amount_minor;
        require(fits, Check::Bank, || {
            format!("the bank has {operation:?} where {order:?} was wanted")
        })?;
        if matches!(operation.progress, Progress::Done { .. }) {
            let first = self
                .done
                .entry(order.effect)
                .or_insert_with(|| operation.reference.clone());
            require(*first == operation.reference, Check::Bank, || {
                format!(
                    "{:?} was done twice: {first} and {}",
                    order.effect, operation.reference
                )
            })?;
        }
        Ok(())
    }
}

/// Such as `Payment Captured`, and how a payment ended.
fn name(event: &Event) -> String {
    if let Event::Payment(PaymentEvent::Ended { ending, .. }) = event {
        return format!("Payment {ending:?}");
    }
    if let Event::Phone(PhoneEvent::ApprovalRejected { why, .. }) = event {
        return format!("Phone rejected {why:?}");
    }
    if let Event::Payment(PaymentEvent::Requested {
        veto: Some(veto), ..
    }) = event
    {
        return format!("Payment Requested {veto:?}");
    }
    let text = format!("{event:?}");
    let words: Vec<&str> = text
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(2)
        .collect();
    words.join(" ")
}

/// Where two states differ first.
pub fn difference(one: &State, other: &State) -> String {
    let (one, other) = (format!("{one:#?}"), format!("{other:#?}"));
    let differing = one.lines().zip(other.lines()).enumerate();
    let mut differing = differing.filter(|(_, (one, other))| one != other);
    match differing.next() {
        Some((line, (one, other))) => {
            format!("line {line}: {:?} against {:?}", one.trim(), other.trim())
        }
        None => "one is longer".to_owned(),
    }
}
