//! What a subscriber sets on the phone, and what is recorded of wrong PINs and refused approvals.

use minicbor::{Decode, Encode};

use super::PromptRef;
use crate::{
    Event,
    approval::ApprovalRefusal,
    funding::SourceKind,
    ids::{DeviceId, MerchantId, SubscriberId},
    state::State,
};

#[derive(Clone, Debug)]
pub enum PhoneCommand {
    OrderSources {
        device: DeviceId,
        order: [SourceKind; 4],
    },
    UnblockMerchant {
        device: DeviceId,
        merchant: MerchantId,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhoneRefusal {
    DeviceNotActive,
    /// Each source exactly once.
    NotAnOrder,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum PhoneEvent {
    #[n(0)]
    SourcesOrdered {
        #[n(0)]
        subscriber: SubscriberId,
        #[n(1)]
        order: [SourceKind; 4],
    },
    #[n(1)]
    MerchantUnblocked {
        #[n(0)]
        subscriber: SubscriberId,
        #[n(1)]
        merchant: MerchantId,
    },
    #[n(2)]
    PinFailed {
        #[n(0)]
        subscriber: SubscriberId,
    },
    /// An approval that did not count, and why. A wrong PIN uses up a try.
    #[n(3)]
    ApprovalRejected {
        #[n(0)]
        subscriber: SubscriberId,
        #[n(1)]
        prompt: PromptRef,
        #[n(2)]
        device: DeviceId,
        #[n(3)]
        why: ApprovalRefusal,
    },
}

pub(crate) fn decide(
    state: &State,
    command: PhoneCommand,
) -> (Result<(), PhoneRefusal>, Vec<Event>) {
    let device = match &command {
        PhoneCommand::OrderSources { device, .. }
        | PhoneCommand::UnblockMerchant { device, .. } => *device,
    };
    let owner = state.devices.get(&device).map(|device| device.subscriber);
    let Some(owner) = owner.filter(|owner| super::is_active_device_of(state, device, *owner))
    else {
        return (Err(PhoneRefusal::DeviceNotActive), Vec::new());
    };
    let event = match command {
        PhoneCommand::OrderSources { order, .. } => {
            if !SourceKind::DEFAULT_ORDER
                .iter()
                .all(|source| order.contains(source))
            {
                return (Err(PhoneRefusal::NotAnOrder), Vec::new());
            }
            PhoneEvent::SourcesOrdered {
                subscriber: owner,
                order,
            }
        }
        PhoneCommand::UnblockMerchant { merchant, .. } => PhoneEvent::MerchantUnblocked {
            subscriber: owner,
            merchant,
        },
    };
    (Ok(()), vec![Event::Phone(event)])
}

pub(crate) fn evolve(state: &mut State, event: &PhoneEvent) {
    match event {
        PhoneEvent::SourcesOrdered { subscriber, order } => {
            state.subscribers.expect_mut(*subscriber).sources = *order
        }
        PhoneEvent::MerchantUnblocked {
            subscriber,
            merchant,
        } => {
            state
                .subscribers
                .expect_mut(*subscriber)
                .blocked_merchants
                .retain(|blocked| blocked != merchant);
        }
        PhoneEvent::PinFailed { subscriber } => fail_pin(state, *subscriber),
        PhoneEvent::ApprovalRejected {
            subscriber,
            why: ApprovalRefusal::WrongPin(_),
            ..
        } => fail_pin(state, *subscriber),
        PhoneEvent::ApprovalRejected { .. } => {}
    }
}

fn fail_pin(state: &mut State, subscriber: SubscriberId) {
    let holder = state.subscribers.expect_mut(subscriber);
    holder.pin_failures = holder.pin_failures.saturating_add(1);
}
