//! Decisions on mandates.

use super::{
    EndedBy, Mandate, MandateApproval, MandateCommand, MandateEvent, MandateRequest, MandateStatus,
};
use crate::{
    Answer, Decision, Event,
    approval::{self, ApprovalRefusal, Attempt, MatchCodes},
    idempotency::Recorded,
    ids::{DeviceId, MandateId, MerchantId, PinValue, SubscriberId},
    money::Amount,
    payment::{ClientPaymentRefusal, repeated},
    risk::{Facts, Step, merchant_veto, payer_veto},
    state::State,
    subscriber::{PhoneEvent, PromptRef, Subscriber, is_active_device_of},
    time::{Moment, SECOND},
};

pub(crate) fn decide(state: &State, moment: &Moment, command: MandateCommand) -> Decision {
    match command {
        MandateCommand::Request(request) => repeated(state, request.repeat, |events| {
            request_mandate(state, moment, *request, events)
        }),
        MandateCommand::End {
            merchant,
            id,
            repeat,
        } => repeated(state, repeat, |events| end(state, merchant, id, events)),
        MandateCommand::Approve(approval) => {
            let mut events = Vec::new();
            let answer = approve(state, moment, *approval, &mut events);
            Decision {
                answer: Answer::MandateOnPhone(answer),
                events,
            }
        }
        MandateCommand::Refuse { device, id, report } => {
            on_phone(state, device, id, |mandate, _, events| {
                waits(mandate, moment)?;
                events.push(Event::Mandate(MandateEvent::Refused {
                    id,
                    device,
                    wrong_code: false,
                    report,
                }));
                Ok(MandateStatus::Refused)
            })
        }
        MandateCommand::Revoke { device, id } => {
            on_phone(state, device, id, |mandate, _, events| {
                match mandate.status {
                    MandateStatus::Active | MandateStatus::Suspended => {
                        events.push(Event::Mandate(MandateEvent::Ended {
                            id,
                            by: EndedBy::Payer,
                        }));
                        Ok(MandateStatus::Ended)
                    }
                    MandateStatus::Ended => Ok(MandateStatus::Ended),
                    MandateStatus::AwaitingApproval
                    | MandateStatus::Refused
                    | MandateStatus::Expired
                    | MandateStatus::Cancelled => Err(ApprovalRefusal::AlreadyDecided),
                }
            })
        }
        MandateCommand::Resume { device, id, pin } => {
            on_phone(state, device, id, |mandate, payer, events| {
                resume(state, moment, device, mandate, payer, &pin, events)
            })
        }
    }
}

type PhoneResult = Result<MandateStatus, ApprovalRefusal>;

/// The mandate, if it was this payer who was asked.
fn asked<'a>(
    state: &'a State,
    payer: &Subscriber,
    id: MandateId,
) -> Result<&'a Mandate, ApprovalRefusal> {
    state
        .mandates
        .get(&id)
        .filter(|mandate| mandate.payer == Some(payer.id) && mandate.veto.is_none())
        .ok_or(ApprovalRefusal::NotFound)
}

/// Whether the payer's answer still counts.
fn waits(mandate: &Mandate, moment: &Moment) -> Result<(), ApprovalRefusal> {
    match mandate.status {
        MandateStatus::AwaitingApproval if moment.now < mandate.deadline => Ok(()),
        MandateStatus::AwaitingApproval | MandateStatus::Expired => Err(ApprovalRefusal::TooLate),
        MandateStatus::Active
        | MandateStatus::Suspended
        | MandateStatus::Refused
        | MandateStatus::Cancelled
        | MandateStatus::Ended => Err(ApprovalRefusal::AlreadyDecided),
    }
}

/// For what a payer does with a mandate of their own on an active device.
fn on_phone(
    state: &State,
    device: DeviceId,
    id: MandateId,
    act: impl FnOnce(&Mandate, &Subscriber, &mut Vec<Event>) -> PhoneResult,
) -> Decision {
    let mut events = Vec::new();
    let answer = approval::owner(state, device).and_then(|payer| {
        let mandate = asked(state, payer, id)?;
        if !is_active_device_of(state, device, payer.id) {
            return Err(ApprovalRefusal::DeviceNotActive);
        }
        act(mandate, payer, &mut events)
    });
    Decision {
        answer: Answer::MandateOnPhone(answer),
        events,
    }
}

fn resume(
    state: &State,
    moment: &Moment,
    device: DeviceId,
    mandate: &Mandate,
    payer: &Subscriber,
    pin: &PinValue,
    events: &mut Vec<Event>,
) -> PhoneResult {
    if mandate.status != MandateStatus::Suspended {
        return Err(ApprovalRefusal::AlreadyDecided);
    }
    if let Err(why) = approval::pin(state, payer, pin) {
        events.push(rejected(payer.id, mandate.id, device, why));
        return Err(why);
    }
    if let Some(veto) = veto_at(state, moment, mandate, Step::MandateApproval) {
        return Err(ApprovalRefusal::Vetoed(veto));
    }
    events.push(Event::Mandate(MandateEvent::Resumed {
        id: mandate.id,
        device,
    }));
    Ok(MandateStatus::Active)
}

fn rejected(
    subscriber: SubscriberId,
    id: MandateId,
    device: DeviceId,
    why: ApprovalRefusal,
) -> Event {
    Event::Phone(PhoneEvent::ApprovalRejected {
        subscriber,
        prompt: PromptRef::Mandate(id),
        device,
        why,
    })
}

