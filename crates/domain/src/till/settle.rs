//! What comes after a tap: reversals, captures, the end of a shift.

use super::{
    Decided, Exchange, GivenBack, Outcome, Terminal, TillAnswer, TillEvent, TillRefusal, Total,
    exchange::{again, keep},
};
use crate::{
    Event,
    archive::Gone,
    ids::{MessageKey, PaymentId, Sealed, TerminalId, TerminalKey},
    ledger::{Account, Entry},
    money::Amount,
    payment::{self, ClientPaymentRefusal, Payment, Status},
    state::State,
    time::Moment,
};

/// The terminal, unless this message was decided before.
fn new_message<'a>(
    state: &'a State,
    terminal: &TerminalKey,
    key: &MessageKey,
) -> Result<&'a Terminal, TillAnswer> {
    let terminal = state.terminals.find(terminal);
    let terminal = terminal.ok_or(TillAnswer::Refused(TillRefusal::UnknownTerminal))?;
    match state.exchanges.get(key) {
        Some(known) => Err(again(state, known)),
        None => Ok(terminal),
    }
}

pub(super) fn undo(
    state: &State,
    moment: &Moment,
    terminal: &TerminalKey,
    key: MessageKey,
    original: MessageKey,
    text: Sealed,
) -> Decided {
    let terminal = match new_message(state, terminal, &key) {
        Ok(terminal) => terminal,
        Err(answer) => return (answer, Vec::new()),
    };
    let exchange = state.exchanges.original(&original);
    if exchange.is_some_and(|exchange| matches!(exchange.outcome, Outcome::Refunded(_))) {
        // What went back to somebody is theirs: taking it again would be a payment of its own.
        let refusal = TillRefusal::WrongStatus;
        let event = TillEvent::Decided {
            key,
            original: key,
            terminal: terminal.id,
            counter: None,
            payment: None,
            outcome: Outcome::Refused(refusal),
        };
        return (TillAnswer::Refused(refusal), vec![Event::Till(event)]);
    }
    let mut events = Vec::new();
    let mut given_back = None;
    if let Some(payment) = exchange
        .filter(|exchange| !exchange.undone)
        .and_then(|exchange| exchange.payment)
    {
        let Some(payment) = state.payments.get(&payment) else {
            return (TillAnswer::Archived(Gone::Payment(payment)), events);
        };
        given_back = take_back(state, moment, payment, text, &mut events);
    }
    events.push(Event::Till(TillEvent::Undone {
        key,
        original,
        terminal: terminal.id,
        exchange: exchange.map(|exchange| exchange.key),
        given_back,
    }));
    (TillAnswer::Undone, events)
}

/// Ends what is open, gives back what was captured.
fn take_back(
    state: &State,
    moment: &Moment,
    payment: &Payment,
    text: Sealed,
    events: &mut Vec<Event>,
) -> Option<GivenBack> {
    match payment.status {
        Status::AwaitingApproval | Status::Funding | Status::Authorized => {
            let cancelled = payment::cancel(state, moment, payment.merchant, payment.id, events);
            debug_assert!(cancelled.is_ok(), "an open payment can be cancelled");
            None
        }
        Status::Captured => give_back(state, moment, payment, text, events),
        Status::Declined
        | Status::Refused
        | Status::Expired
        | Status::Cancelled
        | Status::Failed => None,
    }
}

fn give_back(
    state: &State,
    moment: &Moment,
    payment: &Payment,
    text: Sealed,
    events: &mut Vec<Event>,
) -> Option<GivenBack> {
    let merchant = state.merchants.get(payment.merchant)?;
    let (id, amount) = (payment.id, payment.captured.minus(payment.refunded));
    payment::refund(state, moment, merchant.id, id, None, text, events).ok()?;
    // A refund keeps its fee; what is undone has none. What was refunded before it was undone has paid its part.
    let (kept, kept_tax) = merchant.plan.fee(payment.refunded);
    let (fee, tax) = match payment.refunded.is_zero() {
        true => (payment.fee, payment.tax),
        false => (payment.fee.minus(kept), payment.tax.minus(kept_tax)),
    };
    let payable = Account::MerchantPayable(merchant.id);
    let mut entry = Entry::default();
    entry
        .and(fee, Account::FeeIncome, payable)
        .and(tax, Account::FeeTax, payable);
    Some(GivenBack {
        payment: id,
        amount,
        fee,
        tax,
        entry,
    })
}

