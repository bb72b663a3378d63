//! Merchants' clients: checkouts, captures, refunds, mandates and charges, each repeated under its key until answered.

use paytone_domain::{
    Actor, Answer, Command,
    idempotency::Repeat,
    ids::{BodyHash, ClientKeyId, MandateId, MerchantId, NumberHash, PaymentId, RepeatKey, Sealed},
    mandate::{MandateCommand, MandateRequest, MandateStatus, Terms},
    money::Amount,
    payment::{CaptureMode, PayerRef, PaymentCommand, PaymentFacts, PaymentRequest, Status, Whose},
    time::BusinessDate,
};

use crate::{
    happening::{Ask, CallId, CheckoutStep, Happening, Look, Owner, Seen, Told},
    world::World,
};

pub const MERCHANTS: usize = 3;
const HOUR: i64 = 3_600_000;

/// One thing that a merchant's client sees through: a payment, or a mandate and its charges.
#[derive(Debug)]
pub struct Checkout {
    pub merchant: MerchantId,
    pub payment: Option<PaymentId>,
    pub mandate: Option<MandateId>,
    capture: CaptureMode,
    polls_left: u32,
    /// Asked for a capture, a refund or a charge already.
    acted: bool,
}

impl World {
    fn merchant_actor(merchant: MerchantId) -> Actor {
        Actor::Client(merchant, ClientKeyId(merchant.0))
    }

    fn repeat(&mut self) -> Repeat {
        Repeat::new(
            RepeatKey(self.random.bytes()),
            BodyHash(self.random.bytes()),
        )
    }

    fn text(&mut self) -> Sealed {
        let text: [u8; 8] = self.random.bytes();
        Sealed::from(text.to_vec())
    }

    /// Mostly everyday amounts, sometimes none, tiny or far too large.
    fn amount(&mut self) -> Amount {
        let most = match self.random.below(20) {
            0 => 9,
            1 => 1_000_000,
            2..=6 => 30_000,
            _ => 6_000,
        };
        Amount::clamped(self.random.between(1, most))
    }

    fn any_number(&mut self) -> NumberHash {
        let stranger = NumberHash([0xee; 16]);
        if self.random.chance(5) {
            return stranger;
        }
        let known = self.random.pick(&self.staff.numbers);
        known.copied().unwrap_or(stranger)
    }

    /// A merchant's till rings.
    pub fn merchant(&mut self, place: usize) {
        if self.settling {
            return;
        }
        let quiet = self.random.chance(1);
        let after = self
            .random
            .between(500, if quiet { 14 * HOUR } else { 25_000 });
        self.queue.push(after, Happening::Merchant(place));
        let merchant = MerchantId(place as u64 + 1);
        let number = self.any_number();
        if self.random.chance(14) {
            self.ask_mandate(merchant, number);
        } else {
            self.ask_payment(merchant, PayerRef::Number(number));
        }
    }

    fn new_checkout(&mut self, merchant: MerchantId, capture: CaptureMode) -> usize {
        self.checkouts.push(Checkout {
            merchant,
            payment: None,
            mandate: None,
            capture,
            polls_left: 8,
            acted: false,
        });
        self.checkouts.len() - 1
    }

    fn ask_payment(&mut self, merchant: MerchantId, payer: PayerRef) {
        let capture = if self.random.chance(60) {
            CaptureMode::Automatic
        } else {
            CaptureMode::Manual
        };
        let is_charge = matches!(payer, PayerRef::Mandate(_));
        let whose = if !is_charge && self.random.chance(40) {
            Whose::Other
        } else {
            Whose::Own
        };
        let seconds = self.random.between(10, 300);
        let expires = self.random.chance(60).then_some(seconds);
        let request = PaymentRequest {
            merchant,
            payer,
            amount: self.amount(),
            whose,
            capture,
            text: self.text(),
            reference_hash: None,
            expires_in_seconds: expires.and_then(|seconds| u32::try_from(seconds).ok()),
            entropy: self.random.number(),
            repeat: self.repeat(),
        };
        let place = self.new_checkout(merchant, capture);
        let command = Command::Payment(PaymentCommand::Request(Box::new(request)));
        self.ask_keyed(place, command);
    }