fn request_mandate(
    state: &State,
    moment: &Moment,
    request: MandateRequest,
    events: &mut Vec<Event>,
) -> Result<(Answer, Recorded), ClientPaymentRefusal> {
    let merchant = state
        .merchants
        .get(request.merchant)
        .ok_or(ClientPaymentRefusal::NotFound)?;
    if state.open_prompts >= u64::from(state.rules.open_payments) {
        return Err(ClientPaymentRefusal::Busy);
    }
    if request.terms.ends_on < moment.date {
        return Err(ClientPaymentRefusal::EndsInThePast);
    }
    let payer = state.holder(&request.number);
    let facts = Facts {
        step: Step::MandatePrompt,
        moment,
        rules: &state.rules,
        merchant,
        payer,
        has_device: payer.is_some_and(|payer| state.has_active_device(payer)),
        amount: Amount::ZERO,
        for_other: false,
        mandate: None,
    };
    if let Some(veto) = merchant_veto(&facts) {
        return Err(ClientPaymentRefusal::Declined(veto));
    }
    let id = MandateId(state.next_mandate);
    let mandate = Mandate {
        id,
        merchant: request.merchant,
        payer: payer.map(|payer| payer.id),
        terms: request.terms,
        text: request.text,
        codes: MatchCodes::draw(request.entropy),
        status: MandateStatus::AwaitingApproval,
        veto: payer_veto(&facts),
        created_at: moment.now,
        deadline: moment
            .now
            .plus(i64::from(state.rules.prompt_seconds) * SECOND),
        approved_at: None,
        charged: crate::counters::Spent::default(),
    };
    let facts = mandate.facts(MandateStatus::AwaitingApproval);
    events.push(Event::Mandate(MandateEvent::Requested {
        id,
        merchant: mandate.merchant,
        payer: mandate.payer,
        terms: mandate.terms,
        text: mandate.text,
        codes: mandate.codes,
        deadline: mandate.deadline,
        veto: mandate.veto,
        rules_version: state.rules.version,
    }));
    Ok((
        Answer::Mandate(Ok(facts)),
        Recorded::Mandate(id, MandateStatus::AwaitingApproval),
    ))
}

fn end(
    state: &State,
    merchant: MerchantId,
    id: MandateId,
    events: &mut Vec<Event>,
) -> Result<(Answer, Recorded), ClientPaymentRefusal> {
    let mandate = state
        .mandates
        .get(&id)
        .filter(|mandate| mandate.merchant == merchant);
    let mandate = mandate.ok_or(ClientPaymentRefusal::NotFound)?;
    let (status, event) = match mandate.status {
        MandateStatus::AwaitingApproval => (
            MandateStatus::Cancelled,
            Some(MandateEvent::Cancelled {
                id,
                attention: u32::from(mandate.payer.is_some() && mandate.veto.is_none()),
            }),
        ),
        MandateStatus::Active | MandateStatus::Suspended => (
            MandateStatus::Ended,
            Some(MandateEvent::Ended {
                id,
                by: EndedBy::Merchant,
            }),
        ),
        over @ (MandateStatus::Refused
        | MandateStatus::Expired
        | MandateStatus::Cancelled
        | MandateStatus::Ended) => (over, None),
    };
    events.extend(event.map(Event::Mandate));
    Ok((
        Answer::Mandate(Ok(mandate.facts(status))),
        Recorded::Mandate(id, status),
    ))
}

fn veto_at(
    state: &State,
    moment: &Moment,
    mandate: &Mandate,
    step: Step,
) -> Option<crate::risk::Veto> {
    let payer = mandate.payer.and_then(|payer| state.subscribers.get(payer));
    let merchant = state.merchants.get(mandate.merchant)?;
    let facts = Facts {
        step,
        moment,
        rules: &state.rules,
        merchant,
        payer,
        has_device: true,
        amount: Amount::ZERO,
        for_other: false,
        mandate: None,
    };
    merchant_veto(&facts).or_else(|| payer_veto(&facts))
}

fn approve(
    state: &State,
    moment: &Moment,
    approval: MandateApproval,
    events: &mut Vec<Event>,
) -> PhoneResult {
    let MandateApproval {
        device,
        id,
        pin,
        code,
        check,
        evidence,
    } = approval;
    let payer = approval::owner(state, device)?;
    let mandate = asked(state, payer, id)?;
    let attempt = Attempt {
        device,
        check,
        pin: &pin,
    };
    if let Some(why) = attempt.refusal(state, payer, waits(mandate, moment)) {
        events.push(rejected(payer.id, id, device, why));
        return Err(why);
    }
    if code != mandate.codes.shown() {
        events.push(rejected(payer.id, id, device, ApprovalRefusal::WrongCode));
        events.push(Event::Mandate(MandateEvent::Refused {
            id,
            device,
            wrong_code: true,
            report: false,
        }));
        return Err(ApprovalRefusal::WrongCode);
    }
    if let Some(veto) = veto_at(state, moment, mandate, Step::MandateApproval) {
        events.push(rejected(
            payer.id,
            id,
            device,
            ApprovalRefusal::Vetoed(veto),
        ));
        events.push(Event::Mandate(MandateEvent::Vetoed { id, veto }));
        return Err(ApprovalRefusal::Vetoed(veto));
    }
    events.push(Event::Mandate(MandateEvent::Approved {
        id,
        device,
        evidence,
    }));
    Ok(MandateStatus::Active)
}

/// Nobody answered.
pub(crate) fn due_mandate(state: &State, id: MandateId) -> Vec<Event> {
    match state.mandates.get(&id) {
        Some(mandate) if mandate.status == MandateStatus::AwaitingApproval => {
            vec![Event::Mandate(MandateEvent::Expired { id })]
        }
        _ => Vec::new(),
    }
}