pub(super) fn undone(
    state: &mut State,
    moment: &Moment,
    terminal: TerminalId,
    [key, original]: [MessageKey; 2],
    exchange: Option<MessageKey>,
    given_back: Option<&GivenBack>,
) {
    if let Some(given_back) = given_back {
        state.post(&given_back.entry);
        payment::undone(state, moment, given_back);
        let shift = &mut state.terminals.expect_mut(terminal).shift;
        shift.reversals.add(given_back.amount);
    }
    let original = match exchange {
        Some(exchange) => {
            state.exchanges.mark_undone(&exchange);
            // The name stays the original's: another reversal is to find it.
            key
        }
        None => original,
    };
    let reversal = Exchange {
        key,
        original,
        payment: None,
        outcome: Outcome::Undone,
        undone: false,
    };
    keep(state, moment, reversal);
}

pub(super) fn capture(
    state: &State,
    moment: &Moment,
    terminal: &TerminalKey,
    keys: [MessageKey; 3],
    amount: Amount,
) -> Decided {
    follow_up(
        state,
        terminal,
        keys,
        Outcome::Approved,
        |payment, events| {
            let (merchant, id) = (payment.merchant, payment.id);
            payment::capture(state, moment, merchant, id, Some(amount), events).map(drop)
        },
    )
}

pub(super) fn refund(
    state: &State,
    moment: &Moment,
    terminal: &TerminalKey,
    keys: [MessageKey; 3],
    amount: Amount,
    text: Sealed,
) -> Decided {
    let outcome = Outcome::Refunded(amount);
    follow_up(state, terminal, keys, outcome, |payment, events| {
        let (merchant, id) = (payment.merchant, payment.id);
        payment::refund(state, moment, merchant, id, Some(amount), text, events).map(drop)
    })
}

/// Does something to the payment of the message that `original` names, and keeps what came of it.
fn follow_up(
    state: &State,
    terminal: &TerminalKey,
    [key, own, original]: [MessageKey; 3],
    done: Outcome,
    act: impl FnOnce(&Payment, &mut Vec<Event>) -> Result<(), ClientPaymentRefusal>,
) -> Decided {
    let terminal = match new_message(state, terminal, &key) {
        Ok(terminal) => terminal,
        Err(answer) => return (answer, Vec::new()),
    };
    let mut events = Vec::new();
    // A stolen one takes its owner's money back to nobody.
    let may = match (&done, terminal.blocked) {
        (Outcome::Refunded(_), true) => Err(TillRefusal::TerminalBlocked),
        _ => original_payment(state, &own, &original),
    };
    let followed = match may {
        Ok(Err(gone)) => return (TillAnswer::Archived(gone), Vec::new()),
        Ok(Ok(payment)) => act(payment, &mut events)
            .map(|()| payment.id)
            .map_err(|refusal| match refusal {
                ClientPaymentRefusal::MoreThanAuthorized { .. }
                | ClientPaymentRefusal::MoreThanCaptured { .. } => TillRefusal::MoreThanAuthorized,
                _ => TillRefusal::WrongStatus,
            }),
        Err(refusal) => Err(refusal),
    };
    let (answer, payment, outcome) = match followed {
        Ok(id) => (TillAnswer::Approved(id), Some(id), done),
        Err(refusal) => {
            events.clear();
            let outcome = Outcome::Refused(refusal);
            (TillAnswer::Refused(refusal), None, outcome)
        }
    };
    events.push(Event::Till(TillEvent::Decided {
        key,
        original: own,
        terminal: terminal.id,
        counter: None,
        payment,
        outcome,
    }));
    (answer, events)
}

/// The payment of the message that `original` names, or that it has left memory.
fn original_payment<'a>(
    state: &'a State,
    own: &MessageKey,
    original: &MessageKey,
) -> Result<Result<&'a Payment, Gone>, TillRefusal> {
    if state.exchanges.original(own).is_some() {
        return Err(TillRefusal::Undone);
    }
    let exchange = state.exchanges.original(original);
    let id: PaymentId = exchange
        .and_then(|exchange| exchange.payment)
        .ok_or(TillRefusal::OriginalNotFound)?;
    let payment = state.payments.get(&id);
    Ok(payment.ok_or(Gone::Payment(id)))
}

pub(super) fn close_shift(
    state: &State,
    terminal: &TerminalKey,
    key: MessageKey,
    [purchases, reversals, refunds]: [Total; 3],
) -> Decided {
    let terminal = match new_message(state, terminal, &key) {
        Ok(terminal) => terminal,
        Err(answer) => return (answer, Vec::new()),
    };
    let shift = &terminal.shift;
    let counted = (shift.purchases, shift.reversals, shift.refunds);
    let agrees = (purchases, reversals, refunds) == counted;
    let event = Event::Till(TillEvent::ShiftClosed {
        terminal: terminal.id,
        key,
        agrees,
        purchases,
        reversals,
        refunds,
    });
    (TillAnswer::Closed { agrees }, vec![event])
}