    fn ask_mandate(&mut self, merchant: MerchantId, number: NumberHash) {
        let today = self.wall().0.div_euclid(24 * HOUR);
        let ends_on = today + self.random.between(-1, 40);
        let request = MandateRequest {
            merchant,
            number,
            terms: Terms {
                payment_limit: Amount::clamped(self.random.between(500, 20_000)),
                monthly_limit: Amount::clamped(self.random.between(5_000, 60_000)),
                ends_on: BusinessDate(i32::try_from(ends_on).unwrap_or(0)),
            },
            text: self.text(),
            entropy: self.random.number(),
            repeat: self.repeat(),
        };
        let place = self.new_checkout(merchant, CaptureMode::Automatic);
        let command = Command::Mandate(MandateCommand::Request(Box::new(request)));
        self.ask_keyed(place, command);
    }

    /// Under a key; perhaps again much later, or with another body.
    fn ask_keyed(&mut self, place: usize, command: Command) {
        let Some(checkout) = self.checkouts.get(place) else {
            return;
        };
        let actor = Self::merchant_actor(checkout.merchant);
        let call = self.command(Owner::Checkout(place), actor, command);
        if self.random.chance(8) {
            // Well before a day is over; keys are forgotten then.
            let after = self.random.between(1_000, 18 * HOUR);
            let again = Happening::Checkout(place, CheckoutStep::AskAgain(call));
            self.queue.push(after, again);
        }
        if self.random.chance(3) {
            let after = self.random.between(1, HOUR);
            let other = Happening::Checkout(place, CheckoutStep::ReuseKey(call));
            self.queue.push(after, other);
        }
    }

    pub fn checkout_step(&mut self, place: usize, step: CheckoutStep) {
        let Some(checkout) = self.checkouts.get_mut(place) else {
            return;
        };
        let merchant = checkout.merchant;
        let actor = Self::merchant_actor(merchant);
        match step {
            CheckoutStep::Poll => {
                let look = match (checkout.payment, checkout.mandate) {
                    (Some(id), _) => Look::Payment(id),
                    (None, Some(id)) => Look::Mandate(id),
                    (None, None) => return,
                };
                checkout.polls_left = checkout.polls_left.saturating_sub(1);
                self.call(Owner::Checkout(place), actor, Ask::Look(look), true);
            }
            CheckoutStep::Cancel => {
                if let Some(id) = checkout.payment {
                    let repeat = self.repeat();
                    let cancel = PaymentCommand::Cancel {
                        merchant,
                        id,
                        repeat,
                    };
                    self.ask_keyed(place, Command::Payment(cancel));
                }
            }
            CheckoutStep::Charge => {
                if let Some(id) = checkout.mandate {
                    self.ask_payment(merchant, PayerRef::Mandate(id));
                }
            }
            CheckoutStep::End => {
                if let Some(id) = checkout.mandate {
                    let repeat = self.repeat();
                    let end = MandateCommand::End {
                        merchant,
                        id,
                        repeat,
                    };
                    self.ask_keyed(place, Command::Mandate(end));
                }
            }
            CheckoutStep::AskAgain(call) => {
                let Some(call) = self.calls.get(&call).filter(|call| call.is_answered) else {
                    return;
                };
                let (owner, ask) = (call.owner, call.ask.clone());
                let again = self.call(owner, actor, ask, true);
                // The checkout has heard this answer before.
                self.note(|| format!("#{again} repeats an old request"));
            }
            CheckoutStep::ReuseKey(call) => {
                let Some(Ask::Command(command)) = self
                    .calls
                    .get(&call)
                    .filter(|call| call.is_answered)
                    .map(|call| call.ask.clone())
                else {
                    return;
                };
                let Some(mut repeat) = crate::promises::repeat_of(&command) else {
                    return;
                };
                repeat.body = BodyHash(self.random.bytes());
                let other = PaymentCommand::Cancel {
                    merchant,
                    id: PaymentId(1),
                    repeat,
                };
                self.command(Owner::Checkout(place), actor, Command::Payment(other));
            }
        }
    }

