//! The words of scenarios: what each row's command means.
//!
//! ```text
//!   money     cash WHO AMOUNT · grant LOT WHO AMOUNT [expires=3d at=shop in=5812 refund=cash|forfeit|extend:9 origin=gift|welfare] · adjust WHO ±N
//!   lines     line WHO bill=N bank sim=now device=now status=suspended activated=3d asof=0d · renumber WHO NEW · recycle WHO NEW
//!   operator  rules NAME=N … · limits MERCHANT payment=N daily=N · block|unblock NAME · reset WHO · unlock WHO · erase WHO
//!   payments  pay P WHO MERCHANT N [other manual in=60s key=K] · approve P [by= pin=wrong code=wrong sig=bad|facts]
//!             refuse P · report P · cancel P · capture P [N] · refund R P [N]
//!   bank      attempt P · done P · refused P · unknown P · again P · tobalance P       the payment's oldest open effect
//!   mandates  mandate M WHO MERCHANT each=N month=N days=N · sign M · charge P M N · revoke M · resume M · end M · decline M
//!   phone     ask E WHO · code E right|wrong · enrol E DEVICE [recovery pin=wrong] · let DEVICE by=D · stop DEVICE by=D
//!             order WHO bank,bill,balance,grant
//!   time      wait 3m (and everything due falls) · pass 3m (nothing falls) · tick
//!   archive   archive (everything that is over leaves memory)
//!   show      money WHO · payment P · refund R · mandate M · merchant NAME · device D · phone WHO · book
//! ```

use std::collections::BTreeMap;

use paytone_domain::{
    Actor, Answer, Command,
    approval::{ApprovalRefusal, SignatureCheck},
    funding::{EffectCommand, EffectOutcome, SourceKind},
    ids::{DeviceId, PinValue, PublicKey, SubscriberId},
    mandate::{MandateApproval, MandateCommand, MandateRequest, Terms},
    payment::{
        CaptureMode, ClientPaymentRefusal, PayerRef, PaymentApproval, PaymentCommand,
        PaymentRequest, Whose,
    },
    subscriber::{DeviceCommand, DeviceRefusal, EnrolmentCommand, NextStep, PhoneCommand},
    time::{BusinessDate, DAY, HOUR, MINUTE, SECOND},
};

use super::script::{Script, amount, enrolment, evidence, number, pin, sealed};

/// One row, taken apart: words, and `name=value` pairs.
pub struct Row<'a> {
    pub words: Vec<&'a str>,
    pairs: BTreeMap<&'a str, &'a str>,
    whole: &'a str,
}

impl<'a> Row<'a> {
    fn new(whole: &'a str) -> Self {
        let (pairs, words): (Vec<_>, Vec<_>) = whole
            .split_whitespace()
            .partition(|word| word.contains('='));
        Self {
            words,
            pairs: pairs
                .iter()
                .filter_map(|pair| pair.split_once('='))
                .collect(),
            whole,
        }
    }

    pub fn has(&self, word: &str) -> bool {
        self.words.contains(&word)
    }

    pub fn pair(&self, name: &str) -> Option<&'a str> {
        self.pairs.get(name).copied()
    }

    pub fn pairs(&self) -> impl Iterator<Item = (&'a str, &'a str)> + '_ {
        self.pairs.iter().map(|(name, value)| (*name, *value))
    }

    pub fn minor(&self, name: &str) -> Option<i64> {
        self.pair(name)
            .map(|value| value.parse().expect("a number"))
    }
}

/// `90s`, `3m`, `2h`, `5d`, or milliseconds without a unit.
pub fn span(text: &str) -> i64 {
    let (digits, unit) = text.split_at(text.len() - 1);
    let unit = match unit {
        "s" => SECOND,
        "m" => MINUTE,
        "h" => HOUR,
        "d" => DAY,
        _ => return text.parse().expect("milliseconds"),
    };
    digits.parse::<i64>().expect("a number") * unit
}

