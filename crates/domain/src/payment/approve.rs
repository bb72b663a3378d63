//! The payer approves on the phone.

use super::{
    Payment, PaymentApproval, PaymentEvent, PhoneAnswer, Status, Whose,
    request::authorize_and_follow,
};
use crate::{
    Event,
    approval::{self, ApprovalRefusal, Attempt, Evidence},
    archive::Gone,
    funding::{self, Direction, Effect, EffectEvent, EffectState, FundingLeg, LegState, Share},
    ids::{DeviceId, EffectId, PaymentId, SubscriberId},
    money::Amount,
    risk::{Facts, Step, merchant_veto, payer_veto},
    state::State,
    subscriber::{PhoneEvent, PromptRef, Subscriber},
    time::Moment,
};

pub(crate) fn approve(
    state: &State,
    moment: &Moment,
    approval: PaymentApproval,
    events: &mut Vec<Event>,
) -> PhoneAnswer {
    let PaymentApproval {
        device,
        id,
        pin,
        code,
        check,
        evidence,
    } = approval;
    let payer = approval::owner(state, device)?;
    let payment = asked(state, payer, id)?;
    let rejected = |why| {
        Event::Phone(PhoneEvent::ApprovalRejected {
            subscriber: payer.id,
            prompt: PromptRef::Payment(id),
            device,
            why,
        })
    };

    let attempt = Attempt {
        device,
        check,
        pin: &pin,
    };
    if let Some(why) = attempt.refusal(state, payer, waits(payment, moment)) {
        events.push(rejected(why));
        return Err(why);
    }
    let is_right = match payment.codes {
        Some(codes) => code == codes.shown(),
        // At a till the phone itself was there: nothing has to be compared, and none is said.
        None => payment.till.is_some() && code == 0,
    };
    if !is_right {
        events.push(rejected(ApprovalRefusal::WrongCode));
        events.extend(super::end::ending(
            state,
            moment,
            payment,
            super::Ending::WrongCode,
            Some(device),
            None,
        ));
        return Err(ApprovalRefusal::WrongCode);
    }
    let merchant = state
        .merchants
        .get(payment.merchant)
        .ok_or(ApprovalRefusal::NotFound)?;
    let facts = Facts {
        step: Step::Approval,
        moment,
        rules: &state.rules,
        merchant,
        payer: Some(payer),
        has_device: true,
        amount: payment.amount,
        for_other: payment.whose == Whose::Other,
        mandate: None,
    };
    if let Some(veto) = merchant_veto(&facts).or_else(|| payer_veto(&facts)) {
        events.push(rejected(ApprovalRefusal::Vetoed(veto)));
        events.push(Event::Payment(PaymentEvent::Vetoed {
            id,
            veto,
            rules_version: state.rules.version,
        }));
        return Err(ApprovalRefusal::Vetoed(veto));
    }
    let Some(shares) = funding::plan(state, moment, payer, merchant, payment.amount) else {
        events.push(rejected(ApprovalRefusal::InsufficientFunds));
        return Err(ApprovalRefusal::InsufficientFunds);
    };
    let mut payment = payment.clone();
    fund(
        state,
        moment,
        &mut payment,
        shares,
        Some(device),
        Some(evidence),
        events,
    );
    if payment.status == Status::Authorized {
        authorize_and_follow(state, moment, &mut payment, events);
    }
    Ok(payment.status)
}

pub(super) fn was_prompted(payment: &Payment) -> bool {
    payment.asks_on_phone() && payment.decline.is_none() && payment.veto.is_none()
}

/// The payment, if it was this payer who was asked: nobody answers what nobody was asked.
pub(super) fn asked<'a>(
    state: &'a State,
    payer: &Subscriber,
    id: PaymentId,
) -> Result<&'a Payment, ApprovalRefusal> {
    state
        .payments
        .get(&id)
        .ok_or_else(|| match state.is_gone(Gone::Payment(id)) {
            true => ApprovalRefusal::Archived(Gone::Payment(id)),
            false => ApprovalRefusal::NotFound,
        })
        .and_then(|payment| {
            let asked = payment.payer == Some(payer.id) && was_prompted(payment);
            asked.then_some(payment).ok_or(ApprovalRefusal::NotFound)
        })
}

/// Whether the payer's answer still counts.
pub(super) fn waits(payment: &Payment, moment: &Moment) -> Result<(), ApprovalRefusal> {
    match payment.status {
        Status::AwaitingApproval if moment.now < payment.deadline => Ok(()),
        Status::AwaitingApproval | Status::Expired => Err(ApprovalRefusal::TooLate),
        Status::Funding
        | Status::Authorized
        | Status::Captured
        | Status::Declined
        | Status::Refused
        | Status::Cancelled
        | Status::Failed => Err(ApprovalRefusal::AlreadyDecided),
    }
}

/// Holds the internal shares and wants the external ones; `payment` is left as the events will leave it.
pub(super) fn fund(
    state: &State,
    moment: &Moment,
    payment: &mut Payment,
    shares: Vec<Share>,
    device: Option<DeviceId>,
    evidence: Option<Evidence>,
    events: &mut Vec<Event>,
) {
    let Some(payer) = payment.payer else { return };
    let external = shares.iter().filter(|share| share.source.is_external());
    let effects: Vec<_> = external
        .zip(state.next_effect..)
        .map(|(share, id)| wanted(EffectId(id), payment, payer, share.amount, moment))
        .collect();
    let ids: Vec<_> = effects.iter().map(|effect| effect.id).collect();
    payment.legs = legs(&shares, &ids);
    payment.approved_on = Some(moment.date);
    payment.status = if ids.is_empty() {
        Status::Authorized
    } else {
        Status::Funding
    };
    events.push(Event::Payment(PaymentEvent::Approved {
        id: payment.id,
        device,
        evidence,
        shares,
        effects: ids,
    }));
    events.extend(
        effects
            .into_iter()
            .map(|effect| Event::Effect(EffectEvent::Wanted { effect })),
    );
}

/// The legs of an approved payment.
pub(super) fn legs(shares: &[Share], effects: &[EffectId]) -> Vec<FundingLeg> {
    let mut effects = effects.iter().copied();
    let leg = |share: &Share| {
        let effect = if share.source.is_external() {
            effects.next()
        } else {
            None
        };
        let state = if effect.is_some() {
            LegState::Wanted
        } else {
            LegState::Held
        };
        FundingLeg {
            source: share.source,
            amount: share.amount,
            state,
            captured: Amount::ZERO,
            refunded: Amount::ZERO,
            effect,
        }
    };
    shares.iter().map(leg).collect()
}

fn wanted(
    id: EffectId,
    payment: &Payment,
    payer: SubscriberId,
    amount: Amount,
    moment: &Moment,
) -> Effect {
    Effect {
        id,
        payment: payment.id,
        payer,
        direction: Direction::Collect,
        amount,
        refund: None,
        state: EffectState::Wanted,
        attempts: 0,
        wanted_at: moment.now,
        repeats: 0,
    }
}
