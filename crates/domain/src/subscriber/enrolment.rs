//! Enrolment: a number's one-time code, then a key and a PIN.
//!
//! ```text
//!   Asked ── right code ──▶ Proven ── key and PIN ──▶ a device
//!     ├── five wrong codes ──▶ of no use, and counts until its time is over
//!     └── fifteen minutes ───▶ gone
//! ```
//! **Invariant:** asking answers alike for every number, and a number that is nobody's fails only as a wrong code does.
//! **Not here:** the code. Sender and verifier derive it at the edge; what comes in is whether it matched.

use minicbor::{Decode, Encode};

use super::{DeviceEvent, DeviceStatus, PhoneEvent, PinCheck, SubscriberStatus, check_pin};
use crate::{
    Event,
    deadline::Due,
    ids::{DeviceId, EnrolmentId, NumberHash, PinValue, PublicKey, Sealed, SubscriberId},
    state::State,
    time::{HOUR, MINUTE, Moment, Timestamp},
};

const CODE_TRIES: u8 = 5;

#[derive(Clone, Debug, Encode, Decode)]
pub struct Enrolment {
    #[n(0)]
    pub number: NumberHash,
    /// Whose number it was when the code was asked for; `None` if nobody's.
    #[n(1)]
    pub subscriber: Option<SubscriberId>,
    #[n(2)]
    pub expires_at: Timestamp,
    #[n(3)]
    pub wrong_codes: u8,
    #[n(4)]
    pub proven: bool,
}

impl Enrolment {
    /// One that used up its tries stays until its time is over, so that asking again and again gives nobody more tries.
    fn is_usable(&self, now: Timestamp) -> bool {
        now < self.expires_at && self.wrong_codes < CODE_TRIES
    }
}

#[derive(Clone, Debug)]
pub enum EnrolmentCommand {
    Ask {
        id: EnrolmentId,
        number: NumberHash,
    },
    TryCode {
        id: EnrolmentId,
        matches: bool,
    },
    Complete {
        id: EnrolmentId,
        key: PublicKey,
        pin: PinValue,
        label: Sealed,
        recovery: bool,
    },
}

