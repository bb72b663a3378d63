//! What a batch touches that a phone may be told of: a step from events to names, without I/O.

use paytone_domain::{
    Event,
    approval::ApprovalRefusal,
    funding::{Direction, Effect, EffectEvent, EffectOutcome},
    grant::GrantEvent,
    ids::{DeviceId, EffectId, LotId, MandateId, PaymentId, SubscriberId},
    mandate::MandateEvent,
    operator::OperatorEvent,
    payment::{PaymentEvent, asks_on_phone},
    subscriber::{DeviceEvent, LineEvent, PhoneEvent},
};
use paytone_engine::Batch;
use rustc_hash::FxHashMap;

/// What happened to a prompt and what it is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Happened {
    /// A prompt may have come.
    pub asked: bool,
    /// Its prompt, if it had one, is over.
    pub answered: bool,
    /// It went on.
    pub moved: bool,
}

/// Everything that one batch touches, each thing once and in the order it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    pub payments: Vec<(PaymentId, Happened)>,
    pub mandates: Vec<(MandateId, Happened)>,
    pub devices: Vec<(DeviceId, Happened)>,
    pub lots: Vec<LotId>,
    pub subscribers: Vec<SubscriberId>,
}

/// What each open effect belongs to: an effect that is settled is told by its id alone.
pub type OpenEffects = FxHashMap<EffectId, OpenEffect>;

#[derive(Clone, Copy, Debug)]
pub struct OpenEffect {
    payment: PaymentId,
    /// Money on its way back waits for a person where the outside world would not take it.
    gives_back: bool,
}

impl From<&Effect> for OpenEffect {
    fn from(effect: &Effect) -> Self {
        Self {
            payment: effect.payment,
            gives_back: matches!(effect.direction, Direction::GiveBack { .. }),
        }
    }
}

const ASKED: Happened = Happened {
    asked: true,
    answered: false,
    moved: false,
};
const ANSWERED: Happened = Happened {
    asked: false,
    answered: true,
    moved: true,
};
const MOVED: Happened = Happened {
    asked: false,
    answered: false,
    moved: true,
};

