//! Phones: they enrol, and approve, refuse, ignore or get it wrong.

use std::collections::BTreeSet;

use paytone_domain::{
    Actor, Answer, Command,
    approval::{ApprovalRefusal, Evidence, SignatureCheck},
    funding::SourceKind,
    ids::{
        DeviceId, EnrolmentId, MandateId, NumberHash, PaymentId, PinValue, PublicKey, Sealed,
        Signature, SubscriberId,
    },
    mandate::{MandateApproval, MandateCommand, MandateStatus},
    payment::{PaymentApproval, PaymentCommand},
    subscriber::{DeviceCommand, EnrolmentCommand, NextStep, PhoneCommand, PromptRef},
};

use crate::{
    happening::{Ask, CallId, Happening, Look, Owner, Seen, Told},
    world::World,
};

/// Everybody's PIN, and one that is nobody's.
const RIGHT_PIN: PinValue = PinValue([7; 32]);
const WRONG_PIN: PinValue = PinValue([8; 32]);

pub struct Phone {
    number: NumberHash,
    key: [u8; 65],
    enrolment: Option<EnrolmentId>,
    device: Option<DeviceId>,
    pub subscriber: Option<SubscriberId>,
    /// Prompts it has dealt with, or decided to ignore.
    handled: BTreeSet<String>,
}

impl Phone {
    pub fn of(number: NumberHash) -> Self {
        Self {
            number,
            key: [0; 65],
            enrolment: None,
            device: None,
            subscriber: None,
            handled: BTreeSet::new(),
        }
    }
}

fn evidence() -> Evidence {
    Evidence {
        document: Sealed::from(vec![1, 2, 3]),
        signature: Signature([9; 64]),
    }
}

impl World {
    /// Somebody takes the phone in hand.
    pub fn phone(&mut self, place: usize) {
        if self.settling {
            return;
        }
        let Some(phone) = self.phones.get(place) else {
            return;
        };
        let patience = if phone.device.is_some() {
            300_000
        } else {
            60_000
        };
        let after = self.random.between(20_000, patience);
        self.queue.push(after, Happening::Phone(place));
        let Some(phone) = self.phones.get(place) else {
            return;
        };
        let owner = Owner::Phone(place);
        let (Some(device), Some(subscriber)) = (phone.device, phone.subscriber) else {
            return self.enrol(place);
        };
        let actor = Actor::Device(device);
        match self.random.below(12) {
            0 => {
                let mut order = SourceKind::DEFAULT_ORDER;
                for last in (1..order.len()).rev() {
                    order.swap(last, self.random.below(last + 1));
                }
                let command = PhoneCommand::OrderSources { device, order };
                self.command(owner, actor, Command::Phone(command));
            }
            1 if self.random.chance(15) => {
                // Lost, and found by somebody who enrols it anew.
                let target = device;
                let command = DeviceCommand::Stop { by: device, target };
                self.command(owner, actor, Command::Device(command));
            }
            2 => {
                let merchant = paytone_domain::ids::MerchantId(1);
                let command = PhoneCommand::UnblockMerchant { device, merchant };
                self.command(owner, actor, Command::Phone(command));
            }
            _ => {
                let look = Ask::Look(Look::Prompts(subscriber));
                self.call(owner, actor, look, true);
            }
        }
    }

    fn enrol(&mut self, place: usize) {
        let id = EnrolmentId(self.random.bytes());
        let key = self.random.bytes();
        let Some(phone) = self.phones.get_mut(place) else {
            return;
        };
        phone.enrolment = Some(id);
        phone.key = key;
        let number = phone.number;
        self.enrolment_command(place, EnrolmentCommand::Ask { id, number });
    }

    fn enrolment_command(&mut self, place: usize, command: EnrolmentCommand) {
        let command = Command::Enrolment(command);
        self.command(Owner::Phone(place), Actor::Enrolling, command);
    }

    /// A pushed prompt for all phones of its payer, now and then lost; a look at the open prompts finds it then.
    pub fn push_prompt(&mut self, payer: SubscriberId, prompt: PromptRef) {
        for phone in 0..self.phones.len() {
            if self.phones[phone].subscriber == Some(payer) && self.random.chance(90) {
                let after = self.random.between(50, 40_000);
                self.queue.push(after, Happening::Prompt { phone, prompt });
            }
        }
    }

    /// A prompt is on the screen.
    pub fn prompted(&mut self, place: usize, prompt: PromptRef) {
        let Some(phone) = self.phones.get_mut(place) else {
            return;
        };
        let Some(device) = phone.device else { return };
        // What suspended a mandate may come again, so it may be resumed again.
        let is_new = phone.handled.insert(format!("{prompt:?}"));
        match prompt {
            PromptRef::Payment(id) if is_new => self.decide_payment(place, device, id),
            PromptRef::Mandate(id) => self.decide_mandate(place, device, id, is_new),
            PromptRef::Device(id) if is_new => self.decide_device(place, device, id),
            PromptRef::Payment(_) | PromptRef::Device(_) => {}
        }
    }

    /// Some people are not sure of theirs.
    fn pin(&mut self, place: usize) -> PinValue {
        let sure = if place % 4 == 3 { 25 } else { 95 };
        if self.random.chance(sure) {
            RIGHT_PIN
        } else {
            WRONG_PIN
        }
    }

    fn check(&mut self) -> SignatureCheck {
        match self.random.below(40) {
            0 => SignatureCheck::BadSignature,
            1 => SignatureCheck::FactsDiffer,
            _ => SignatureCheck::Valid,
        }
    }

