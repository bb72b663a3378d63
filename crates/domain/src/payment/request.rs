//! A merchant asks for a payment, with a prompt or under a mandate.

use super::{
    CaptureMode, Charged, ClientPaymentRefusal, PayerRef, Payment, PaymentEvent, PaymentFacts,
    PaymentRequest, Status, Whose, approve::fund, capture::authorize,
};
use crate::{
    Answer, Decision, Event,
    approval::MatchCodes,
    archive::Gone,
    funding::{self, Share},
    idempotency::{Known, Recorded, Repeat, RepeatEvent},
    ids::PaymentId,
    level,
    mandate::Mandate,
    merchant::Merchant,
    money::Amount,
    risk::{Facts, Step, Veto, merchant_veto, payer_veto},
    state::State,
    subscriber::Subscriber,
    time::{Moment, SECOND},
};

/// Runs a merchant's request once per idempotency key; every later time it is answered as it was the first time.
pub(crate) fn repeated(
    state: &State,
    repeat: Repeat,
    act: impl FnOnce(&mut Vec<Event>) -> Result<(Answer, Recorded), ClientPaymentRefusal>,
) -> Decision {
    match state.repeats.known(&repeat) {
        Known::Same(recorded) => {
            return Decision {
                answer: state.answer_again(recorded),
                events: Vec::new(),
            };
        }
        Known::Other => {
            return Decision {
                answer: Answer::ClientRefused(ClientPaymentRefusal::KeyReused),
                events: Vec::new(),
            };
        }
        Known::Unchecked => {
            return Decision {
                answer: Answer::ClientRefused(ClientPaymentRefusal::Archived(Gone::Keys)),
                events: Vec::new(),
            };
        }
        Known::New => {}
    }
    let mut events = Vec::new();
    let (answer, recorded) = match act(&mut events) {
        Ok((answer, recorded)) => (answer, recorded),
        // Nothing was decided: the same key may try again.
        Err(
            refusal @ (ClientPaymentRefusal::Busy
            | ClientPaymentRefusal::KeyReused
            | ClientPaymentRefusal::Archived(_)),
        ) => {
            return Decision {
                answer: Answer::ClientRefused(refusal),
                events: Vec::new(),
            };
        }
        Err(refusal) => (Answer::ClientRefused(refusal), Recorded::Refused(refusal)),
    };
    // A charge says so itself.
    if !matches!(events.last(), Some(Event::Charged(_))) {
        events.push(Event::Repeat(RepeatEvent::Used {
            key: repeat.key,
            body: repeat.body,
            answer: recorded,
        }));
    }
    Decision { answer, events }
}

pub(crate) fn request(
    state: &State,
    moment: &Moment,
    request: PaymentRequest,
    events: &mut Vec<Event>,
) -> Result<(Answer, Recorded), ClientPaymentRefusal> {
    let merchant = state
        .merchants
        .get(request.merchant)
        .ok_or(ClientPaymentRefusal::NotFound)?;
    let facts = match request.payer {
        PayerRef::Number(number) => prompted(
            state,
            moment,
            merchant,
            state.holder(&number),
            request,
            events,
        )?
        .facts_now(),
        PayerRef::Mandate(id) => {
            let mandate = state
                .mandates
                .get(&id)
                .filter(|mandate| mandate.merchant == merchant.id);
            charged(
                state,
                moment,
                merchant,
                mandate.ok_or(ClientPaymentRefusal::NotFound)?,
                request,
                events,
            )
        }
    };
    let recorded = Recorded::Payment(facts.id, facts.now);
    Ok((Answer::Payment(Ok(facts)), recorded))
}

pub(super) fn new_payment(
    state: &State,
    moment: &Moment,
    payer: Option<&Subscriber>,
    request: PaymentRequest,
    codes: Option<MatchCodes>,
    mandate: Option<&Mandate>,
) -> Payment {
    let seconds = request
        .expires_in_seconds
        .unwrap_or(state.rules.prompt_seconds);
    Payment {
        id: PaymentId(state.next_payment),
        merchant: request.merchant,
        payer: payer.map(|payer| payer.id),
        amount: request.amount,
        whose: request.whose,
        capture: request.capture,
        text: request.text,
        codes,
        mandate: mandate.map(|mandate| mandate.id),
        created_at: moment.now,
        deadline: moment.now.plus(i64::from(seconds) * SECOND),
        status: Status::AwaitingApproval,
        veto: None,
        decline: None,
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
        till: None,
    }
}

