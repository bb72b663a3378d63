//! What events do to payments.

use super::{
    Ending, Payment, PaymentEvent, Refund, RefundStatus, Status, Whose, approve::legs,
    capture::parts,
};
use crate::{
    deadline::Due,
    funding::{Effect, EffectOutcome, FundingLeg, LegState, Source},
    ids::{MandateId, MerchantId, PaymentId, RefundId, SubscriberId},
    money::Amount,
    state::State,
    subscriber::PromptRef,
    time::{BusinessDate, Moment},
};

pub(crate) fn evolve(state: &mut State, moment: &Moment, event: &PaymentEvent) {
    match event {
        PaymentEvent::Requested { .. } => requested(state, moment, event),
        PaymentEvent::Approved {
            id,
            shares,
            effects,
            ..
        } => {
            close_prompt(state, *id);
            let payment = state
                .payments
                .get_mut(id)
                .expect("an approved payment exists");
            payment.legs = legs(shares, effects);
            payment.approved_on = Some(moment.date);
            payment.status = if effects.is_empty() {
                Status::Authorized
            } else {
                Status::Funding
            };
            if payment.status == Status::Funding {
                state.deadlines.insert(payment.deadline, Due::Payment(*id));
            }
            let (payer, merchant, amount, mandate, asked) = (
                payment.payer.expect("an approved payment has a payer"),
                payment.merchant,
                payment.amount,
                payment.mandate,
                payment.asks_on_phone(),
            );
            for leg in &payment.legs {
                if leg.state == LegState::Held {
                    state.book.hold(leg.source.account(payer), leg.amount);
                }
            }
            if let Some(mandate) = mandate.and_then(|id| state.mandates.get_mut(&id)) {
                mandate.charged.add(moment, amount);
            }
            state
                .merchants
                .expect_mut(merchant)
                .taken
                .add(moment, amount);
            let payer = state.subscribers.expect_mut(payer);
            payer.spent.add(moment, amount);
            if asked {
                payer.pin_failures = 0;
            }
        }
        PaymentEvent::Authorized {
            id,
            capture_deadline,
        } => {
            let payment = state
                .payments
                .get_mut(id)
                .expect("an authorised payment exists");
            if payment.status == Status::Funding {
                state.deadlines.remove(payment.deadline, Due::Payment(*id));
            }
            payment.status = Status::Authorized;
            if payment.capture == super::CaptureMode::Manual {
                payment.capture_deadline = Some(*capture_deadline);
                state.deadlines.insert(*capture_deadline, Due::Capture(*id));
            }
        }
        PaymentEvent::Captured {
            id,
            amount,
            fee,
            tax,
            entry,
        } => {
            let payment = state
                .payments
                .get_mut(id)
                .expect("a captured payment exists");
            let payer = payment.payer.expect("a captured payment has a payer");
            if let Some(at) = payment.capture_deadline.take() {
                state.deadlines.remove(at, Due::Capture(*id));
            }
            let portions: Vec<_> = parts(&payment.legs, *amount).collect();
            let mut billed = Amount::ZERO;
            let mut released = Vec::new();
            for (leg, part) in payment.legs.iter_mut().zip(portions) {
                if leg.state == LegState::Held {
                    state.book.release(leg.source.account(payer), leg.amount);
                    released.push(*leg);
                }
                leg.state = if part.is_zero() {
                    LegState::Released
                } else {
                    LegState::Moved
                };
                leg.captured = part;
                if leg.source == Source::Bill {
                    billed = billed.plus(part);
                }
            }
            payment.status = Status::Captured;
            (payment.captured, payment.fee, payment.tax) = (*amount, *fee, *tax);
            payment.captured_on = Some(moment.date);
            let (merchant, mandate, rest, till) = (
                payment.merchant,
                payment.mandate,
                payment.amount.minus(*amount),
                payment.till,
            );
            let approved_on = payment.approved_on.unwrap_or(moment.date);
            state.post(entry);
            give_limits_back(state, merchant, payer, mandate, approved_on, rest);
            state.touched(moment, *id);
            if let Some(till) = till {
                state.terminals.took(till.terminal, *amount);
            }
            if !billed.is_zero() {
                state
                    .subscribers
                    .expect_mut(payer)
                    .billed
                    .add(moment, billed);
            }
            revisit_expired(state, moment, &released);
        }
        PaymentEvent::Ended {
            id,
            ending,
            entry,
            attention,
            ..
        } => ended(state, moment, *id, *ending, entry, *attention),
        PaymentEvent::Vetoed { id, veto, .. } => {
            let payment = state.payments.get_mut(id).expect("a vetoed payment exists");
            payment.veto = Some(*veto);
            if let Some(payer) = payment.payer {
                state
                    .subscribers
                    .expect_mut(payer)
                    .forget_prompt(PromptRef::Payment(*id));
            }
        }
        PaymentEvent::Refunded {
            id,
            refund,
            amount,
            text,
            parts,
            entry,
            status,
            extended,
        } => {
            state.post(entry);
            state.next_refund = state.next_refund.max(refund.0 + 1);
            let payment = state
                .payments
                .get_mut(id)
                .expect("a refunded payment exists");
            payment.refunded = payment.refunded.plus(*amount);
            payment.refunds.push(*refund);
            let mut unbilled = Amount::ZERO;
            for (place, part) in parts {
                let leg = &mut payment.legs[usize::from(*place)];
                leg.refunded = leg.refunded.plus(*part);
                if leg.source == Source::Bill {
                    unbilled = unbilled.plus(*part);
                }
            }
            if let (Some(payer), Some(captured_on), false) =
                (payment.payer, payment.captured_on, unbilled.is_zero())
            {
                state
                    .subscribers
                    .expect_mut(payer)
                    .billed
                    .take_back(captured_on, unbilled);
            }
            let made = Refund {
                id: *refund,
                payment: *id,
                amount: *amount,
                text: text.clone(),
                status: *status,
                created_at: moment.now,
            };
            state.refunds.insert(*refund, made);
            state.touched(moment, *id);
            for (lot, until) in extended {
                let lot = state.lots.get_mut(lot).expect("an extended lot exists");
                lot.expires_at = Some(*until);
                state.deadlines.insert(*until, Due::Lot(lot.id));
                let holder = state.subscribers.expect_mut(lot.subscriber);
                if !holder.lots.contains(&lot.id) {
                    holder.lots.push(lot.id);
                }
            }
        }
    }
}