    /// The code that the checkout shows, or a wrong one.
    fn code(&mut self, shown: Option<u8>) -> u8 {
        let right = shown.unwrap_or(10);
        if self.random.chance(93) {
            right
        } else {
            right ^ 1
        }
    }

    fn decide_payment(&mut self, place: usize, device: DeviceId, id: PaymentId) {
        let shown = self.process.as_ref().and_then(|process| {
            let payment = process.pipeline.state().payments.get(&id)?;
            payment.codes.map(|codes| codes.shown())
        });
        let command = match self.random.below(20) {
            0 | 1 => return,
            2 | 3 => {
                let report = self.random.chance(15);
                PaymentCommand::Refuse { device, id, report }
            }
            _ => PaymentCommand::Approve(Box::new(PaymentApproval {
                device,
                id,
                pin: self.pin(place),
                code: self.code(shown),
                check: self.check(),
                evidence: evidence(),
            })),
        };
        let actor = Actor::Device(device);
        self.command(Owner::Phone(place), actor, Command::Payment(command));
    }

    fn decide_mandate(&mut self, place: usize, device: DeviceId, id: MandateId, is_new: bool) {
        let known = self.process.as_ref().and_then(|process| {
            let mandate = process.pipeline.state().mandates.get(&id)?;
            Some((mandate.status, mandate.codes.shown()))
        });
        let Some((status, shown)) = known else {
            return;
        };
        let command = match status {
            MandateStatus::AwaitingApproval if is_new => match self.random.below(10) {
                0 => return,
                1 => MandateCommand::Refuse {
                    device,
                    id,
                    report: false,
                },
                _ => MandateCommand::Approve(Box::new(MandateApproval {
                    device,
                    id,
                    pin: self.pin(place),
                    code: self.code(Some(shown)),
                    check: self.check(),
                    evidence: evidence(),
                })),
            },
            MandateStatus::Suspended if self.random.chance(40) => MandateCommand::Resume {
                device,
                id,
                pin: self.pin(place),
            },
            MandateStatus::Active if self.random.chance(4) => MandateCommand::Revoke { device, id },
            _ => return,
        };
        let actor = Actor::Device(device);
        self.command(Owner::Phone(place), actor, Command::Mandate(command));
    }

    fn decide_device(&mut self, place: usize, by: DeviceId, target: DeviceId) {
        let command = match self.random.below(6) {
            0 => return,
            1 => DeviceCommand::Stop { by, target },
            _ => DeviceCommand::Approve {
                by,
                target,
                pin: self.pin(place),
                check: self.check(),
                evidence: evidence(),
            },
        };
        self.command(
            Owner::Phone(place),
            Actor::Device(by),
            Command::Device(command),
        );
    }

    pub fn phone_told(&mut self, place: usize, call: CallId, told: Told) {
        let asked = match self.calls.get(&call).map(|call| &call.ask) {
            Some(Ask::Command(Command::Enrolment(command))) => Some(command.clone()),
            _ => None,
        };
        let Some(phone) = self.phones.get_mut(place) else {
            return;
        };
        match told {
            Told::Answer(Answer::Enrolment(answer)) => {
                let asked_id = match asked {
                    Some(
                        EnrolmentCommand::Ask { id, .. }
                        | EnrolmentCommand::TryCode { id, .. }
                        | EnrolmentCommand::Complete { id, .. },
                    ) => Some(id),
                    None => None,
                };
                // Given up meanwhile.
                let Some(id) = phone.enrolment.filter(|id| Some(*id) == asked_id) else {
                    return;
                };
                match answer {
                    Ok(NextStep::EnterCode { .. }) => {
                        let matches = self.random.chance(85);
                        self.enrolment_command(place, EnrolmentCommand::TryCode { id, matches });
                    }
                    Ok(NextStep::EnterPin { .. }) => {
                        let key = PublicKey(phone.key);
                        let complete = EnrolmentCommand::Complete {
                            id,
                            key,
                            pin: RIGHT_PIN,
                            label: Sealed::default(),
                            recovery: self.random.chance(40),
                        };
                        self.enrolment_command(place, complete);
                    }
                    Ok(NextStep::Enrolled {
                        device, subscriber, ..
                    }) => self.enrolled(place, device, subscriber),
                    // The answer to the first try may have been lost.
                    Err(_) => {
                        let look = Ask::Look(Look::Device(phone.key));
                        self.call(Owner::Phone(place), Actor::Enrolling, look, true);
                    }
                }
            }
            Told::Seen(Seen::Device(device, subscriber)) => {
                self.enrolled(place, device, subscriber);
            }
            Told::Seen(Seen::Prompts(prompts)) => {
                for prompt in prompts {
                    let after = self.random.between(500, 20_000);
                    let phone = place;
                    self.queue.push(after, Happening::Prompt { phone, prompt });
                }
            }
            Told::Answer(
                Answer::PaymentOnPhone(Err(ApprovalRefusal::DeviceNotActive))
                | Answer::MandateOnPhone(Err(ApprovalRefusal::DeviceNotActive))
                | Answer::Phone(Err(_)),
            ) => self.give_up(place),
            _ => {}
        }
    }

    fn enrolled(&mut self, place: usize, device: DeviceId, subscriber: SubscriberId) {
        if let Some(phone) = self.phones.get_mut(place) {
            phone.device = Some(device);
            phone.subscriber = Some(subscriber);
            phone.enrolment = None;
        }
    }

    /// It is not a device of anybody's any more: it enrols anew, or waits until it may.
    fn give_up(&mut self, place: usize) {
        let waits = self.random.chance(50);
        if let Some(phone) = self.phones.get_mut(place)
            && !waits
        {
            phone.device = None;
            phone.subscriber = None;
            phone.handled.clear();
        }
    }
}
