//! Authorised money moves to the merchant, whole or in part; the rest goes back.

use super::{CaptureMode, ClientPaymentRefusal, Payment, PaymentEvent, Status, end, of_merchant};
use crate::{
    Answer, Event,
    funding::FundingLeg,
    idempotency::Recorded,
    ids::{MerchantId, PaymentId},
    ledger::{Account, Entry},
    money::Amount,
    state::State,
    subscriber::has_left,
    time::{DAY, Moment},
};

/// All sources are there: authorise, and capture at once where the merchant wants that.
pub(super) fn authorize(state: &State, moment: &Moment, payment: &Payment) -> Vec<Event> {
    let capture_deadline = moment.now.plus(i64::from(state.rules.capture_days) * DAY);
    let mut events = vec![Event::Payment(PaymentEvent::Authorized {
        id: payment.id,
        capture_deadline,
    })];
    if payment.capture == CaptureMode::Automatic {
        events.extend(captured(state, moment, payment, payment.amount).0);
    }
    events
}

/// How much of each leg moves: the first legs first, as the waterfall took them.
pub(super) fn parts(legs: &[FundingLeg], amount: Amount) -> impl Iterator<Item = Amount> {
    let mut left = amount;
    legs.iter().map(move |leg| {
        let part = leg.amount.min(left);
        left = left.minus(part);
        part
    })
}

/// The capture's event with its entry, and what becomes of the rest; with fee and tax.
fn captured(
    state: &State,
    moment: &Moment,
    payment: &Payment,
    amount: Amount,
) -> (Vec<Event>, Amount, Amount) {
    let Some(payer) = payment.payer else {
        return (Vec::new(), Amount::ZERO, Amount::ZERO);
    };
    let Some(merchant) = state.merchants.get(payment.merchant) else {
        return (Vec::new(), Amount::ZERO, Amount::ZERO);
    };
    let payable = Account::MerchantPayable(payment.merchant);
    let (fee, tax) = merchant.plan.fee(amount);
    let mut entry = Entry::default();
    let mut backs = Vec::new();
    for (leg, part) in payment.legs.iter().zip(parts(&payment.legs, amount)) {
        entry.and(part, leg.source.account(payer), payable);
        let rest = leg.amount.minus(part);
        if leg.effect.is_none() && has_left(state, payer) {
            end::entry_of_left(&mut entry, payer, leg.source, rest);
        }
        if let (Some(effect), false) = (leg.effect, rest.is_zero()) {
            entry.and(rest, Account::Collected, Account::Suspense);
            backs.push((effect, rest));
        }
    }
    entry
        .and(fee, payable, Account::FeeIncome)
        .and(tax, payable, Account::FeeTax);
    let mut events = vec![Event::Payment(PaymentEvent::Captured {
        id: payment.id,
        amount,
        fee,
        tax,
        entry,
    })];
    events.extend(end::give_backs(state, moment, payment, payer, backs, None));
    (events, fee, tax)
}

pub(crate) fn capture(
    state: &State,
    moment: &Moment,
    merchant: MerchantId,
    id: PaymentId,
    amount: Option<Amount>,
    events: &mut Vec<Event>,
) -> Result<(Answer, Recorded), ClientPaymentRefusal> {
    let payment = of_merchant(state, merchant, id)?;
    if payment.status != Status::Authorized {
        return Err(ClientPaymentRefusal::WrongStatus(payment.status));
    }
    // Its tick may still be on its way; the deadline has won already.
    if payment.capture_deadline.is_none_or(|at| moment.now >= at) {
        return Err(ClientPaymentRefusal::WrongStatus(Status::Expired));
    }
    let amount = amount.unwrap_or(payment.amount);
    if amount > payment.amount {
        return Err(ClientPaymentRefusal::MoreThanAuthorized {
            authorized: payment.amount,
        });
    }
    let (captures, fee, tax) = captured(state, moment, payment, amount);
    events.extend(captures);
    let mut now = payment.snapshot();
    now.status = Status::Captured;
    (now.captured, now.fee, now.tax) = (amount, fee, tax);
    now.capture_deadline = None;
    Ok((
        Answer::Payment(Ok(payment.facts(now))),
        Recorded::Payment(id, now),
    ))
}

/// An authorisation that nobody captured.
pub(crate) fn due_capture(state: &State, moment: &Moment, id: PaymentId) -> Vec<Event> {
    match state.payments.get(&id) {
        Some(payment) if payment.status == Status::Authorized => end::ending(
            state,
            moment,
            payment,
            super::Ending::NotCaptured,
            None,
            None,
        ),
        _ => Vec::new(),
    }
}
