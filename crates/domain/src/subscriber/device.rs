//! Devices: phone app instances, each with a private key.
//!
//! ```text
//!   first ───────────────────────────────────────▶ Active ──▶ Removed
//!   further ──▶ AwaitingApproval ── approved ─────▶ Active
//!                     └── refused, stopped, a day ▶ Removed
//!   recovery, or none is left to let it in:
//!            ─▶ Recovering ── a day passes ───────▶ Active (limits reduced for three days)
//!                     └── stopped by any device ──▶ Removed
//! ```
//! **Invariants:** only an active device's approval counts, and that is checked in the decision itself; one that is not active
//! yet can do nothing but give up.

use minicbor::{Decode, Encode};

use super::{PromptRef, Subscriber};
use crate::{
    Event,
    approval::{ApprovalRefusal, Attempt, Evidence, SignatureCheck},
    deadline::Due,
    ids::{DeviceId, PinValue, PublicKey, Sealed, SubscriberId},
    state::State,
    subscriber::PhoneEvent,
    time::{DAY, HOUR, Moment, Timestamp},
    token::{self, SuspendedBy},
};

/// How long a further device waits to be let in.
pub(crate) const WAITS_FOR_APPROVAL: i64 = DAY;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum DeviceStatus {
    #[n(0)]
    Active,
    #[n(1)]
    AwaitingApproval,
    #[n(2)]
    Recovering,
    #[n(3)]
    Removed,
}