pub fn run(script: &mut Script, whole: &str) -> String {
    let row = Row::new(whole);
    // `refund R` and `mandate M` alone show one; with more they ask for one.
    let shows = [
        "money", "payment", "merchant", "device", "phone", "refund", "mandate",
    ];
    if row.whole == "book" || (row.words.len() == 2 && shows.contains(&row.words[0])) {
        return script.show(whole);
    }
    match row.words[0] {
        "wait" => {
            script.world.pass(span(row.words[1]));
            script.world.tick();
            String::new()
        }
        "pass" => {
            script.world.pass(span(row.words[1]));
            String::new()
        }
        "tick" => fell(script.world.tick()),
        "archive" => format!("{} left", script.world.archive()),
        "pay" | "charge" | "cancel" | "capture" | "refund" => client(script, &row),
        "approve" | "refuse" | "report" => on_phone(script, &row),
        "attempt" | "done" | "refused" | "unknown" => bank(script, &row),
        "mandate" | "end" | "sign" | "decline" | "complain" | "revoke" | "resume" => {
            mandate(script, &row)
        }
        "ask" | "code" | "enrol" => enrol(script, &row),
        "let" | "stop" | "order" | "forgive" => phone(script, &row),
        _ => super::setup::run(script, &row),
    }
}

fn fell(ticks: usize) -> String {
    match ticks {
        0 => String::new(),
        ticks => format!("{ticks} fell"),
    }
}

fn optional_amount(row: &Row<'_>, place: usize) -> Option<paytone_domain::money::Amount> {
    row.words
        .get(place)
        .map(|word| amount(word.parse().expect("a number")))
}

fn client(script: &mut Script, row: &Row<'_>) -> String {
    let name = row.words[1];
    let repeat = script.repeat(row.pair("key"), row.pair("body").unwrap_or(row.whole));
    let entropy = script.entropy();
    let payment = |script: &Script, name: &str| {
        let id = script.payments[name];
        let by = row.pair("as").map(|by| script.merchant(by));
        (by.unwrap_or(script.world.payment(id).merchant), id)
    };
    let request = |merchant, payer, minor: &str| {
        PaymentCommand::Request(Box::new(PaymentRequest {
            merchant,
            payer,
            amount: amount(minor.parse().expect("an amount")),
            whose: if row.has("other") {
                Whose::Other
            } else {
                Whose::Own
            },
            capture: if row.has("manual") {
                CaptureMode::Manual
            } else {
                CaptureMode::Automatic
            },
            text: sealed("for what"),
            reference_hash: None,
            expires_in_seconds: row.pair("in").map(|text| (span(text) / SECOND) as u32),
            entropy,
            repeat,
        }))
    };
    let command = match row.words[0] {
        "pay" => {
            let payer = PayerRef::Number(number(row.words[2]));
            request(script.merchant(row.words[3]), payer, row.words[4])
        }
        "charge" => {
            let id = script.mandates[row.words[2]];
            let merchant = script.world.state.mandates[&id].merchant;
            let merchant = row.pair("as").map_or(merchant, |by| script.merchant(by));
            request(merchant, PayerRef::Mandate(id), row.words[3])
        }
        "cancel" => {
            let (merchant, id) = payment(script, name);
            PaymentCommand::Cancel {
                merchant,
                id,
                repeat,
            }
        }
        "capture" => {
            let (merchant, id) = payment(script, name);
            let amount = optional_amount(row, 2);
            PaymentCommand::Capture {
                merchant,
                id,
                amount,
                repeat,
            }
        }
        _ => {
            let (merchant, id) = payment(script, row.words[2]);
            let amount = optional_amount(row, 3);
            let text = sealed("why");
            PaymentCommand::Refund {
                merchant,
                id,
                amount,
                text,
                repeat,
            }
        }
    };
    match script.world.run(Actor::System, Command::Payment(command)) {
        Answer::Payment(Ok(facts)) => {
            script.payments.insert(name.to_owned(), facts.id);
            let declined = facts.now.decline.map(|veto| format!(" {}", veto.code()));
            let unseen = script.world.payment(facts.id).veto;
            let unseen = unseen.map(|veto| format!(" [{}]", veto.code()));
            format!(
                "{}{}{}",
                facts.now.status.name(),
                declined.unwrap_or_default(),
                unseen.unwrap_or_default()
            )
        }
        Answer::Refund(Ok(facts)) => {
            script.refunds.insert(name.to_owned(), facts.id);
            format!("{} {}", facts.amount.minor(), facts.status.name())
        }
        Answer::Payment(Err(refusal))
        | Answer::Refund(Err(refusal))
        | Answer::ClientRefused(refusal) => client_refusal(refusal),
        other => panic!("not a client's answer: {other:?}"),
    }
}

fn client_refusal(refusal: ClientPaymentRefusal) -> String {
    match refusal {
        ClientPaymentRefusal::WrongStatus(status) => format!("no: it is {}", status.name()),
        ClientPaymentRefusal::MoreThanCaptured { left } => {
            format!("no: only {} left", left.minor())
        }
        ClientPaymentRefusal::Declined(veto) => format!("no: {}", veto.code()),
        other => format!("no: {}", other.code()),
    }
}

