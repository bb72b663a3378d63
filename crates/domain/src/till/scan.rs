//! A one-time payment code was scanned instead of a phone being held to the reader.
//!
//! What is wrong is counted against the code's index and against the terminal, whichever it was, and told in one way: nobody learns by
//! guessing which indices there are.

use super::{
    Decided, Sale, Terminal, TillAnswer, TillBy, TillRefusal,
    exchange::again,
    tap::{self, Held, Paid},
};
use crate::{
    Event,
    pass::{CodeRefusal, Pass, PassEnd, PassEvent, Shown, TRIES},
    payment::Status,
    state::State,
    time::Moment,
};

/// A code as the edge read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScannedCode {
    pub index: u64,
    /// Under the key of the pass with this salt it is right; `None`: it is wrong, or nobody's.
    pub shown: Option<(u64, Shown)>,
}

#[derive(Clone, Debug)]
pub struct ScanRequest {
    pub sale: Sale,
    pub code: ScannedCode,
}

pub(super) fn scan(state: &State, moment: &Moment, request: ScanRequest) -> Decided {
    let ScanRequest { sale, code } = request;
    let Some(terminal) = state.terminals.find(&sale.terminal) else {
        let refusal = TillRefusal::UnknownTerminal;
        return (TillAnswer::Refused(refusal), Vec::new());
    };
    if let Some(known) = state.exchanges.get(&sale.key) {
        return (again(state, known), Vec::new());
    }
    let mut events = Vec::new();
    let paid = pay(state, moment, terminal, &sale, code, &mut events);
    tap::concluded(&sale, terminal, None, paid, events)
}

fn pay(
    state: &State,
    moment: &Moment,
    terminal: &Terminal,
    sale: &Sale,
    code: ScannedCode,
    events: &mut Vec<Event>,
) -> Result<Paid, TillRefusal> {
    // Its reversal may have been quicker.
    if state.exchanges.original(&sale.original).is_some() {
        return Err(TillRefusal::Undone);
    }
    if terminal.blocked {
        return Err(TillRefusal::TerminalBlocked);
    }
    if terminal.wrong_codes.is_locked(moment.now) {
        return Err(TillRefusal::TooManyWrongCodes);
    }
    let found = state.passes.find(code.index);
    let right = found.and_then(|pass| {
        let (salt, shown) = code.shown?;
        (salt == pass.key.salt).then_some((pass, shown))
    });
    let Some((pass, shown)) = right else {
        wrong(moment, terminal, found, events);
        return Err(TillRefusal::WrongCode);
    };
    let taken = pass.take(state, moment, shown);
    let floor = taken.map_err(|refusal| match refusal {
        CodeRefusal::Time => TillRefusal::CodeExpired,
        CodeRefusal::Used => TillRefusal::CodeUsed,
        CodeRefusal::NotSeen => TillRefusal::PhoneNotSeen,
    })?;
    let spent = pass.spent.plus(sale.amount);
    let held = Held {
        by: TillBy::Code(pass.device),
        payer: pass.subscriber,
        asks: sale.amount > state.rules.code_limit() || spent > state.rules.code_offline_limit(),
    };
    let asks = held.asks;
    let paid = tap::sell(state, moment, terminal, sale, held, events);
    // Nothing was decided, so nothing is used up.
    if matches!(paid, Err(TillRefusal::Busy)) {
        return paid;
    }
    let counts = !asks && matches!(paid, Ok((_, status, _)) if status != Status::Declined);
    events.push(Event::Pass(PassEvent::Used {
        device: pass.device,
        step: shown.step,
        counter: shown.counter,
        floor,
        spent: if counts { spent } else { pass.spent },
    }));
    paid
}

fn wrong(moment: &Moment, terminal: &Terminal, pass: Option<&Pass>, events: &mut Vec<Event>) {
    events.push(Event::Pass(PassEvent::Wrong {
        device: pass.map(|pass| pass.device),
        terminal: terminal.id,
        wrong: terminal.wrong_codes.and_another(moment.now),
    }));
    if let Some(pass) = pass.filter(|pass| pass.wrong + 1 >= TRIES) {
        let (device, by) = (pass.device, PassEnd::WrongCodes);
        events.push(Event::Pass(PassEvent::Ended { device, by }));
    }
}