impl Touched {
    pub fn by(batch: &Batch, effects: &mut OpenEffects) -> Self {
        let mut touched = Self::default();
        for event in batch.items.iter().flat_map(|item| &item.events) {
            touched.event(event, effects);
        }
        touched
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many things there are to look at.
    pub fn len(&self) -> usize {
        self.payments.len()
            + self.mandates.len()
            + self.devices.len()
            + self.lots.len()
            + self.subscribers.len()
    }

    fn event(&mut self, event: &Event, effects: &mut OpenEffects) {
        match event {
            Event::Payment(event) => self.payment(event),
            Event::Charged(charged) => add(&mut self.payments, charged.id, ANSWERED),
            Event::Mandate(event) => self.mandate(event),
            Event::Device(event) => {
                let (device, happened) = match event {
                    DeviceEvent::Added { device, .. } => (device, ASKED),
                    DeviceEvent::Approved { device, .. }
                    | DeviceEvent::Recovered { device, .. }
                    | DeviceEvent::Removed { device } => (device, ANSWERED),
                };
                add(&mut self.devices, *device, happened);
            }
            Event::Effect(event) => self.effect(event, effects),
            Event::Grant(event) => self.lots.push(match event {
                GrantEvent::Given { lot, .. } => lot.id,
                GrantEvent::Expired { lot, .. } => *lot,
            }),
            Event::Phone(event) => self.subscribers.extend(of_phone(event)),
            Event::Line(event) => self.subscribers.extend(of_line(event)),
            Event::Operator(event) => self.subscribers.extend(of_operator(event)),
            Event::Initialized { .. }
            | Event::Enrolment(_)
            | Event::Merchant(_)
            | Event::Client(_)
            | Event::Repeat(_)
            | Event::Session(_)
            | Event::Fell { .. }
            | Event::KeyringChanged { .. }
            | Event::LevelActivated { .. }
            | Event::Archive(_)
            | Event::Token(_)
            | Event::Pass(_)
            | Event::Till(_)
            | Event::DaySealed(_) => {}
        }
    }

    fn payment(&mut self, event: &PaymentEvent) {
        let (id, happened) = match event {
            PaymentEvent::Requested {
                id, mandate, till, ..
            } => match asks_on_phone(*mandate, *till) {
                true => (id, ASKED),
                false => (id, MOVED),
            },
            PaymentEvent::Approved { id, .. }
            | PaymentEvent::Ended { id, .. }
            | PaymentEvent::Vetoed { id, .. } => (id, ANSWERED),
            PaymentEvent::Authorized { id, .. }
            | PaymentEvent::Captured { id, .. }
            | PaymentEvent::Refunded { id, .. } => (id, MOVED),
        };
        add(&mut self.payments, *id, happened);
    }

    fn mandate(&mut self, event: &MandateEvent) {
        let (id, happened) = match event {
            MandateEvent::Requested { id, .. } => (id, ASKED),
            MandateEvent::Approved { id, .. }
            | MandateEvent::Refused { id, .. }
            | MandateEvent::Expired { id }
            | MandateEvent::Cancelled { id, .. }
            | MandateEvent::Ended { id, .. }
            | MandateEvent::Vetoed { id, .. } => (id, ANSWERED),
            MandateEvent::Suspended { id } | MandateEvent::Resumed { id, .. } => (id, MOVED),
        };
        add(&mut self.mandates, *id, happened);
    }

    fn effect(&mut self, event: &EffectEvent, effects: &mut OpenEffects) {
        let id = match event {
            EffectEvent::Wanted { effect } => {
                effects.insert(effect.id, OpenEffect::from(effect));
                return;
            }
            EffectEvent::Attempted { .. } | EffectEvent::Repeated { .. } => return,
            EffectEvent::Settled { id, .. }
            | EffectEvent::Dropped { id }
            | EffectEvent::PaidToBalance { id, .. } => id,
        };
        let Some(effect) = effects.get(id).copied() else {
            return;
        };
        let stays_open = match event {
            EffectEvent::Settled { outcome, .. } => match outcome {
                EffectOutcome::Done => false,
                EffectOutcome::Refused => effect.gives_back,
                EffectOutcome::Unknown => true,
            },
            _ => false,
        };
        if !stays_open {
            effects.remove(id);
        }
        add(&mut self.payments, effect.payment, MOVED);
    }
}

fn add<K: Copy + PartialEq>(list: &mut Vec<(K, Happened)>, id: K, happened: Happened) {
    // What belongs together comes one after the other; a repetition further back is only told twice.
    match list.last_mut() {
        Some((last, before)) if *last == id => {
            before.asked |= happened.asked;
            before.answered |= happened.answered;
            before.moved |= happened.moved;
        }
        _ => list.push((id, happened)),
    }
}

fn of_phone(event: &PhoneEvent) -> Option<SubscriberId> {
    match event {
        PhoneEvent::SourcesOrdered { subscriber, .. }
        | PhoneEvent::MerchantUnblocked { subscriber, .. }
        | PhoneEvent::PinFailed { subscriber }
        | PhoneEvent::ApprovalRejected {
            subscriber,
            why: ApprovalRefusal::WrongPin(_),
            ..
        } => Some(*subscriber),
        PhoneEvent::ApprovalRejected { .. } => None,
    }
}

fn of_line(event: &LineEvent) -> Option<SubscriberId> {
    match event {
        LineEvent::Updated { subscriber, .. } | LineEvent::Renumbered { subscriber, .. } => {
            Some(*subscriber)
        }
        // Nobody listens for one that has just begun, and the devices of one that ended are removed.
        LineEvent::Added { .. } | LineEvent::Recycled { .. } => None,
    }
}

fn of_operator(event: &OperatorEvent) -> Option<SubscriberId> {
    match event {
        OperatorEvent::SubscriberBlocked { subscriber }
        | OperatorEvent::SubscriberUnblocked { subscriber }
        | OperatorEvent::PinUnlocked { subscriber }
        | OperatorEvent::PhoneReset { subscriber }
        | OperatorEvent::Adjusted { subscriber, .. }
        | OperatorEvent::CashImported { subscriber, .. } => Some(*subscriber),
        OperatorEvent::Added { .. }
        | OperatorEvent::Removed { .. }
        | OperatorEvent::PasswordSet { .. }
        | OperatorEvent::RulesSet { .. }
        | OperatorEvent::Proposed { .. }
        | OperatorEvent::Decided { .. }
        | OperatorEvent::PersonalDataRead { .. }
        | OperatorEvent::SubscriberErased { .. }
        | OperatorEvent::GrantImported { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::payments::tests::charged_and_its_steps;

    #[test]
    fn a_charge_touches_what_its_steps_do() {
        let [whole, steps] =
            charged_and_its_steps().map(|batch| Touched::by(&batch, &mut OpenEffects::default()));
        assert_eq!(whole, steps);
        assert_eq!(whole.len(), 1);
    }
}