fn approval_refusal(refusal: ApprovalRefusal) -> String {
    match refusal {
        ApprovalRefusal::WrongPin(left) => format!("no: wrong_pin, {left} left"),
        ApprovalRefusal::Vetoed(veto) => format!("no: {}", veto.code()),
        other => format!("no: {}", other.code()),
    }
}

fn check_of(row: &Row<'_>) -> SignatureCheck {
    match row.pair("sig") {
        None => SignatureCheck::Valid,
        Some("bad") => SignatureCheck::BadSignature,
        Some(_) => SignatureCheck::FactsDiffer,
    }
}

fn device_by(script: &Script, row: &Row<'_>, payer: Option<SubscriberId>) -> DeviceId {
    row.pair("by")
        .map_or_else(|| script.device_of(payer), |by| script.devices[by])
}

fn pin_by(row: &Row<'_>, payer: Option<SubscriberId>) -> PinValue {
    match (row.pair("pin"), payer) {
        (None, Some(payer)) => pin(payer),
        _ => PinValue([255; 32]),
    }
}

fn on_phone(script: &mut Script, row: &Row<'_>) -> String {
    let id = script.payments[row.words[1]];
    let payment = script.world.payment(id);
    let (payer, shown) = (
        payment.payer,
        payment.codes.map_or(0, |codes| codes.shown()),
    );
    let device = device_by(script, row, payer);
    let command = match row.words[0] {
        "approve" => PaymentCommand::Approve(Box::new(PaymentApproval {
            device,
            id,
            pin: pin_by(row, payer),
            code: if row.pair("code").is_some() {
                shown + 1
            } else {
                shown
            },
            check: check_of(row),
            evidence: evidence(),
        })),
        word => PaymentCommand::Refuse {
            device,
            id,
            report: word == "report",
        },
    };
    match script
        .world
        .run(Actor::Device(device), Command::Payment(command))
    {
        Answer::PaymentOnPhone(Ok(status)) => status.name().to_owned(),
        Answer::PaymentOnPhone(Err(refusal)) => approval_refusal(refusal),
        other => panic!("not a phone's answer: {other:?}"),
    }
}

fn bank(script: &mut Script, row: &Row<'_>) -> String {
    let id = script.effect_of(script.payments[row.words[1]]);
    let result = |outcome| EffectCommand::Result { id, outcome };
    let command = match row.words[0] {
        "attempt" => EffectCommand::Attempt { id },
        "done" => result(EffectOutcome::Done),
        "refused" => result(EffectOutcome::Refused),
        _ => result(EffectOutcome::Unknown),
    };
    match script.world.run(Actor::Connector, Command::Effect(command)) {
        Answer::Effect(Ok(())) => {
            let payment = script.world.payment(script.payments[row.words[1]]);
            payment.status.name().to_owned()
        }
        Answer::Effect(Err(refusal)) => format!("no: {refusal:?}"),
        other => panic!("not a connector's answer: {other:?}"),
    }
}

fn mandate(script: &mut Script, row: &Row<'_>) -> String {
    let name = row.words[1];
    let repeat = script.repeat(row.pair("key"), row.whole);
    let known = script.mandates.get(name).copied();
    let mandate = known.map(|id| script.world.state.mandates[&id].clone());
    let payer = mandate.as_ref().and_then(|mandate| mandate.payer);
    let device = device_by(script, row, payer);
    let command = match (row.words[0], mandate) {
        ("mandate", _) => {
            let days = row.minor("days").unwrap_or(365);
            MandateCommand::Request(Box::new(MandateRequest {
                merchant: script.merchant(row.words[3]),
                number: number(row.words[2]),
                terms: Terms {
                    payment_limit: amount(row.minor("each").unwrap_or(10_000)),
                    monthly_limit: amount(row.minor("month").unwrap_or(20_000)),
                    ends_on: BusinessDate(script.world.moment.date.0 + days as i32),
                },
                text: sealed("for what"),
                entropy: script.entropy(),
                repeat,
            }))
        }
        (_, None) => panic!("no mandate {name}"),
        ("end", Some(mandate)) => MandateCommand::End {
            merchant: mandate.merchant,
            id: mandate.id,
            repeat,
        },
        ("sign", Some(mandate)) => {
            let shown = mandate.codes.shown();
            MandateCommand::Approve(Box::new(MandateApproval {
                device,
                id: mandate.id,
                pin: pin_by(row, payer),
                code: if row.pair("code").is_some() {
                    shown + 1
                } else {
                    shown
                },
                check: check_of(row),
                evidence: evidence(),
            }))
        }
        ("revoke", Some(mandate)) => MandateCommand::Revoke {
            device,
            id: mandate.id,
        },
        ("resume", Some(mandate)) => MandateCommand::Resume {
            device,
            id: mandate.id,
            pin: pin_by(row, payer),
        },
        (word, Some(mandate)) => MandateCommand::Refuse {
            device,
            id: mandate.id,
            report: word == "complain",
        },
    };
    match script.world.run(Actor::System, Command::Mandate(command)) {
        Answer::Mandate(Ok(facts)) => {
            script.mandates.insert(name.to_owned(), facts.id);
            let unseen = script.world.state.mandates[&facts.id].veto;
            let unseen = unseen.map(|veto| format!(" [{}]", veto.code()));
            format!("{}{}", facts.status.name(), unseen.unwrap_or_default())
        }
        Answer::MandateOnPhone(Ok(status)) => status.name().to_owned(),
        Answer::MandateOnPhone(Err(refusal)) => approval_refusal(refusal),
        Answer::Mandate(Err(refusal)) | Answer::ClientRefused(refusal) => client_refusal(refusal),
        other => panic!("not a mandate's answer: {other:?}"),
    }
}

