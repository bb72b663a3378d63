//! Looks at what commands are about to need, many commands at a time.
//!
//! The state is far larger than the processor's caches, and what one decision needs lies all over it: deciding one command after
//! the other would wait for memory once for each thing. Asked about many commands at once the processor fetches what they need at
//! the same time, and the decisions find it near.
//!
//! The same for events that are taken in again after a start.
//!
//! **Invariant:** nothing is decided here and nothing changes; leaving it out makes no difference but time. **Not here:** commands
//! and events of which there are few.

use std::hint::black_box;

use crate::{
    Command, Event, State,
    ids::{MerchantId, RepeatKey, SubscriberId},
    ledger::Account,
    payment::{Charged, PayerRef, PaymentCommand, PaymentRequest},
};

/// So many commands at once: enough that their waits overlap, few enough that nothing is pushed out before it is used.
pub const AT_ONCE: usize = 32;

/// Looks at the first [`AT_ONCE`] of `commands`.
pub fn look_ahead<'a>(state: &State, commands: impl Iterator<Item = &'a Command>) {
    let mut payers = [None; AT_ONCE];
    let mut count = 0;
    // Each loop looks at what the one before it made findable, without waiting between one command and the next.
    for (payer, request) in payers.iter_mut().zip(commands.filter_map(request)) {
        *payer = who_pays(state, request);
        books(state, &request.repeat.key, request.merchant);
        count += 1;
    }
    of_payers(state, &payers[..count]);
}

/// The same of the first [`AT_ONCE`] of `events`.
pub fn look_back<'a>(state: &State, events: impl Iterator<Item = &'a Event>) {
    let mut payers = [None; AT_ONCE];
    let mut count = 0;
    for (payer, charged) in payers.iter_mut().zip(events.filter_map(charged)) {
        *payer = Some(charged.payer);
        books(state, &charged.key, charged.merchant);
        if let Some(mandate) = state.mandates.get(&charged.mandate) {
            black_box(mandate.charged);
        }
        count += 1;
    }
    of_payers(state, &payers[..count]);
}

fn books(state: &State, key: &RepeatKey, merchant: MerchantId) {
    black_box(state.repeats.is_known(key));
    black_box(state.book.balance(Account::MerchantPayable(merchant)));
}

fn of_payers(state: &State, payers: &[Option<SubscriberId>]) {
    let payers = || payers.iter().flatten();
    for id in payers() {
        if let Some(payer) = state.subscribers.get(*id) {
            black_box((payer.status, payer.line(), payer.generation));
        }
        black_box(state.book.balance(Account::SubscriberCash(*id)));
    }
    for payer in payers().filter_map(|id| state.subscribers.get(*id)) {
        black_box((payer.pin_failures, payer.spent, payer.reduced_until));
        black_box((payer.billed, payer.funded_lots.len()));
    }
    for payer in payers().filter_map(|id| state.subscribers.get(*id)) {
        if let Some(lot) = payer.funded_lots.first() {
            black_box(state.lots.get(lot).map(|lot| lot.expires_at));
            black_box(state.book.balance(Account::Grant(*lot)));
        }
    }
}

fn charged(event: &Event) -> Option<&Charged> {
    match event {
        Event::Charged(charged) => Some(charged),
        _ => None,
    }
}

fn request(command: &Command) -> Option<&PaymentRequest> {
    match command {
        Command::Payment(PaymentCommand::Request(request)) => Some(request),
        _ => None,
    }
}

fn who_pays(state: &State, request: &PaymentRequest) -> Option<SubscriberId> {
    match &request.payer {
        PayerRef::Number(number) => state.numbers.find(number, &state.subscribers),
        PayerRef::Mandate(id) => {
            let mandate = state.mandates.get(id)?;
            black_box((mandate.status, mandate.charged, mandate.approved_at));
            mandate.payer
        }
    }
}