fn requested(state: &mut State, moment: &Moment, event: &PaymentEvent) {
    let PaymentEvent::Requested {
        id,
        merchant,
        payer,
        amount,
        whose,
        capture,
        text,
        codes,
        mandate,
        deadline,
        veto,
        decline,
        till,
        ..
    } = event
    else {
        return;
    };
    state.next_payment = state.next_payment.max(id.0 + 1);
    let payment = Payment {
        id: *id,
        merchant: *merchant,
        payer: *payer,
        amount: *amount,
        whose: *whose,
        capture: *capture,
        text: text.clone(),
        codes: *codes,
        mandate: *mandate,
        created_at: moment.now,
        deadline: *deadline,
        status: if decline.is_some() {
            Status::Declined
        } else {
            Status::AwaitingApproval
        },
        veto: *veto,
        decline: *decline,
        legs: Vec::new(),
        approved_on: None,
        capture_deadline: None,
        captured: Amount::ZERO,
        captured_on: None,
        refunded: Amount::ZERO,
        fee: Amount::ZERO,
        tax: Amount::ZERO,
        refunds: Vec::new(),
        changed_at: moment.now,
        till: *till,
    };
    state.payments.insert(*id, payment);
    state.touched(moment, *id);
    if decline.is_none() && super::asks_on_phone(*mandate, *till) {
        state.deadlines.insert(*deadline, Due::Payment(*id));
        state.opened_prompt(moment, *merchant);
        if let (Some(payer), None) = (payer, veto) {
            state
                .subscribers
                .expect_mut(*payer)
                .prompts
                .push(PromptRef::Payment(*id));
        }
    }
    debug_assert!(
        *whose == Whose::Own || mandate.is_none(),
        "a charge is nobody else's request"
    );
}

/// A prompted payment no longer waits for an answer.
fn close_prompt(state: &mut State, id: PaymentId) {
    let payment = state.payments.get(&id).expect("an answered payment exists");
    if payment.status != Status::AwaitingApproval || !payment.asks_on_phone() {
        return;
    }
    let (deadline, merchant, payer) = (payment.deadline, payment.merchant, payment.payer);
    state.deadlines.remove(deadline, Due::Payment(id));
    state.closed_prompt(merchant);
    if let Some(payer) = payer {
        state
            .subscribers
            .expect_mut(payer)
            .forget_prompt(PromptRef::Payment(id));
    }
}

