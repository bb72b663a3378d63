//! Refunds: money goes back to the very sources and lots it came from, newest spent first.

use super::{ClientPaymentRefusal, PaymentEvent, Refund, RefundStatus, Status, end, of_merchant};
use crate::{
    Answer, Event,
    funding::{FundingLeg, Source},
    grant::ExpiredRefund,
    idempotency::Recorded,
    ids::{MerchantId, PaymentId, RefundId, Sealed, SubscriberId},
    ledger::{Account, Entry},
    money::Amount,
    state::State,
    subscriber::{cash_of, has_left},
    time::Moment,
};

pub(crate) fn refund(
    state: &State,
    moment: &Moment,
    merchant: MerchantId,
    id: PaymentId,
    amount: Option<Amount>,
    text: Sealed,
    events: &mut Vec<Event>,
) -> Result<(Answer, Recorded), ClientPaymentRefusal> {
    let payment = of_merchant(state, merchant, id)?;
    let payer = match (payment.status, payment.payer) {
        (Status::Captured, Some(payer)) => payer,
        (status, _) => return Err(ClientPaymentRefusal::WrongStatus(status)),
    };
    let left = payment.captured.minus(payment.refunded);
    let amount = amount.unwrap_or(left);
    if amount > left || amount.is_zero() {
        return Err(ClientPaymentRefusal::MoreThanCaptured { left });
    }
    let refund = RefundId(state.next_refund);
    let mut parts = Vec::new();
    let mut missing = amount;
    for (place, leg) in payment.legs.iter().enumerate().rev() {
        let part = leg.captured.minus(leg.refunded).min(missing);
        if !part.is_zero() {
            parts.push((place, part));
            missing = missing.minus(part);
        }
    }
    let mut entry = Entry::default();
    let mut extended = Vec::new();
    let mut backs = Vec::new();
    for (place, part) in &parts {
        let leg = &payment.legs[*place];
        entry.and(
            *part,
            Account::MerchantPayable(merchant),
            destination(state, moment, payer, leg, &mut extended),
        );
        backs.extend(leg.effect.map(|effect| (effect, *part)));
    }
    let status = if backs.is_empty() {
        RefundStatus::Completed
    } else {
        RefundStatus::Pending
    };
    let made = Refund {
        id: refund,
        payment: id,
        amount,
        text: text.clone(),
        status,
        created_at: moment.now,
    };
    let parts = parts
        .into_iter()
        .map(|(place, part)| (u16::try_from(place).expect("legs are few"), part))
        .collect();
    events.push(Event::Payment(PaymentEvent::Refunded {
        id,
        refund,
        amount,
        text,
        parts,
        entry,
        status,
        extended,
    }));
    events.extend(end::give_backs(
        state,
        moment,
        payment,
        payer,
        backs,
        Some(refund),
    ));
    Ok((
        Answer::Refund(Ok(made.facts(status))),
        Recorded::Refund(refund, status),
    ))
}

/// Where a leg's money goes back to.
fn destination(
    state: &State,
    moment: &Moment,
    payer: SubscriberId,
    leg: &FundingLeg,
    extended: &mut Vec<(crate::ids::LotId, crate::time::Timestamp)>,
) -> Account {
    match leg.source {
        Source::Bank => Account::Suspense,
        Source::Bill => Account::BillReceivable(payer),
        Source::Balance => cash_of(state, payer),
        Source::Grant(id) => match state.lots.get(&id) {
            Some(lot) if has_left(state, payer) => lot.funded_by(),
            Some(lot) if lot.expired(moment.now) => match lot.expired_refund {
                ExpiredRefund::Cash => Account::SubscriberCash(payer),
                ExpiredRefund::Forfeit => lot.funded_by(),
                ExpiredRefund::Extend(_) => {
                    extended.extend(lot.extended(moment.now).map(|until| (id, until)));
                    Account::Grant(id)
                }
            },
            _ => Account::Grant(id),
        },
    }
}
