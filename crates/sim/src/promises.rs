//! What clients were told, and whether it is still so.

use std::collections::BTreeMap;

use paytone_domain::{
    Answer, Command, State,
    approval::ApprovalRefusal,
    idempotency::Repeat,
    ids::{BodyHash, DeviceId, LotId, MandateId, PaymentId, RefundId, RepeatKey, SubscriberId},
    mandate::{MandateCommand, MandateFacts, MandateStatus},
    operator::Done,
    payment::{
        ClientPaymentRefusal, PaymentCommand, PaymentFacts, RefundFacts, RefundStatus, Status,
    },
    subscriber::NextStep,
};

use crate::{
    happening::{Seen, Told},
    violation::{Check, Checked, require},
};

#[derive(Default)]
pub struct Promises {
    /// The farthest that was told of each; what was told before must lead to it.
    payments: BTreeMap<PaymentId, PaymentFacts>,
    refunds: BTreeMap<RefundId, RefundFacts>,
    mandates: BTreeMap<MandateId, MandateFacts>,
    /// What phones were told.
    decisions: Vec<(PaymentId, Status)>,
    devices: BTreeMap<DeviceId, SubscriberId>,
    lots: Vec<LotId>,
    rules_version: u32,
    merchants: usize,
    keys: BTreeMap<RepeatKey, (BodyHash, Answer)>,
}

/// The idempotency key of a command, if it has one.
pub fn repeat_of(command: &Command) -> Option<Repeat> {
    match command {
        Command::Payment(command) => match command {
            PaymentCommand::Request(request) => Some(request.repeat),
            PaymentCommand::Cancel { repeat, .. }
            | PaymentCommand::Capture { repeat, .. }
            | PaymentCommand::Refund { repeat, .. } => Some(*repeat),
            PaymentCommand::Approve(_) | PaymentCommand::Refuse { .. } => None,
        },
        Command::Mandate(command) => match command {
            MandateCommand::Request(request) => Some(request.repeat),
            MandateCommand::End { repeat, .. } => Some(*repeat),
            MandateCommand::Approve(_)
            | MandateCommand::Refuse { .. }
            | MandateCommand::Revoke { .. }
            | MandateCommand::Resume { .. } => None,
        },
        _ => None,
    }
}

/// Whether a payment that stood like `from` may stand like `to` later.
fn payment_leads_to(from: Status, to: Status) -> bool {
    let next: &[Status] = match from {
        Status::AwaitingApproval => &[
            Status::Funding,
            Status::Authorized,
            Status::Captured,
            Status::Refused,
            Status::Expired,
            Status::Cancelled,
            Status::Failed,
        ],
        Status::Funding => &[
            Status::Authorized,
            Status::Captured,
            Status::Failed,
            Status::Expired,
            Status::Cancelled,
        ],
        // Failed: its payer was forgotten.
        Status::Authorized => &[
            Status::Captured,
            Status::Cancelled,
            Status::Expired,
            Status::Failed,
        ],
        Status::Captured
        | Status::Declined
        | Status::Refused
        | Status::Expired
        | Status::Cancelled
        | Status::Failed => &[],
    };
    from == to || next.contains(&to)
}

fn mandate_leads_to(from: MandateStatus, to: MandateStatus) -> bool {
    match from {
        MandateStatus::AwaitingApproval => true,
        MandateStatus::Active | MandateStatus::Suspended => matches!(
            to,
            MandateStatus::Active | MandateStatus::Suspended | MandateStatus::Ended
        ),
        over => over == to,
    }
}

impl Promises {
    /// Something left the process. `repeat` is the key of the command that it answers.
    pub fn keep(&mut self, told: &Told, repeat: Option<Repeat>) -> Checked {
        match told {
            Told::Seen(Seen::Payment(facts)) => self.keep_payment(facts),
            Told::Seen(Seen::Mandate(facts)) => self.keep_mandate(facts),
            Told::Seen(Seen::Device(device, owner)) => {
                self.devices.insert(*device, *owner);
                Ok(())
            }
            Told::Seen(Seen::Prompts(_) | Seen::Nothing) | Told::Gone(..) | Told::Leaving(..) => {
                Ok(())
            }
            Told::Answer(answer) => {
                if let Some(repeat) = repeat {
                    self.keep_key(repeat, answer)?;
                    // An answer to a repetition says how it was then.
                    return self.keep_object(answer);
                }
                self.keep_rest(answer);
                Ok(())
            }
        }
    }

    fn keep_key(&mut self, repeat: Repeat, answer: &Answer) -> Checked {
        let known = self.keys.get(&repeat.key);
        if let Answer::ClientRefused(refusal) = answer {
            match refusal {
                ClientPaymentRefusal::Busy => return Ok(()),
                ClientPaymentRefusal::KeyReused => {
                    let is_other = known.is_none_or(|(body, _)| *body != repeat.body);
                    return require(is_other, Check::Keys, || {
                        format!("{:?} was refused as reused with the same body", repeat.key)
                    });
                }
                _ => {}
            }
        }
        if let Some((body, first)) = known {
            require(*body == repeat.body, Check::Keys, || {
                format!("{:?} was taken with another body", repeat.key)
            })?;
            return require(first == answer, Check::Keys, || {
                format!(
                    "{:?} was answered {first:?}, and now {answer:?}",
                    repeat.key
                )
            });
        }
        self.keys.insert(repeat.key, (repeat.body, answer.clone()));
        Ok(())
    }