    pub fn checkout_told(&mut self, place: usize, call: CallId, told: Told) {
        match told {
            Told::Answer(Answer::Payment(Ok(facts))) | Told::Seen(Seen::Payment(facts)) => {
                self.payment_seen(place, &facts);
            }
            Told::Answer(Answer::Mandate(Ok(facts))) | Told::Seen(Seen::Mandate(facts)) => {
                self.mandate_seen(place, facts.id, facts.status);
            }
            _ => self.note(|| format!("#{call} is told")),
        }
    }

    fn payment_seen(&mut self, place: usize, facts: &PaymentFacts) {
        let Some(checkout) = self.checkouts.get_mut(place) else {
            return;
        };
        let is_first = checkout.payment.is_none();
        checkout.payment = Some(facts.id);
        let (acted, polls_left) = (checkout.acted, checkout.polls_left);
        if is_first && self.random.chance(20) {
            for _ in 0..=self.random.below(2) {
                let after = self.random.between(0, 200_000);
                let cancel = Happening::Checkout(place, CheckoutStep::Cancel);
                self.queue.push(after, cancel);
            }
        }
        match facts.now.status {
            Status::AwaitingApproval | Status::Funding if polls_left > 0 => {
                let after = self.random.between(5_000, 60_000);
                let poll = Happening::Checkout(place, CheckoutStep::Poll);
                self.queue.push(after, poll);
            }
            Status::Authorized if !acted => self.capture(place, facts),
            Status::Captured if !acted || self.random.chance(20) => self.refund(place, facts),
            _ => {}
        }
    }

    fn mark_acted(&mut self, place: usize) {
        if let Some(checkout) = self.checkouts.get_mut(place) {
            checkout.acted = true;
        }
    }

    /// All, a part, too much, or never.
    fn capture(&mut self, place: usize, facts: &PaymentFacts) {
        if self.checkouts[place].capture == CaptureMode::Automatic || self.random.chance(10) {
            return;
        }
        self.mark_acted(place);
        let merchant = self.checkouts[place].merchant;
        for _ in 0..=self.random.below(2) {
            let part = self.random.between(0, facts.amount.minor() + 2);
            let amount = self.random.chance(50).then_some(Amount::clamped(part));
            let repeat = self.repeat();
            let capture = PaymentCommand::Capture {
                merchant,
                id: facts.id,
                amount,
                repeat,
            };
            self.ask_keyed(place, Command::Payment(capture));
        }
    }

    /// Several at a time, up to what was captured and beyond.
    fn refund(&mut self, place: usize, facts: &PaymentFacts) {
        self.mark_acted(place);
        if self.random.chance(60) {
            return;
        }
        let merchant = self.checkouts[place].merchant;
        for _ in 0..=self.random.below(3) {
            let part = self.random.between(1, facts.now.captured.minor() + 1);
            let amount = self.random.chance(70).then_some(Amount::clamped(part));
            let refund = PaymentCommand::Refund {
                merchant,
                id: facts.id,
                amount,
                text: self.text(),
                repeat: self.repeat(),
            };
            self.ask_keyed(place, Command::Payment(refund));
        }
    }

    fn mandate_seen(&mut self, place: usize, id: MandateId, status: MandateStatus) {
        let Some(checkout) = self.checkouts.get_mut(place) else {
            return;
        };
        let is_first = checkout.mandate.replace(id).is_none();
        let polls_left = checkout.polls_left;
        if is_first && self.random.chance(12) {
            let after = self.random.between(1_000, 60_000);
            let end = Happening::Checkout(place, CheckoutStep::End);
            self.queue.push(after, end);
        }
        let Some(checkout) = self.checkouts.get_mut(place) else {
            return;
        };
        match status {
            MandateStatus::AwaitingApproval if polls_left > 0 => {
                let after = self.random.between(5_000, 60_000);
                let poll = Happening::Checkout(place, CheckoutStep::Poll);
                self.queue.push(after, poll);
            }
            MandateStatus::Active if !checkout.acted => {
                checkout.acted = true;
                for _ in 0..self.random.below(8) {
                    let after = self.random.between(1_000, 4 * HOUR);
                    let charge = Happening::Checkout(place, CheckoutStep::Charge);
                    self.queue.push(after, charge);
                }
                if self.random.chance(30) {
                    let after = self.random.between(1_000, 4 * HOUR);
                    let end = Happening::Checkout(place, CheckoutStep::End);
                    self.queue.push(after, end);
                }
            }
            _ => {}
        }
    }
}