fn ended(
    state: &mut State,
    moment: &Moment,
    id: PaymentId,
    ending: Ending,
    entry: &crate::ledger::Entry,
    attention: u32,
) {
    close_prompt(state, id);
    let payment = state
        .payments
        .get_mut(&id)
        .expect("an ended payment exists");
    if payment.status == Status::Funding {
        state.deadlines.remove(payment.deadline, Due::Payment(id));
    }
    if let Some(at) = payment.capture_deadline.take() {
        state.deadlines.remove(at, Due::Capture(id));
    }
    payment.status = ending.status();
    let (merchant, payer, veto) = (payment.merchant, payment.payer, payment.veto);
    let (amount, approved_on, mandate) = (payment.amount, payment.approved_on, payment.mandate);
    let mut released = Vec::new();
    for leg in &mut payment.legs {
        match leg.state {
            LegState::Held => {
                released.push(*leg);
                leg.state = LegState::Released;
            }
            LegState::Collected => leg.state = LegState::Released,
            LegState::Wanted | LegState::Refused | LegState::Moved | LegState::Released => {}
        }
    }
    if let Some(payer) = payer {
        release(state, payer, &released);
        if let Some(date) = approved_on {
            give_limits_back(state, merchant, payer, mandate, date, amount);
        }
    }
    state.post(entry);
    match ending {
        Ending::Refused { report } => state.count_refusal(moment, merchant, payer, false, report),
        Ending::WrongCode => state.count_refusal(moment, merchant, payer, true, false),
        Ending::Ignored => {
            if let (Some(payer), None) = (payer, veto) {
                state.subscribers.expect_mut(payer).attention.add(moment, 1);
            }
        }
        Ending::Cancelled | Ending::NotFunded | Ending::NotCaptured | Ending::PayerErased => {}
    }
    if let (Some(payer), true) = (payer, attention > 0) {
        let payer = state.subscribers.expect_mut(payer);
        payer.attention.add(moment, attention);
    }
    state.touched(moment, id);
    revisit_expired(state, moment, &released);
}

/// What was approved on `date` and did not go to the merchant no longer counts.
pub(super) fn give_limits_back(
    state: &mut State,
    merchant: MerchantId,
    payer: SubscriberId,
    mandate: Option<MandateId>,
    date: BusinessDate,
    amount: Amount,
) {
    let merchant = state.merchants.expect_mut(merchant);
    merchant.taken.take_back(date, amount);
    let payer = state.subscribers.expect_mut(payer);
    payer.spent.take_back(date, amount);
    if let Some(mandate) = mandate.and_then(|id| state.mandates.get_mut(&id)) {
        mandate.charged.take_back(date, amount);
    }
}

fn release(state: &mut State, payer: SubscriberId, legs: &[FundingLeg]) {
    for leg in legs {
        state.book.release(leg.source.account(payer), leg.amount);
    }
}

/// What was held on a lot that expired meanwhile goes back where the lot came from, at the next tick.
fn revisit_expired(state: &mut State, moment: &Moment, legs: &[FundingLeg]) {
    for leg in legs {
        if let Source::Grant(id) = leg.source
            && state
                .lots
                .get(&id)
                .is_some_and(|lot| lot.expired(moment.now))
        {
            state.deadlines.insert(moment.now, Due::Lot(id));
        }
    }
}

/// An effect that collects for a leg is over.
pub(crate) fn leg_settled(
    state: &mut State,
    moment: &Moment,
    effect: &Effect,
    outcome: EffectOutcome,
) {
    let Some(payment) = state.payments.get_mut(&effect.payment) else {
        return;
    };
    for leg in payment
        .legs
        .iter_mut()
        .filter(|leg| leg.effect == Some(effect.id) && leg.state == LegState::Wanted)
    {
        leg.state = match (outcome, payment.status) {
            (EffectOutcome::Done, Status::Funding) => LegState::Collected,
            (EffectOutcome::Done, _) => LegState::Released,
            (EffectOutcome::Refused | EffectOutcome::Unknown, _) => LegState::Refused,
        };
    }
    state.touched(moment, effect.payment);
}

pub(crate) fn refund_completed(state: &mut State, moment: &Moment, id: RefundId) {
    if let Some(refund) = state.refunds.get_mut(&id) {
        refund.status = RefundStatus::Completed;
        let payment = refund.payment;
        state.touched(moment, payment);
    }
}
