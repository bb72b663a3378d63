//! What comes after a tap: reversals, captures, the end of a shift.

use super::{
    Decided, Earlier, Exchange, GivenBack, Outcome, Terminal, TillAnswer, TillEvent, TillRefusal,
    Total,
    exchange::{Named, again, keep, named},
};
use crate::{
    Event,
    archive::Gone,
    ids::{MessageKey, Sealed, TerminalId, TerminalKey},
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
    [key, original]: [MessageKey; 2],
    (of_refund, earlier): (bool, Earlier),
    text: Sealed,
) -> Decided {
    let terminal = match new_message(state, terminal, &key) {
        Ok(terminal) => terminal,
        Err(answer) => return (answer, Vec::new()),
    };
    let exchange = state.exchanges.original(&original);
    let mut events = Vec::new();
    let mut given_back = None;
    let payment = match named(state, &original, earlier) {
        Named::LookUp => return (TillAnswer::LookUp, events),
        // The one rule for refunds, before and after: what went back to somebody is theirs, and taking it again would be a payment of its own.
        what @ (Named::Refund | Named::Nothing | Named::Unknown)
            if of_refund || matches!(what, Named::Refund) =>
        {
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
        Named::Payment(id) if exchange.is_none_or(|exchange| !exchange.undone) => Some(id),
        Named::Payment(_) | Named::Refund | Named::Nothing | Named::Unknown => None,
    };
    if let Some(id) = payment {
        let Some(payment) = state.payments.get(&id) else {
            return (TillAnswer::Archived(Gone::Payment(id)), events);
        };
        if is_of(payment, terminal) {
            given_back = take_back(state, moment, payment, text, &mut events);
        }
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

/// Whether it came by this terminal: nobody else takes anything back.
fn is_of(payment: &Payment, terminal: &Terminal) -> bool {
    payment
        .till
        .is_some_and(|till| till.terminal == terminal.id)
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
    // A refund keeps its fee; what is undone has none. What was refunded before has paid its share of what was charged then, whatever
    // the plan says by now.
    let share = |charged: Amount| charged.share(amount, payment.captured);
    let (fee, tax) = (share(payment.fee), share(payment.tax));
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

/// What names an earlier message, to do something to its payment.
pub(super) struct FollowUp {
    terminal: TerminalKey,
    key: MessageKey,
    own: MessageKey,
    original: MessageKey,
    earlier: Earlier,
}

impl FollowUp {
    pub fn of(
        terminal: &TerminalKey,
        [key, own, original]: [MessageKey; 3],
        earlier: Earlier,
    ) -> Self {
        Self {
            terminal: *terminal,
            key,
            own,
            original,
            earlier,
        }
    }

    /// The payment that it is about, or that it has left memory.
    fn payment<'a>(&self, state: &'a State) -> Result<Result<&'a Payment, Gone>, TillRefusal> {
        if state.exchanges.original(&self.own).is_some() {
            return Err(TillRefusal::Undone);
        }
        let Named::Payment(id) = named(state, &self.original, self.earlier) else {
            return Err(TillRefusal::OriginalNotFound);
        };
        let payment = state.payments.get(&id);
        Ok(payment.ok_or(Gone::Payment(id)))
    }

    /// What is to be asked again with more known, or was answered before this was forgotten.
    fn before_deciding(&self, state: &State) -> Option<TillAnswer> {
        if let Earlier::Looked {
            same: Some(payment),
            ..
        } = self.earlier
        {
            return Some(TillAnswer::Approved(payment));
        }
        let named = named(state, &self.original, self.earlier);
        matches!(named, Named::LookUp).then_some(TillAnswer::LookUp)
    }
}

pub(super) fn capture(
    state: &State,
    moment: &Moment,
    follow_up: FollowUp,
    amount: Amount,
) -> Decided {
    let act = |payment: &Payment, events: &mut Vec<Event>| {
        let (merchant, id) = (payment.merchant, payment.id);
        payment::capture(state, moment, merchant, id, Some(amount), events).map(drop)
    };
    followed(state, &follow_up, Outcome::Approved, act)
}

pub(super) fn refund(
    state: &State,
    moment: &Moment,
    follow_up: FollowUp,
    amount: Amount,
    text: Sealed,
) -> Decided {
    let act = |payment: &Payment, events: &mut Vec<Event>| {
        let (merchant, id) = (payment.merchant, payment.id);
        payment::refund(state, moment, merchant, id, Some(amount), text, events).map(drop)
    };
    followed(state, &follow_up, Outcome::Refunded(amount), act)
}

/// Does something to the payment of the message that it names, and keeps what came of it.
fn followed(
    state: &State,
    follow_up: &FollowUp,
    done: Outcome,
    act: impl FnOnce(&Payment, &mut Vec<Event>) -> Result<(), ClientPaymentRefusal>,
) -> Decided {
    let terminal = match new_message(state, &follow_up.terminal, &follow_up.key) {
        Ok(terminal) => terminal,
        Err(answer) => return (answer, Vec::new()),
    };
    if let Some(answer) = follow_up.before_deciding(state) {
        return (answer, Vec::new());
    }
    let mut events = Vec::new();
    // A stolen one takes its owner's money back to nobody.
    let may = match (&done, terminal.blocked) {
        (Outcome::Refunded(_), true) => Err(TillRefusal::TerminalBlocked),
        _ => follow_up.payment(state),
    };
    let followed = match may {
        Ok(Err(gone)) => return (TillAnswer::Archived(gone), Vec::new()),
        Ok(Ok(payment)) if !is_of(payment, terminal) => Err(TillRefusal::OriginalNotFound),
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
        key: follow_up.key,
        original: follow_up.own,
        terminal: terminal.id,
        counter: None,
        payment,
        outcome,
    }));
    (answer, events)
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
