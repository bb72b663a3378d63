//! A payment ends without being captured: refused, wrong code, cancelled, expired, failed.

use super::{
    ClientPaymentRefusal, Ending, Payment, PaymentEvent, PhoneAnswer, Status,
    approve::{asked, waits, was_prompted},
    of_merchant,
};
use crate::{
    Answer, Event,
    approval::{self, ApprovalRefusal},
    funding::{Direction, Effect, EffectEvent, EffectState, LegState, Source, give_back},
    idempotency::Recorded,
    ids::{DeviceId, EffectId, MerchantId, PaymentId, RefundId, SubscriberId},
    ledger::{Account, Entry},
    money::Amount,
    state::State,
    subscriber::{has_left, is_active_device_of},
    time::Moment,
};

/// Ends it: holds are released (by the event), collected money is wanted back, what was not attempted yet is dropped.
/// `settling` is an effect whose result is being written down in the same decision.
pub(super) fn ending(
    state: &State,
    moment: &Moment,
    payment: &Payment,
    ending: Ending,
    device: Option<DeviceId>,
    settling: Option<EffectId>,
) -> Vec<Event> {
    let mut entry = Entry::default();
    let mut backs = Vec::new();
    let mut dropped = Vec::new();
    let leaves = ending == Ending::PayerErased;
    for leg in &payment.legs {
        if let Some(payer) = payment.payer.filter(|_| leg.state == LegState::Held)
            && (leaves || has_left(state, payer))
        {
            entry_of_left(&mut entry, payer, leg.source, leg.amount);
        }
        let Some(effect) = leg.effect else { continue };
        match leg.state {
            LegState::Collected => {
                entry.and(leg.amount, Account::Collected, Account::Suspense);
                backs.push((effect, leg.amount));
            }
            LegState::Wanted if settling != Some(effect) => {
                // Once it was attempted only its result tells; late money goes back then.
                if state.effects.get(&effect).is_some_and(|effect| {
                    effect.state == EffectState::Wanted && effect.attempts == 0
                }) {
                    dropped.push(effect);
                }
            }
            LegState::Wanted
            | LegState::Held
            | LegState::Refused
            | LegState::Moved
            | LegState::Released => {}
        }
    }
    let mut events = vec![Event::Payment(PaymentEvent::Ended {
        id: payment.id,
        ending,
        device,
        entry,
        // A prompt that its merchant takes back has disturbed its payer all the same.
        attention: u32::from(
            ending == Ending::Cancelled
                && payment.status == Status::AwaitingApproval
                && payment.payer.is_some()
                && was_prompted(payment),
        ),
    })];
    events.extend(
        dropped
            .into_iter()
            .map(|id| Event::Effect(EffectEvent::Dropped { id })),
    );
    if let Some(payer) = payment.payer {
        events.extend(give_backs(state, moment, payment, payer, backs, None));
    }
    events
}

/// What is released to a holder who has left, or is about to, becomes unclaimed, as the rest of it does.
pub(super) fn entry_of_left(
    entry: &mut Entry,
    payer: SubscriberId,
    source: Source,
    amount: Amount,
) {
    if source == Source::Balance {
        entry.and(
            amount,
            Account::SubscriberCash(payer),
            Account::Unclaimed(payer),
        );
    }
}

/// Wants collected money to go back, each part as an effect of its own.
pub(super) fn give_backs(
    state: &State,
    moment: &Moment,
    payment: &Payment,
    payer: SubscriberId,
    backs: Vec<(EffectId, Amount)>,
    refund: Option<RefundId>,
) -> Vec<Event> {
    let back = |((original, amount), id): ((EffectId, Amount), u64)| {
        let collected = Effect {
            id: original,
            payment: payment.id,
            payer,
            direction: Direction::Collect,
            amount,
            refund: None,
            state: EffectState::Attempted,
            attempts: 1,
            wanted_at: moment.now,
            repeats: 0,
        };
        give_back(EffectId(id), &collected, amount, refund, moment)
    };
    backs
        .into_iter()
        .zip(state.next_effect..)
        .map(back)
        .collect()
}

pub(crate) fn cancel(
    state: &State,
    moment: &Moment,
    merchant: MerchantId,
    id: PaymentId,
    events: &mut Vec<Event>,
) -> Result<(Answer, Recorded), ClientPaymentRefusal> {
    let payment = of_merchant(state, merchant, id)?;
    let mut now = payment.snapshot();
    match payment.status {
        Status::AwaitingApproval | Status::Funding | Status::Authorized => {
            events.extend(ending(
                state,
                moment,
                payment,
                Ending::Cancelled,
                None,
                None,
            ));
            now.status = Status::Cancelled;
            now.capture_deadline = None;
        }
        Status::Cancelled => {}
        Status::Captured
        | Status::Declined
        | Status::Refused
        | Status::Expired
        | Status::Failed => {
            return Err(ClientPaymentRefusal::WrongStatus(payment.status));
        }
    }
    Ok((
        Answer::Payment(Ok(payment.facts(now))),
        Recorded::Payment(id, now),
    ))
}

pub(crate) fn refuse(
    state: &State,
    moment: &Moment,
    device: DeviceId,
    id: PaymentId,
    report: bool,
    events: &mut Vec<Event>,
) -> PhoneAnswer {
    let payer = approval::owner(state, device)?;
    let payment = asked(state, payer, id)?;
    if !is_active_device_of(state, device, payer.id) {
        return Err(ApprovalRefusal::DeviceNotActive);
    }
    waits(payment, moment)?;
    events.extend(ending(
        state,
        moment,
        payment,
        Ending::Refused { report },
        Some(device),
        None,
    ));
    Ok(Status::Refused)
}

/// Ends all that is funded or authorised by a payer who is being forgotten.
pub(crate) fn end_all_of(state: &State, moment: &Moment, payer: SubscriberId) -> Vec<Event> {
    let mut open: Vec<_> = state
        .payments
        .values()
        .filter(|payment| payment.payer == Some(payer))
        .filter(|payment| matches!(payment.status, Status::Funding | Status::Authorized))
        .collect();
    open.sort_unstable_by_key(|payment| payment.id);
    let mut events = Vec::new();
    let mut next_effect = state.next_effect;
    for payment in open {
        for mut event in ending(state, moment, payment, Ending::PayerErased, None, None) {
            // Each ending numbers what it wants as if it were the only one.
            if let Event::Effect(EffectEvent::Wanted { effect }) = &mut event {
                effect.id = EffectId(next_effect);
                next_effect += 1;
            }
            events.push(event);
        }
    }
    events
}

/// The deadline: nobody answered, or a source did not.
pub(crate) fn due_payment(state: &State, moment: &Moment, id: PaymentId) -> Vec<Event> {
    let Some(payment) = state.payments.get(&id) else {
        return Vec::new();
    };
    match payment.status {
        Status::AwaitingApproval => ending(state, moment, payment, Ending::Ignored, None, None),
        Status::Funding => ending(state, moment, payment, Ending::NotFunded, None, None),
        Status::Authorized
        | Status::Captured
        | Status::Declined
        | Status::Refused
        | Status::Expired
        | Status::Cancelled
        | Status::Failed => Vec::new(),
    }
}
