//! A phone was held to a terminal.

use super::{
    Chip, Decided, Outcome, Sale, TapRequest, Terminal, TillAnswer, TillBy, TillEvent, TillRef,
    TillRefusal, exchange::again,
};
use crate::{
    Event,
    funding::{self, Share},
    ids::{PaymentId, SubscriberId, TokenId},
    merchant::Merchant,
    money::Amount,
    payment::{Status, Tapped, tapped},
    risk::{Facts, Step, Veto, merchant_veto, payer_veto},
    state::State,
    subscriber::Subscriber,
    time::Moment,
    token::{Token, TokenStatus, window::AHEAD},
};

pub(super) fn tap(state: &State, moment: &Moment, request: TapRequest) -> Decided {
    let terminal = match terminal_of(state, &request) {
        Ok(terminal) => terminal,
        Err(refusal) => return (TillAnswer::Refused(refusal), Vec::new()),
    };
    if let Some(known) = state.exchanges.get(&request.key) {
        return (again(state, known), Vec::new());
    }
    let sale = Sale::of(&request);
    let mut events = Vec::new();
    let mut counter = None;
    let paid = pay(
        state,
        moment,
        terminal,
        &request,
        &sale,
        &mut counter,
        &mut events,
    );
    concluded(&sale, terminal, counter, paid, events)
}

/// What the terminal is told, and that this message was decided.
pub(super) fn concluded(
    sale: &Sale,
    terminal: &Terminal,
    counter: Option<(TokenId, u16)>,
    paid: Result<Paid, TillRefusal>,
    mut events: Vec<Event>,
) -> Decided {
    let (answer, payment, outcome) = match paid {
        Ok((id, Status::Captured | Status::Authorized, _)) => {
            (TillAnswer::Approved(id), Some(id), Outcome::Approved)
        }
        Ok((id, _, Some(veto))) => (
            TillAnswer::Declined(id, veto),
            Some(id),
            Outcome::Declined(veto),
        ),
        Ok((id, _, None)) => (TillAnswer::Waits(id), Some(id), Outcome::Waits),
        Err(TillRefusal::Busy) => {
            return (TillAnswer::Refused(TillRefusal::Busy), Vec::new());
        }
        Err(refusal) => (
            TillAnswer::Refused(refusal),
            None,
            Outcome::Refused(refusal),
        ),
    };
    events.push(Event::Till(TillEvent::Decided {
        key: sale.key,
        original: sale.original,
        terminal: terminal.id,
        counter,
        payment,
        outcome,
    }));
    (answer, events)
}

fn terminal_of<'a>(state: &'a State, request: &TapRequest) -> Result<&'a Terminal, TillRefusal> {
    let terminal = state.terminals.find(&request.terminal);
    terminal.ok_or(TillRefusal::UnknownTerminal)
}

/// The payment that came of it, its status, and why not.
pub(super) type Paid = (PaymentId, Status, Option<Veto>);

fn pay(
    state: &State,
    moment: &Moment,
    terminal: &Terminal,
    request: &TapRequest,
    sale: &Sale,
    counter: &mut Option<(TokenId, u16)>,
    events: &mut Vec<Event>,
) -> Result<Paid, TillRefusal> {
    // Its reversal may have been quicker.
    if state.exchanges.original(&request.original).is_some() {
        return Err(TillRefusal::Undone);
    }
    if terminal.blocked {
        return Err(TillRefusal::TerminalBlocked);
    }
    let token = state.tokens.find(&request.token);
    let token = token.ok_or(TillRefusal::UnknownToken)?;
    let chip = request.chip?;
    // Whatever comes of it, the card has used it up.
    take(token, chip, counter)?;
    match token.status {
        TokenStatus::Active => {}
        TokenStatus::Suspended(_) => return Err(TillRefusal::TokenSuspended),
        TokenStatus::Ended(_) => return Err(TillRefusal::TokenEnded),
    }
    let differs = request
        .expires
        .is_some_and(|expires| expires != token.expires);
    if differs || token.has_expired(moment.date) {
        return Err(TillRefusal::TokenExpired);
    }
    let held = Held {
        by: TillBy::Token(token.id),
        payer: token.subscriber,
        asks: request.amount > state.rules.tap_limit() && !chip.verified,
    };
    sell(state, moment, terminal, sale, held, events)
}

/// Whose phone pays, and how it showed that it is there.
pub(super) struct Held {
    pub by: TillBy,
    pub payer: SubscriberId,
    /// The payer is asked on the phone first.
    pub asks: bool,
}

/// What comes once it is known whose phone it is.
pub(super) fn sell(
    state: &State,
    moment: &Moment,
    terminal: &Terminal,
    sale: &Sale,
    held: Held,
    events: &mut Vec<Event>,
) -> Result<Paid, TillRefusal> {
    if sale.amount > terminal.limit {
        return Err(TillRefusal::TerminalLimit);
    }
    let store = state.terminals.store(terminal.store);
    let merchant = store.and_then(|store| state.merchants.get(store.merchant));
    let merchant = merchant.ok_or(TillRefusal::UnknownTerminal)?;
    let payer = state.subscribers.get(held.payer);
    let payer = payer.ok_or(TillRefusal::UnknownToken)?;

    let asks = held.asks;
    if asks && state.open_prompts >= u64::from(state.rules.open_payments) {
        return Err(TillRefusal::Busy);
    }
    let till = TillRef {
        terminal: terminal.id,
        by: held.by,
        prompted: asks,
    };
    let shares = shares(state, moment, merchant, payer, sale.amount, asks);
    let veto = shares.as_ref().err().copied();
    let tapped = tapped(
        state,
        moment,
        Tapped {
            merchant: merchant.id,
            payer: payer.id,
            amount: sale.amount,
            capture: sale.capture,
            text: sale.text.clone(),
            reference_hash: sale.reference_hash,
            wait_seconds: sale.wait_seconds,
            till,
        },
        shares,
        events,
    );
    Ok((tapped.id, tapped.status, veto))
}

fn take(
    token: &Token,
    chip: Chip,
    counter: &mut Option<(TokenId, u16)>,
) -> Result<(), TillRefusal> {
    match token.window.with(chip.counter, AHEAD) {
        Ok(_) => {
            *counter = Some((token.id, chip.counter));
            Ok(())
        }
        Err(_) => Err(TillRefusal::CounterRefused),
    }
}

/// What pays for it now, nothing yet if the payer is to be asked first, or why it may not be.
fn shares(
    state: &State,
    moment: &Moment,
    merchant: &Merchant,
    payer: &Subscriber,
    amount: Amount,
    asks: bool,
) -> Result<Option<Vec<Share>>, Veto> {
    let facts = Facts {
        step: if asks { Step::Prompt } else { Step::Tap },
        moment,
        rules: &state.rules,
        merchant,
        payer: Some(payer),
        has_device: state.has_active_device(payer),
        amount,
        for_other: false,
        mandate: None,
    };
    if let Some(veto) = merchant_veto(&facts).or_else(|| payer_veto(&facts)) {
        return Err(veto);
    }
    if asks {
        return Ok(None);
    }
    let planned = funding::plan(state, moment, payer, merchant, amount);
    planned.map(Some).ok_or(Veto::InsufficientFunds)
}