    fn keep_object(&mut self, answer: &Answer) -> Checked {
        match answer {
            Answer::Payment(Ok(facts)) => self.keep_payment(facts),
            Answer::Mandate(Ok(facts)) => self.keep_mandate(facts),
            Answer::Refund(Ok(facts)) => {
                self.refunds.entry(facts.id).or_insert(facts.clone());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn keep_payment(&mut self, facts: &PaymentFacts) -> Checked {
        let farthest = self.payments.entry(facts.id).or_insert(facts.clone());
        if payment_leads_to(farthest.now.status, facts.now.status)
            && farthest.now.refunded <= facts.now.refunded
        {
            *farthest = facts.clone();
            return Ok(());
        }
        // Repetitions and reads overtake each other on their way.
        let is_older = payment_leads_to(facts.now.status, farthest.now.status);
        require(is_older, Check::Answered, || {
            format!("told {facts:?} after {farthest:?}")
        })
    }

    fn keep_mandate(&mut self, facts: &MandateFacts) -> Checked {
        let farthest = self.mandates.entry(facts.id).or_insert(facts.clone());
        if mandate_leads_to(farthest.status, facts.status) {
            *farthest = facts.clone();
            return Ok(());
        }
        let is_older = mandate_leads_to(facts.status, farthest.status);
        require(is_older, Check::Answered, || {
            format!("told {facts:?} after {farthest:?}")
        })
    }

    fn keep_rest(&mut self, answer: &Answer) {
        match answer {
            Answer::Enrolment(Ok(NextStep::Enrolled {
                device, subscriber, ..
            })) => {
                self.devices.insert(*device, *subscriber);
            }
            Answer::Operator(Ok(Done::LotGiven(lot))) => self.lots.push(*lot),
            Answer::Operator(Ok(Done::RulesSet(version))) => {
                self.rules_version = self.rules_version.max(*version);
            }
            Answer::Operator(Ok(Done::MerchantAdded(id))) => {
                self.merchants = self
                    .merchants
                    .max(usize::try_from(id.0).unwrap_or(usize::MAX));
            }
            _ => {}
        }
    }

    /// What a phone was told of a payment.
    pub fn keep_decision(&mut self, id: PaymentId, told: &Result<Status, ApprovalRefusal>) {
        match told {
            Ok(status) => self.decisions.push((id, *status)),
            Err(ApprovalRefusal::WrongCode) => self.decisions.push((id, Status::Refused)),
            Err(_) => {}
        }
    }

    /// Everything that was told must still be so.
    pub fn check(&self, state: &State) -> Checked {
        for (id, told) in &self.payments {
            let now = state
                .payments
                .get(id)
                .map(|known| (known, known.snapshot()));
            let holds = now.as_ref().is_some_and(|(known, now)| {
                let then = known.facts(told.now);
                then == *told
                    && payment_leads_to(told.now.status, now.status)
                    && told.now.refunded <= now.refunded
                    && (told.now.status != Status::Captured || told.now.captured == now.captured)
            });
            require(holds, Check::Answered, || {
                format!("told {told:?}; now {:?}", now.map(|(_, now)| now))
            })?;
        }
        for (id, told) in &self.decisions {
            let now = state.payments.get(id).map(|payment| payment.status);
            let holds = now.is_some_and(|now| payment_leads_to(*told, now));
            require(holds, Check::Answered, || {
                format!("a phone was told {told:?} of {id:?}; now {now:?}")
            })?;
        }
        for (id, told) in &self.refunds {
            let known = state.refunds.get(id);
            let holds = known.is_some_and(|known| {
                known.facts(told.status) == *told
                    && (told.status == RefundStatus::Pending
                        || known.status == RefundStatus::Completed)
            });
            require(holds, Check::Answered, || {
                format!("told {told:?}; now {known:?}")
            })?;
        }
        for (id, told) in &self.mandates {
            let known = state.mandates.get(id);
            let holds = known.is_some_and(|known| {
                known.facts(told.status) == *told && mandate_leads_to(told.status, known.status)
            });
            require(holds, Check::Answered, || {
                format!("told {told:?}; now {known:?}")
            })?;
        }
        for (device, owner) in &self.devices {
            let known = state.devices.get(device);
            let holds = known.is_some_and(|known| known.subscriber == *owner);
            require(holds, Check::Answered, || {
                format!("told that {device:?} belongs to {owner:?}; now {known:?}")
            })?;
        }
        for lot in &self.lots {
            require(state.lots.contains_key(lot), Check::Answered, || {
                format!("told that {lot:?} was given; now it is not there")
            })?;
        }
        let holds =
            state.rules.version >= self.rules_version && state.merchants.len() >= self.merchants;
        require(holds, Check::Answered, || {
            "rules or merchants that were told of are not there".to_owned()
        })
    }
}