#[derive(Clone, Debug, Encode, Decode)]
pub struct Device {
    #[n(0)]
    pub id: DeviceId,
    #[n(1)]
    pub subscriber: SubscriberId,
    #[n(2)]
    pub key: PublicKey,
    /// What its owner calls it, sealed.
    #[n(3)]
    pub label: Sealed,
    #[n(4)]
    pub status: DeviceStatus,
    #[n(5)]
    pub created_at: Timestamp,
    /// When a recovery ends, or when the device became active.
    #[n(6)]
    pub active_from: Option<Timestamp>,
    /// Until when it waits to be let in.
    #[n(7)]
    pub expires_at: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub enum DeviceCommand {
    /// An active device lets another one in.
    Approve {
        by: DeviceId,
        target: DeviceId,
        pin: PinValue,
        check: SignatureCheck,
        evidence: Evidence,
    },
    /// Any active device stops a recovery, refuses a device that waits, or removes one, itself included. One that waits or
    /// recovers gives up itself and stops no other.
    Stop { by: DeviceId, target: DeviceId },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceRefusal {
    NotFound,
    /// The device that asks is not active.
    DeviceNotActive,
    Approval(ApprovalRefusal),
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum DeviceEvent {
    #[n(0)]
    Added {
        #[n(0)]
        device: DeviceId,
        #[n(1)]
        subscriber: SubscriberId,
        #[n(2)]
        key: PublicKey,
        #[n(3)]
        label: Sealed,
        #[n(4)]
        status: DeviceStatus,
        #[n(5)]
        active_from: Option<Timestamp>,
        /// For one that waits to be let in; the first release let it wait without an end.
        #[n(6)]
        expires_at: Option<Timestamp>,
    },
    #[n(1)]
    Approved {
        #[n(0)]
        device: DeviceId,
        #[n(1)]
        by: DeviceId,
        #[n(2)]
        evidence: Evidence,
    },
    /// A recovery's wait is over.
    #[n(2)]
    Recovered {
        #[n(0)]
        device: DeviceId,
        #[n(1)]
        reduced_until: Timestamp,
    },
    #[n(3)]
    Removed {
        #[n(0)]
        device: DeviceId,
    },
}

pub(crate) fn is_active_device_of(
    state: &State,
    device: DeviceId,
    subscriber: SubscriberId,
) -> bool {
    state.devices.get(&device).is_some_and(|device| {
        device.status == DeviceStatus::Active && device.subscriber == subscriber
    })
}

pub(crate) fn decide(
    state: &State,
    command: DeviceCommand,
) -> (Result<DeviceStatus, DeviceRefusal>, Vec<Event>) {
    match command {
        DeviceCommand::Approve {
            by,
            target,
            pin,
            check,
            evidence,
        } => {
            let mut events = Vec::new();
            let outcome = approve(state, by, target, &pin, check, evidence, &mut events);
            (outcome, events)
        }
        DeviceCommand::Stop { by, target } => {
            let mut events = Vec::new();
            let outcome = stop(state, by, target, &mut events);
            (outcome, events)
        }
    }
}

fn stop(
    state: &State,
    by: DeviceId,
    target: DeviceId,
    events: &mut Vec<Event>,
) -> Result<DeviceStatus, DeviceRefusal> {
    let known = state.devices.get(&target).ok_or(DeviceRefusal::NotFound);
    let waits = known.is_ok_and(|device| {
        matches!(
            device.status,
            DeviceStatus::AwaitingApproval | DeviceStatus::Recovering
        )
    });
    if !(waits && by == target) {
        let owner = owner_of(state, by)?;
        if known?.subscriber != owner.id {
            return Err(DeviceRefusal::NotFound);
        }
    }
    let known = known?;
    if known.status == DeviceStatus::Active {
        // Whoever has it may have the card in it as well.
        let by = SuspendedBy::PhoneRemoved;
        events.extend(token::suspend_all(state, known.subscriber, by));
    }
    if known.status != DeviceStatus::Removed {
        events.push(Event::Device(DeviceEvent::Removed { device: target }));
    }
    Ok(DeviceStatus::Removed)
}

fn owner_of(state: &State, by: DeviceId) -> Result<&Subscriber, DeviceRefusal> {
    let device = state.devices.get(&by).ok_or(DeviceRefusal::NotFound)?;
    if device.status != DeviceStatus::Active {
        return Err(DeviceRefusal::DeviceNotActive);
    }
    state
        .subscribers
        .get(device.subscriber)
        .ok_or(DeviceRefusal::NotFound)
}

fn approve(
    state: &State,
    by: DeviceId,
    target: DeviceId,
    pin: &PinValue,
    check: SignatureCheck,
    evidence: Evidence,
    events: &mut Vec<Event>,
) -> Result<DeviceStatus, DeviceRefusal> {
    let owner = owner_of(state, by)?;
    let device = state
        .devices
        .get(&target)
        .filter(|device| device.subscriber == owner.id);
    let device = device.ok_or(DeviceRefusal::NotFound)?;
    match device.status {
        DeviceStatus::AwaitingApproval | DeviceStatus::Recovering => {}
        DeviceStatus::Active | DeviceStatus::Removed => {
            return Err(DeviceRefusal::Approval(ApprovalRefusal::AlreadyDecided));
        }
    }
    let attempt = Attempt {
        device: by,
        check,
        pin,
    };
    if let Err(refusal) = attempt.signed(state, owner) {
        events.push(Event::Phone(PhoneEvent::ApprovalRejected {
            subscriber: owner.id,
            prompt: PromptRef::Device(target),
            device: by,
            why: refusal,
        }));
        return Err(DeviceRefusal::Approval(refusal));
    }
    events.push(Event::Device(DeviceEvent::Approved {
        device: target,
        by,
        evidence,
    }));
    Ok(DeviceStatus::Active)
}

/// A recovery's wait ends.
pub fn due_recovery(state: &State, moment: &Moment, id: DeviceId) -> Vec<Event> {
    match state.devices.get(&id) {
        Some(device) if device.status == DeviceStatus::Recovering => {
            vec![Event::Device(DeviceEvent::Recovered {
                device: id,
                reduced_until: moment
                    .now
                    .plus(i64::from(state.rules.recovery_reduced_hours) * HOUR),
            })]
        }
        _ => Vec::new(),
    }
}

/// Nobody let it in.
pub fn due_device(state: &State, id: DeviceId) -> Vec<Event> {
    match state.devices.get(&id) {
        Some(device) if device.status == DeviceStatus::AwaitingApproval => {
            vec![Event::Device(DeviceEvent::Removed { device: id })]
        }
        _ => Vec::new(),
    }
}

pub(crate) fn evolve(state: &mut State, moment: &Moment, event: &DeviceEvent) {
    match event {
        DeviceEvent::Added {
            device,
            subscriber,
            key,
            label,
            status,
            active_from,
            expires_at,
        } => {
            if let Some(at) = expires_at {
                state.deadlines.insert(*at, Due::Device(*device));
            }
            if *status == DeviceStatus::Recovering
                && let Some(at) = active_from
            {
                state.deadlines.insert(*at, Due::Recovery(*device));
            }
            state.devices.insert(
                *device,
                Device {
                    id: *device,
                    subscriber: *subscriber,
                    key: *key,
                    label: label.clone(),
                    status: *status,
                    created_at: moment.now,
                    active_from: *active_from,
                    expires_at: *expires_at,
                },
            );
            state.next_device = state.next_device.max(device.0 + 1);
            let owner = state.subscribers.expect_mut(*subscriber);
            owner.devices.push(*device);
            if *status != DeviceStatus::Active {
                owner.prompts.push(PromptRef::Device(*device));
            }
        }
        DeviceEvent::Approved { device, .. } => {
            let owner = activate(state, moment, *device);
            owner.pin_failures = 0;
        }
        DeviceEvent::Recovered {
            device,
            reduced_until,
        } => {
            activate(state, moment, *device).reduced_until = *reduced_until;
        }
        DeviceEvent::Removed { device } => {
            let Some(known) = state.devices.get_mut(device) else {
                return;
            };
            known.status = DeviceStatus::Removed;
            let owner = known.subscriber;
            let waited_until = known.expires_at.take();
            if let Some(at) = waited_until {
                state.deadlines.remove(at, Due::Device(*device));
            }
            let owner = state.subscribers.expect_mut(owner);
            owner.devices.retain(|id| id != device);
            owner.forget_prompt(PromptRef::Device(*device));
            state.passes.forget(*device);
        }
    }
}

fn activate<'a>(state: &'a mut State, moment: &Moment, id: DeviceId) -> &'a mut Subscriber {
    let device = state
        .devices
        .get_mut(&id)
        .expect("an approved device exists");
    if device.status == DeviceStatus::Recovering
        && let Some(at) = device.active_from
    {
        state.deadlines.remove(at, Due::Recovery(id));
    }
    device.status = DeviceStatus::Active;
    device.active_from = Some(moment.now);
    if let Some(at) = device.expires_at.take() {
        state.deadlines.remove(at, Due::Device(id));
    }
    let owner = state.subscribers.expect_mut(device.subscriber);
    owner.forget_prompt(PromptRef::Device(id));
    owner
}