/// What the phone does next once the code was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// The code is on its way, or so it seems.
    EnterCode { expires_at: Timestamp, send: bool },
    /// Choose a PIN or enter the known one; be the first device or a further one.
    EnterPin {
        known: bool,
        further: bool,
        subscriber: SubscriberId,
    },
    Enrolled {
        device: DeviceId,
        subscriber: SubscriberId,
        status: DeviceStatus,
        active_from: Option<Timestamp>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnrolmentRefusal {
    /// Gone, or never was.
    Expired,
    WrongCode {
        tries_left: u8,
    },
    CodeFirst,
    WrongPin {
        tries_left: u8,
    },
    PinLocked,
    /// The operator's limit on enrolments under way is reached; in all, so it says nothing of this number.
    TooMany,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum EnrolmentEvent {
    #[n(0)]
    Asked {
        #[n(0)]
        id: EnrolmentId,
        #[n(1)]
        number: NumberHash,
        #[n(2)]
        subscriber: Option<SubscriberId>,
        #[n(3)]
        expires_at: Timestamp,
    },
    #[n(1)]
    CodeWrong {
        #[n(0)]
        id: EnrolmentId,
    },
    #[n(2)]
    Proven {
        #[n(0)]
        id: EnrolmentId,
    },
    #[n(3)]
    Completed {
        #[n(0)]
        id: EnrolmentId,
        /// The PIN chosen now; `None` where one was known.
        #[n(1)]
        pin: Option<PinValue>,
    },
    #[n(4)]
    Ended {
        #[n(0)]
        id: EnrolmentId,
    },
}

type Decided = (Result<NextStep, EnrolmentRefusal>, Vec<Event>);

pub(crate) fn decide(state: &State, moment: &Moment, command: EnrolmentCommand) -> Decided {
    match command {
        EnrolmentCommand::Ask { id, number } => ask(state, moment, id, number),
        EnrolmentCommand::TryCode { id, matches } => try_code(state, moment, id, matches),
        EnrolmentCommand::Complete {
            id,
            key,
            pin,
            label,
            recovery,
        } => complete(state, moment, id, key, pin, label, recovery),
    }
}

fn refused(refusal: EnrolmentRefusal) -> Decided {
    (Err(refusal), Vec::new())
}

fn ask(state: &State, moment: &Moment, id: EnrolmentId, number: NumberHash) -> Decided {
    if state.enrolments.len() >= state.rules.enrolments as usize
        || state.enrolments.contains_key(&id)
    {
        return refused(EnrolmentRefusal::TooMany);
    }
    let expires_at = moment
        .now
        .plus(i64::from(state.rules.enrolment_minutes) * MINUTE);
    let pending = state.number_enrolments.get(&number).copied().unwrap_or(0);
    if pending >= state.rules.number_enrolments {
        // The same answer, and no further message to that number.
        return (
            Ok(NextStep::EnterCode {
                expires_at,
                send: false,
            }),
            Vec::new(),
        );
    }
    let subscriber = state
        .holder(&number)
        .filter(|holder| holder.status == SubscriberStatus::Active)
        .map(|holder| holder.id);
    let event = EnrolmentEvent::Asked {
        id,
        number,
        subscriber,
        expires_at,
    };
    (
        Ok(NextStep::EnterCode {
            expires_at,
            send: subscriber.is_some(),
        }),
        vec![Event::Enrolment(event)],
    )
}

fn try_code(state: &State, moment: &Moment, id: EnrolmentId, matches: bool) -> Decided {
    let Some(enrolment) = state
        .enrolments
        .get(&id)
        .filter(|enrolment| enrolment.is_usable(moment.now))
    else {
        return refused(EnrolmentRefusal::Expired);
    };
    let holder = enrolment
        .subscriber
        .and_then(|id| state.subscribers.get(id));
    match holder.filter(|holder| matches && holder.number == Some(enrolment.number)) {
        Some(holder) => {
            let step = NextStep::EnterPin {
                known: holder.pin.is_some(),
                further: has_active_device(state, holder.id),
                subscriber: holder.id,
            };
            let events = if enrolment.proven {
                Vec::new()
            } else {
                vec![Event::Enrolment(EnrolmentEvent::Proven { id })]
            };
            (Ok(step), events)
        }
        None => {
            let tries_left = CODE_TRIES.saturating_sub(enrolment.wrong_codes + 1);
            let events = vec![Event::Enrolment(EnrolmentEvent::CodeWrong { id })];
            (Err(EnrolmentRefusal::WrongCode { tries_left }), events)
        }
    }
}

pub(crate) fn has_active_device(state: &State, subscriber: SubscriberId) -> bool {
    state.subscribers.get(subscriber).is_some_and(|holder| {
        holder
            .devices
            .iter()
            .any(|device| super::is_active_device_of(state, *device, subscriber))
    })
}

fn complete(
    state: &State,
    moment: &Moment,
    id: EnrolmentId,
    key: PublicKey,
    pin: PinValue,
    label: Sealed,
    recovery: bool,
) -> Decided {
    let Some(enrolment) = state
        .enrolments
        .get(&id)
        .filter(|enrolment| enrolment.is_usable(moment.now))
    else {
        return refused(EnrolmentRefusal::Expired);
    };
    if !enrolment.proven {
        return refused(EnrolmentRefusal::CodeFirst);
    }
    let holder = enrolment
        .subscriber
        .and_then(|id| state.subscribers.get(id));
    let Some(holder) = holder.filter(|holder| holder.number == Some(enrolment.number)) else {
        return refused(EnrolmentRefusal::Expired);
    };
    let mut events = Vec::new();
    let chosen = if holder.pin.is_some() {
        match check_pin(holder, &state.rules, &pin) {
            PinCheck::Passed => None,
            PinCheck::Wrong(tries_left) => {
                events.push(Event::Phone(PhoneEvent::PinFailed {
                    subscriber: holder.id,
                }));
                return (Err(EnrolmentRefusal::WrongPin { tries_left }), events);
            }
            PinCheck::Locked => return refused(EnrolmentRefusal::PinLocked),
        }
    } else {
        Some(pin)
    };
    let device = DeviceId(state.next_device);
    // With a PIN and no device there is nobody who could let this one in: only the wait protects the owner.
    let further = has_active_device(state, holder.id);
    let (status, active_from) = if chosen.is_some() && !further {
        (DeviceStatus::Active, Some(moment.now))
    } else if recovery || !further {
        (
            DeviceStatus::Recovering,
            Some(
                moment
                    .now
                    .plus(i64::from(state.rules.recovery_wait_hours) * HOUR),
            ),
        )
    } else {
        (DeviceStatus::AwaitingApproval, None)
    };
    let waits = status == DeviceStatus::AwaitingApproval;
    let expires_at = waits.then(|| moment.now.plus(super::device::WAITS_FOR_APPROVAL));
    events.push(Event::Enrolment(EnrolmentEvent::Completed {
        id,
        pin: chosen,
    }));
    events.push(Event::Device(DeviceEvent::Added {
        device,
        subscriber: holder.id,
        key,
        label,
        status,
        active_from,
        expires_at,
    }));
    (
        Ok(NextStep::Enrolled {
            device,
            subscriber: holder.id,
            status,
            active_from,
        }),
        events,
    )
}

/// Fifteen minutes are over.
pub fn due_enrolment(state: &State, id: EnrolmentId) -> Vec<Event> {
    if state.enrolments.contains_key(&id) {
        vec![Event::Enrolment(EnrolmentEvent::Ended { id })]
    } else {
        Vec::new()
    }
}

pub(crate) fn evolve(state: &mut State, event: &EnrolmentEvent) {
    match event {
        EnrolmentEvent::Asked {
            id,
            number,
            subscriber,
            expires_at,
        } => {
            let enrolment = Enrolment {
                number: *number,
                subscriber: *subscriber,
                expires_at: *expires_at,
                wrong_codes: 0,
                proven: false,
            };
            state.enrolments.insert(*id, enrolment);
            *state.number_enrolments.entry(*number).or_default() += 1;
            state.deadlines.insert(*expires_at, Due::Enrolment(*id));
        }
        EnrolmentEvent::CodeWrong { id } => {
            if let Some(enrolment) = state.enrolments.get_mut(id) {
                enrolment.wrong_codes += 1;
            }
        }
        EnrolmentEvent::Proven { id } => {
            if let Some(enrolment) = state.enrolments.get_mut(id) {
                enrolment.proven = true;
            }
        }
        EnrolmentEvent::Completed { id, pin } => {
            let Some(enrolment) = state.enrolments.get(id) else {
                return;
            };
            if let Some(holder) = enrolment.subscriber {
                let holder = state.subscribers.expect_mut(holder);
                if pin.is_some() {
                    holder.pin = *pin;
                }
                holder.pin_failures = 0;
            }
            end(state, *id);
        }
        EnrolmentEvent::Ended { id } => end(state, *id),
    }
}

fn end(state: &mut State, id: EnrolmentId) {
    let Some(enrolment) = state.enrolments.remove(&id) else {
        return;
    };
    state
        .deadlines
        .remove(enrolment.expires_at, Due::Enrolment(id));
    if let Some(pending) = state.number_enrolments.get_mut(&enrolment.number) {
        *pending -= 1;
        if *pending == 0 {
            state.number_enrolments.remove(&enrolment.number);
        }
    }
}