pub(super) fn requested(state: &State, payment: &Payment, reference_hash: Option<u64>) -> Event {
    Event::Payment(PaymentEvent::Requested {
        id: payment.id,
        merchant: payment.merchant,
        payer: payment.payer,
        amount: payment.amount,
        whose: payment.whose,
        capture: payment.capture,
        text: payment.text.clone(),
        codes: payment.codes,
        mandate: payment.mandate,
        deadline: payment.deadline,
        veto: payment.veto,
        decline: payment.decline,
        rules_version: state.rules.version,
        reference_hash,
        till: payment.till,
    })
}

fn prompted(
    state: &State,
    moment: &Moment,
    merchant: &Merchant,
    payer: Option<&Subscriber>,
    request: PaymentRequest,
    events: &mut Vec<Event>,
) -> Result<Payment, ClientPaymentRefusal> {
    if state.open_prompts >= u64::from(state.rules.open_payments) {
        return Err(ClientPaymentRefusal::Busy);
    }
    let facts = Facts {
        step: Step::Prompt,
        moment,
        rules: &state.rules,
        merchant,
        payer,
        has_device: payer.is_some_and(|payer| state.has_active_device(payer)),
        amount: request.amount,
        for_other: request.whose == Whose::Other,
        mandate: None,
    };
    let decline = merchant_veto(&facts);
    let veto = if decline.is_some() {
        None
    } else {
        payer_veto(&facts)
    };
    let codes = MatchCodes::draw(request.entropy);
    let reference_hash = request.reference_hash;
    let mut payment = new_payment(state, moment, payer, request, Some(codes), None);
    payment.veto = veto;
    payment.decline = decline;
    if decline.is_some() {
        payment.status = Status::Declined;
    }
    events.push(requested(state, &payment, reference_hash));
    Ok(payment)
}

/// A charge under a mandate: decided at once, told at once.
fn charged(
    state: &State,
    moment: &Moment,
    merchant: &Merchant,
    mandate: &Mandate,
    mut request: PaymentRequest,
    events: &mut Vec<Event>,
) -> PaymentFacts {
    // Whoever signed the mandate pays; there is nobody else who asks.
    request.whose = Whose::Own;
    // A mandate that never became active knows no payer that its merchant may hear of.
    let payer = mandate
        .approved_at
        .and(mandate.payer)
        .and_then(|id| state.subscribers.get(id));
    let facts = Facts {
        step: Step::Charge,
        moment,
        rules: &state.rules,
        merchant,
        payer,
        has_device: true,
        amount: request.amount,
        for_other: false,
        mandate: Some(mandate),
    };
    let veto = if payer.is_none() {
        Some(Veto::MandateNotActive)
    } else {
        merchant_veto(&facts).or_else(|| payer_veto(&facts))
    };
    let shares = match (veto, payer) {
        (None, Some(payer)) => funding::plan(state, moment, payer, merchant, request.amount)
            .ok_or(Veto::InsufficientFunds),
        (veto, _) => Err(veto.unwrap_or(Veto::MandateNotActive)),
    };
    let in_one = state.level() >= level::CHARGED && request.capture == CaptureMode::Automatic;
    let shares = match (shares, payer) {
        (Ok(shares), Some(payer)) if in_one && !shares.iter().any(Share::is_external) => {
            let plan = &merchant.plan;
            let charged = Charged::new(state, request, payer.id, mandate.id, plan, shares);
            let facts = charged.facts(moment);
            events.push(Event::Charged(charged));
            return facts;
        }
        (shares, _) => shares,
    };
    let reference_hash = request.reference_hash;
    let mut payment = new_payment(state, moment, payer, request, None, Some(mandate));
    match shares {
        Err(veto) => {
            payment.decline = Some(veto);
            payment.status = Status::Declined;
            events.push(requested(state, &payment, reference_hash));
        }
        Ok(shares) => {
            events.push(requested(state, &payment, reference_hash));
            fund(state, moment, &mut payment, shares, None, None, events);
            if payment.status == Status::Authorized {
                authorize_and_follow(state, moment, &mut payment, events);
            }
        }
    }
    payment.facts_now()
}

/// Authorises and, where the merchant wants it so, captures; `payment` is left as those events will leave it.
pub(super) fn authorize_and_follow(
    state: &State,
    moment: &Moment,
    payment: &mut Payment,
    events: &mut Vec<Event>,
) {
    for event in authorize(state, moment, payment) {
        match &event {
            Event::Payment(PaymentEvent::Authorized {
                capture_deadline, ..
            }) if payment.capture == CaptureMode::Manual => {
                payment.capture_deadline = Some(*capture_deadline);
            }
            Event::Payment(PaymentEvent::Captured {
                amount, fee, tax, ..
            }) => {
                payment.status = Status::Captured;
                (payment.captured, payment.fee, payment.tax) = (*amount, *fee, *tax);
            }
            _ => {}
        }
        events.push(event);
    }
}
