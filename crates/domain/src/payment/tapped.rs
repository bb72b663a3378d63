//! A payment at a till: decided while the payer stands there, with a prompt only if the amount asks for one.

use super::{
    CaptureMode, PayerRef, Payment, PaymentRequest, Status, Whose,
    approve::fund,
    evolve::give_limits_back,
    request::{authorize_and_follow, new_payment, requested},
};
use crate::{
    Event,
    funding::Share,
    idempotency::Repeat,
    ids::{BodyHash, MandateId, MerchantId, RepeatKey, Sealed, SubscriberId},
    money::Amount,
    risk::Veto,
    state::State,
    till::{GivenBack, TillRef},
    time::Moment,
};

/// What a till asks for.
pub(crate) struct Tapped {
    pub merchant: MerchantId,
    pub payer: SubscriberId,
    pub amount: Amount,
    pub capture: CaptureMode,
    pub text: Sealed,
    pub reference_hash: Option<u64>,
    pub wait_seconds: u32,
    pub till: TillRef,
}

/// The payment as its events leave it: paid by `shares`, waiting on the phone if there are none yet, or declined.
pub(crate) fn tapped(
    state: &State,
    moment: &Moment,
    tapped: Tapped,
    shares: Result<Option<Vec<Share>>, Veto>,
    events: &mut Vec<Event>,
) -> Payment {
    let Tapped {
        merchant,
        payer,
        amount,
        capture,
        text,
        reference_hash,
        wait_seconds,
        till,
    } = tapped;
    let request = PaymentRequest {
        merchant,
        // Who pays is known; a till names neither number nor mandate.
        payer: PayerRef::Mandate(MandateId(0)),
        amount,
        whose: Whose::Own,
        capture,
        text,
        reference_hash,
        expires_in_seconds: Some(wait_seconds),
        entropy: 0,
        repeat: Repeat::new(RepeatKey([0; 16]), BodyHash([0; 16])),
    };
    let payer = state.subscribers.get(payer);
    let mut payment = new_payment(state, moment, payer, request, None, None);
    payment.till = Some(till);
    match shares {
        Err(veto) => {
            payment.decline = Some(veto);
            payment.status = Status::Declined;
            events.push(requested(state, &payment, reference_hash));
        }
        Ok(None) => events.push(requested(state, &payment, reference_hash)),
        Ok(Some(shares)) => {
            events.push(requested(state, &payment, reference_hash));
            fund(state, moment, &mut payment, shares, None, None, events);
            if payment.status == Status::Authorized {
                authorize_and_follow(state, moment, &mut payment, events);
                if payment.capture == CaptureMode::Automatic {
                    payment.status = Status::Captured;
                }
            }
        }
    }
    payment
}

/// What a reversal takes back beside the refund: the fee, and what counted against the limits.
pub(crate) fn undone(state: &mut State, moment: &Moment, given_back: &GivenBack) {
    let id = given_back.payment;
    let payment = state.payments.get_mut(&id);
    let payment = payment.expect("an undone payment is in memory");
    payment.fee = payment.fee.minus(given_back.fee);
    payment.tax = payment.tax.minus(given_back.tax);
    let approved_on = payment.approved_on.unwrap_or(moment.date);
    let (merchant, payer) = (payment.merchant, payment.payer);
    if let Some(payer) = payer {
        let amount = given_back.amount;
        give_limits_back(state, merchant, payer, None, approved_on, amount);
    }
    state.touched(moment, id);
}

impl Payment {
    /// Its payer was to be asked on the phone, whoever that was.
    pub fn asks_on_phone(&self) -> bool {
        asks_on_phone(self.mandate, self.till)
    }
}

/// As [`Payment::asks_on_phone`], of what a [`super::PaymentEvent::Requested`] says.
pub fn asks_on_phone(mandate: Option<MandateId>, till: Option<TillRef>) -> bool {
    match till {
        Some(till) => till.prompted,
        None => mandate.is_none(),
    }
}
