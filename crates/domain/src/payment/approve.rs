//! The payer approves on the phone.

use super::{
    Payment, PaymentApproval, PaymentEvent, PhoneAnswer, Status, Whose,
    request::authorize_and_follow,
};
use crate::{
    Event,
    approval::{ApprovalRefusal, Evidence, SignatureCheck},
    funding::{self, Direction, Effect, EffectEvent, EffectState, FundingLeg, LegState, Share},
    ids::{DeviceId, EffectId, PinValue, SubscriberId},
    money::Amount,
    risk::{Facts, Step, merchant_veto, payer_veto},
    state::State,
    subscriber::{PhoneEvent, PinCheck, PromptRef, Subscriber, check_pin, is_active_device_of},
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
    let owner = state
        .devices
        .get(&device)
        .map(|device| device.subscriber)
        .ok_or(ApprovalRefusal::NotFound)?;
    // Nobody can approve what nobody was asked.
    let payment = state
        .payments
        .get(&id)
        .filter(|payment| payment.payer == Some(owner) && was_prompted(payment));
    let payment = payment.ok_or(ApprovalRefusal::NotFound)?;
    let payer = state
        .subscribers
        .get(owner)
        .ok_or(ApprovalRefusal::NotFound)?;
    let rejected = |why| {
        Event::Phone(PhoneEvent::ApprovalRejected {
            subscriber: owner,
            prompt: PromptRef::Payment(id),
            device,
            why,
        })
    };

    if let Some(why) = refusal(state, moment, payment, payer, device, check, &pin) {
        events.push(rejected(why));
        return Err(why);
    }
    if payment.codes.map(|codes| codes.shown()) != Some(code) {
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
    payment.codes.is_some() && payment.decline.is_none() && payment.veto.is_none()
}

/// Everything about the approval itself, before the payment's own rules.
fn refusal(
    state: &State,
    moment: &Moment,
    payment: &Payment,
    payer: &Subscriber,
    device: DeviceId,
    check: SignatureCheck,
    pin: &PinValue,
) -> Option<ApprovalRefusal> {
    if !is_active_device_of(state, device, payer.id) {
        return Some(ApprovalRefusal::DeviceNotActive);
    }
    match payment.status {
        Status::AwaitingApproval if moment.now < payment.deadline => {}
        Status::AwaitingApproval | Status::Expired => return Some(ApprovalRefusal::TooLate),
        Status::Funding
        | Status::Authorized
        | Status::Captured
        | Status::Declined
        | Status::Refused
        | Status::Cancelled
        | Status::Failed => return Some(ApprovalRefusal::AlreadyDecided),
    }
    match check {
        SignatureCheck::BadSignature => Some(ApprovalRefusal::BadSignature),
        SignatureCheck::FactsDiffer => Some(ApprovalRefusal::FactsDiffer),
        SignatureCheck::Valid => match check_pin(payer, &state.rules, pin) {
            PinCheck::Passed => None,
            PinCheck::Wrong(left) => Some(ApprovalRefusal::WrongPin(left)),
            PinCheck::Locked => Some(ApprovalRefusal::PinLocked),
        },
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
