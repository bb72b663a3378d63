//! Looks at what commands are about to need, many commands at a time.
//!
//! The state is far larger than the processor's caches, and what one decision needs lies all over it: deciding one command after
//! the other would wait for memory once for each thing. Asked about many commands at once the processor fetches what they need at
//! the same time, and the decisions find it near.
//!
//! **Invariant:** nothing is decided here and nothing changes; leaving it out makes no difference but time. **Not here:** commands
//! that few ask for.

use std::hint::black_box;

use crate::{
    Command, State,
    ids::SubscriberId,
    ledger::Account,
    payment::{PayerRef, PaymentCommand, PaymentRequest},
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
        black_box(state.repeats.is_known(&request.repeat.key));
        black_box(
            state
                .book
                .balance(Account::MerchantPayable(request.merchant)),
        );
        count += 1;
    }
    let payers = || payers[..count].iter().flatten();
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
