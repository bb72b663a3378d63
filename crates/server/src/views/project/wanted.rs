//! Which rows a batch will change, so that they can be read back first.

use paytone_domain::{
    Event,
    funding::EffectEvent,
    mandate::MandateEvent,
    merchant::MerchantEvent,
    operator::OperatorEvent,
    payment::PaymentEvent,
    subscriber::{DeviceEvent, LineEvent},
    till::TillEvent,
};
use paytone_engine::Batch;

use super::Tables;

impl Tables {
    pub fn want(&mut self, batch: &Batch) {
        for event in batch.items.iter().flat_map(|item| &item.events) {
            match event {
                Event::Payment(event) => match event {
                    PaymentEvent::Requested { id, .. } => self.payments.expect(id.0),
                    PaymentEvent::Approved { id, .. }
                    | PaymentEvent::Authorized { id, .. }
                    | PaymentEvent::Captured { id, .. }
                    | PaymentEvent::Ended { id, .. }
                    | PaymentEvent::Vetoed { id, .. }
                    | PaymentEvent::Refunded { id, .. } => self.payments.want(id.0),
                },
                Event::Charged(charged) => self.payments.expect(charged.id.0),
                Event::Effect(event) => match event {
                    EffectEvent::Wanted { effect } => self.effects.expect(effect.id.0),
                    EffectEvent::Attempted { id, .. }
                    | EffectEvent::Settled { id, .. }
                    | EffectEvent::Dropped { id }
                    | EffectEvent::PaidToBalance { id, .. }
                    | EffectEvent::Repeated { id } => {
                        self.effects.want(id.0);
                        self.effects_wanted.push(id.0);
                    }
                },
                Event::Mandate(event) => match event {
                    MandateEvent::Requested { .. } => {}
                    MandateEvent::Approved { id, .. }
                    | MandateEvent::Refused { id, .. }
                    | MandateEvent::Expired { id }
                    | MandateEvent::Suspended { id }
                    | MandateEvent::Resumed { id, .. }
                    | MandateEvent::Ended { id, .. }
                    | MandateEvent::Cancelled { id, .. }
                    | MandateEvent::Vetoed { id, .. } => self.mandates.want(id.0),
                },
                Event::Line(event) => match event {
                    LineEvent::Added { subscriber, .. } => self.subscribers.expect(subscriber.0),
                    LineEvent::Updated { subscriber, .. }
                    | LineEvent::Renumbered { subscriber, .. }
                    | LineEvent::Recycled { subscriber, .. } => self.subscribers.want(subscriber.0),
                },
                Event::Device(event) => match event {
                    DeviceEvent::Added { .. } => {}
                    DeviceEvent::Approved { device, .. }
                    | DeviceEvent::Recovered { device, .. }
                    | DeviceEvent::Removed { device } => self.devices.want(device.0),
                },
                Event::Merchant(event) => match event {
                    MerchantEvent::Added { .. } => {}
                    MerchantEvent::KeyAdded { merchant, .. }
                    | MerchantEvent::KeyRevoked { merchant, .. }
                    | MerchantEvent::PlanSet { merchant, .. }
                    | MerchantEvent::LimitsSet { merchant, .. }
                    | MerchantEvent::Blocked { merchant }
                    | MerchantEvent::Unblocked { merchant } => self.merchants.want(merchant.0),
                },
                Event::Operator(event) => match event {
                    OperatorEvent::SubscriberBlocked { subscriber }
                    | OperatorEvent::SubscriberUnblocked { subscriber }
                    | OperatorEvent::SubscriberErased { subscriber, .. } => {
                        self.subscribers.want(subscriber.0)
                    }
                    OperatorEvent::Decided { proposal, .. } => self.proposals.want(proposal.0),
                    OperatorEvent::Added { .. }
                    | OperatorEvent::Removed { .. }
                    | OperatorEvent::PasswordSet { .. }
                    | OperatorEvent::RulesSet { .. }
                    | OperatorEvent::Proposed { .. }
                    | OperatorEvent::PersonalDataRead { .. }
                    | OperatorEvent::PinUnlocked { .. }
                    | OperatorEvent::PhoneReset { .. }
                    | OperatorEvent::Adjusted { .. }
                    | OperatorEvent::CashImported { .. }
                    | OperatorEvent::GrantImported { .. } => {}
                },
                Event::Till(TillEvent::Undone {
                    given_back: Some(given_back),
                    ..
                }) => self.payments.want(given_back.payment.0),
                Event::Initialized { .. }
                | Event::Enrolment(_)
                | Event::Phone(_)
                | Event::Client(_)
                | Event::Grant(_)
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
    }
}