fn enrol(script: &mut Script, row: &Row<'_>) -> String {
    let id = enrolment(row.words[1]);
    let holder = script.world.state.enrolments.get(&id);
    let holder = holder.and_then(|enrolment| enrolment.subscriber);
    let command = match row.words[0] {
        "ask" => EnrolmentCommand::Ask {
            id,
            number: number(row.words[2]),
        },
        "code" => EnrolmentCommand::TryCode {
            id,
            matches: row.words[2] == "right",
        },
        _ => EnrolmentCommand::Complete {
            id,
            key: PublicKey([2; 65]),
            pin: pin_by(row, holder),
            label: sealed(row.words[2]),
            recovery: row.has("recovery"),
        },
    };
    match script
        .world
        .run(Actor::Enrolling, Command::Enrolment(command))
    {
        Answer::Enrolment(Ok(NextStep::EnterCode { send, .. })) => if send {
            "enter code, sent"
        } else {
            "enter code"
        }
        .to_owned(),
        Answer::Enrolment(Ok(NextStep::EnterPin { known, further, .. })) => {
            let pin = if known { "enter PIN" } else { "choose PIN" };
            format!("{pin}{}", if further { ", further device" } else { "" })
        }
        Answer::Enrolment(Ok(NextStep::Enrolled { device, status, .. })) => {
            script.devices.insert(row.words[2].to_owned(), device);
            format!("{status:?}")
        }
        Answer::Enrolment(Err(refusal)) => format!("no: {refusal:?}"),
        other => panic!("not an enrolment's answer: {other:?}"),
    }
}

fn phone(script: &mut Script, row: &Row<'_>) -> String {
    let by = || script.devices[row.pair("by").expect("by a device")];
    let command = match row.words[0] {
        "let" => {
            let by = by();
            let owner = script.world.state.devices[&by].subscriber;
            Command::Device(DeviceCommand::Approve {
                by,
                target: script.devices[row.words[1]],
                pin: pin_by(row, Some(owner)),
                check: check_of(row),
                evidence: evidence(),
            })
        }
        "stop" => Command::Device(DeviceCommand::Stop {
            by: by(),
            target: script.devices[row.words[1]],
        }),
        "forgive" => Command::Phone(PhoneCommand::UnblockMerchant {
            device: script.devices[row.words[1]],
            merchant: script.merchant(row.words[2]),
        }),
        _ => {
            let order: Vec<_> = row.words[2]
                .split(',')
                .filter_map(SourceKind::from_name)
                .collect();
            Command::Phone(PhoneCommand::OrderSources {
                device: script.devices[row.words[1]],
                order: order.try_into().expect("four sources"),
            })
        }
    };
    match script.world.run(Actor::System, command) {
        Answer::Device(Ok(status)) => format!("{status:?}"),
        Answer::Device(Err(DeviceRefusal::Approval(refusal))) => approval_refusal(refusal),
        Answer::Device(Err(refusal)) => format!("no: {refusal:?}"),
        Answer::Phone(Ok(())) => "ok".to_owned(),
        Answer::Phone(Err(refusal)) => format!("no: {refusal:?}"),
        other => panic!("not a phone's answer: {other:?}"),
    }
}
